"""Calls about videos: to tag one, to look up what was answered, to let a labelled one vote or leave."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from tagging.errors import InvalidRequestError, UnknownIdError, VideotagError
from tagging.media.read_ahead import Failure, ReadVideo, read_result
from tagging.media.source import OpenFile
from tagging.pipeline.stages import Stages
from tagging.pipeline.tagger import Tagger
from tagging.service.bundles.registry import BundleRegistry
from tagging.service.calls.requests import TagRequest, content_hash
from tagging.service.calls.shadow import Shadow
from tagging.service.calls.stored_answers import with_current_tags
from tagging.service.clients.current import caller
from tagging.service.clients.quotas import Quotas
from tagging.service.inference.admission import Admission
from tagging.service.inference.model_thread import ModelThread
from tagging.service.observe.metrics import Metrics
from tagging.service.sources.sources import Sources
from tagging.service.sources.threads import run_in_thread
from tagging.store.database.labelled_videos import LabelledLog, LabelledRecord
from tagging.store.database.taggings import Tagging, TaggingKey, Taggings
from tagging.store.labelled_log import to_bytes
from tagging.types import LabelledVideo, Modality, VideoRef

CHUNK = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class TaggingAnswer:
    """What a call is answered, and whether it was stored before."""

    tagging: Tagging
    from_store: bool


@dataclass(frozen=True, slots=True)
class LabelledVideoReport:
    """A labelled video as it was stored."""

    tag_ids: tuple[str, ...]
    unknown_tags: tuple[str, ...]
    modalities: tuple[Modality, ...]
    warnings: tuple[str, ...]
    bundle_version: str
    content_hash: str


@dataclass(frozen=True, slots=True, eq=False)
class Telemetry:
    """Who is told what becomes of videos."""

    metrics: Metrics
    stages: Stages


class VideoCalls:
    def __init__(
        self,
        bundles: BundleRegistry,
        model: ModelThread,
        sources: Sources,
        admission: Admission,
        quotas: Quotas,
        taggings: Taggings,
        labelled: LabelledLog,
        shadow: Shadow,
        told: Telemetry,
        clock: Callable[[], datetime],
    ) -> None:
        self._bundles = bundles
        self._model = model
        self._sources = sources
        self._admission = admission
        self._quotas = quotas
        self._taggings = taggings
        self._labelled = labelled
        self._shadow = shadow
        self._told = told
        self._clock = clock

    async def tag(self, request: TagRequest) -> TaggingAnswer:
        """What is stored for the same content, limits and bundle, or what the active bundle answers, which is then
        stored. Raises what keeps the video from being tagged.
        """
        count = self._told.metrics.videos.labels
        try:
            answer = await self._tag(request)
        except VideotagError:
            count("failed").inc()
            raise
        count("stored" if answer.from_store else "tagged" if answer.tagging.answer.tags else "untagged").inc()
        return answer

    async def _tag(self, request: TagRequest) -> TaggingAnswer:
        async with (
            self._admitted(request.content),
            self._bundles.active.used() as moment,
            self._media(request.video, request.content) as file,
        ):
            content = content_hash(request.video, await _sha256(file))
            key = TaggingKey(request.video.video_id, content, moment.version, request.asked)
            with self._told.stages("store"):
                stored = await self._taggings.get(key)
            if stored is not None:
                return TaggingAnswer(with_current_tags(stored, moment.tags), from_store=True)
            selection = await self._model.selection(moment.tagger, request.asked)
            read = await self._read(moment.tagger, request.video, file)
            answer = await self._model.tag(moment.tagger, read, selection)
        tagging = Tagging(key, request.video, answer, self._clock(), moment.last_edit)
        with self._told.stages("store"):
            kept = await self._taggings.put(tagging)
        if kept is not tagging:  # somebody asked for the same meanwhile
            return TaggingAnswer(with_current_tags(kept, moment.tags), from_store=True)
        self._shadow.offer(read, tagging)
        return TaggingAnswer(tagging, from_store=False)

    async def stored(self, video_id: str, content: str | None, bundle_version: str | None) -> TaggingAnswer:
        """The latest answer that is described so; UnknownIdError where none is stored."""
        tagging = await self._taggings.latest(video_id, content, bundle_version)
        if tagging is None:
            raise UnknownIdError(f"no such answer is stored for the video {video_id!r}", "tag it first")
        return TaggingAnswer(tagging, from_store=True)

    async def add_labelled(self, labelled: LabelledVideo, content: bytes | None, who: str) -> LabelledVideoReport:
        """Let a labelled video vote, in place of the one of that id; it is on the disk, and found, from then on."""
        if any(self._bundles.active.now.tags.find_spelling(tag) is None for tag in labelled.tags):
            await self._bundles.follow()  # another service may have created it just now
        async with (
            self._admitted(content),
            self._bundles.active.used() as moment,
            self._media(labelled.video, content) as file,
        ):
            known = {tag: moment.tags.find_spelling(tag) for tag in labelled.tags}
            rows = dict.fromkeys(row for row in known.values() if row is not None)
            if not rows:
                raise InvalidRequestError(
                    "the catalog has none of the tags", "create them first", {"tags": "none of them is in the catalog"}
                )
            hashed = content_hash(labelled.video, await _sha256(file))
            read = await self._read(moment.tagger, labelled.video, file)
            late, warnings = await self._model.run(lambda: moment.tagger.late(labelled, read))
        record = LabelledRecord(str(uuid4()), labelled.video.video_id, "added", to_bytes(late), who, self._clock())
        await self._labelled.append(record)
        await self._bundles.follow()
        return LabelledVideoReport(
            tuple(moment.tags.id_of(row) for row in rows),
            tuple(tag for tag, row in known.items() if row is None),
            tuple(late.rows),
            warnings,
            moment.version,
            hashed,
        )

    async def remove_labelled(self, video_id: str, who: str) -> bool:
        """Whether the video voted, or would have in a bundle that has its tags."""
        await self._bundles.follow()  # another service may have added it just now
        was_there = self._bundles.active.has_labelled(video_id)
        if was_there:
            record = LabelledRecord(str(uuid4()), video_id, "removed", b"", who, self._clock())
            await self._labelled.append(record)
            await self._bundles.follow()
        return was_there

    def _admitted(self, content: bytes | None) -> AbstractAsyncContextManager[None]:
        """A place among those that are worked on. A call whose deadline passes is cancelled, and waits no more."""
        return self._admission.admit(caller().name, len(content or b""), None)

    async def _read(self, tagger: Tagger, video: VideoRef, file: OpenFile | None) -> ReadVideo:
        with self._told.stages("decode") if file is not None else nullcontext():
            read = await _read(tagger, video, file)
        if read.media is not None:
            self._quotas.used_media(caller(), read.media.duration_s)
        return read

    @asynccontextmanager
    async def _media(self, video: VideoRef, content: bytes | None) -> AsyncIterator[OpenFile | None]:
        if content is not None:
            async with self._sources.spool(content) as file:
                yield file
        elif video.uri is not None:
            async with AsyncExitStack() as stack:
                with self._told.stages("source"):
                    file = await stack.enter_async_context(self._sources.open(video.uri))
                yield file
        else:
            yield None


async def _read(tagger: Tagger, video: VideoRef, file: OpenFile | None) -> ReadVideo:
    """With its media decoded, where there are some and the bundle looks at them."""
    if file is not None and video.uri is None:
        video = replace(video, uri=file.name)  # content that was sent, as if it lay somewhere
    decoding = None if file is None else tagger.submit(file)
    media = None
    if decoding is not None:
        try:
            media = await asyncio.wrap_future(decoding)
        except VideotagError as error:
            return _unless_failed(read_result(video, error))
    return _unless_failed(read_result(video, media))


def _unless_failed(read: ReadVideo | Failure) -> ReadVideo:
    if isinstance(read, Failure):
        raise read.error
    return read


async def _sha256(file: OpenFile | None) -> str | None:
    """Hex; the descriptor's place in the file stays where it was."""
    if file is None:
        return None
    digest, place = hashlib.sha256(), 0
    while chunk := await run_in_thread(lambda: os.pread(file.descriptor, CHUNK, place)):  # noqa: B023 - awaited at once
        digest.update(chunk)
        place += len(chunk)
    return digest.hexdigest()
