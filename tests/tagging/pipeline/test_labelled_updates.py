"""Labelled videos added to a trained bundle: they vote as if the bundle had been trained with them."""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recall.index.factory import build_index
from tagging.bundle.indexes import ViewIndex
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.bundle.manifest import BUNDLE
from tagging.config.root import Config
from tagging.errors import ArtifactError, ArtifactNotFoundError, InvalidManifestError, OutputExistsError
from tagging.maintenance.append_labelled import append_labelled, append_removals
from tagging.maintenance.fold_labelled import fold_labelled
from tagging.pipeline.labelled_updates import UpdateReport, apply_updates
from tagging.pipeline.load import load_tagger
from tagging.pipeline.recall_stage import RecallStage
from tagging.pipeline.tagger import Tagger
from tagging.progress import Silent
from tagging.store.features import FeatureStore
from tagging.store.labelled_log import AddedVideo, LabelledFileLog, LabelledUpdate, read_labelled_log
from tagging.tags.catalog import TagCatalog
from tagging.training.run import train
from tagging.types import RankedTags, VideoEmbeddings, VideoRef
from tests.support.channel_tags import as_dict
from tests.support.cli import error_lines, run
from tests.support.clocks import NOW


def apply_to(tagger: Tagger, updates: Mapping[str, LabelledUpdate]) -> UpdateReport:
    return apply_updates(tagger.models.recall_stage, updates, tagger.models.encoders.fingerprints())


def written(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("features"))


@pytest.fixture(scope="module")
def halves(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """36 labelled videos that cover all tags, and 24 others."""
    rows = [json.loads(line) for line in corpus.read_text().splitlines()]
    for row in rows:
        if row.get("uri"):
            row["uri"] = str(corpus.parent / row["uri"])
    tags = Counter(tag for row in rows for tag in row["tags"])
    second: list[dict[str, object]] = []
    for row in rows[::-1]:
        if len(second) < 24 and all(tags[tag] > 1 for tag in row["tags"]):
            second.append(row)
            tags.subtract(row["tags"])
    assert len(second) == 24
    folder = tmp_path_factory.mktemp("halves")
    first = [row for row in rows if row not in second]
    return written(folder / "first.jsonl", first), written(folder / "second.jsonl", second)


@pytest.fixture(scope="module")
def early(halves: tuple[Path, Path], tiny_config: Config, store: FeatureStore) -> Path:
    """A bundle of the first half without trained models."""
    out = halves[0].parent / "early"
    train([halves[0]], {}, out, tiny_config, store, Silent(), created=NOW)
    return out


@pytest.fixture(scope="module")
def log(early: Path, halves: tuple[Path, Path], store: FeatureStore) -> Path:
    """A log of the second half."""
    path = early.parent / "added.log"
    append_labelled(early, [halves[1]], {}, path, store, Silent())
    return path


def answers(bundle: Path, videos: Sequence[VideoRef], log: Path | None = None) -> list[RankedTags]:
    with load_tagger(bundle) as tagger:
        if log is not None:
            apply_to(tagger, read_labelled_log(log))
        select = tagger.selection(50).model_copy(update={"min_confidence": 0.0})
        return [tagger.tag(video, select) for video in videos]


def by_name(answered: Sequence[RankedTags]) -> list[dict[str, tuple[float, dict[str, float]]]]:
    return [
        {
            tag.name: (round(tag.confidence, 4), {name: round(score, 4) for name, score in tag.channels.items()})
            for tag in answer.tags
        }
        for answer in answered
    ]


@pytest.fixture(scope="module")
def queries(unseen_corpus: Path) -> list[VideoRef]:
    rows = [json.loads(line) for line in unseen_corpus.read_text().splitlines()]
    return [VideoRef(row["video_id"], str(unseen_corpus.parent / row["uri"]), row["title"]) for row in rows]


def test_a_bundle_with_added_videos_answers_as_one_trained_on_all_of_them(
    early: Path, log: Path, halves: tuple[Path, Path], queries: list[VideoRef], tiny_config: Config, store: FeatureStore
) -> None:
    both = early.parent / "both"
    train(list(halves), {}, both, tiny_config, store, Silent(), created=NOW)
    with_spaces_of(early, both)  # they stay as they were trained, whatever videos are added
    want = by_name(answers(both, queries))
    assert by_name(answers(early, queries)) != want
    assert by_name(answers(early, queries, log)) == want

    folded = early.parent / "folded"
    report = fold_labelled(early, log, folded, Silent(), created=NOW)
    assert (report.joined, report.left, report.voteless, report.videos) == (24, 0, 0, 60)
    assert by_name(answers(folded, queries)) == want
    assert by_name(answers(folded, queries, log)) == want  # the log may stay
    counts = BUNDLE.read(folded).counts
    assert counts == BUNDLE.read(both).counts
    assert [(folding.joined, folding.left) for folding in BUNDLE.read(folded).foldings] == [(24, 0)]
    labelled = LabelledVideos.load(folded / "videos.parquet")
    assert sorted(labelled.ids) == sorted(LabelledVideos.load(both / "videos.parquet").ids)


def with_spaces_of(bundle: Path, other: Path) -> None:
    """Write the indexes of a bundle anew, in the spaces that another searches in."""
    manifest, recall = BUNDLE.read(other), BUNDLE.read(other).config.recall
    differ = []
    for name, entry in BUNDLE.read(bundle).channels.items():
        folder = other / "channels" / name
        space = ViewIndex.load(bundle / "channels" / name, recall.index, entry).space
        view = ViewIndex.load(folder, recall.index, manifest.channels[name])
        differ.append(not np.array_equal(view.space.centre, space.centre))
        moved, centre = view.index.rows(), view.space.centre
        # The unit row u of the moved row (u - c) / |u - c| is c + t times it, with the t > 0 that gives it length one.
        along = moved @ centre
        rows = centre + (np.sqrt(along**2 + 1 - centre @ centre) - along)[:, None] * moved
        shutil.rmtree(folder)
        ViewIndex(build_index(space.rows(rows), recall.index), view.videos, space).save(folder)
    assert any(differ)
    (other / "manifest.json").unlink()
    BUNDLE.seal(other, manifest)


def test_added_videos_are_shown_as_evidence(early: Path, log: Path, queries: list[VideoRef]) -> None:
    late_ids = set(read_labelled_log(log))
    shown = {
        evidence.video_id for answer in answers(early, queries, log) for tag in answer.tags for evidence in tag.evidence
    }
    assert shown & late_ids


def test_removed_videos_are_in_no_answer_and_no_folded_bundle(
    early: Path, log: Path, queries: list[VideoRef], tmp_path: Path
) -> None:
    early_ids = LabelledVideos.load(early / "videos.parquet").ids
    own_log = Path(shutil.copy(log, tmp_path / "added.log"))
    gone = [*early_ids[:20], *list(read_labelled_log(log))[:20]]
    assert append_removals(own_log, [*gone, *gone, "unknown"]) == 41
    assert append_removals(own_log, gone) == 0
    answered = answers(early, queries, own_log)
    assert not {evidence.video_id for answer in answered for tag in answer.tags for evidence in tag.evidence} & set(
        gone
    )
    report = fold_labelled(early, own_log, tmp_path / "folded", Silent(), created=NOW)
    assert (report.joined, report.left, report.videos) == (4, 20, 20)
    assert by_name(answers(tmp_path / "folded", queries)) == by_name(answered)


def test_all_videos_may_be_removed(early: Path, queries: list[VideoRef], tmp_path: Path) -> None:
    append_removals(tmp_path / "log", LabelledVideos.load(early / "videos.parquet").ids)
    fold_labelled(early, tmp_path / "log", tmp_path / "empty", Silent(), created=NOW)
    for bundle, log in ((early, tmp_path / "log"), (tmp_path / "empty", None)):
        for answer in answers(bundle, queries, log):
            assert not any(evidence.kind == "video" for tag in answer.tags for evidence in tag.evidence)


def test_added_videos_vote_in_the_starter_bundle(
    tiny_starter: Path, tmp_path: Path, unseen_corpus: Path, queries: list[VideoRef], store: FeatureStore
) -> None:
    clip = json.loads(unseen_corpus.read_text().splitlines()[0])["uri"]
    rows = [{"video_id": "late", "uri": str(unseen_corpus.parent / clip), "title": "anything", "tags": ["Dog"]}]
    append_labelled(tiny_starter, [written(tmp_path / "m.jsonl", rows)], {}, tmp_path / "log", store, Silent())
    [answer] = answers(tiny_starter, queries[:1], tmp_path / "log")
    [dog] = [tag for tag in answer.tags if tag.name == "dog"]
    assert {"video", "audio"} <= {evidence.channel for evidence in dog.evidence if evidence.video_id == "late"}
    fold_labelled(tiny_starter, tmp_path / "log", tmp_path / "folded", Silent(), created=NOW)
    assert by_name(answers(tmp_path / "folded", queries[:1])) == by_name([answer])


def test_unchanged_videos_are_skipped_and_changed_ones_replaced(
    early: Path, log: Path, halves: tuple[Path, Path], store: FeatureStore, tmp_path: Path
) -> None:
    own_log = Path(shutil.copy(log, tmp_path / "added.log"))
    size = own_log.stat().st_size
    report = append_labelled(early, [halves[1]], {}, own_log, store, Silent())
    assert (report.appended, report.unchanged) == (0, 24)
    assert own_log.stat().st_size == size
    rows = [json.loads(line) for line in halves[1].read_text().splitlines()]
    rows[3]["tags"] = ["another tag", *rows[3]["tags"]]
    report = append_labelled(early, [written(tmp_path / "m.jsonl", rows)], {}, own_log, store, Silent())
    assert (report.appended, report.unchanged, report.unknown_tags) == (1, 23, 1)
    changed = read_labelled_log(own_log)[rows[3]["video_id"]]
    assert isinstance(changed, AddedVideo)
    assert changed.tags[0] == "another tag"


def test_unknown_tags_stay_in_the_log_and_are_reported(
    early: Path, tmp_path: Path, store: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    known = json.loads((early.parent / "first.jsonl").read_text().splitlines()[0])["tags"][0]
    rows = [
        {"video_id": "some", "title": "x", "tags": ["no such tag", known.upper()]},
        {"video_id": "none", "title": "y", "tags": ["no such tag", " "]},
        {"video_id": "untagged", "title": "z", "tags": [" "]},
    ]
    path = written(tmp_path / "m.jsonl", rows)
    report = append_labelled(early, [path], {}, tmp_path / "log", store, Silent())
    assert (report.appended, report.without_tags, report.unknown_tags) == (2, 1, 1)
    with load_tagger(early) as tagger:
        first = apply_to(tagger, read_labelled_log(tmp_path / "log"))
        again = apply_to(tagger, read_labelled_log(tmp_path / "log"))
    assert (first.added, first.without_votes, dict(first.unknown)) == (1, 1, {"no such tag": 2})
    assert again == first
    assert "1 tags are not in the bundle's catalog" in caplog.text
    assert "'no such tag'" in caplog.text


def test_rows_of_other_encoders_are_left_out_and_reported(
    early: Path, log: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entries = list(read_labelled_log(log).values())
    with LabelledFileLog.open(tmp_path / "log") as own_log:
        for entry in entries:
            assert isinstance(entry, AddedVideo)
            own_log.append(replace(entry, encoders={**entry.encoders, "text": "another"}))
    with load_tagger(early) as tagger:
        report = apply_to(tagger, read_labelled_log(tmp_path / "log"))
    assert (report.added, report.foreign_rows) == (24, 24)
    assert "24 videos have rows of encoders that the bundle does not have" in caplog.text


def test_bad_input_is_one_clear_error_before_any_work(
    early: Path, log: Path, tmp_path: Path, store: FeatureStore
) -> None:
    untagged = written(tmp_path / "m.jsonl", [{"video_id": "v", "title": "x", "tags": []}])
    with pytest.raises(InvalidManifestError, match="no video of the manifests has a tag"):
        append_labelled(early, [untagged], {}, tmp_path / "log", store, Silent())
    with LabelledFileLog.open(tmp_path / "log"), pytest.raises(ArtifactError, match="is being written elsewhere"):
        append_labelled(early, [untagged], {}, tmp_path / "log", store, Silent())
    with pytest.raises(OutputExistsError):
        fold_labelled(early, log, early, Silent(), created=NOW)
    with pytest.raises(ArtifactNotFoundError):
        fold_labelled(early, tmp_path / "nothing", tmp_path / "out", Silent(), created=NOW)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_added_videos_vote_in_every_channel_of_labelled_videos_of_a_trained_bundle(
    learnt_bundle: Path, tmp_path: Path, store: FeatureStore
) -> None:
    title = "engine gearbox sourdough"
    rows = [{"video_id": "late", "title": title, "tags": ["food"], "uploader_id": "new uploader"}]
    append_labelled(learnt_bundle, [written(tmp_path / "m.jsonl", rows)], {}, tmp_path / "log", store, Silent())

    query = VideoRef("q", None, title, uploader_id="new uploader")
    [before] = answers(learnt_bundle, [query])
    [after] = answers(learnt_bundle, [query], tmp_path / "log")
    [food] = [tag for tag in after.tags if tag.name == "food"]
    assert {"text", "multimodal", "lexical"} <= {
        evidence.channel for evidence in food.evidence if evidence.video_id == "late"
    }
    assert any(evidence.kind == "uploader" for evidence in food.evidence)
    assert food.confidence > max((tag.confidence for tag in before.tags if tag.name == "food"), default=0.0)

    fold_labelled(learnt_bundle, tmp_path / "log", tmp_path / "folded", Silent(), created=NOW)
    # Tags keep their rows, on which the per-tag thresholds depend.
    before_it, folded_in = (
        TagCatalog.load(folder / "catalog.parquet") for folder in (learnt_bundle, tmp_path / "folded")
    )
    assert folded_in.ids == before_it.ids
    confidence = "rank/confidence.json"
    assert (tmp_path / "folded" / confidence).read_bytes() == (learnt_bundle / confidence).read_bytes()
    embeddings = VideoEmbeddings({}, title=title, uploader_id="new uploader")
    proposals = []
    for folder in (learnt_bundle, tmp_path / "folded"):
        recall_stage = RecallStage.load(folder, BUNDLE.read(folder))
        if folder == learnt_bundle:
            entry = read_labelled_log(tmp_path / "log")["late"]
            assert isinstance(entry, AddedVideo)
            food_row = np.array([recall_stage.catalog.names.index("food")])
            recall_stage.add_labelled(["late"], [entry.embeddings(entry.encoders)], [food_row])
        [proposed] = recall_stage.propose([embeddings])
        proposals.append({name: as_dict(tags) for name, tags in proposed.items()})
    live, folded = proposals
    assert live.keys() == folded.keys()
    for name, tags in live.items():
        assert folded[name] == (None if tags is None else pytest.approx(tags, abs=2e-5)), name


def test_the_commands_append_tag_and_fold(tiny_bundle: Path, tmp_path: Path) -> None:
    log, home = tmp_path / "added.log", tmp_path / "home"
    manifest = written(tmp_path / "m.jsonl", [{"video_id": "late", "title": "zebra quagga", "tags": ["sunset"]}])
    added = run(
        "labelled", "add", "--manifest", manifest, "--bundle", tiny_bundle, "--log", log, "--format", "json", home=home
    )
    assert json.loads(added.stdout)["appended"] == 1, added.stderr
    query = ("--title", "zebra quagga", "--format", "json")
    answer = json.loads(run("tag", *query, "--bundle", tiny_bundle, "--labelled", log).stdout)
    assert any(evidence.get("video_id") == "late" for tag in answer["tags"] for evidence in tag["evidence"])
    folded = run("labelled", "fold", "--bundle", tiny_bundle, "--log", log, "--out", tmp_path / "b", "--format", "json")
    assert json.loads(folded.stdout)["joined"] == 1, folded.stderr
    again = json.loads(run("tag", *query, "--bundle", tmp_path / "b").stdout)
    assert again["tags"] == answer["tags"]
    removed = run("labelled", "remove", "late", "--log", log, "--format", "json")
    assert json.loads(removed.stdout)["removed"] == 1
    assert error_lines(run("tag", *query, "--labelled", tmp_path / "nothing"))[0].startswith("error: ")
