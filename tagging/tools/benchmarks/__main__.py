"""`python -m tagging.tools.benchmarks`: recall on real tags by an external scorer, and the service under load."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tagging import paths
from tagging.cli.console import needs_extra, print_json, print_table, progress
from tagging.cli.module import at_least_one, run
from tagging.errors import VideotagError
from tagging.tools.benchmarks.ablation import PARTS
from tagging.tools.benchmarks.composite import CLIPS
from tagging.tools.benchmarks.datasets import DATASETS
from tagging.tools.benchmarks.folder import TESTS, BenchmarkFolder
from tagging.tools.benchmarks.linear import MIN_COUNT
from tagging.tools.benchmarks.markdown import markdown_table
from tagging.tools.benchmarks.peers import PEERS
from tagging.tools.benchmarks.scorer import SAMPLE, SEED, Scorer
from tagging.tools.benchmarks.split import SEED as SPLIT_SEED
from tagging.types import LabelledVideo


def main(arguments: Sequence[str] | None = None) -> None:
    run(_parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tagging.tools.benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True)

    one = commands.add_parser("split", help="divide a table of labelled videos into train and tests")
    one.add_argument("kind", choices=DATASETS)
    one.add_argument("table", type=Path, metavar="PARQUET")
    one.add_argument("--out", type=Path, required=True, metavar="DIR")
    one.add_argument("--seed", type=int, default=SPLIT_SEED)
    one.set_defaults(run=_split)

    one = _on_folder(commands.add_parser("peers", help="predictions of what anyone would try first"))
    one.add_argument("--peer", action="append", choices=PEERS, help="(default: all)")
    one.add_argument("--features", type=Path, metavar="DIR", help="the feature store")
    one.add_argument("--xr-python", type=Path, metavar="FILE", help="a Python that has libpecos (default: made)")
    one.add_argument("--xr-min-count", type=at_least_one, default=MIN_COUNT, metavar="N", help="videos of a tag")
    one.set_defaults(run=_peers)

    one = _on_folder(commands.add_parser("ours", help="train videotag and predict with it"))
    one.add_argument("--bundle", type=Path, metavar="DIR", help="trained unless it is there (default: in the folder)")
    _with_training(one)
    one.set_defaults(run=_ours)

    one = _on_folder(commands.add_parser("score", help="every system before the scorer"))
    one.add_argument("--system", action="append", default=[], metavar="NAME", help="(default: all that answered)")
    _with_format(one)
    one.set_defaults(run=_score)

    one = _on_folder(commands.add_parser("ablate", help="what each part of the learnt model is worth"))
    one.add_argument("--part", action="append", default=[], choices=PARTS, help="beside the whole (default: all)")
    one.add_argument("--videos", type=at_least_one, metavar="N", help="about so many are learnt from (default: all)")
    one.add_argument("--out", type=Path, metavar="DIR", help="goes on where a killed run was (default: in the folder)")
    _with_training(one)
    _with_format(one)
    one.set_defaults(run=_ablate)

    one = commands.add_parser("times", help="how long each stage of recall takes for one video")
    one.add_argument("bundle", type=Path, metavar="BUNDLE")
    one.add_argument("--manifest", type=Path, required=True, metavar="FILE", help="videos to recall tags for")
    one.add_argument("--videos", type=at_least_one, default=500, metavar="N", help="the first of them (500)")
    one.add_argument("--grow-to", type=at_least_one, metavar="V", help="labelled videos, with an index built anew")
    one.add_argument("--backend", choices=("flat", "faiss", "hnsw", "ivf-pq"), default="ivf-pq", help="of that index")
    one.add_argument("--seed", type=int, default=SEED, help="of the growing")
    one.add_argument("--features", type=Path, metavar="DIR", help="the feature store")
    _with_format(one)
    one.set_defaults(run=_times)

    _with_load(commands.add_parser("serve", help="the service under load, for long, or attacked"))

    one = commands.add_parser("composite", help="clips whose tags are each carried by one known modality")
    one.add_argument("--data", type=Path, required=True, metavar="DIR", help="pictures, sounds and talks")
    one.add_argument("--out", type=Path, required=True, metavar="DIR", help="goes on where a killed run was")
    one.add_argument("--clips", type=at_least_one, default=CLIPS, metavar="N", help=f"at most (default: {CLIPS})")
    one.add_argument("--seed", type=int, default=SEED)
    one.set_defaults(run=_composite)

    one = commands.add_parser("composite-score", help="what each channel recovers of what each modality carries")
    one.add_argument("folder", type=Path, metavar="DIR", help="that `composite` wrote and `ours` answered")
    _with_format(one)
    one.set_defaults(run=_composite_score)
    return parser


def _on_folder(one: argparse.ArgumentParser) -> argparse.ArgumentParser:
    one.add_argument("folder", type=Path, metavar="DIR", help="that `split` wrote")
    one.add_argument("--test", action="append", default=[], choices=TESTS, help="(default: those that are there)")
    one.add_argument("--scorer", type=Path, metavar="FILE", help="whose sample is answered; without it every video is")
    one.add_argument("--sample", type=at_least_one, default=SAMPLE, metavar="N", help="of the scorer")
    one.add_argument("--seed", type=int, default=SEED, help="of the scorer")
    return one


def _with_load(one: argparse.ArgumentParser) -> None:
    one.add_argument("bundle", type=Path, metavar="BUNDLE")
    one.add_argument("--manifest", type=Path, required=True, metavar="FILE", help="videos to tag")
    one.add_argument("--videos", type=at_least_one, default=500, metavar="N", help="the first of them (500)")
    one.add_argument("--clips", action="store_true", help="with their media, not by their texts alone")
    one.add_argument("--database", metavar="URL", help="(default: a file of SQLite that is gone afterwards)")
    one.add_argument("--seconds", type=at_least_one, default=10, metavar="S", help="for each number of callers (10)")
    one.add_argument("--pairs", type=at_least_one, default=200, metavar="N", help="of a call and the pipeline (200)")
    what = one.add_mutually_exclusive_group()
    what.add_argument("--soak", type=at_least_one, metavar="MINUTES", help="instead: is its memory flat?")
    what.add_argument("--hostile", type=at_least_one, metavar="N", help="instead: so many inputs that mean it ill")
    one.add_argument("--seed", type=int, default=SEED, help="of the hostile inputs")
    _with_format(one)
    one.set_defaults(run=_serve)


def _with_training(one: argparse.ArgumentParser) -> None:
    one.add_argument("--profile", default="offline")
    one.add_argument("--config", type=Path, action="append", default=[], metavar="FILE", help="TOML over the profile")
    one.add_argument("--features", type=Path, metavar="DIR", help="the feature store")


def _with_format(one: argparse.ArgumentParser) -> None:
    one.add_argument("--format", choices=("table", "markdown", "json"), default="table")


def _split(asked: argparse.Namespace) -> None:
    from tagging.tools.benchmarks.datasets import read_dataset
    from tagging.tools.benchmarks.split import write_split

    dataset = read_dataset(asked.kind, asked.table)
    rows = write_split(dataset, asked.out, asked.seed)
    print_table([{"count": name, "": number} for name, number in dataset.counts.items()])
    print_table(rows, "parts")


def _peers(asked: argparse.Namespace) -> None:
    from tagging.store.features import FeatureStore
    from tagging.tools.benchmarks.peers import PeerOptions, run_peers

    folder = _folder(asked)
    store = FeatureStore(asked.features or paths.features())
    options = PeerOptions(store, folder.root / "xr-environment", asked.xr_python, asked.xr_min_count)
    _print_written(run_peers(folder, _videos(asked, folder), asked.peer or list(PEERS), options, progress()))


def _ours(asked: argparse.Namespace) -> None:
    from tagging.tools.benchmarks.ours import OursOptions, run_ours

    folder = _folder(asked)
    options = OursOptions(asked.bundle or folder.root / "bundle", asked.profile, tuple(asked.config), asked.features)
    _print_written(run_ours(folder, _videos(asked, folder), options))


def _score(asked: argparse.Namespace) -> None:
    from tagging.tools.benchmarks.score import score

    scorer, folder = _needed_scorer(asked), _folder(asked)
    _print_tables(score(folder, folder.tests(asked.test), asked.system, scorer, progress()), asked.format)


def _ablate(asked: argparse.Namespace) -> None:
    from tagging.tools.benchmarks.ablation import AblationOptions, ablate

    folder, scorer = _folder(asked), _needed_scorer(asked)
    out = asked.out.resolve() if asked.out else folder.root / "ablation"
    options = AblationOptions(out, asked.videos, asked.profile, tuple(asked.config), asked.features)
    tables = ablate(folder, _videos(asked, folder), asked.part or list(PARTS), scorer, options, progress())
    _print_tables(tables, asked.format)


def _times(asked: argparse.Namespace) -> None:
    from itertools import islice

    from tagging.config.recall import IndexConfig
    from tagging.manifest import read_labelled
    from tagging.store.features import FeatureStore
    from tagging.tools.benchmarks.times import Growth, recall_times

    videos = [row.video for row in islice(read_labelled([asked.manifest], {}), asked.videos)]
    growth = Growth(asked.grow_to, IndexConfig(backend=asked.backend), asked.seed) if asked.grow_to else None
    store = FeatureStore(asked.features or paths.features())
    _print_tables(recall_times(asked.bundle, videos, growth, store, progress()), asked.format)


def _serve(asked: argparse.Namespace) -> None:
    with needs_extra("service"):
        from tagging.tools.load_test import run

    videos = run.videos_of(asked.manifest, asked.videos, with_media=asked.clips or asked.hostile is not None)
    load = run.LoadTarget(asked.bundle, videos, asked.database)
    if asked.soak is not None:
        tables = run.soaked(load, asked.soak, progress())
    elif asked.hostile is not None:
        tables = run.attacked(load, asked.hostile, asked.seed, run.media_of(videos), progress())
    else:
        tables = run.sweep(load, asked.seconds, asked.pairs, progress())
    _print_tables(tables, asked.format)


def _composite(asked: argparse.Namespace) -> None:
    from tagging.tools.benchmarks.composite import write_composite

    report = write_composite(asked.data, asked.out, asked.clips, asked.seed, progress())
    print_table([{"count": name, "": number} for name, number in report.items()])


def _composite_score(asked: argparse.Namespace) -> None:
    from tagging.tools.benchmarks.composite_score import composite_score

    _print_tables({"carried by": composite_score(BenchmarkFolder(asked.folder.resolve()))}, asked.format)


def _folder(asked: argparse.Namespace) -> BenchmarkFolder:
    return BenchmarkFolder(asked.folder.resolve())


def _scorer(asked: argparse.Namespace) -> Scorer | None:
    return Scorer(asked.scorer, asked.sample, asked.seed) if asked.scorer else None


def _needed_scorer(asked: argparse.Namespace) -> Scorer:
    if (scorer := _scorer(asked)) is None:
        raise VideotagError("no scorer", "name it with --scorer FILE")
    return scorer


def _videos(asked: argparse.Namespace, folder: BenchmarkFolder) -> dict[str, list[LabelledVideo]]:
    from tagging.tools.benchmarks.scorer import chosen_videos

    return {test: chosen_videos(_scorer(asked), folder.table(test)) for test in folder.tests(asked.test)}


def _print_written(files: Sequence[Path]) -> None:
    print_table([{"written": str(path)} for path in files])


def _print_tables(tables: dict[str, list[dict[str, Any]]], form: str) -> None:
    if form == "json":
        print_json(tables)
    elif form == "markdown":
        sys.stdout.write("\n".join(markdown_table(rows, title) for title, rows in tables.items()))
    else:
        for title, rows in tables.items():
            print_table(rows, title)


if __name__ == "__main__":
    main()
