"""Commands of `python -m tagging.tools benchmarks`: quality on real tags by an external scorer, and times."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options as cli_options
from tagging.cli.console import print_table, progress
from tagging.errors import VideotagError
from tagging.tools import options
from tagging.tools.benchmarks import click_commands, consumer_commands, topic_commands
from tagging.tools.benchmarks.ablation import PARTS
from tagging.tools.benchmarks.baselines import BASELINES
from tagging.tools.benchmarks.composite import CLIPS
from tagging.tools.benchmarks.datasets import DATASETS
from tagging.tools.benchmarks.folder import TESTS, BenchmarkFolder
from tagging.tools.benchmarks.scorer import SAMPLE, SEED, Scorer
from tagging.tools.benchmarks.split import SEED as SPLIT_SEED
from tagging.tools.benchmarks.xr_linear_environment import MIN_COUNT
from tagging.types import LabelledVideo

app = typer.Typer(help="Measure videotag and its baselines on real tags.", no_args_is_help=True)
app.add_typer(topic_commands.app)
app.add_typer(consumer_commands.app)
app.add_typer(click_commands.app)

DEVICES = ("cuda", "cpu")
BACKENDS = ("flat", "faiss", "hnsw", "ivf-pq")
RUNS = ("loop", "local", "ray")  # of a batch

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `split` wrote.")]
Tests = Annotated[
    list[str] | None,
    typer.Option(
        "--test",
        parser=options.one_of(TESTS),
        metavar=options.choices(TESTS),
        help="May be repeated (default: every test of the folder).",
    ),
]
ScorerFile = Annotated[
    Path | None,
    typer.Option("--scorer", metavar="FILE", help="Scorer whose sample is predicted (default: every video)."),
]
Sample = Annotated[int, typer.Option("--sample", min=1, metavar="N", help="Videos in the scorer's sample.")]


@dataclass(frozen=True, slots=True)
class Target:
    """A benchmark folder, the tests to predict, and the scorer that draws their samples."""

    folder: BenchmarkFolder
    tests: list[str]
    scorer: Scorer | None

    @classmethod
    def of(cls, folder: Path, tests: Sequence[str] | None, scorer: Path | None, sample: int, seed: int) -> "Target":
        benchmark = BenchmarkFolder(folder.resolve())
        return cls(benchmark, benchmark.tests(tests or ()), Scorer(scorer, sample, seed) if scorer else None)

    def required_scorer(self) -> Scorer:
        if self.scorer is None:
            raise VideotagError("no scorer is given", "pass it with --scorer FILE")
        return self.scorer

    def videos(self) -> dict[str, list[LabelledVideo]]:
        """Return the videos of each test that a system has to predict tags for."""
        from tagging.tools.benchmarks.scorer import chosen_videos

        return {test: chosen_videos(self.scorer, self.folder.table(test)) for test in self.tests}


@app.command("split")
def split_command(
    kind: Annotated[str, typer.Argument(parser=options.one_of(DATASETS), metavar=options.choices(DATASETS))],
    table: Annotated[Path, typer.Argument(metavar="PARQUET")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR")],
    seed: options.Seed = SPLIT_SEED,
) -> None:
    """Divide a table of labelled videos into training and test tables."""
    from tagging.tools.benchmarks.datasets import read_dataset
    from tagging.tools.benchmarks.split import write_split

    dataset = read_dataset(kind, table)
    rows = write_split(dataset, out, seed)
    print_table([{"count": name, "": number} for name, number in dataset.counts.items()])
    print_table(rows, "parts")


@app.command("peers")
def peers_command(
    folder: Folder,
    test: Tests = None,
    scorer: ScorerFile = None,
    sample: Sample = SAMPLE,
    seed: options.Seed = SEED,
    peer: Annotated[
        list[str] | None,
        typer.Option(
            "--peer",
            parser=options.one_of(BASELINES),
            metavar=options.choices(BASELINES),
            help="May be repeated (default: all).",
        ),
    ] = None,
    features: options.Features = None,
    xr_python: Annotated[
        Path | None, typer.Option("--xr-python", metavar="FILE", help="A Python with libpecos (default: created).")
    ] = None,
    xr_min_count: Annotated[
        int, typer.Option("--xr-min-count", min=1, metavar="N", help="Minimum number of training videos per tag.")
    ] = MIN_COUNT,
) -> None:
    """Predict with the baselines."""
    from tagging.store.features import FeatureStore
    from tagging.tools.benchmarks.baselines import BaselineOptions, run_baselines

    target = Target.of(folder, test, scorer, sample, seed)
    store = FeatureStore(features or paths.features())
    peers = BaselineOptions(store, target.folder.root / "xr-environment", xr_python, xr_min_count)
    _print_written(run_baselines(target.folder, target.videos(), peer or list(BASELINES), peers, progress()))


@app.command("ours")
def ours_command(
    folder: Folder,
    test: Tests = None,
    scorer: ScorerFile = None,
    sample: Sample = SAMPLE,
    seed: options.Seed = SEED,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="DIR", help="Trained if it does not exist (default: in the folder)."),
    ] = None,
    profile: options.Profile = "offline",
    config: options.ConfigFiles = None,
    features: options.Features = None,
) -> None:
    """Train videotag and predict with it."""
    from tagging.tools.benchmarks.videotag import VideotagOptions, run_videotag

    target = Target.of(folder, test, scorer, sample, seed)
    ours = VideotagOptions(bundle or target.folder.root / "bundle", profile, tuple(config or ()), features)
    _print_written(run_videotag(target.folder, target.videos(), ours))


@app.command("score")
def score_command(
    folder: Folder,
    test: Tests = None,
    scorer: ScorerFile = None,
    sample: Sample = SAMPLE,
    seed: options.Seed = SEED,
    system: Annotated[
        list[str] | None,
        typer.Option("--system", metavar="NAME", help="May be repeated (default: all with predictions)."),
    ] = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Score the predictions of every system."""
    from tagging.tools.benchmarks.score import score

    target = Target.of(folder, test, scorer, sample, seed)
    tables = score(target.folder, target.tests, system or [], target.required_scorer(), progress())
    options.print_tables(tables, form)


@app.command("ablate")
def ablate_command(
    folder: Folder,
    test: Tests = None,
    scorer: ScorerFile = None,
    sample: Sample = SAMPLE,
    seed: options.Seed = SEED,
    part: Annotated[
        list[str] | None,
        typer.Option(
            "--part",
            parser=options.one_of(PARTS),
            metavar=options.choices(PARTS),
            help="Part to remove (default: each in turn).",
        ),
    ] = None,
    videos: Annotated[
        int | None,
        typer.Option("--videos", min=1, metavar="N", help="Approximate number of training videos (default: all)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Resumes a killed run (default: in the folder)."),
    ] = None,
    profile: options.Profile = "offline",
    config: options.ConfigFiles = None,
    features: options.Features = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Measure the contribution of each part of the recall model by training without it."""
    from tagging.tools.benchmarks.ablation import AblationOptions, ablate

    target = Target.of(folder, test, scorer, sample, seed)
    chosen_scorer = target.required_scorer()
    folder_out = out.resolve() if out else target.folder.root / "ablation"
    ablation = AblationOptions(folder_out, videos, profile, tuple(config or ()), features)
    tables = ablate(target.folder, target.videos(), part or list(PARTS), chosen_scorer, ablation, progress())
    options.print_tables(tables, form)


@app.command("times")
def times_command(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE")],
    manifest: Annotated[Path, typer.Option("--manifest", metavar="FILE", help="Videos to recall tags for.")],
    videos: Annotated[int, typer.Option("--videos", min=1, metavar="N", help="Use the first N videos.")] = 500,
    grow_to: Annotated[
        int | None,
        typer.Option("--grow-to", min=1, metavar="V", help="Grow the labelled videos to V, with a new index."),
    ] = None,
    backend: Annotated[
        str,
        typer.Option(
            "--backend",
            parser=options.one_of(BACKENDS),
            metavar=options.choices(BACKENDS),
            help="Backend of the new index.",
        ),
    ] = "ivf-pq",
    seed: options.Seed = SEED,
    features: options.Features = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Time each stage of recall for single videos."""
    from tagging.bench.grown import Growth
    from tagging.config.recall import IndexConfig
    from tagging.manifests.read import read_labelled
    from tagging.store.features import FeatureStore
    from tagging.tools.benchmarks.times import recall_times

    chosen = [row.video for row in islice(read_labelled([manifest], {}), videos)]
    index = IndexConfig.model_validate({"backend": backend})
    growth = Growth(grow_to, index, seed) if grow_to else None
    store = FeatureStore(features or paths.features())
    options.print_tables(recall_times(bundle, chosen, growth, store, progress()), form)


@app.command("text-search")
def text_search_command(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE")],
    manifest: Annotated[Path, typer.Option("--manifest", metavar="FILE", help="Videos to search neighbours of.")],
    videos: Annotated[int, typer.Option("--videos", min=1, metavar="N", help="Use the first N videos.")] = 500,
    grow_to: Annotated[
        int, typer.Option("--grow-to", min=0, metavar="V", help="Grow the labelled videos to V (default: as they are).")
    ] = 0,
    seed: options.Seed = SEED,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare the search by n-grams with the sum of all postings: processor time and answers."""
    from tagging.manifests.read import read_labelled
    from tagging.tools.benchmarks.text_search import text_search_times

    chosen = [row.video for row in islice(read_labelled([manifest], {}), videos)]
    options.print_tables(text_search_times(bundle, chosen, grow_to, seed, progress()), form)


@app.command("index-backends")
def index_backends_command(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Its embeddings are the real rows.")],
    rows: Annotated[int, typer.Option("--rows", min=1, metavar="N", help="Rows to index; grown if it has fewer.")],
    backend: Annotated[list[str], typer.Option("--backend", help="As recall.index.backend; may be repeated.")],
    uri: Annotated[str | None, typer.Option("--uri", help="Address of Milvus.")] = None,
    k: Annotated[int, typer.Option("--k", min=1, help="Neighbours per query.")] = 300,
    seed: options.Seed = 7,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare the vector indexes with exact search: recall, latency, memory, time to build."""
    from tagging.tools.benchmarks.index_backends import compare_backends

    options.print_tables(compare_backends(bundle, rows, backend, uri, k, seed, progress()), form)


@app.command("batch")
def batch_command(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="Videos to tag.")],
    bundle: cli_options.Bundle = None,
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run",
            parser=options.one_of(RUNS),
            metavar=options.choices(RUNS),
            help="May be repeated; rates are relative to the first one (default: loop, local).",
        ),
    ] = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare `videotag batch` with a plain loop over the tagger: rows per second and memory."""
    from tagging.tools.benchmarks.batch import compare_batches

    runs = run or RUNS[:2]
    options.print_tables(compare_batches(manifest, bundle or paths.default_bundle(), runs), form)


@app.command("triton")
def triton_command(
    url: Annotated[str, typer.Argument(metavar="URL", help="grpc://HOST:PORT of a server with the bundle's models.")],
    bundle: cli_options.Bundle = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, metavar="S", help="For each row and side.")] = 10.0,
    calls: Annotated[
        int, typer.Option("--calls", min=1, metavar="N", help="Calls at once to the server, and of readers here.")
    ] = 4,
    seed: options.Seed = SEED,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare encoders, readers and towers on Triton with the same ones in this process: latency and throughput."""
    from tagging.tools.benchmarks.triton import compare

    options.print_tables({"encoders": compare(bundle or paths.default_bundle(), url, seconds, calls, seed)}, form)


@app.command("gpu")
def gpu_command(
    bundle: cli_options.Bundle = None,
    device: Annotated[
        str, typer.Option("--device", parser=options.one_of(DEVICES), metavar=options.choices(DEVICES))
    ] = "cuda",
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, metavar="S", help="For each encoder and index.")
    ] = 5.0,
    videos: Annotated[int, typer.Option("--videos", min=1, metavar="N", help="Encoded at once.")] = 16,
    steps: Annotated[int, typer.Option("--steps", min=1, metavar="N", help="Of each training.")] = 40,
    rows: Annotated[int, typer.Option("--rows", min=1_000, metavar="N", help="Rows to index.")] = 500_000,
    seed: options.Seed = SEED,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Measure the encoders, training with 10 and 400 negatives, and index search on a GPU."""
    from tagging.tools.benchmarks.gpu import Sizes, measure_gpu

    sizes = Sizes(seconds=seconds, videos=videos, steps=steps, index_rows=rows)
    options.print_tables(measure_gpu(bundle or paths.default_bundle(), device, sizes, seed), form)


@app.command("composite")
def composite_command(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Pictures, sounds and talks.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Resumes a killed run.")],
    clips: Annotated[int, typer.Option("--clips", min=1, metavar="N", help="Maximum number of clips.")] = CLIPS,
    seed: options.Seed = SEED,
) -> None:
    """Make clips with tags that are each carried by one known modality."""
    from tagging.tools.benchmarks.composite import write_composite

    report = write_composite(data, out, clips, seed, progress())
    print_table([{"count": name, "": number} for name, number in report.items()])


@app.command("composite-score")
def composite_score_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder written by `composite`, with predictions of `ours`.")
    ],
    form: options.Format = options.TableFormat.table,
) -> None:
    """Show how much of each modality's tags each channel recovers."""
    from tagging.tools.benchmarks.composite_score import composite_score

    options.print_tables({"carried by": composite_score(BenchmarkFolder(folder.resolve()))}, form)


@app.command("review")
def review_command(
    kind: Annotated[str, typer.Argument(parser=options.one_of(DATASETS), metavar=options.choices(DATASETS))],
    table: Annotated[Path, typer.Argument(metavar="PARQUET")],
    order: Annotated[
        list[str] | None, typer.Option("--order", help="Compare with random order; may be repeated (default: all).")
    ] = None,
    seed: Annotated[list[int] | None, typer.Option("--seed", help="May be repeated (default: 3 to 7).")] = None,
    most: Annotated[int, typer.Option("--labels", min=50, metavar="N", help="Label at most N videos.")] = 500,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Simulate `videotag review`: labels saved by its order against random order, with a cheap linear model."""
    from tagging.tools.benchmarks.datasets import read_dataset
    from tagging.tools.benchmarks.review import ORDERS, review_benchmark

    orders = [options.one_of(ORDERS)(name) for name in order or ORDERS]
    rows = read_dataset(kind, table).rows
    options.print_tables(review_benchmark(rows, orders, seed or range(3, 8), most, progress()), form)


def _print_written(files: Sequence[Path]) -> None:
    print_table([{"written": str(path)} for path in files])
