"""Read-ahead decoding: media are decoded while the caller works on earlier videos."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from tagging.errors import InvalidMediaError, InvalidVideoError, MediaNotFoundError, VideotagError
from tagging.media.pool import DecodePool
from tagging.messages import shown
from tagging.types import MediaSample, VideoRef

MEDIA_PER_BATCH = 4  # decoded videos that are held in memory at once


@dataclass(frozen=True, slots=True, eq=False)
class ReadVideo:
    """A video with its decoded media; `media` is None for text only."""

    video: VideoRef
    media: MediaSample | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """A video that could not be tagged, and the error."""

    video: VideoRef
    error: VideotagError


def read_batches(
    videos: Iterable[VideoRef], pool: DecodePool | None, batch_size: int
) -> Iterator[list[ReadVideo | Failure]]:
    """Yield the videos in order, in batches of at most `batch_size` videos and MEDIA_PER_BATCH decoded ones."""
    return batches(read_media_ahead(videos, pool, ahead_of(pool)), batch_size)


def ahead_of(pool: DecodePool | None) -> int:
    """Return how many videos to read ahead so that the workers of a pool never wait for their caller."""
    return MEDIA_PER_BATCH if pool is None else 2 * pool.workers + MEDIA_PER_BATCH


def batches(
    videos: Iterable[ReadVideo | Failure], batch_size: int, media_per_batch: int = MEDIA_PER_BATCH
) -> Iterator[list[ReadVideo | Failure]]:
    """Yield the videos in order, in batches of at most `batch_size` videos and `media_per_batch` decoded ones."""
    batch: list[ReadVideo | Failure] = []
    media = 0
    for video in videos:
        batch.append(video)
        media += isinstance(video, ReadVideo) and video.media is not None
        if media == media_per_batch or len(batch) == batch_size:
            yield batch
            batch, media = [], 0
    if batch:
        yield batch


def read_media_ahead(videos: Iterable[VideoRef], pool: DecodePool | None, ahead: int) -> Iterator[ReadVideo | Failure]:
    """Yield the videos in order, with fewer than `ahead` of them decoding or waiting to be taken.

    pool: None if no encoder reads media; then files are only checked for existence.
    An unreadable file fails its video only if there is no text either; an exceeded limit always fails it.
    """
    if pool is None:
        for video in videos:
            yield _without_media(video)
        return
    waiting: deque[tuple[VideoRef, Future[MediaSample] | None]] = deque()
    try:
        for video in videos:
            waiting.append((video, None if video.uri is None else pool.submit(video.uri)))
            if len(waiting) >= ahead:
                yield _with_media(*waiting.popleft())
        while waiting:
            yield _with_media(*waiting.popleft())
    finally:  # the caller may stop early
        for _, media in waiting:
            if media is not None:
                media.cancel()


def _with_media(video: VideoRef, media: Future[MediaSample] | None) -> ReadVideo | Failure:
    if media is None:
        return read_result(video, None)
    try:
        return read_result(video, media.result())
    except VideotagError as error:
        return read_result(video, error)


def _without_media(video: VideoRef) -> ReadVideo | Failure:
    if video.uri is not None and "://" not in video.uri and not _is_file(video.uri):
        return Failure(video, MediaNotFoundError(f"no file at {shown(video.uri)}"))
    return read_result(video, None)


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # an illegal name, or no permission
        return False


def read_result(video: VideoRef, media: MediaSample | VideotagError | None) -> ReadVideo | Failure:
    """Combine a video with the result of decoding: unreadable media are tolerated if there is text, limits are not."""
    if isinstance(media, MediaSample):
        return ReadVideo(video, media, media.warnings)
    if isinstance(media, InvalidMediaError) and video.text:
        return ReadVideo(video, None, (f"the media cannot be read, only the text was used: {media.message}",))
    if media is not None:
        return Failure(video, media)
    if video.uri is None and not video.text:
        return Failure(video, InvalidVideoError(f"video {video.video_id!r} has no text and no uri", "give a title"))
    return ReadVideo(video, None)
