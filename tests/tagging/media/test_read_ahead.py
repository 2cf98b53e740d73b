from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tagging.config.media import MediaConfig
from tagging.errors import DecodeCrashError, InvalidMediaError, InvalidVideoError, MediaNotFoundError
from tagging.media.pool import DecodePool
from tagging.media.read_ahead import MEDIA_PER_BATCH, Failure, ReadVideo, read_batches, read_media_ahead
from tagging.types import VideoRef
from tests.support import media_fakes

CONFIG = MediaConfig(frames=4)
Order = Callable[..., VideoRef]


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """A function that returns a video whose file is an order for `media_fakes.scripted`."""
    numbers = iter(range(1000))

    def write(text: str, title: str = "") -> VideoRef:
        path = tmp_path / f"order-{next(numbers)}.mp4"
        path.write_text(text)
        return VideoRef(path.name, str(path), title)

    return write


def summary(answer: ReadVideo | Failure) -> object:
    if isinstance(answer, Failure):
        return type(answer.error)
    return answer.media.warnings[0] if answer.media else "no media"


def test_results_are_in_the_order_of_the_videos(tmp_path: Path, order: Order) -> None:
    # The first file waits until the second one is decoded.
    flag = tmp_path / "flag"
    videos = [order(text) for text in (f"wait {flag}", f"mark {flag}", "refuse it", "die", "sample")]
    videos[2:2] = [VideoRef("text", title="text only"), VideoRef("nothing")]
    with DecodePool(CONFIG, workers=2, decode=media_fakes.scripted) as pool:
        answers = list(read_media_ahead(videos, pool, ahead=3))
    assert [a.video.video_id for a in answers] == [v.video_id for v in videos]
    assert [summary(a) for a in answers] == [
        "wait",
        "mark",
        "no media",
        InvalidVideoError,
        InvalidMediaError,
        DecodeCrashError,
        "sample",
    ]


@pytest.mark.parametrize("with_media", [True, False])
def test_no_more_than_ahead_videos_are_requested_before_a_result_is_taken(order: Order, with_media: bool) -> None:
    requested: list[int] = []

    def videos() -> Iterator[VideoRef]:
        for number in range(10):
            requested.append(number)
            yield order("sample") if with_media else VideoRef(str(number), title="t")

    taken = 0
    with DecodePool(CONFIG, workers=2, decode=media_fakes.scripted) as pool:
        for answer in read_media_ahead(videos(), pool, ahead=3):
            assert isinstance(answer, ReadVideo)
            assert len(requested) - taken <= 3
            taken += 1
    assert taken == 10


def test_a_caller_that_stops_early_leaves_no_job_running(order: Order) -> None:
    with DecodePool(CONFIG, workers=1, decode=media_fakes.scripted) as pool:
        answers = read_media_ahead((order("sample") for _ in range(50)), pool, ahead=10)
        assert summary(next(answers)) == "sample"
        answers.close()  # type: ignore[attr-defined]
        assert pool.read(str(order("sample").uri)).warnings == ("sample",)


def test_a_video_with_unreadable_media_keeps_its_text_and_a_crash_fails_it(order: Order) -> None:
    with DecodePool(CONFIG, workers=1, decode=media_fakes.scripted) as pool:
        refused, died = read_media_ahead([order("refuse it", "a title"), order("die", "a title")], pool, ahead=2)
    assert isinstance(refused, ReadVideo)
    [warning] = refused.warnings
    assert warning.startswith("the media cannot be read, only the text was used: ")
    assert warning.endswith("order-0.mp4: refused it")
    assert summary(died) is DecodeCrashError


def test_without_an_encoder_for_media_files_are_not_decoded(tmp_path: Path, order: Order) -> None:
    videos = [order("never read", "t"), VideoRef("gone", str(tmp_path / "gone.mp4"), "t"), VideoRef("nothing")]
    assert [summary(a) for a in read_media_ahead(videos, None, ahead=1)] == [
        "no media",
        MediaNotFoundError,
        InvalidVideoError,
    ]


def test_batches_are_bounded_by_decoded_media_and_by_videos(order: Order) -> None:
    texts = [VideoRef(f"text-{n}", None, "a title") for n in range(5)]
    videos = [order("sample") for _ in range(MEDIA_PER_BATCH + 1)]
    with DecodePool(CONFIG, workers=1, decode=media_fakes.scripted) as pool:
        small = [len(batch) for batch in read_batches([*videos, *texts], pool, 3)]
        batches = list(read_batches([*texts, *videos], pool, 100))
    assert small == [3, 3, 3, 1]
    assert [len(batch) for batch in batches] == [5 + MEDIA_PER_BATCH, 1]
    assert [read.video for batch in batches for read in batch] == [*texts, *videos]
