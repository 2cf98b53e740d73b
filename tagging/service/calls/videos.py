"""Calls about videos: tag one, look up a stored tagging, add and remove labelled videos."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import uuid4

from tagging.concurrency import eager, lazy
from tagging.errors import InvalidRequestError, UnknownIdError, VideotagError
from tagging.pipeline.stages import Stages
from tagging.service.calls.current_tags import with_current_tags
from tagging.service.calls.media import open_media, sha256_of
from tagging.service.calls.requests import LabelledVideoReport, TagRequest, TagResponse, content_hash
from tagging.service.calls.shadow import Shadow
from tagging.service.inference.inference import Inference
from tagging.service.observe.metrics import Metrics
from tagging.service.sources.sources import Sources
from tagging.store.database.labelled_videos import LabelledLog, LabelledRecord
from tagging.store.database.taggings import Tagging, TaggingKey, Taggings
from tagging.store.labelled_log import LabelledUpdate, RemovedVideo
from tagging.types import LabelledVideo, Origin


@dataclass(frozen=True, slots=True, eq=False)
class VideoRecords:
    """The database tables about videos, and the clock of their records."""

    taggings: Taggings
    labelled: LabelledLog
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True, eq=False)
class Telemetry:
    """The metrics, and the timing of stages."""

    metrics: Metrics
    stages: Stages


class VideoCalls:
    """Answers the calls about videos. Belongs to one event loop."""

    def __init__(
        self, inference: Inference, sources: Sources, records: VideoRecords, shadow: Shadow, telemetry: Telemetry
    ) -> None:
        self._inference = inference
        self._bundles = inference.bundles
        self._sources = sources
        self._records = records
        self._shadow = shadow
        self._telemetry = telemetry

    async def tag(self, request: TagRequest) -> TagResponse:
        """Return the tagging stored for the same content, options and bundle, or tag the video and store the result.

        Raises the VideotagError that prevents the video from being tagged.
        """
        count = self._telemetry.metrics.videos.labels
        try:
            response = await self._tag(request)
        except VideotagError:
            count("failed").inc()
            raise
        count("stored" if response.from_store else "tagged" if response.answer.tags else "untagged").inc()
        return response

    async def _tag(self, request: TagRequest) -> TagResponse:
        video, stages = request.video, self._telemetry.stages
        async with (
            self._inference.admit(video, request.content) as snapshot,
            open_media(self._sources, video.uri, request.content, stages) as file,
        ):
            hashed = content_hash(video, await sha256_of(file))
            key = TaggingKey(video.video_id, hashed, snapshot.version, request.options)
            tag = partial(self._inference.tag, snapshot.tagger, video, file, request.options)
            # Texts are tagged during the lookup. That costs no capacity: under load, the lookup ends before the models
            # are free, and a job whose caller is gone is skipped. Decoding would be a waste, because it begins at once.
            async with eager(tag) if file is None else lazy(tag) as tagged:
                with stages("store"):
                    stored = await self._records.taggings.get(key)
                if stored is not None:
                    return TagResponse(with_current_tags(stored, snapshot.tags), from_store=True)
                read, answer = await tagged
        tagging = Tagging(key, video, answer, self._records.clock(), snapshot.last_edit)
        with stages("store"):
            stored = await self._records.taggings.put(tagging)
        if stored is not tagging:  # another call stored the same key meanwhile
            return TagResponse(with_current_tags(stored, snapshot.tags), from_store=True)
        self._shadow.offer(read, tagging)
        return TagResponse(tagging, from_store=False)

    async def stored(self, video_id: str, content: str | None, bundle_version: str | None) -> TagResponse:
        """The last tagging of a video, optionally of one content hash and one bundle; raises UnknownIdError."""
        tagging = await self._records.taggings.latest(video_id, content, bundle_version)
        if tagging is None:
            raise UnknownIdError(f"no such answer is stored for the video {video_id!r}", "tag it first")
        return TagResponse(tagging, from_store=True)

    async def add_labelled(self, labelled: LabelledVideo, content: bytes | None, client: str) -> LabelledVideoReport:
        """Add a labelled video, in place of an earlier one with its id.

        It is on the disk, and votes, when this returns. Raises InvalidRequestError if the catalog has none of its tags,
        and what prevents the video from being encoded.
        """
        if any(self._bundles.active.snapshot.tags.find_spelling(tag) is None for tag in labelled.tags):
            await self._bundles.follow()  # another service may have created the tag just now
        async with (
            self._inference.admit(labelled.video, content) as snapshot,
            open_media(self._sources, labelled.video.uri, content, self._telemetry.stages) as file,
        ):
            rows_by_tag = {tag: snapshot.tags.find_spelling(tag) for tag in labelled.tags}
            rows = dict.fromkeys(row for row in rows_by_tag.values() if row is not None)
            if not rows:
                raise InvalidRequestError(
                    "the catalog has none of the tags", "create them first", {"tags": "none of them is in the catalog"}
                )
            hashed = content_hash(labelled.video, await sha256_of(file))
            added, warnings = await self._inference.encode_labelled(snapshot.tagger, labelled, file)
        await self._append(added, client)
        return LabelledVideoReport(
            tuple(snapshot.tags.id_of(row) for row in rows),
            tuple(tag for tag, row in rows_by_tag.items() if row is None),
            tuple(added.rows),
            warnings,
            snapshot.version,
            hashed,
        )

    async def remove_labelled(self, video_id: str, client: str) -> bool:
        """Remove a labelled video; return whether it voted, or would have in a bundle that has its tags."""
        await self._bundles.follow()  # another service may have added it just now
        is_present = self._bundles.active.has_labelled(video_id)
        if is_present:
            await self._append(RemovedVideo(video_id), client)
        return is_present

    async def _append(self, update: LabelledUpdate, client: str) -> None:
        origin = Origin(str(uuid4()), client, self._records.clock())
        await self._records.labelled.append(LabelledRecord.of(update, origin))
        await self._bundles.follow()
