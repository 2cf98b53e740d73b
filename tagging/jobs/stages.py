"""Stages of a batch, each from one value of a shard to the next, alike in one process and on a cluster.

Shard → Work → read videos → encoded videos → parts of the output
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tagging.bundle.manifest import BundleManifest
from tagging.config.media import MediaConfig
from tagging.config.root import SelectConfig
from tagging.errors import ArtifactNotFoundError, InvalidManifestError, VideotagError
from tagging.features.encode import embed
from tagging.features.factory import Encoders
from tagging.files.storage import Storage
from tagging.jobs.diff import write_diff
from tagging.jobs.features import (
    OTHER_OUTPUT,
    WITHOUT_RETAG,
    StoredVideo,
    check_features,
    encoder_identity,
    read_features,
    write_features,
)
from tagging.jobs.job import BatchJob
from tagging.jobs.output import BatchOutput, Results, ShardCounts
from tagging.jobs.shards import Row, Shard, row_hash
from tagging.jobs.tables import dead_letter, tagged_row
from tagging.media.read_ahead import Failure, ReadVideo, batches
from tagging.pipeline.models import EncodedVideo, encode
from tagging.pipeline.stages import Stages
from tagging.pipeline.tagger import VIDEOS_PER_BATCH, Tagger
from tagging.progress import Advance
from tagging.types import VideoRef


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """The unfinished part of a shard."""

    shard: Shard
    unread: tuple[VideoRef, ...]  # to decode and encode
    stored: tuple[tuple[VideoRef, StoredVideo], ...] = ()  # encoded before


@dataclass(frozen=True, slots=True)
class StageJob:
    """The part of a job that stages need: plain values, which travel to the workers of a cluster."""

    out: str  # address of the output
    selection: SelectConfig
    identity: dict[str, object]  # of the bundle's encoders, features.py
    media: MediaConfig | None = None  # None: the bundle reads texts alone
    keeps_features: bool = False
    retags: str | None = None  # address of an earlier output whose features are used instead of decoding

    @classmethod
    def of(cls, job: BatchJob, storage: Storage, bundle: BundleManifest) -> "StageJob":
        """Return what the stages need of a job that tags with a bundle.

        Raises ArtifactNotFoundError if there are no features to tag again from, and ArtifactMismatchError if those, or
        the features that the output keeps, do not fit the bundle.
        """
        encoders, identity = bundle.config.encoders, encoder_identity(bundle)
        media = bundle.config.media if encoders != encoders.of_text() else None
        if job.retags is not None and not check_features(Storage(job.retags), identity, hint=WITHOUT_RETAG):
            raise ArtifactNotFoundError(
                f"{Storage(job.retags)} has no stored features", "name the --out of a batch with --keep-features"
            )
        if job.keeps_features:
            check_features(storage, identity, hint=OTHER_OUTPUT)
        return cls(storage.address, job.selection, identity, media, job.keeps_features, job.retags)

    def work(self, shard: Shard) -> Work:
        """Return what is left of a shard: the videos without a final result, apart from those with stored features."""
        final = BatchOutput(Storage(self.out)).earlier(shard.number).final
        videos = [row for row in shard.rows if isinstance(row, VideoRef) and row_hash(row) not in final]
        if self.retags is None:
            return Work(shard, tuple(videos))
        features = read_features(Storage(self.retags), shard.number, self.identity)
        stored = tuple((video, features[row_hash(video)]) for video in videos if row_hash(video) in features)
        return Work(shard, tuple(video for video in videos if row_hash(video) not in features), stored)


def encode_batches(
    encoders: Encoders, videos: Iterable[ReadVideo | Failure], stages: Stages
) -> Iterator[EncodedVideo | Failure]:
    """Yield each video as the encoders see it, in order."""
    for batch in batches(videos, VIDEOS_PER_BATCH):
        encoded = iter(encode(encoders, [video for video in batch if isinstance(video, ReadVideo)], stages))
        for video in batch:
            yield video if isinstance(video, Failure) else next(encoded)


def encode_stored(encoders: Encoders, work: Work) -> list[EncodedVideo]:
    """Return the videos of a shard whose features were stored."""
    return [
        EncodedVideo(video, stored.features, embed(encoders, video, stored.features), stored.content_hash)
        for video, stored in work.stored
    ]


def write_shard(
    tagger: Tagger,
    job: StageJob,
    shard: Shard,
    videos: Sequence[EncodedVideo | Failure],
    advance: Advance = lambda _: None,
) -> ShardCounts:
    """Recall and rank the tags of a shard's videos and write its parts.

    videos: all of the shard that had no final result
    advance: called with the number of rows of each piece of work
    """
    storage = Storage(job.out)
    output = BatchOutput(storage)
    earlier = output.earlier(shard.number)
    results = Results(dict(earlier.tagged), dict(earlier.dead))

    def fail(row: Row, stage: str, error: VideotagError) -> None:
        results.dead[row_hash(row)] = dead_letter(row, stage, error, earlier.attempts(row_hash(row)) + 1)

    for row in shard.rows:
        if isinstance(row, InvalidManifestError) and row_hash(row) not in earlier.final:
            fail(row, "manifest", row)
    for failure in videos:
        if isinstance(failure, Failure):
            fail(failure.video, "decode", failure.error)
    encoded = [video for video in videos if isinstance(video, EncodedVideo)]
    advance(len(shard.rows) - len(encoded))
    for start in range(0, len(encoded), VIDEOS_PER_BATCH):
        batch = encoded[start : start + VIDEOS_PER_BATCH]
        for video, result in zip(batch, tagger.tag_encoded(batch, [job.selection] * len(batch)), strict=True):
            if isinstance(result, Failure):
                fail(video.video, "tag", result.error)
            else:
                results.dead.pop(row_hash(video.video), None)
                results.tagged[row_hash(video.video)] = tagged_row(video.video, result, video.content_hash)
        advance(len(batch))
    if job.keeps_features:
        write_features(storage, shard.number, encoded, job.identity)
    if job.retags is not None:
        tagged = [results.tagged[row] for row in map(row_hash, shard.rows) if row in results.tagged]
        write_diff(Storage(job.retags), storage, shard.number, tagged)
    return output.write(shard, results)
