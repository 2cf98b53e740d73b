"""The two stages of a batch of videos of one tagger: its encoders, then recall and rank for those to tag.

A bad video fails alone.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from tagging.errors import BackendUnavailableError, DeadlineExceededError
from tagging.media.read_ahead import Failure
from tagging.pipeline.models import EncodedVideo
from tagging.service.inference.batches import EncodeJob, TagJob
from tagging.service.inference.raisable import raisable
from tagging.types import RankedTags

T = TypeVar("T")
R = TypeVar("R")


def tag_batch(
    batch: Sequence[EncodeJob], scoring: AbstractContextManager[None]
) -> list[EncodedVideo | RankedTags | Failure | Exception | None]:
    """Return the result of each video, the exception to raise in its caller, or None if the caller has gone.

    scoring: entered for the second stage
    """
    tagger = batch[0].tagger
    encoded = _each(lambda jobs: tagger.encode([job.video for job in jobs]), batch)
    with scoring:
        results: dict[EncodeJob, EncodedVideo | RankedTags | Failure | Exception] = {
            job: video
            for job, video in zip(batch, encoded, strict=True)
            if isinstance(video, Exception) or not isinstance(job, TagJob)
        }
        wanted = [
            (job, video)
            for job, video in zip(batch, encoded, strict=True)
            if isinstance(job, TagJob) and not isinstance(video, Exception) and not job.done.done()
        ]

        def score(pairs: Sequence[tuple[TagJob, EncodedVideo]]) -> list[RankedTags | Failure]:
            return tagger.tag_encoded([video for _, video in pairs], [job.selection for job, _ in pairs])

        results |= zip((job for job, _ in wanted), _each(score, wanted), strict=True)
    return [results.get(job) for job in batch]


def _each(function: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T]) -> list[R | Exception]:
    """Return the result of each item, or its exception: if the function fails for all together, it is called for each
    alone, unless a server that is away or a deadline is to blame.
    """
    if not items:
        return []
    try:
        return list(function(items))
    except (BackendUnavailableError, DeadlineExceededError) as error:
        return [error for _ in items]
    except BaseException as error:
        if len(items) == 1:
            return [raisable(error)]
        return [result for item in items for result in _each(function, [item])]
