"""A bundle whose recall learnt: from labelled titles to the blend, and what is measured of it."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tagging.config import BlendConfig, Config
from tagging.errors import InvalidVideoError
from tagging.evaluation import evaluate
from tagging.pipeline import load_tagger
from tagging.progress import Silent
from tagging.reading import Failure
from tagging.store.bundle import read_manifest
from tagging.store.features import FeatureStore
from tagging.training import train
from tagging.types import VideoRef
from tests.recall.topics import LEARNT, NAMES, topics

CHANNELS = ["text", "multimodal", "lexical", "words", "classifier", "similarity"]


@pytest.fixture(scope="module")
def config(tiny_config: Config) -> Config:
    learnt = LEARNT.model_copy(update={"epochs": 20})
    recall = tiny_config.recall.model_copy(update={"learnt": learnt, "blend": BlendConfig(trees=20, least_in_leaf=5)})
    training = tiny_config.training.model_copy(update={"least_videos": 100})
    return tiny_config.model_copy(update={"recall": recall, "training": training})


def write(path: Path, count: int, seed: int, first: int = 0) -> Path:
    data = topics(count, seed)
    with path.open("w", encoding="utf-8") as out:
        for row, video in enumerate(data.videos):
            tags = [NAMES[tag] for tag in data.tags.of(row)]
            # Every uploader of the topics becomes ten, so that whole uploaders can be kept from the learning.
            uploader = f"u{data.uploaders[row]}-{row % 10}"
            said = {"video_id": f"v{first + row}", "title": video.title, "tags": tags, "uploader_id": uploader}
            out.write(json.dumps(said, ensure_ascii=False) + "\n")
    return path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Path:
    folder = tmp_path_factory.mktemp("learnt")
    train([write(folder / "train.jsonl", 400, seed=1)], {}, folder / "b", config, FeatureStore(folder / "f"), Silent())
    return folder / "b"


def test_the_bundle_says_what_was_learnt_from_how_many(bundle: Path) -> None:
    entry = read_manifest(bundle).learnt
    assert entry is not None
    assert entry.videos + entry.blended_on + entry.kept_for_promises == 400
    assert 10 <= entry.kept_for_promises <= 80
    assert 50 <= entry.blended_on <= 130
    assert entry.labels == 6


def test_every_channel_and_the_union_are_measured_and_written(bundle: Path, tmp_path: Path) -> None:
    test = write(tmp_path / "test.jsonl", 60, seed=9, first=1000)
    (tmp_path / "p").mkdir()
    report = evaluate(bundle, [test], {}, FeatureStore(tmp_path / "f"), Silent(), predictions=tmp_path / "p")
    rows: Mapping[str, Mapping[str, object]] = {str(row["channel"]): row for row in report.recall}
    assert list(rows) == [*CHANNELS, "union", "uploader", "union with uploader"]
    found = float(str(rows["union"]["recall_at_5"]))
    assert found > 0.9
    assert all(found >= float(str(rows[name]["recall_at_5"])) - 0.05 for name in CHANNELS)
    assert float(report.ranking[0]["precision_at_1"]) > 0.9
    for name in [*CHANNELS, "union", "union-with-uploader"]:
        lines = [json.loads(line) for line in (tmp_path / "p" / f"{name}.jsonl").read_text().splitlines()]
        assert len(lines) <= 60
        assert all(0 <= tag["confidence"] <= 1 for line in lines for tag in line["tags"])


def test_a_video_is_tagged_with_a_probability(bundle: Path) -> None:
    with load_tagger(bundle) as tagger:
        answer = tagger.tag(VideoRef("x", title="purring kitten with whiskers"), tagger.selection(3))
    assert answer.tags[0].name == "cats"
    assert answer.tags[0].confidence > 0.8
    assert set(answer.tags[0].channels) >= {"classifier", "multimodal", "lexical"}


def test_a_video_of_which_nothing_is_known_is_one_error_and_the_others_are_tagged(bundle: Path) -> None:
    with load_tagger(bundle) as tagger:
        nothing = VideoRef("nothing")
        with pytest.raises(InvalidVideoError, match="nothing"):
            tagger.tag(nothing, tagger.selection(3))
        failure, answer, silent = tagger.tag_many(
            [nothing, VideoRef("x", title="purring kitten"), VideoRef("y", title="🎉🎉")], tagger.selection(3)
        )
    assert isinstance(failure, Failure)
    assert not isinstance(answer, Failure)
    assert answer.tags
    assert not isinstance(silent, Failure)


def test_the_same_input_gives_the_same_learnt_bundle(bundle: Path, config: Config, tmp_path: Path) -> None:
    manifest = write(tmp_path / "train.jsonl", 400, seed=1)
    train([manifest], {}, tmp_path / "b", config, FeatureStore(tmp_path / "f"), Silent())
    first, second = (read_manifest(folder).files for folder in (bundle, tmp_path / "b"))
    assert first == second


def test_with_too_few_videos_nothing_is_learnt_and_that_is_told(
    config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = write(tmp_path / "few.jsonl", 60, seed=1)
    with caplog.at_level("INFO"):
        train([manifest], {}, tmp_path / "b", config, FeatureStore(tmp_path / "f"), Silent())
    assert "nothing is learnt" in caplog.text
    assert read_manifest(tmp_path / "b").learnt is None
    with load_tagger(tmp_path / "b") as tagger:
        assert tagger.tag(VideoRef("x", title="purring kitten"), tagger.selection(3)).tags
