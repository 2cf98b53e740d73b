"""Training of recall: the split of the videos, the fusion, held-out predictions, and the contents of the bundle."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from rank.contrastive import ContrastiveRanker
from rank.recall_probability import RecallProbabilityRanker
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.bundle.manifest import BUNDLE
from tagging.config.recall import RegressionConfig
from tagging.config.root import Config
from tagging.errors import InvalidSelectionError
from tagging.features.factory import load_encoders
from tagging.pipeline.load import load_held_out_predictions, load_ranker, load_tagger
from tagging.pipeline.precision import LONGEST_ANSWER
from tagging.progress import Silent
from tagging.tags.catalog import build_catalog
from tagging.training.name_sources import NameSources
from tagging.training.recall import TrainedRecall, train_recall
from tagging.training.training_set import TrainingSet
from tagging.types import VideoEmbeddings, VideoRef
from tests.support.configs import with_ranker, with_recall, with_training, without_ranker
from tests.support.corpora import train_bundle, write_topic_videos
from tests.support.topics import LEARNT, NAMES, WORDS, topics


@pytest.fixture
def quick_config(precise_config: Config) -> Config:
    """`precise_config` with models that have seen a few steps, for what does not depend on how good they are."""
    quick = with_ranker(precise_config, least_steps=2, epochs=0.1)
    return with_recall(quick, learnt=LEARNT.model_copy(update={"epochs": 1}))


def test_the_manifest_states_the_model_sizes_and_numbers_of_videos(precise_bundle: Path) -> None:
    entry = BUNDLE.read(precise_bundle).learnt
    assert entry is not None
    assert entry.videos + entry.blended_on + entry.kept_for_promises == 400
    assert 10 <= entry.kept_for_promises <= 80
    assert 50 <= entry.blended_on <= 130
    assert entry.labels == 6
    assert entry.landmarks == entry.videos


def test_the_bundle_contains_the_ranker_its_graph_and_held_out_predictions(precise_bundle: Path) -> None:
    manifest = BUNDLE.read(precise_bundle)
    assert manifest.learnt is not None
    assert manifest.ranker is not None
    assert manifest.ranker.videos == manifest.learnt.videos
    assert manifest.ranker.edges == pq.read_table(precise_bundle / "graph.parquet").num_rows > 0
    names = {"towers.safetensors", "towers.json", "tags.npy", "confidence.json"}
    assert {f"rank/{name}" for name in names} | {"graph.parquet", "answers.parquet"} <= set(manifest.files)
    assert len(np.load(precise_bundle / "rank" / "tags.npy")) == manifest.counts["tags"]
    answers = load_held_out_predictions(precise_bundle, manifest)
    assert answers is not None
    assert len(answers) == manifest.learnt.kept_for_promises
    assert np.diff(answers.starts).max() <= LONGEST_ANSWER
    assert answers.right.any()
    ranker = load_ranker(precise_bundle, manifest, load_encoders(manifest.config.encoders))
    assert isinstance(ranker, ContrastiveRanker)
    assert manifest.ranker.thresholds == len(ranker.confidence.offsets) > 0


def train_on(videos: Sequence[VideoEmbeddings], tags: Sequence[Sequence[str]], config: Config) -> TrainedRecall:
    catalog, lists = build_catalog([tuple(names) for names in tags], 1)
    owners = tuple(video.uploader_id for video in videos)
    ids = tuple(f"v{row}" for row in range(len(videos)))
    labelled = LabelledVideos(ids, tuple(video.title for video in videos), owners, lists)
    refs = [VideoRef(video_id) for video_id in ids]
    return train_recall(TrainingSet(refs, labelled, catalog, videos, {}), NameSources(), config, Silent())


@pytest.mark.parametrize("below", [400, 401])
def test_a_regression_is_fitted_below_a_number_of_labelled_videos(quick_config: Config, below: int) -> None:
    data = topics(400, seed=1)
    assert quick_config.recall.learnt is not None
    learnt = quick_config.recall.learnt.model_copy(update={"regression": RegressionConfig(below=below, landmarks=50)})
    tags = [[NAMES[tag] for tag in data.tags.at(row)] for row in range(400)]
    trained = train_on(data.videos, tags, with_recall(quick_config, learnt=learnt))
    assert trained.entry().landmarks == (50 if below > 400 else 0)
    for example in trained.control_candidates.candidates:
        assert ("regression" in example.channels) == (below > 400)


@pytest.mark.parametrize("blended", [80, 81], ids=["one fold", "five folds"])
def test_nothing_is_fitted_on_the_uploaders_of_precision_control(quick_config: Config, blended: int) -> None:
    data = topics(400, seed=1)
    owners = [f"u{data.uploaders[row]}-{row % 50}" for row in range(400)]
    videos = [replace(video, uploader_id=owner) for video, owner in zip(data.videos, owners, strict=True)]
    tags = [[NAMES[tag] for tag in data.tags.at(row)] for row in range(400)]
    trained = train_on(videos, tags, with_training(quick_config, blended=blended))
    entry = trained.entry()
    assert entry.kept_for_promises == len(trained.control_candidates.rows)
    if blended == 80:
        assert entry.videos + entry.blended_on + entry.kept_for_promises == 400
    else:
        assert entry.videos == entry.blended_on == 400 - entry.kept_for_promises
    for held_out, fold in zip(trained.fold_candidates, trained.split.folds, strict=True):
        assert held_out.rows is fold.held_out
        assert len(held_out.candidates) == len(fold.held_out)
    fitted = {owners[row] for fold in trained.split.folds for row in (*fold.train.tolist(), *fold.held_out.tolist())}
    promised = {owners[row] for row in trained.control_candidates.rows.tolist()}
    assert promised
    assert not promised & fitted


def test_tags_of_held_out_videos_alone_count_as_new_when_fitting(quick_config: Config) -> None:
    """They are new to a bundle without those videos; otherwise no new tag would be correct, and none returned."""
    generator = np.random.default_rng(0)
    data = topics(300, seed=1)
    own = ["".join(generator.choice(list("bdfgklmnprst"), 4)) + "ora" for _ in range(300)]
    videos = [
        replace(video, title=f"{word.title()} {video.title}", uploader_id=f"u{row % 100}")
        for row, (video, word) in enumerate(zip(data.videos, own, strict=True))
    ]
    tags = [[NAMES[data.tags.at(row)[0]], own[row]] for row in range(300)]
    trained = train_on(videos, tags, quick_config)
    catalog, lists = build_catalog([tuple(names) for names in tags], 1)
    right = 0
    known_to = [fold.train for fold in trained.split.folds]
    for kept, known in zip(
        [*trained.fold_candidates, trained.control_candidates], [*known_to, trained.split.learnt], strict=True
    ):
        used = {tag for row in known.tolist() for tag in lists.at(row).tolist()}
        for row, candidates in zip(kept.rows.tolist(), kept.candidates, strict=True):
            for tag in candidates.tag_rows.tolist():
                assert (tag in candidates.new) == (tag not in used)
                if tag < len(catalog):
                    assert candidates.new.get(tag, catalog.names[tag]) == catalog.names[tag]
                right += tag in candidates.new and tag in lists.at(row)
    assert right > 60


@pytest.mark.slow
def test_without_a_ranker_recall_controls_precision_too(precise_config: Config, tmp_path: Path) -> None:
    manifest = write_topic_videos(tmp_path / "train.jsonl", 400, seed=1)
    train_bundle(manifest, without_ranker(precise_config))
    stated = BUNDLE.read(tmp_path / "b")
    assert stated.ranker is None
    assert not [name for name in stated.files if name.startswith(("rank/", "graph"))]
    assert isinstance(
        load_ranker(tmp_path / "b", stated, load_encoders(stated.config.encoders)), RecallProbabilityRanker
    )
    with load_tagger(tmp_path / "b") as tagger:
        for topic, words in WORDS.items():
            title = " ".join(words[:3])
            assert tagger.tag(VideoRef(title, title=title), tagger.selection(None, 0.5)).tags[0].name == topic


@pytest.mark.slow
def test_a_video_without_text_is_ranked_by_its_frames_and_sound(
    precise_config: Config, tmp_path: Path, unseen_corpus: Path
) -> None:
    clip_rows = [json.loads(line) for line in unseen_corpus.read_text(encoding="utf-8").splitlines()]
    clips = [unseen_corpus.parent / uri for uri in sorted(str(row["uri"]) for row in clip_rows)[:4]]
    manifest = write_topic_videos(tmp_path / "train.jsonl", 300, seed=1, clips=clips)
    train_bundle(manifest, with_ranker(precise_config, least_steps=40, epochs=1.0))
    about = json.loads((tmp_path / "b" / "rank" / "towers.json").read_text())
    assert about["media"].keys() == {"frames", "audio"}
    with load_tagger(tmp_path / "b") as tagger:
        for clip, topic in zip(clips, WORDS, strict=True):
            answer = tagger.tag(VideoRef("x", uri=str(clip)), tagger.selection(3))
            assert answer.modalities == ("frames", "audio")
            assert answer.tags[0].name == topic


@pytest.mark.slow
def test_the_same_input_gives_the_same_trained_bundle(
    precise_bundle: Path, precise_config: Config, tmp_path: Path
) -> None:
    manifest = write_topic_videos(tmp_path / "train.jsonl", 400, seed=1)
    train_bundle(manifest, precise_config)
    first, second = (BUNDLE.read(folder).files for folder in (precise_bundle, tmp_path / "b"))
    assert first == second


def test_with_too_few_videos_no_recall_model_is_trained_and_the_log_says_so(
    precise_config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = write_topic_videos(tmp_path / "few.jsonl", 60, seed=1)
    with caplog.at_level("INFO"):
        train_bundle(manifest, precise_config)
    assert "no recall model is trained" in caplog.text
    assert BUNDLE.read(tmp_path / "b").learnt is None
    with load_tagger(tmp_path / "b") as tagger:
        assert tagger.tag(VideoRef("x", title="purring kitten"), tagger.selection(3)).tags
        with pytest.raises(InvalidSelectionError, match="has no held-out videos"):
            tagger.selection(None, 0.8)


@pytest.mark.slow
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
def test_a_bundle_is_made_for_any_distribution_of_uploaders_and_tags(
    quick_config: Config,
    tmp_path: Path,
    uploader: Callable[[int], str | None],
    tag: Callable[[int], str],
    learns: bool,
) -> None:
    lines = [
        {"video_id": f"v{row}", "title": video.title, "tags": [tag(row)], "uploader_id": uploader(row)}
        for row, video in enumerate(topics(300, seed=1).videos)
    ]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    train_bundle(tmp_path / "m.jsonl", quick_config)
    assert (BUNDLE.read(tmp_path / "b").learnt is not None) == learns
    with load_tagger(tmp_path / "b") as tagger:
        assert tagger.tag(VideoRef("x", title="purring kitten"), tagger.selection(3)).tags
