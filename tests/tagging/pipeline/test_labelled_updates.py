"""Labelled videos that come after a bundle was made: they vote as if it had been trained with them."""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tagging.bundle.files import read_manifest
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.config.root import Config
from tagging.errors import ArtifactError, ArtifactNotFoundError, InvalidManifestError, OutputExistsError
from tagging.maintenance.append_labelled import append_labelled, append_removals
from tagging.maintenance.fold_labelled import fold_labelled
from tagging.pipeline.load import load_tagger
from tagging.pipeline.recall_stage import RecallStage
from tagging.progress import Silent
from tagging.store.features import FeatureStore
from tagging.store.labelled_log import AddedVideo, LabelledFileLog, read_labelled_log
from tagging.tags.catalog import TagCatalog
from tagging.training.run import train
from tagging.types import RankedTags, VideoEmbeddings, VideoRef
from tests.support.channel_tags import as_dict
from tests.support.cli import error_lines, run
from tests.support.clocks import NOW


def written(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("features"))


@pytest.fixture(scope="module")
def halves(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """36 labelled videos that have all tags, and 24 others."""
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
    """A bundle of the first half, in which nothing was learnt."""
    out = halves[0].parent / "early"
    train([halves[0]], {}, out, tiny_config, store, Silent(), created=NOW)
    return out


@pytest.fixture(scope="module")
def log(early: Path, halves: tuple[Path, Path], store: FeatureStore) -> Path:
    """Of the second half."""
    path = early.parent / "late.log"
    append_labelled(early, [halves[1]], {}, path, store, Silent())
    return path


def answers(bundle: Path, videos: Sequence[VideoRef], log: Path | None = None) -> list[RankedTags]:
    with load_tagger(bundle) as tagger:
        if log is not None:
            tagger.join(read_labelled_log(log))
        select = tagger.selection(50).model_copy(update={"min_confidence": 0.0})
        return [tagger.tag(video, select) for video in videos]


def by_name(answered: Sequence[RankedTags]) -> list[dict[str, tuple[float, dict[str, float]]]]:
    return [
        {
            tag.name: (round(tag.confidence, 4), {name: round(score, 4) for name, score in tag.channels.items()})
            for tag in one.tags
        }
        for one in answered
    ]


@pytest.fixture(scope="module")
def asked(unseen_corpus: Path) -> list[VideoRef]:
    rows = [json.loads(line) for line in unseen_corpus.read_text().splitlines()]
    return [VideoRef(row["video_id"], str(unseen_corpus.parent / row["uri"]), row["title"]) for row in rows]


def test_a_bundle_and_late_videos_answer_as_one_trained_on_all_of_them(
    early: Path, log: Path, halves: tuple[Path, Path], asked: list[VideoRef], tiny_config: Config, store: FeatureStore
) -> None:
    both = early.parent / "both"
    train(list(halves), {}, both, tiny_config, store, Silent(), created=NOW)
    want = by_name(answers(both, asked))
    assert by_name(answers(early, asked)) != want
    assert by_name(answers(early, asked, log)) == want

    folded = early.parent / "folded"
    report = fold_labelled(early, log, folded, Silent(), created=NOW)
    assert (report.joined, report.left, report.voteless, report.videos) == (24, 0, 0, 60)
    assert by_name(answers(folded, asked)) == want
    assert by_name(answers(folded, asked, log)) == want  # the log may stay
    counts = read_manifest(folded).counts
    assert counts == read_manifest(both).counts
    assert [(one.joined, one.left) for one in read_manifest(folded).foldings] == [(24, 0)]
    labelled = LabelledVideos.load(folded / "videos.parquet")
    assert sorted(labelled.ids) == sorted(LabelledVideos.load(both / "videos.parquet").ids)


def test_late_videos_are_shown_as_evidence(early: Path, log: Path, asked: list[VideoRef]) -> None:
    late_ids = set(read_labelled_log(log))
    shown = {one.video_id for answer in answers(early, asked, log) for tag in answer.tags for one in tag.evidence}
    assert shown & late_ids


def test_who_left_is_in_no_answer_and_in_no_bundle_folded_from_then_on(
    early: Path, log: Path, asked: list[VideoRef], tmp_path: Path
) -> None:
    early_ids = LabelledVideos.load(early / "videos.parquet").ids
    mine = Path(shutil.copy(log, tmp_path / "late.log"))
    gone = [*early_ids[:20], *list(read_labelled_log(log))[:20]]
    assert append_removals(mine, [*gone, *gone, "nobody"]) == 41
    assert append_removals(mine, gone) == 0
    answered = answers(early, asked, mine)
    assert not {one.video_id for answer in answered for tag in answer.tags for one in tag.evidence} & set(gone)
    report = fold_labelled(early, mine, tmp_path / "folded", Silent(), created=NOW)
    assert (report.joined, report.left, report.videos) == (4, 20, 20)
    assert by_name(answers(tmp_path / "folded", asked)) == by_name(answered)


def test_everybody_may_leave(early: Path, asked: list[VideoRef], tmp_path: Path) -> None:
    append_removals(tmp_path / "log", LabelledVideos.load(early / "videos.parquet").ids)
    fold_labelled(early, tmp_path / "log", tmp_path / "empty", Silent(), created=NOW)
    for bundle, log in ((early, tmp_path / "log"), (tmp_path / "empty", None)):
        for answer in answers(bundle, asked, log):
            assert not any(one.kind == "video" for tag in answer.tags for one in tag.evidence)


def test_the_starter_bundle_learns_from_late_videos_alone(
    tiny_starter: Path, tmp_path: Path, unseen_corpus: Path, asked: list[VideoRef], store: FeatureStore
) -> None:
    clip = json.loads(unseen_corpus.read_text().splitlines()[0])["uri"]
    rows = [{"video_id": "late", "uri": str(unseen_corpus.parent / clip), "title": "anything", "tags": ["Dog"]}]
    append_labelled(tiny_starter, [written(tmp_path / "m.jsonl", rows)], {}, tmp_path / "log", store, Silent())
    [answer] = answers(tiny_starter, asked[:1], tmp_path / "log")
    [dog] = [tag for tag in answer.tags if tag.name == "dog"]
    assert {"video", "audio"} <= {one.channel for one in dog.evidence if one.video_id == "late"}
    fold_labelled(tiny_starter, tmp_path / "log", tmp_path / "folded", Silent(), created=NOW)
    assert by_name(answers(tmp_path / "folded", asked[:1])) == by_name([answer])


def test_what_is_there_already_is_passed_over_and_what_changed_takes_its_place(
    early: Path, log: Path, halves: tuple[Path, Path], store: FeatureStore, tmp_path: Path
) -> None:
    mine = Path(shutil.copy(log, tmp_path / "late.log"))
    size = mine.stat().st_size
    report = append_labelled(early, [halves[1]], {}, mine, store, Silent())
    assert (report.appended, report.unchanged) == (0, 24)
    assert mine.stat().st_size == size
    rows = [json.loads(line) for line in halves[1].read_text().splitlines()]
    rows[3]["tags"] = ["another tag", *rows[3]["tags"]]
    report = append_labelled(early, [written(tmp_path / "m.jsonl", rows)], {}, mine, store, Silent())
    assert (report.appended, report.unchanged, report.unknown_tags) == (1, 23, 1)
    changed = read_labelled_log(mine)[rows[3]["video_id"]]
    assert isinstance(changed, AddedVideo)
    assert changed.tags[0] == "another tag"


def test_unknown_tags_stay_in_the_log_and_are_told(
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
        joined = tagger.join(read_labelled_log(tmp_path / "log"))
        again = tagger.join(read_labelled_log(tmp_path / "log"))
    assert (joined.added, joined.without_votes, dict(joined.unknown)) == (1, 1, {"no such tag": 2})
    assert again == joined
    assert "1 tags are not in the bundle's catalog" in caplog.text
    assert "'no such tag'" in caplog.text


def test_rows_of_other_encoders_are_left_out_and_told(
    early: Path, log: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entries = list(read_labelled_log(log).values())
    with LabelledFileLog.open(tmp_path / "log") as mine:
        for entry in entries:
            assert isinstance(entry, AddedVideo)
            mine.append(replace(entry, encoders={**entry.encoders, "text": "another"}))
    with load_tagger(early) as tagger:
        report = tagger.join(read_labelled_log(tmp_path / "log"))
    assert (report.added, report.foreign_rows) == (24, 24)
    assert "24 videos have rows of encoders that the bundle does not have" in caplog.text


def test_bad_input_is_one_clear_error_before_any_work(
    early: Path, log: Path, tmp_path: Path, store: FeatureStore
) -> None:
    untagged = written(tmp_path / "m.jsonl", [{"video_id": "v", "title": "x", "tags": []}])
    with pytest.raises(InvalidManifestError, match="no video with a tag"):
        append_labelled(early, [untagged], {}, tmp_path / "log", store, Silent())
    with LabelledFileLog.open(tmp_path / "log"), pytest.raises(ArtifactError, match="is being written elsewhere"):
        append_labelled(early, [untagged], {}, tmp_path / "log", store, Silent())
    with pytest.raises(OutputExistsError):
        fold_labelled(early, log, early, Silent(), created=NOW)
    with pytest.raises(ArtifactNotFoundError):
        fold_labelled(early, tmp_path / "nothing", tmp_path / "out", Silent(), created=NOW)
    assert not (tmp_path / "out").exists()


def test_in_a_bundle_that_learnt_late_videos_vote_in_every_channel_of_labelled_videos(
    learnt_bundle: Path, tmp_path: Path, store: FeatureStore
) -> None:
    title = "engine gearbox sourdough"
    rows = [{"video_id": "late", "title": title, "tags": ["food"], "uploader_id": "somebody new"}]
    append_labelled(learnt_bundle, [written(tmp_path / "m.jsonl", rows)], {}, tmp_path / "log", store, Silent())

    query = VideoRef("q", None, title, uploader_id="somebody new")
    [before] = answers(learnt_bundle, [query])
    [after] = answers(learnt_bundle, [query], tmp_path / "log")
    [food] = [tag for tag in after.tags if tag.name == "food"]
    assert {"text", "multimodal", "lexical"} <= {one.channel for one in food.evidence if one.video_id == "late"}
    assert any(one.kind == "uploader" for one in food.evidence)
    assert food.confidence > max((tag.confidence for tag in before.tags if tag.name == "food"), default=0.0)

    fold_labelled(learnt_bundle, tmp_path / "log", tmp_path / "folded", Silent(), created=NOW)
    # Tags keep their rows, which the thresholds of tags of their own go by.
    before_it, folded_in = (
        TagCatalog.load(folder / "catalog.parquet") for folder in (learnt_bundle, tmp_path / "folded")
    )
    assert folded_in.ids == before_it.ids
    confidence = "rank/confidence.json"
    assert (tmp_path / "folded" / confidence).read_bytes() == (learnt_bundle / confidence).read_bytes()
    embeddings = VideoEmbeddings({}, title=title, uploader_id="somebody new")
    proposals = []
    for folder in (learnt_bundle, tmp_path / "folded"):
        recall_stage = RecallStage.load(folder, read_manifest(folder))
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
    log, home = tmp_path / "late.log", tmp_path / "home"
    manifest = written(tmp_path / "m.jsonl", [{"video_id": "late", "title": "zebra quagga", "tags": ["sunset"]}])
    added = run(
        "labelled", "add", "--manifest", manifest, "--bundle", tiny_bundle, "--log", log, "--format", "json", home=home
    )
    assert json.loads(added.stdout)["appended"] == 1, added.stderr
    query = ("--title", "zebra quagga", "--format", "json")
    answer = json.loads(run("tag", *query, "--bundle", tiny_bundle, "--labelled", log).stdout)
    assert any(one.get("video_id") == "late" for tag in answer["tags"] for one in tag["evidence"])
    folded = run("labelled", "fold", "--bundle", tiny_bundle, "--log", log, "--out", tmp_path / "b", "--format", "json")
    assert json.loads(folded.stdout)["joined"] == 1, folded.stderr
    again = json.loads(run("tag", *query, "--bundle", tmp_path / "b").stdout)
    assert again["tags"] == answer["tags"]
    removed = run("labelled", "remove", "late", "--log", log, "--format", "json")
    assert json.loads(removed.stdout)["removed"] == 1
    assert error_lines(run("tag", *query, "--labelled", tmp_path / "nothing"))[0].startswith("error: ")
