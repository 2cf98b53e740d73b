"""The `videotag recommend` commands: train and measure the two towers, find candidates, and measure what tags add.

`add` and `serve` are in recommend_service.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagging import paths
from tagging.cli import options, recommend_service
from tagging.cli.console import Format, now, print_json, print_table, progress

if TYPE_CHECKING:
    from tagging.recommendation.tables import Sources
    from tagging.recommendation.two_towers.candidates import Candidate
    from tagging.recommendation.two_towers.compare import Compared

app = typer.Typer(help="Recommendation: what tags and embeddings add to it.", no_args_is_help=True)

app.command("add")(recommend_service.add_command)
app.command("serve")(recommend_service.serve_command)


class HeldOut(StrEnum):
    last = "last"
    new = "new"


class Part(StrEnum):
    test = "test"
    validation = "validation"


class For(StrEnum):
    users = "users"
    videos = "videos"


InteractionsFile = Annotated[
    Path,
    typer.Option(
        "--interactions", metavar="FILE", help="Table with user_id and videos, the ids that the user watched in order."
    ),
]
ModelFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Model of `videotag recommend train`.")]
EncodersBundle = Annotated[
    Path | None,
    typer.Option(
        "--bundle", metavar="DIR", help="Bundle whose encoders read the videos (default: the starter bundle)."
    ),
]
ConfigFiles = Annotated[
    list[Path] | None,
    typer.Option("--config", metavar="FILE", help="TOML file of tagging/config/recommendation.py; may be repeated."),
]


@app.callback()
def recommend() -> None:
    """Recommendation: what tags and embeddings add to it."""


@app.command("train")
def train_command(
    manifest: options.Manifests,
    interactions: InteractionsFile,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The model to write; must not exist.")],
    hold_out: Annotated[
        HeldOut | None,
        typer.Option(
            "--hold-out",
            help="Keep out of training, for `evaluate`: last videos of 6,000 users, or a tenth of the videos as new.",
        ),
    ] = None,
    part: Annotated[
        Part | None,
        typer.Option(
            "--part",
            help="Of --hold-out: tune on validation; then the test part is kept out of both (default: test).",
        ),
    ] = None,
    bundle: EncodersBundle = None,
    config: ConfigFiles = None,
    columns: options.Columns = None,
    features: options.Features = None,
    output: options.Output = Format.table,
) -> None:
    """Train the two towers on what users watched.

    [bold]Examples[/bold]

    videotag recommend train --manifest videos.parquet --interactions watched.parquet --out towers/monday

    videotag recommend train --manifest videos.parquet --interactions watched.parquet --hold-out new --out towers/new
    """
    from tagging.config.overrides import overridden
    from tagging.config.recommendation import TwoTowersConfig
    from tagging.recommendation.two_towers.fit import fit_recommendation
    from tagging.recommendation.two_towers.manifest import HoldoutEntry
    from tagging.store.features import FeatureStore

    if part is not None and hold_out is None:
        raise typer.BadParameter("only with --hold-out, which it divides", param_hint="--part")
    settings = overridden(TwoTowersConfig(), config or [])
    report = fit_recommendation(
        _sources(manifest, interactions, columns),
        bundle or paths.default_bundle(),
        out,
        settings,
        HoldoutEntry(held_out=hold_out.value, part=(part or Part.test).value, seed=settings.seed) if hold_out else None,
        FeatureStore(features or paths.features()),
        progress(),
        created=now(),
    )
    if output is Format.json:
        print_json(asdict(report))
        return
    print_table([{"model": report.model, "version": report.version}])
    print_table([{"count": name, "": n} for name, n in report.counts.items()])
    print_table([{"stage": name, "seconds": s} for name, s in report.seconds.items()])


@app.command("evaluate")
def evaluate_command(
    model: ModelFolder,
    manifest: options.Manifests,
    interactions: InteractionsFile,
    columns: options.Columns = None,
    output: options.Output = Format.table,
) -> None:
    """Measure a model that was trained with --hold-out, next to baselines; give the tables of its training.

    [bold]Examples[/bold]

    videotag recommend evaluate towers/new --manifest videos.parquet --interactions watched.parquet
    """
    from tagging.recommendation.two_towers.evaluate import evaluate_recommendation

    report = evaluate_recommendation(model, _sources(manifest, interactions, columns))
    if output is Format.json:
        print_json(asdict(report))
        return
    print_table([{name: value for name, value in asdict(report).items() if name != "systems"}])
    print_table([{"system": name, **measured} for name, measured in report.systems.items()], "Systems")


@app.command("candidates")
def candidates_command(
    model: ModelFolder,
    manifest: Annotated[
        list[Path], typer.Option("--manifest", metavar="FILE", help="Table of new videos; may be repeated.")
    ],
    interactions: InteractionsFile,
    of: Annotated[
        For, typer.Option("--for", help="The best new videos for each user, or the best users for each new video.")
    ] = For.users,
    count: Annotated[int, typer.Option("--count", min=1, metavar="N", help="At most N each.")] = 10,
    columns: options.Columns = None,
    features: options.Features = None,
    output: options.Output = Format.table,
) -> None:
    """Recommend new videos, which the model was not trained with, to users by what they watched.

    [bold]Examples[/bold]

    videotag recommend candidates towers/monday --manifest today.jsonl --interactions watched.parquet --format json

    videotag recommend candidates towers/monday --manifest today.jsonl --interactions watched.parquet --for videos
    """
    from tagging.manifests.read import parse_columns
    from tagging.recommendation.two_towers.candidates import find_candidates
    from tagging.store.features import FeatureStore

    store = FeatureStore(features or paths.features())
    found = find_candidates(model, manifest, parse_columns(columns or []), interactions, store, progress())
    lists = found.of_users(count) if of is For.users else found.of_videos(count)
    owner, listed = ("user_id", "video_id") if of is For.users else ("video_id", "user_id")
    if output is Format.json:
        key = "videos" if of is For.users else "users"
        print_json(
            [
                {
                    owner: name,
                    key: [{listed: candidate.id, "score": round(candidate.score, 4)} for candidate in candidates],
                }
                for name, candidates in lists.items()
            ]
        )
        return
    print_table([row for name, candidates in lists.items() for row in _candidate_rows(owner, name, listed, candidates)])


@app.command("worth")
def worth_command(
    manifest: options.Manifests,
    interactions: InteractionsFile,
    hold_out: Annotated[
        HeldOut, typer.Option("--hold-out", help="Measure the last videos of users, or new videos.")
    ] = HeldOut.new,
    seed: Annotated[list[int] | None, typer.Option("--seed", min=0, help="May be repeated (default: 1, 2, 3).")] = None,
    bundle: EncodersBundle = None,
    config: ConfigFiles = None,
    columns: options.Columns = None,
    features: options.Features = None,
    topics: Annotated[
        Path | None, typer.Option("--topics", metavar="DIR", help="Also measure the topics of a topic model.")
    ] = None,
    predict: Annotated[
        bool, typer.Option("--predict", help="Also measure the tags that the bundle predicts, instead of creators'.")
    ] = False,
    output: options.Output = Format.table,
) -> None:
    """Measure what tags, topics and embeddings add to recommendation: trained without them, with each, and together.

    Each seed divides the interactions anew and trains every condition; the spread is the standard deviation. `views`
    and `seed` of --config do not count.

    [bold]Examples[/bold]

    videotag recommend worth --manifest videos.parquet --interactions watched.parquet --hold-out new

    videotag recommend worth --manifest videos.parquet --interactions watched.parquet --topics topics/monday --predict
    """
    from tagging.config.overrides import overridden
    from tagging.config.recommendation import TwoTowersConfig
    from tagging.recommendation.two_towers.worth import Extras, recommendation_worth
    from tagging.store.features import FeatureStore

    encoders = bundle or paths.default_bundle()
    found = recommendation_worth(
        _sources(manifest, interactions, columns),
        encoders,
        hold_out.value,
        options.distinct_seeds(seed),
        overridden(TwoTowersConfig(), config or []),
        Extras(topics, encoders if predict else None),
        FeatureStore(features or paths.features()),
        progress(),
    )
    if output is Format.json:
        print_json({system: {name: asdict(worth) for name, worth in row.items()} for system, row in found.items()})
        return
    print_table([_worth_row(system, row) for system, row in found.items()])


def _candidate_rows(owner: str, name: str, listed: str, candidates: "Sequence[Candidate]") -> list[dict[str, Any]]:
    """Return a row for each candidate; a single one with empty cells if there is none."""
    if not candidates:
        return [{owner: name, listed: "", "score": None}]
    return [{owner: name, listed: candidate.id, "score": candidate.score} for candidate in candidates]


def _worth_row(system: str, row: "Mapping[str, Compared]") -> dict[str, Any]:
    shown: dict[str, Any] = {"system": system}
    for name, worth in row.items():
        shown[name] = f"{worth.mean:.4g} ± {worth.spread:.2g}"
        if name == "HR@10":
            gain = "" if worth.gain is None else f"{worth.gain:+.4f} ± {worth.gain_spread:.4f}"
            shown["HR@10 against tags off"] = gain
    return shown


def _sources(manifests: list[Path], interactions: Path, columns: list[str] | None) -> "Sources":
    from tagging.manifests.read import parse_columns
    from tagging.recommendation.tables import Sources

    return Sources(manifests, parse_columns(columns or []), interactions)
