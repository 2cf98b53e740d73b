"""A bundle whose recall learnt: from labelled titles to the blend, and what is measured of it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from rank.contrastive import ContrastiveRanker
from rank.recall_probability import RecallProbabilityRanker
from tagging.bundle.files import read_manifest
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.config.rank import TagOffsetsConfig
from tagging.config.recall import RecallFusionConfig
from tagging.config.root import Config
from tagging.errors import InvalidSelectionError, InvalidVideoError
from tagging.evaluation.run import EvaluationReport, evaluate
from tagging.media.read_ahead import Failure
from tagging.pipeline.load import load_held_out_predictions, load_ranker, load_tagger
from tagging.pipeline.precision import LONGEST_ANSWER
from tagging.progress import Silent
from tagging.store.features import FeatureStore
from tagging.tags.catalog import build_catalog
from tagging.training.name_sources import NameSources
from tagging.training.recall import TrainedRecall, train_recall
from tagging.training.run import train
from tagging.training.training_set import TrainingSet
from tagging.types import RankedTags, VideoEmbeddings, VideoRef
from tests.support.clocks import NOW
from tests.support.topics import LEARNT, NAMES, WORDS, topics
from tests.tagging.cli.test_commands import run, told

CHANNELS = ["text", "multimodal", "lexical", "words", "classifier", "similarity"]


@pytest.fixture(scope="module")
def config(tiny_config: Config) -> Config:
    learnt = LEARNT.model_copy(update={"epochs": 20})
    recall = tiny_config.recall.model_copy(
        update={"learnt": learnt, "blend": RecallFusionConfig(trees=20, least_in_leaf=5)}
    )
    training = tiny_config.training.model_copy(update={"least_videos": 100})
    # Tags have thresholds of their own, whether they help or not.
    own = TagOffsetsConfig(standard_errors=-1000.0, least_uploaders=2)
    assert tiny_config.rank.ranker is not None
    ranker = tiny_config.rank.ranker.model_copy(update={"offsets": own})
    rank = tiny_config.rank.model_copy(update={"ranker": ranker})
    return tiny_config.model_copy(update={"recall": recall, "rank": rank, "training": training})


def write(path: Path, count: int, seed: int, first: int = 0, clips: Sequence[Path] = ()) -> Path:
    """clips: what some of the videos show, each topic another."""
    data = topics(count, seed)
    with path.open("w", encoding="utf-8") as out:
        for row, video in enumerate(data.videos):
            tags = [NAMES[tag] for tag in data.tags.at(row)]
            # Every uploader of the topics becomes fifty, so that whole uploaders can be kept from the learning.
            uploader = f"u{data.uploaders[row]}-{row % 50}"
            said = {"video_id": f"v{first + row}", "title": video.title, "tags": tags, "uploader_id": uploader}
            if clips and row % 11 == 0:
                said["uri"] = str(clips[row % 4])
            out.write(json.dumps(said, ensure_ascii=False) + "\n")
    return path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Path:
    folder = tmp_path_factory.mktemp("learnt")
    train(
        [write(folder / "train.jsonl", 400, seed=1)],
        {},
        folder / "b",
        config,
        FeatureStore(folder / "f"),
        Silent(),
        created=NOW,
    )
    return folder / "b"


def test_the_bundle_says_what_was_learnt_from_how_many(bundle: Path) -> None:
    entry = read_manifest(bundle).learnt
    assert entry is not None
    assert entry.videos + entry.blended_on + entry.kept_for_promises == 400
    assert 10 <= entry.kept_for_promises <= 80
    assert 50 <= entry.blended_on <= 130
    assert entry.labels == 6


def test_the_bundle_holds_the_ranker_its_graph_and_what_it_would_answer(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    assert manifest.learnt is not None
    assert manifest.ranker is not None
    assert manifest.ranker.videos == manifest.learnt.videos
    assert manifest.ranker.edges == pq.read_table(bundle / "graph.parquet").num_rows > 0
    names = {"towers.safetensors", "towers.json", "tokenizer.json", "tags.npy", "confidence.json"}
    assert {f"rank/{name}" for name in names} | {"graph.parquet", "answers.parquet"} <= set(manifest.files)
    assert len(np.load(bundle / "rank" / "tags.npy")) == manifest.counts["tags"]
    answers = load_held_out_predictions(bundle, manifest)
    assert answers is not None
    assert len(answers) == manifest.learnt.kept_for_promises
    assert np.diff(answers.starts).max() <= LONGEST_ANSWER
    assert answers.right.any()
    ranker = load_ranker(bundle, manifest)
    assert isinstance(ranker, ContrastiveRanker)
    assert manifest.ranker.thresholds == len(ranker.confidence.offsets) > 0


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


@pytest.fixture(scope="module")
def report(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> EvaluationReport:
    folder = tmp_path_factory.mktemp("evaluated")
    test = write(folder / "test.jsonl", 60, seed=9, first=1000)
    return evaluate(bundle, [test], {}, FeatureStore(folder / "f"), Silent(), figure=folder / "figure.png")


def test_all_systems_are_compared_at_one_number_of_tags(report: EvaluationReport) -> None:
    names = ["recall + rank", "recall", "rank alone", "classifier"]
    assert [row["system"] for row in report.ranking] == names
    assert [row["system"] for row in report.systems] == [
        "recall + rank, as answered", *(f"{name}, 3 tags a video" for name in names),
    ]  # fmt: skip
    assert {row["tags_per_video"] for row in report.systems[1:]} == {3.0}
    assert {row["videos"] for row in [*report.ranking, *report.systems]} == {60}
    assert float(report.ranking[0]["precision_at_1"]) >= float(report.ranking[2]["precision_at_1"])


def test_calibration_and_promises_are_told(report: EvaluationReport) -> None:
    [calibration] = report.calibration
    assert calibration["system"] == "recall + rank"
    assert 0 < float(calibration["right"]) < 1
    assert float(calibration["calibration_error"]) < 0.2
    assert [row["promised_precision"] for row in report.promises] == [0.7, 0.8, 0.9]
    kept = [row for row in report.promises if row["precision"] != ""]
    assert kept
    for row in kept:  # on made-up titles the topics are plain
        assert float(row["precision"]) >= float(row["promised_precision"])
        assert 0 < float(row["share_answered"]) <= 1


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


TITLES = [" ".join(words[:3]) for words in WORDS.values()] + ["kitten engine", "part3", "something else"]
PRECISIONS = (0.3, 0.5, 0.7, 0.8, 0.85, 0.9)


def answered(bundle: Path, precision: float, max_tags: int | None = None) -> list[RankedTags]:
    with load_tagger(bundle) as tagger:
        selection = tagger.selection(max_tags, precision)
        results = tagger.tag_many([VideoRef(title, title=title) for title in TITLES], selection)
        return [one for one in results if isinstance(one, RankedTags)]


def test_a_higher_precision_never_answers_more(bundle: Path) -> None:
    counts = [[len(answer.tags) for answer in answered(bundle, precision)] for precision in PRECISIONS]
    for looser, stricter in pairwise(counts):
        assert all(few <= many for few, many in zip(stricter, looser, strict=True))
    assert sum(counts[0]) > sum(counts[-1])
    assert all(counts[0][:4])


def test_where_no_confidence_keeps_the_promise_every_video_says_so(bundle: Path) -> None:
    for answer in answered(bundle, 0.99):
        assert answer.tags == ()
        assert answer.warnings[-1].startswith("no confidence keeps the promised precision; the best tag, ")


def test_a_promise_is_kept_for_no_longer_answers_than_it_is_known_for(bundle: Path) -> None:
    with load_tagger(bundle) as tagger:
        assert tagger.selection(500).max_tags == 500
        with pytest.raises(InvalidSelectionError, match="answers of 500 tags"):
            tagger.selection(500, 0.5)
        assert tagger.selection(LONGEST_ANSWER, 0.5).max_tags == LONGEST_ANSWER
        assert tagger.selection(2, 0.5).max_tags == 2


def test_the_command_line_takes_and_measures_promises(bundle: Path, tmp_path: Path) -> None:
    args = ("tag", "--title", TITLES[0], "--bundle", bundle, "--format", "json", "--precision")
    sure = json.loads(run(*args, 0.5).stdout)
    assert sure["tags"][0]["name"] == "cats"
    assert run(*args, 1).returncode == 2

    test = write(tmp_path / "test.jsonl", 20, seed=9, first=1000)
    batch = ("batch", test, "--bundle", bundle, "--out", tmp_path / "out", "--precision")
    tagged = run(*batch, 0.5)
    assert tagged.returncode == 0, tagged.stderr
    assert pq.read_table(tmp_path / "out" / "part-00000.parquet").num_rows == 20
    told(run(*batch, 0.99))  # another question than the one that the folder answers

    figure = tmp_path / "figure.png"
    more = ("--features", tmp_path / "f", "--figure", figure)
    evaluated = run("evaluate", "--bundle", bundle, "--manifest", test, *more)
    assert evaluated.returncode == 0, evaluated.stderr
    assert "Promises of precision" in evaluated.stdout
    assert figure.read_bytes().startswith(b"\x89PNG")


def learning_of(videos: Sequence[VideoEmbeddings], tags: Sequence[Sequence[str]], config: Config) -> TrainedRecall:
    catalog, lists = build_catalog([tuple(one) for one in tags], 1)
    owners = tuple(video.uploader_id for video in videos)
    ids = tuple(f"v{row}" for row in range(len(videos)))
    labelled = LabelledVideos(ids, tuple(video.title for video in videos), owners, lists)
    refs = [VideoRef(video_id) for video_id in ids]
    return train_recall(TrainingSet(refs, labelled, catalog, videos, {}), NameSources(), config, Silent())


def test_nothing_is_fitted_on_the_uploaders_that_promises_rest_on(config: Config) -> None:
    data = topics(400, seed=1)
    owners = [f"u{data.uploaders[row]}-{row % 50}" for row in range(400)]
    videos = [replace(video, uploader_id=owner) for video, owner in zip(data.videos, owners, strict=True)]
    tags = [[NAMES[tag] for tag in data.tags.at(row)] for row in range(400)]
    learning = learning_of(videos, tags, config)
    parts = [learning.train_rows, learning.fusion_candidates.rows, learning.control_candidates.rows]
    assert sorted(np.concatenate(parts).tolist()) == list(range(400))
    learnt, blended, promised = ({owners[row] for row in rows.tolist()} for rows in parts)
    assert promised
    assert not promised & (learnt | blended)
    assert len(blended - learnt) > 20  # beside them a few videos of uploaders that were learnt from
    assert blended & learnt


def test_tags_that_the_kept_videos_alone_have_are_new_to_what_is_fitted_on_them(config: Config) -> None:
    """As they would be to a bundle; else no new tag were ever right, and none ever answered."""
    generator = np.random.default_rng(0)
    data = topics(300, seed=1)
    own = ["".join(generator.choice(list("bdfgklmnprst"), 4)) + "ora" for _ in range(300)]
    videos = [
        replace(video, title=f"{word.title()} {video.title}", uploader_id=f"u{row % 100}")
        for row, (video, word) in enumerate(zip(data.videos, own, strict=True))
    ]
    tags = [[NAMES[data.tags.at(row)[0]], own[row]] for row in range(300)]
    learning = learning_of(videos, tags, config)
    catalog, lists = build_catalog([tuple(one) for one in tags], 1)
    used = {tag for row in learning.train_rows.tolist() for tag in lists.at(row).tolist()}
    right = 0
    for kept in (learning.fusion_candidates, learning.control_candidates):
        for row, candidates in zip(kept.rows.tolist(), kept.candidates, strict=True):
            for tag in candidates.tag_rows.tolist():
                assert (tag in candidates.new) == (tag not in used)
                if tag < len(catalog):
                    assert candidates.new.get(tag, catalog.names[tag]) == catalog.names[tag]
                right += tag in candidates.new and tag in lists.at(row)
    assert right > 20


def test_without_a_ranker_recall_keeps_promises_too(config: Config, tmp_path: Path) -> None:
    config = config.model_copy(update={"rank": config.rank.model_copy(update={"ranker": None})})
    manifest = write(tmp_path / "train.jsonl", 400, seed=1)
    train([manifest], {}, tmp_path / "b", config, FeatureStore(tmp_path / "f"), Silent(), created=NOW)
    said = read_manifest(tmp_path / "b")
    assert said.ranker is None
    assert not [name for name in said.files if name.startswith(("rank/", "graph"))]
    assert isinstance(load_ranker(tmp_path / "b", said), RecallProbabilityRanker)
    assert [answer.tags[0].name for answer in answered(tmp_path / "b", 0.5)[:4]] == list(WORDS)


def test_a_video_that_is_seen_and_not_told_of_is_ranked(config: Config, tmp_path: Path, unseen_corpus: Path) -> None:
    assert config.rank.ranker is not None
    ranker = config.rank.ranker.model_copy(update={"least_steps": 5, "epochs": 0.1})
    config = config.model_copy(update={"rank": config.rank.model_copy(update={"ranker": ranker})})
    said = [json.loads(line) for line in unseen_corpus.read_text(encoding="utf-8").splitlines()]
    clips = [unseen_corpus.parent / uri for uri in sorted(str(one["uri"]) for one in said)[:4]]
    manifest = write(tmp_path / "train.jsonl", 300, seed=1, clips=clips)
    train([manifest], {}, tmp_path / "b", config, FeatureStore(tmp_path / "f"), Silent(), created=NOW)
    about = json.loads((tmp_path / "b" / "rank" / "towers.json").read_text())
    assert about["media"].keys() == {"frames", "audio"}
    with load_tagger(tmp_path / "b") as tagger:
        for clip, topic in zip(clips, WORDS, strict=True):
            answer = tagger.tag(VideoRef("x", uri=str(clip)), tagger.selection(3))
            assert answer.modalities == ("frames", "audio")
            assert answer.tags[0].name == topic


def test_the_same_input_gives_the_same_learnt_bundle(bundle: Path, config: Config, tmp_path: Path) -> None:
    manifest = write(tmp_path / "train.jsonl", 400, seed=1)
    train([manifest], {}, tmp_path / "b", config, FeatureStore(tmp_path / "f"), Silent(), created=NOW)
    first, second = (read_manifest(folder).files for folder in (bundle, tmp_path / "b"))
    assert first == second


def test_with_too_few_videos_nothing_is_learnt_and_that_is_told(
    config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = write(tmp_path / "few.jsonl", 60, seed=1)
    with caplog.at_level("INFO"):
        train([manifest], {}, tmp_path / "b", config, FeatureStore(tmp_path / "f"), Silent(), created=NOW)
    assert "no recall model is trained" in caplog.text
    assert read_manifest(tmp_path / "b").learnt is None
    with load_tagger(tmp_path / "b") as tagger:
        assert tagger.tag(VideoRef("x", title="purring kitten"), tagger.selection(3)).tags
        with pytest.raises(InvalidSelectionError, match="kept no videos aside"):
            tagger.selection(None, 0.8)


@pytest.mark.parametrize(
    ("uploader", "tag", "learns"),
    [
        (lambda _: None, lambda row: NAMES[row % 4], True),  # each video is an uploader of its own
        (lambda row: f"u{min(row, 1)}", lambda row: NAMES[row % 4], False),
        (lambda _: "u", lambda row: NAMES[row % 4], False),
        (lambda row: f"u{row % 90}", lambda _: "x", False),  # a catalog of one tag, which every video has
        (lambda row: f"u{row % 90}", lambda row: f"own {row}", False),
    ],
)
def test_whoever_the_uploaders_and_whatever_the_tags_a_bundle_is_made(
    config: Config, tmp_path: Path, uploader: Callable[[int], str | None], tag: Callable[[int], str], learns: bool
) -> None:
    lines = [
        {"video_id": f"v{row}", "title": video.title, "tags": [tag(row)], "uploader_id": uploader(row)}
        for row, video in enumerate(topics(300, seed=1).videos)
    ]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    train([tmp_path / "m.jsonl"], {}, tmp_path / "b", config, FeatureStore(tmp_path / "f"), Silent(), created=NOW)
    assert (read_manifest(tmp_path / "b").learnt is not None) == learns
    with load_tagger(tmp_path / "b") as tagger:
        assert tagger.tag(VideoRef("x", title="purring kitten"), tagger.selection(3)).tags
