"""Pieces of encoding run side by side, on one thread each, and none outlives the block that started it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from tagging import concurrency
from tagging.errors import DeadlineExceededError
from tagging.features import side_by_side
from tagging.features.encode import encode_videos
from tagging.features.factory import Encoders
from tagging.features.side_by_side import Pieces
from tagging.features.statistics import FrameStatisticsEncoder
from tagging.media.read_ahead import ReadVideo
from tagging.types import FloatRows, Frames, MediaSample, VideoRef


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadPoolExecutor(2, initializer=side_by_side._use_one_thread) as pool:
        monkeypatch.setattr(side_by_side, "_pool", lambda: pool)
        yield


def test_pieces_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=30)
    with Pieces() as pieces:
        started = [pieces.start(both.wait) for _ in range(2)]
        assert sorted(piece.result() for piece in started) == [0, 1]


def test_torch_has_one_thread_in_a_piece_and_all_of_them_outside() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with Pieces() as pieces:
            assert pieces.start(torch.get_num_threads).result() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_piece_has_the_deadline_of_its_caller() -> None:
    concurrency.set_deadline(60.0)
    try:
        with Pieces() as pieces:
            left_s = pieces.start(concurrency.time_left_s).result()
        assert left_s is not None
        assert 0 < left_s <= 60
    finally:
        concurrency.set_deadline(None)


def test_after_an_error_running_pieces_end_and_waiting_ones_never_begin() -> None:
    begun = []
    release = threading.Event()

    def running() -> None:
        begun.append("running")
        release.wait(30)
        begun.append("ended")

    def fails() -> None:
        raise ValueError("odd input")

    def block() -> None:
        with Pieces() as pieces:
            pieces.start(running)
            failing = pieces.start(fails)
            pieces.start(release.wait, 30)
            waiting = [pieces.start(begun.append, "waiting") for _ in range(3)]
            try:
                failing.result()
            finally:
                threading.Timer(0.1, release.set).start()
        pytest.fail(f"no error: {waiting}")

    with pytest.raises(ValueError, match="odd input"):
        block()
    assert begun == ["running", "ended"]


def test_after_a_cancellation_running_pieces_end_and_waiting_ones_never_begin() -> None:
    begun: list[str] = []
    both, release = threading.Barrier(3, timeout=30), threading.Event()

    def running() -> None:
        both.wait()
        assert release.wait(30)
        begun.append("ended")

    cancellation = concurrency.Cancellation()
    concurrency.set_cancellation(cancellation)
    try:
        with pytest.raises(DeadlineExceededError), Pieces() as pieces:
            for _ in range(2):
                pieces.start(running)
            waiting = [pieces.start(begun.append, "waiting") for _ in range(2)]
            both.wait()
            cancellation.cancel()
            waiting.append(pieces.start(begun.append, "later"))
            release.set()
            for piece in waiting:
                piece.result()
    finally:
        concurrency.set_cancellation(None)
    assert begun == ["ended", "ended"]


class CountingEncoder(FrameStatisticsEncoder):
    batch_size = 4

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def encode(self, inputs: FloatRows) -> FloatRows:
        self.batches.append(len(inputs))
        return super().encode(inputs)


def test_batches_of_frames_are_filled_across_videos_and_each_video_gets_its_own_tokens() -> None:
    generator = np.random.default_rng(3)
    encoder = CountingEncoder()
    videos = []
    for count in (2, 3, 4):
        pixels = generator.integers(0, 256, (count, 32, 32, 3), np.uint8)
        frames = Frames(pixels, np.arange(count, dtype=np.float64))
        videos.append(ReadVideo(VideoRef(f"{count}", "v.mp4"), MediaSample(f"{count:064}", 5.0, frames, None)))
    features = encode_videos(Encoders(frames=encoder), videos)
    assert sorted(encoder.batches) == [1, 4, 4]
    for video, found in zip(videos, features, strict=True):
        assert video.media is not None
        assert video.media.frames is not None
        alone = FrameStatisticsEncoder()
        np.testing.assert_array_equal(found.frames, alone.encode(alone.prepare(video.media.frames)))
