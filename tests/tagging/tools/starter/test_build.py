"""The starter bundle: reproducible, and usable for tagging and evaluation."""

from pathlib import Path

import numpy as np
import pytest

from tagging.bundle.manifest import BUNDLE
from tagging.bundle.name_vectors import load_class_tags
from tagging.config.root import Config
from tagging.errors import OutputExistsError
from tagging.evaluation.run import evaluate
from tagging.pipeline.load import load_tagger
from tagging.progress import Silent
from tagging.quickstart.corpus import PlannedVideo
from tagging.store.features import FeatureStore
from tagging.tags.catalog import TagCatalog
from tagging.tools.starter.build import build
from tagging.types import RankedTags, VideoRef
from tests.support.label_lists import tiny_classes


def names(answer: RankedTags) -> list[str]:
    return [tag.name for tag in answer.tags]


def contents(bundle: Path) -> dict[str, bytes]:
    return {str(path.relative_to(bundle)): path.read_bytes() for path in bundle.rglob("*") if path.is_file()}


def test_the_same_lists_give_the_same_bundle_byte_for_byte(
    tmp_path: Path, label_lists: Path, direct_config: Config, extracting_starter: Path
) -> None:
    titles, classes = extracting_starter.parent / "titles.jsonl", tiny_classes(extracting_starter.parent)
    report = build(label_lists, titles, {}, tmp_path / "again", direct_config, classes)
    assert contents(tmp_path / "again") == contents(extracting_starter)
    assert report.titles == 150
    assert report.tags == len(TagCatalog.load(extracting_starter / "catalog.parquet"))


def test_only_names_of_classes_may_be_seen_or_heard(tiny_starter: Path) -> None:
    catalog = TagCatalog.load(tiny_starter / "catalog.parquet")
    entry = BUNDLE.read(tiny_starter).names
    assert entry is not None
    seen, heard = (load_class_tags(tiny_starter, modality, entry) for modality in ("frames", "audio"))
    assert {catalog.names[row] for row in seen.tag_rows} == {
        "beagle", "tabby", "dog", "cat", "animal", "sports car", "car", "vehicle",
    }  # fmt: skip
    assert {catalog.names[row] for row in heard.tag_rows} == {"dog barking", "piano", "dog", "animal", "music"}


def test_a_clip_is_tagged_from_title_frames_and_sound(
    extracting_starter: Path, unseen_corpus: Path, unseen_plans: list[PlannedVideo]
) -> None:
    clip = str(unseen_corpus.parent / f"{unseen_plans[0].video_id}.mp4")
    with load_tagger(extracting_starter) as tagger:
        selection = tagger.selection(20)
        answer = tagger.tag(VideoRef("v", clip, "Ice hockey, explained"), selection)
        new = tagger.tag(VideoRef("n", title="Zorbaq - Miplo Quent (Official Video)"), selection)
        title = tagger.tag(VideoRef("t", title="?!"), selection)
    by_name = {tag.name: tag for tag in answer.tags}
    assert {"ice hockey", "beagle", "dog", "animal", "dog barking"} <= set(by_name)
    assert not {"hockey", "tabby", "piano", "music"} & set(by_name)
    assert set(by_name["dog"].channels) == {"seen", "heard"}
    frame, sound = by_name["dog"].evidence
    assert (frame.kind, frame.frames) == ("frame", 16)
    assert sound.kind == "sound"
    assert by_name["ice hockey"].evidence[0].text == "Ice hockey"
    assert by_name["dog"].confidence == pytest.approx(
        1 - (1 - by_name["dog"].channels["seen"]) * (1 - by_name["dog"].channels["heard"]), abs=1e-5
    )
    assert [name for name in names(new) if name == "Zorbaq"] == ["Zorbaq"]
    assert next(tag for tag in new.tags if tag.name == "Zorbaq").is_new
    assert names(title) == []
    assert title.warnings == ("nothing the bundle knows is near enough to propose a tag",)


def test_a_bundle_without_labelled_videos_is_evaluated(
    extracting_starter: Path, unseen_corpus: Path, tmp_path: Path
) -> None:
    report = evaluate(extracting_starter, [unseen_corpus], {}, FeatureStore(tmp_path), Silent())
    assert [row["channel"] for row in report.recall] == [
        "text", "video", "audio", "written", "seen", "heard", "extracted", "union"
    ]  # fmt: skip
    assert [row["videos_looked_at"] for row in report.recall] == [8] * 8
    assert [row["tags_proposed"] for row in report.recall[:3]] == [0] * 3  # no labelled videos, hence no votes


def test_an_existing_bundle_is_never_overwritten(
    tiny_starter: Path, label_lists: Path, direct_config: Config, tmp_path: Path
) -> None:
    with pytest.raises(OutputExistsError):
        build(
            label_lists, tmp_path / "titles.jsonl", {}, tiny_starter, direct_config, tiny_classes(tiny_starter.parent)
        )


def test_hidden_tags_are_never_proposed(tiny_starter: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from tagging.pipeline.recall_stage import CatalogState, RecallStage
    from tagging.types import VideoEmbeddings

    manifest = BUNDLE.read(tiny_starter)
    recall_stage = RecallStage.load(tiny_starter, manifest)
    row = recall_stage.catalog.rows_by_spelling["dog"]
    beliefs = {"frames": np.array([[0.9, 0.0, 0.0]], np.float32)}
    video = VideoEmbeddings({}, beliefs=beliefs)  # type: ignore[arg-type]
    assert row in recall_stage.recall([video])[0].tag_rows
    hidden = recall_stage.catalog.hidden.copy()
    hidden[row] = True
    catalog = replace(recall_stage.catalog, hidden=hidden)
    recall_stage = replace(recall_stage, tags=CatalogState(catalog))
    [candidates] = recall_stage.recall([video])
    assert row not in candidates.tag_rows
    assert len(candidates.tag_rows) == len(candidates.scores) > 0
