import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from tagging.bundle.labelled_videos import LabelledVideos
from tagging.bundle.manifest import BUNDLE
from tagging.config.root import Config
from tagging.errors import InvalidManifestError, MediaNotFoundError, OutputExistsError
from tagging.features.extract import extract
from tagging.features.factory import load_encoders
from tagging.media.pool import DecodePool
from tagging.pipeline.load import load_tagger
from tagging.progress import Silent
from tagging.splits import is_held_out
from tagging.store.features import FeatureStore
from tagging.training.run import train
from tagging.types import MediaSample, VideoRef
from tests.support.clocks import NOW
from tests.support.configs import TEXT_ONLY_TOML
from tests.support.corpora import write_numbered_titles
from tests.support.polling import wait_until


def with_holdout(config: Config, share: float) -> Config:
    return config.model_copy(update={"training": config.training.model_copy(update={"holdout": share})})


def test_the_same_input_gives_the_same_bundle_byte_for_byte(
    tmp_path: Path, corpus: Path, tiny_config: Config, tiny_bundle: Path
) -> None:
    train([corpus], {}, tmp_path / "again", tiny_config, FeatureStore(tmp_path / "features"), Silent(), created=NOW)
    assert BUNDLE.read(tmp_path / "again").files == BUNDLE.read(tiny_bundle).files


def test_held_out_uploaders_other_splits_and_untagged_videos_are_not_trained_on(
    tmp_path: Path, tiny_config: Config
) -> None:
    manifest = write_numbered_titles(tmp_path / "m.jsonl", 100)
    with manifest.open("a") as more:
        more.write(json.dumps({"video_id": "test", "title": "t", "tags": ["x"], "split": "test"}) + "\n")
        more.write(json.dumps({"video_id": "untagged", "title": "t", "tags": [" "]}) + "\n")
    config = with_holdout(tiny_config, 0.3)
    report = train([manifest], {}, tmp_path / "b", config, FeatureStore(tmp_path / "f"), Silent(), created=NOW)
    learnt = LabelledVideos.load(tmp_path / "b" / "videos.parquet").ids
    kept_by_hand = [
        f"v{n}"
        for n in range(100)
        if not is_held_out(VideoRef(f"v{n}", uploader_id=f"u{n % 20}"), 0.3, config.training.seed)
    ]
    assert list(learnt) == kept_by_hand
    assert 0 < len(learnt) < 100
    counts = report.counts
    assert counts["videos_held_out"] == 100 - len(learnt)
    assert counts["videos_of_other_splits"] == counts["videos_without_tags"] == 1
    assert counts["videos_read"] == 102


def test_unreadable_media_are_logged_and_the_video_keeps_its_text(
    tmp_path: Path, tiny_config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "junk.mp4").write_bytes(b"no video")
    rows = [
        {"video_id": "text and junk", "title": "hello", "uri": "junk.mp4", "tags": ["a"]},
        {"video_id": "junk alone", "uri": "junk.mp4", "tags": ["b"]},
        {"video_id": "gone", "uri": "gone.mp4", "title": "bye", "tags": ["c"]},
    ]
    manifest = tmp_path / "m.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with caplog.at_level("WARNING"):
        report = train([manifest], {}, tmp_path / "b", tiny_config, FeatureStore(tmp_path / "f"), Silent(), created=NOW)
    assert LabelledVideos.load(tmp_path / "b" / "videos.parquet").ids == ("text and junk", "gone")
    assert report.counts["videos_without_features"] == 1
    messages = "\n".join(record.getMessage() for record in caplog.records)
    assert all(str(row["video_id"]) in messages for row in rows)


def test_media_are_decoded_once_and_their_warnings_stored(
    tmp_path: Path, unseen_corpus: Path, tiny_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = next(unseen_corpus.parent.glob("test-*.mp4"))
    silent = tmp_path / "silent.mp4"
    film(silent)
    videos = [
        VideoRef("a", str(clip), "a title"),
        VideoRef("b", str(silent)),
        VideoRef("c", str(tmp_path / "gone.mp4"), "t" * 20),
        VideoRef("d", title="word " * 600),
    ]
    store = FeatureStore(tmp_path / "f")
    first = extract(videos, load_encoders(tiny_config.encoders), tiny_config.media, store, Silent())
    assert [e.modalities for e in first.embeddings] == [("text", "frames", "audio"), ("frames",), ("text",), ("text",)]
    assert "no sound track" in first.embeddings[1].warnings
    assert [failure.video.video_id for failure in first.failures] == ["c"]

    decoded: list[str] = []
    submit = DecodePool.submit

    def counted(pool: DecodePool, uri: str) -> Future[MediaSample]:
        decoded.append(uri)
        return submit(pool, uri)

    monkeypatch.setattr(DecodePool, "submit", counted)
    again = extract(videos, load_encoders(tiny_config.encoders), tiny_config.media, store, Silent())
    assert decoded == [str(tmp_path / "gone.mp4")]
    for before, after in zip(first.embeddings, again.embeddings, strict=True):
        assert before.warnings == after.warnings
        assert all((before.rows[m] == after.rows[m]).all() for m in before.modalities)


def film(path: Path) -> None:
    """One second of pictures without sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(8):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * number, np.uint8), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_or_an_invalid_name_fails_without_waiting(tmp_path: Path, tiny_config: Config) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    videos = [VideoRef(str(n), uri) for n, uri in enumerate([str(tmp_path / "pipe.mp4"), "a\0b.mp4", "x" * 5000])]
    found = extract(videos, load_encoders(tiny_config.encoders), tiny_config.media, FeatureStore(tmp_path), Silent())
    assert [type(failure.error) for failure in found.failures] == [MediaNotFoundError] * 3


def test_a_manifest_that_is_replaced_during_the_training_is_recorded_as_it_was_read(
    tmp_path: Path, tiny_config: Config
) -> None:
    manifest = write_numbered_titles(tmp_path / "m.jsonl", 20)
    want = hashlib.sha256(manifest.read_bytes()).hexdigest()

    class Replacing(Silent):
        @contextmanager
        def track(self, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
            if label == "encode text":
                manifest.unlink(missing_ok=True)
            yield lambda _: None

    store = FeatureStore(tmp_path / "f")
    train([manifest], {}, tmp_path / "b", tiny_config, store, Replacing(), created=NOW)
    assert not manifest.exists()
    [source] = BUNDLE.read(tmp_path / "b").training.sources
    assert source.sha256 == want


def test_an_empty_catalog_is_an_error(tmp_path: Path, tiny_config: Config) -> None:
    rare = tiny_config.training.model_copy(update={"min_tag_count": 99})
    config = tiny_config.model_copy(update={"training": rare})
    manifest = write_numbered_titles(tmp_path / "m.jsonl", 20)
    with pytest.raises(InvalidManifestError, match="no tag is on 99 videos"):
        train([manifest], {}, tmp_path / "b", config, FeatureStore(tmp_path / "f"), Silent(), created=NOW)
    assert not (tmp_path / "b").exists()


def test_a_bundle_has_the_name_sources_of_its_configuration(
    tmp_path: Path, corpus: Path, unseen_corpus: Path, direct_config: Config
) -> None:
    rows = [{"video_id": "a", "title": "x", "tags": ["Dog", "animals", "vehicle"]}]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    train(
        [tmp_path / "m.jsonl"], {}, tmp_path / "b", direct_config, FeatureStore(tmp_path / "f"), Silent(), created=NOW
    )
    clip = next(unseen_corpus.parent.glob("*.mp4"))
    with load_tagger(tmp_path / "b") as tagger:
        answer = tagger.tag(VideoRef("q", str(clip), "About dogs"), tagger.selection(9))
    [dog] = [tag for tag in answer.tags if tag.name == "Dog"]
    assert {"written", "seen", "heard"} <= set(dog.channels)
    assert "vehicle" not in [tag.name for tag in answer.tags if "seen" in tag.channels]


def test_a_name_source_fitted_for_another_encoder_is_left_out_and_logged(
    tmp_path: Path, direct_config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    names = direct_config.recall.names.model_copy(update={"fitted_for": {"frames": "another"}})
    recall = direct_config.recall.model_copy(update={"names": names})
    config = direct_config.model_copy(update={"recall": recall})
    manifest = write_numbered_titles(tmp_path / "m.jsonl", 3)
    with caplog.at_level("WARNING"):
        train([manifest], {}, tmp_path / "b", config, FeatureStore(tmp_path / "f"), Silent(), created=NOW)
    kept = BUNDLE.read(tmp_path / "b").config.recall.names
    assert kept.seen is None
    assert kept.heard == names.heard
    assert "name sources left out: seen; they were fitted for another encoder" in caplog.text


def test_an_error_counts_why_no_video_is_left_to_train_on(tmp_path: Path, tiny_config: Config) -> None:
    manifest = write_numbered_titles(tmp_path / "m.jsonl", 5, split="test")
    with pytest.raises(InvalidManifestError) as caught:
        train([manifest], {}, tmp_path / "b", tiny_config, FeatureStore(tmp_path / "f"), Silent(), created=NOW)
    assert "videos of other splits: 5" in caught.value.hint
    assert not (tmp_path / "b").exists()


def test_an_existing_output_is_refused_before_any_work(tmp_path: Path, tiny_config: Config) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(OutputExistsError):
        train(
            [tmp_path / "missing.jsonl"],
            {},
            tmp_path / "b",
            tiny_config,
            FeatureStore(tmp_path / "f"),
            Silent(),
            created=NOW,
        )


SLOW_TRAINING = """
import sys, time
from pathlib import Path
from tagging.features import encode_texts, statistics
from tagging.store import features, shard_table
shard_table.FLUSH_ROWS = encode_texts.TEXTS_AT_ONCE = 20
encode = statistics.HashedTextEncoder.encode
def slowly(self, texts):
    time.sleep(0.2)
    return encode(self, texts)
statistics.HashedTextEncoder.encode = slowly
from datetime import UTC, datetime
from tagging.config.profiles import load_config
from tagging.progress import Silent
from tagging.training.run import train
folder = Path(sys.argv[1])
train([folder / "m.jsonl"], {}, folder / "b", load_config("offline", folder / "c.toml"),
      features.FeatureStore(folder / "f"), Silent(), created=datetime.now(UTC))
"""


@pytest.mark.slow
def test_a_killed_training_leaves_no_bundle_and_resumes_with_its_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_numbered_titles(tmp_path / "m.jsonl", 400)
    (tmp_path / "c.toml").write_text(TEXT_ONLY_TOML)
    run = subprocess.Popen([sys.executable, "-c", SLOW_TRAINING, str(tmp_path)])
    wait_until(lambda: run.poll() is not None or len(list((tmp_path / "f").rglob("*.parquet"))) >= 3)
    run.kill()
    assert run.wait() == -signal.SIGKILL
    assert not (tmp_path / "b").exists()

    from tagging.config.profiles import load_config
    from tagging.features import statistics

    encoded: list[str] = []
    encode = statistics.HashedTextEncoder.encode

    def counted(self: statistics.HashedTextEncoder, texts: list[str]) -> object:
        encoded.extend(texts)
        return encode(self, texts)

    monkeypatch.setattr(statistics.HashedTextEncoder, "encode", counted)
    config = load_config("offline", tmp_path / "c.toml")
    train([tmp_path / "m.jsonl"], {}, tmp_path / "b", config, FeatureStore(tmp_path / "f"), Silent(), created=NOW)
    assert 0 < len(encoded) <= 400 - 60
    assert len(set(encoded)) == len(encoded)
    assert [p.name for p in tmp_path.iterdir() if "partial" in p.name] == []
    with load_tagger(tmp_path / "b") as tagger:
        assert tagger.tag(VideoRef("q", title="title 3 3"), tagger.selection(1)).tags[0].name == "tag 3"
