"""Commands of `python -m tagging.tools benchmarks`: quality on real tags by an external scorer, and times."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from tagging import paths
from tagging.cli import options as cli_options
from tagging.cli.console import needs_extra, print_table, progress
from tagging.errors import VideotagError
from tagging.tools import options
from tagging.tools.benchmarks.ablation import PARTS
from tagging.tools.benchmarks.baselines import BASELINES
from tagging.tools.benchmarks.composite import CLIPS
from tagging.tools.benchmarks.datasets import DATASETS
from tagging.tools.benchmarks.folder import TESTS, BenchmarkFolder
from tagging.tools.benchmarks.scorer import SAMPLE, SEED, Scorer
from tagging.tools.benchmarks.split import SEED as SPLIT_SEED
from tagging.tools.benchmarks.topic_tables import CATEGORISED
from tagging.tools.benchmarks.xr_linear_environment import MIN_COUNT
from tagging.types import LabelledVideo

app = typer.Typer(help="Measure videotag and its baselines on real tags.", no_args_is_help=True)

DEVICES = ("cuda", "cpu")
BACKENDS = ("flat", "faiss", "hnsw", "ivf-pq")
HELD_OUT = ("last", "new")
RUNS = ("loop", "local", "ray")  # of a batch
SEQUENCE_TABLES = ("last", "modes")
DIVISIONS = ("test", "validation")
CLICK_SYSTEMS = ("LR", "FM", "DeepFM", "AutoInt", "DCN", "MHSA + AC")

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
FieldNames = Annotated[
    list[str] | None,
    typer.Option("--field", metavar="NAME", help="A column, known before the impression; may be repeated."),
]
Sample = Annotated[int, typer.Option("--sample", min=1, metavar="N", help="Videos in the scorer's sample.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the random draws.")]


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
    seed: Seed = SPLIT_SEED,
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
    seed: Seed = SEED,
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
    seed: Seed = SEED,
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
    seed: Seed = SEED,
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
    seed: Seed = SEED,
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
    seed: Seed = SEED,
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


@app.command("index-backends")
def index_backends_command(
    embeddings: Annotated[Path, typer.Argument(metavar="EMBEDDINGS.npy", help="(n, D) unit rows of real embeddings.")],
    rows: Annotated[int, typer.Option("--rows", min=1, metavar="N", help="Rows to index.")],
    backend: Annotated[list[str], typer.Option("--backend", help="flat, hnsw, ivf-pq or milvus; may be repeated.")],
    dim: Annotated[int | None, typer.Option("--dim", metavar="D", help="Width that the embeddings must have.")] = None,
    uri: Annotated[str | None, typer.Option("--uri", help="Address of Milvus.")] = None,
    k: Annotated[int, typer.Option("--k", min=1, help="Neighbours per query.")] = 200,
    seed: Seed = 7,
) -> None:
    """Compare the vector indexes: recall against exact search, latency, memory."""
    from tagging.tools.benchmarks.index_backends import compare_backends

    typer.echo(compare_backends(embeddings, rows, dim, backend, uri, k, seed), nl=False)


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
    calls: Annotated[int, typer.Option("--calls", min=1, metavar="N", help="Calls at once to the server.")] = 4,
    seed: Seed = SEED,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare encoders on Triton with the same encoders in this process: latency and throughput."""
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
    seed: Seed = SEED,
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
    seed: Seed = SEED,
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


@app.command("topics")
def topics_command(
    kind: Annotated[str, typer.Argument(parser=options.one_of(CATEGORISED), metavar=options.choices(CATEGORISED))],
    table: Annotated[Path, typer.Argument(metavar="PARQUET")],
    seed: Annotated[list[int] | None, typer.Option("--seed", help="May be repeated (default: 1, 2, 3).")] = None,
    videos: Annotated[
        int | None, typer.Option("--videos", min=100, metavar="N", help="Draw N videos (default: all).")
    ] = None,
    config: options.ConfigFiles = None,
    features: options.Features = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare the representation of topics with text, tags and two topic models by the categories of new videos."""
    from tagging.config.topics import load_topics_config
    from tagging.store.features import FeatureStore
    from tagging.tools.benchmarks.topic_tables import read_categorised_table
    from tagging.tools.benchmarks.topics import topics_benchmark

    data = read_categorised_table(kind, table)
    store = FeatureStore(features or paths.features())
    tables = topics_benchmark(data, seed or [1, 2, 3], videos, load_topics_config(*(config or [])), store, progress())
    options.print_tables(tables, form)


@app.command("queues")
def queues_command(
    database: Annotated[
        str | None, typer.Option("--database", metavar="URL", help="An empty database (default: a temporary file).")
    ] = None,
    videos: Annotated[int, typer.Option("--videos", min=20, metavar="N", help="Videos of a queue, on average.")] = 2000,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Of each call.")] = 9,
    seed: Seed = 7,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Measure candidates, a page and a report of the topic service against whole queues that are ordered in Python."""
    from tempfile import TemporaryDirectory

    from tagging.store.database.config import DatabaseConfig
    from tagging.tools.benchmarks.queues import measure_queues

    with TemporaryDirectory() as folder:
        config = DatabaseConfig.model_validate({"url": database or f"sqlite:///{folder}/queues.db"})
        rows = measure_queues(config, videos, repeats, seed, lambda _: None)
    options.print_tables({f"queues of {videos:,} videos": rows}, form)


@app.command("microlens")
def microlens_command(
    sequences: Annotated[Path, typer.Argument(metavar="SEQUENCES", help="Parquet with user_id and videos.")],
    titles: Annotated[Path, typer.Argument(metavar="TITLES", help="Parquet with video_id and title.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Must not exist.")],
) -> None:
    """Convert MicroLens to a manifest of videos and a table of interactions; hashtags become tags."""
    from tagging.tools.benchmarks.microlens import write_microlens

    counts = write_microlens(sequences, titles, out)
    print_table([{"count": name, "": number} for name, number in counts.items()])


@app.command("two-towers")
def two_towers_command(
    manifest: cli_options.Manifests,
    interactions: Annotated[Path, typer.Option("--interactions", metavar="FILE", help="As of `videotag recommend`.")],
    hold_out: Annotated[
        str, typer.Option("--hold-out", parser=options.one_of(HELD_OUT), metavar=options.choices(HELD_OUT))
    ] = "new",
    seed: Annotated[list[int] | None, typer.Option("--seed", help="May be repeated (default: 1, 2, 3).")] = None,
    bundle: cli_options.Bundle = None,
    config: options.ConfigFiles = None,
    features: options.Features = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare the fusion of metadata, IDs and numbers of negatives of the two towers."""
    from tagging.config.overrides import overridden
    from tagging.config.recommendation import TwoTowersConfig
    from tagging.recommendation.tables import Sources
    from tagging.store.features import FeatureStore
    from tagging.tools.benchmarks.two_towers import two_towers_benchmark

    tables = two_towers_benchmark(
        Sources(manifest, {}, interactions),
        bundle or paths.default_bundle(),
        "last" if hold_out == "last" else "new",
        seed or [1, 2, 3],
        overridden(TwoTowersConfig(), config or []),
        FeatureStore(features or paths.features()),
        progress(),
    )
    options.print_tables(tables, form)


@app.command("uploads")
def uploads_command(
    count: Annotated[
        list[int] | None,
        typer.Option("--count", min=1, metavar="N", help="New uploads; may be repeated (default: 10000 to a million)."),
    ] = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare the search of new uploads in `videotag recommend serve` with its user tower."""
    from tagging.tools.benchmarks.uploads import uploads_benchmark

    options.print_tables({"Uploads": uploads_benchmark(count or [10_000, 100_000, 1_000_000], progress())}, form)


@app.command("sequences")
def sequences_command(
    manifest: cli_options.Manifests,
    interactions: Annotated[
        Path, typer.Option("--interactions", metavar="FILE", help="Table with user_id and videos.")
    ],
    table: Annotated[
        list[str] | None,
        typer.Option(
            "--table",
            parser=options.one_of(SEQUENCE_TABLES),
            metavar=options.choices(SEQUENCE_TABLES),
            help="Last videos, or new users in long and short mode; may be repeated (default: both).",
        ),
    ] = None,
    part: Annotated[
        str,
        typer.Option(
            "--part", parser=options.one_of(DIVISIONS), metavar=options.choices(DIVISIONS), help="Of last videos."
        ),
    ] = "test",
    seed: Annotated[list[int] | None, typer.Option("--seed", help="May be repeated (default: 1, 2, 3).")] = None,
    bundle: cli_options.Bundle = None,
    columns: cli_options.Columns = None,
    config: options.ConfigFiles = None,
    features: options.Features = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare the dynamic recurrent model with its objective without each factor, and with four baselines."""
    from tagging.config.overrides import overridden
    from tagging.config.recommendation import RecurrentConfig
    from tagging.manifests.read import parse_columns
    from tagging.recommendation.split import Part
    from tagging.recommendation.tables import Sources
    from tagging.store.features import FeatureStore
    from tagging.tools.benchmarks.sequences import read_catalog, sequences_benchmark

    settings = overridden(RecurrentConfig(), config or [])
    sources = Sources(manifest, parse_columns(columns or []), interactions)
    store = FeatureStore(features or paths.features())
    catalog = read_catalog(sources, bundle or paths.default_bundle(), settings, store, progress())
    chosen = table or list(SEQUENCE_TABLES)
    drawn: Part = "validation" if part == "validation" else "test"
    tables = sequences_benchmark(catalog, interactions, chosen, drawn, seed or [1, 2, 3], settings, progress())
    options.print_tables(tables, form)


@app.command("kuairand")
def kuairand_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="With kuairand_impressions.parquet and its others.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Parquet; replaced if it exists.")],
    seed: Annotated[int, typer.Option("--seed", help="Seed of the topics.")] = SEED,
) -> None:
    """Convert KuaiRand to one table of impressions with fields of users, videos, histories, tags and topics."""
    from tagging.tools.benchmarks.kuairand import write_kuairand

    counts = write_kuairand(folder, out, seed, progress())
    print_table([{"count": name, "": number} for name, number in counts.items()])


@app.command("clicks")
def clicks_command(
    impressions: Annotated[Path, typer.Argument(metavar="TABLE", help="With user_id, video_id, clicked and time.")],
    field: FieldNames = None,
    tag_field: Annotated[
        list[str] | None, typer.Option("--tag-field", metavar="NAME", help="Left out of the condition without tags.")
    ] = None,
    topic_field: Annotated[
        list[str] | None, typer.Option("--topic-field", metavar="NAME", help="Read by the last condition alone.")
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(
            "--system",
            parser=options.one_of(CLICK_SYSTEMS),
            metavar=options.choices(CLICK_SYSTEMS),
            help="May be repeated (default: all).",
        ),
    ] = None,
    hold_out: Annotated[
        str,
        typer.Option(
            "--hold-out",
            parser=options.one_of(HELD_OUT),
            metavar=options.choices(HELD_OUT),
            help="Measure the last impressions, or of them those of new videos.",
        ),
    ] = "last",
    seed: Annotated[list[int] | None, typer.Option("--seed", help="May be repeated (default: 1, 2, 3).")] = None,
    config: options.ConfigFiles = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Compare the click model with LR, FM, DeepFM, AutoInt and DCN, with and without tags and topics."""
    from tagging.config.clicks import ClicksConfig
    from tagging.config.overrides import overridden
    from tagging.recommendation.clicks.table import read_impressions
    from tagging.recommendation.split import HeldOut

    with needs_extra("benchmarks"):
        from tagging.tools.benchmarks.clicks import clicks_benchmark, conditions_of

    fields, tags, topics = (names or [] for names in (field, tag_field, topic_field))
    table = read_impressions(impressions, [*fields, *tags, *topics])
    conditions = conditions_of(fields, tags, topics)
    settings = overridden(ClicksConfig(), config or [])
    held_out: HeldOut = "last" if hold_out == "last" else "new"
    chosen = system or CLICK_SYSTEMS
    tables = clicks_benchmark(table, conditions, chosen, held_out, seed or [1, 2, 3], settings, progress())
    options.print_tables(tables, form)


def _print_written(files: Sequence[Path]) -> None:
    print_table([{"written": str(path)} for path in files])
