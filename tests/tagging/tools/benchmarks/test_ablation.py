"""Ablation of parts, with a stand-in for the program, and once with the program itself."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tagging.errors import InvalidConfigError, InvalidManifestError, OutputExistsError, VideotagError
from tagging.progress import Silent
from tagging.tools.benchmarks import commands, videotag
from tagging.tools.benchmarks.ablation import PARTS, AblationOptions, ablate, configuration, draw
from tagging.tools.benchmarks.datasets import read_dataset
from tagging.tools.benchmarks.folder import BenchmarkFolder, read_table
from tagging.tools.benchmarks.score import Tables
from tagging.tools.benchmarks.split import write_split
from tagging.types import LabelledVideo, VideoRef
from tests.support import plain_scorer
from tests.support.benchmark_data import PlainScorer, videotag_here, write_youtube
from tests.support.tools import run_tools

# `train` stores the configuration and logs the call in a file next to all parts; `evaluate` predicts every tag, without
# the linear branch only the first, and none with the decoupled loss. A file `fail` simulates a kill.
VIDEOTAG = """
import argparse, json, sys
from pathlib import Path
import pyarrow.parquet as pq
import tomllib

parser = argparse.ArgumentParser()
parser.add_argument("verb")
for name in ("manifest", "out", "bundle", "predictions", "features"):
    parser.add_argument(f"--{name}", type=Path)
parser.add_argument("--profile")
parser.add_argument("--format")
parser.add_argument("--config", type=Path, action="append", default=[])
options = parser.parse_args()
rows = pq.read_table(options.manifest).to_pylist()
if options.verb == "train":
    options.out.mkdir(parents=True)
    learnt = {"linear": 1.0, "similarity": 1.0, "width": 2, "loss": "asymmetric"}
    for file in options.config:
        learnt |= tomllib.loads(file.read_text()).get("recall", {}).get("learnt", {})
    (options.out / "learnt.json").write_text(json.dumps(learnt))
    with (options.out.parents[1] / "trained.txt").open("a") as log:
        log.write(f"{options.out.parent.name} {len(rows)}\\n")
    sys.exit()
if (options.bundle.parents[1] / "fail").exists():
    sys.exit("killed")
learnt = json.loads((options.bundle / "learnt.json").read_text())
options.predictions.mkdir()
systems = {"classifier": learnt["linear"], "similarity": learnt["similarity"], "multimodal": learnt["width"] > 1}
for system in ["text", "union", *(name for name, is_trained in systems.items() if is_trained)]:
    known = 0 if learnt["loss"] == "decoupled" else 99 if learnt["linear"] else 1
    with (options.predictions / f"{system}.jsonl").open("w") as file:
        for row in rows:
            file.write(json.dumps({"video_id": row["video_id"], "tags": row["tags"][:known]}) + "\\n")
"""


@pytest.fixture
def folder(tmp_path: Path) -> BenchmarkFolder:
    write_split(read_dataset("youtube", write_youtube(tmp_path / "y.parquet")), tmp_path / "bench")
    return BenchmarkFolder(tmp_path / "bench")


def options(folder: BenchmarkFolder, **other: Any) -> AblationOptions:
    return AblationOptions(folder.root / "ablation", command=(sys.executable, "-c", VIDEOTAG), **other)


def run(folder: BenchmarkFolder, parts: list[str], settings: AblationOptions) -> Tables:
    tests = {"unseen": read_table(folder.table("unseen"))}
    return ablate(folder, tests, parts, PlainScorer(Path(plain_scorer.__file__)), settings, Silent())


def leaves(tree: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {path: tree}
    return {name: leaf for key, below in tree.items() for name, leaf in leaves(below, f"{path}.{key}").items()}


DIFFERENCES: dict[str, dict[str, Any]] = {
    "whole": {},
    "no-linear": {"linear": 0.0},
    "no-similarity": {"similarity": 0.0},
    "no-regression": {
        "regression": None,
        "regression.below": ...,
        "regression.landmarks": ...,
        "regression.penalties": ...,
    },
    "with-names": {"tag_views": ["text"]},
    "with-graph": {"tag_views": ["graph"]},
    "no-ngrams": {"ngrams": None, "ngrams.least": ..., "ngrams.at_most": ...},
    "no-contrastive": {"contrastive": 0.0},
    "decoupled": {"loss": "decoupled"},
    "asymmetric": {"loss": "asymmetric"},
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_differs_from_the_whole_only_by_its_overlay(part: str, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.toml"
    overlay.write_text("[recall]\nneighbours = 7\n[recall.learnt]\nwidth = 16\n[recall.learnt.ngrams]\nleast = 1\n")
    settings = AblationOptions(tmp_path / "ablation", configs=(overlay,))
    whole, other = (leaves(configuration(name, settings).model_dump(mode="json")) for name in ("whole", part))
    assert (whole[".recall.neighbours"], whole[".recall.learnt.width"]) == (7, 16)
    changed = {name for name in whole.keys() | other if whole.get(name, ...) != other.get(name, ...)}
    assert {name: other.get(name, ...) for name in changed} == {
        f".recall.learnt.{name}": value for name, value in DIFFERENCES[part].items()
    }


@pytest.mark.slow
def test_every_part_has_a_row_of_differences_with_empty_cells_for_missing_channels(
    folder: BenchmarkFolder,
) -> None:
    tables = run(folder, ["decoupled", "no-linear"], options(folder))
    assert list(tables) == [f"unseen: {measure}" for measure in ("R@20", "R@200", "R@200 known", "P@5")]
    rows = {row["part"]: row for row in tables["unseen: R@20"]}
    assert list(rows) == ["whole", "no-linear", "decoupled"]
    assert (rows["whole"]["union"], rows["whole"]["union vs whole"]) == (1.0, 0.0)
    assert rows["no-linear"]["union"] == pytest.approx(1 / 3, abs=1e-3)  # three tags a video
    assert rows["no-linear"]["union vs whole"] == pytest.approx(-2 / 3, abs=1e-3)
    assert (rows["no-linear"]["classifier"], rows["no-linear"]["classifier vs whole"]) == (None, None)
    assert (rows["decoupled"]["classifier"], rows["decoupled"]["classifier vs whole"]) == (0.0, -1.0)
    known = {row["part"]: row for row in tables["unseen: R@200 known"]}
    assert known["no-linear"]["union"] == pytest.approx(1 / 2)  # each `by N` belongs to a single uploader


def trained(settings: AblationOptions) -> list[str]:
    return (settings.out / "trained.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.slow
def test_a_resumed_run_trains_nothing_twice(
    folder: BenchmarkFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.toml").write_text("[recall.learnt]\nsimilarity = 0.0\nwidth = 1\n")  # few channels to score
    settings = options(folder, configs=(tmp_path / "c.toml",))
    settings.out.mkdir()
    (settings.out / "fail").touch()
    with pytest.raises(VideotagError, match="videotag evaluate failed"):
        run(folder, ["decoupled"], settings)
    assert "killed" in capfd.readouterr().err
    (settings.out / "fail").unlink()
    first = run(folder, ["decoupled"], settings)["unseen: R@20"]
    videos = len(read_table(folder.train))
    assert trained(settings) == [f"whole {videos}", f"decoupled {videos}"]
    assert not list(settings.out.glob("*/bundle"))
    assert run(folder, ["decoupled", "asymmetric"], settings)["unseen: R@20"][:2] == first
    assert trained(settings)[2:] == [f"asymmetric {videos}"]


@pytest.mark.slow
def test_training_uses_about_the_requested_number_of_videos(folder: BenchmarkFolder) -> None:
    settings = options(folder, videos=60)
    run(folder, ["whole"], settings)
    drawn = draw(read_table(folder.train), 60)
    assert [row.video.video_id for row in read_table(settings.out / "train.parquet")] == [
        row.video.video_id for row in drawn
    ]
    assert trained(settings) == [f"whole {len(drawn)}"]
    with pytest.raises(OutputExistsError, match="another value of videos"):
        run(folder, ["whole"], options(folder, videos=70))


def test_the_draw_takes_whole_uploaders_and_about_the_requested_number() -> None:
    rows = [LabelledVideo(VideoRef(f"v{n}", uploader_id=f"u{n % 500}"), ("t",) if n % 4 else ()) for n in range(4000)]
    drawn = draw(rows, 1000)
    assert len(drawn) == pytest.approx(1000, rel=0.15)
    chosen = {row.video.uploader_id for row in drawn}
    assert drawn == [row for row in rows if row.tags and row.video.uploader_id in chosen]
    assert draw(rows, 3000) == [row for row in rows if row.tags]


def test_a_part_equal_to_the_whole_is_an_error_before_any_training(folder: BenchmarkFolder, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[recall.learnt]\ncontrastive = 0.0\n")
    settings = options(folder, configs=(tmp_path / "c.toml",))
    with pytest.raises(InvalidConfigError, match="no-contrastive: equal to the whole configuration"):
        run(folder, ["no-contrastive"], settings)
    (tmp_path / "c.toml").write_text('[recall.learnt]\nbackend = "none"\n')
    with pytest.raises(InvalidConfigError, match="no trained recall model"):
        run(folder, ["no-contrastive"], settings)
    assert not (settings.out / "trained.txt").exists()


def test_a_training_without_a_recall_model_is_an_error(folder: BenchmarkFolder, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[recall.learnt]\nlinear = 0.0\nsimilarity = 0.0\nwidth = 1\n")
    with pytest.raises(InvalidManifestError, match="no recall model was trained"):
        run(folder, ["no-contrastive"], options(folder, configs=(tmp_path / "c.toml",)))


CONFIG = """
[training]
least_videos = 100
[recall.learnt]
width = 16
epochs = 2
least_steps = 1
[encoders.text]
backend = "hashed-ngrams"
dim = 64
[encoders.vision]
backend = "none"
[encoders.audio]
backend = "none"
[encoders.speech]
backend = "none"
[encoders.screen]
backend = "none"
[recall.learnt.walks]
walks = 1
length = 10
[recall.blend]
trees = 20
[rank.ranker]
epochs = 0.01
least_steps = 10
"""


@pytest.mark.slow
def test_the_command_removes_the_linear_branch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(videotag, "_videotag", videotag_here)
    monkeypatch.setattr(commands, "Scorer", PlainScorer)
    table = write_youtube(tmp_path / "y.parquet", uploaders=150)
    write_split(read_dataset("youtube", table), tmp_path / "bench")
    (tmp_path / "c.toml").write_text(CONFIG)
    arguments = [
        "--scorer",
        plain_scorer.__file__,
        "--config",
        str(tmp_path / "c.toml"),
        "--features",
        str(tmp_path / "f"),
    ]
    run_tools(
        "benchmarks",
        "ablate",
        str(tmp_path / "bench"),
        *arguments,
        "--test",
        "unseen",
        "--part",
        "no-linear",
        "--format",
        "json",
    )
    whole, without = json.loads(capsys.readouterr().out)["unseen: R@200 known"]
    assert whole["classifier"] > 0.5
    assert without["classifier"] is None
    assert without["multimodal"] > 0.5
    assert without["union vs whole"] == pytest.approx(without["union"] - whole["union"], abs=1e-4)
