"""Inference: admits videos, decodes their media and runs the models of the active bundle on them.

Texts, media and explanations have admissions of their own, so that none takes the turns of another. Explanations let
videos to tag come first.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace

from tagging.config.root import SelectConfig
from tagging.errors import VideotagError
from tagging.inspection.explanation import Inspection
from tagging.media.read_ahead import Failure, ReadVideo, read_result
from tagging.media.source import OpenFile
from tagging.pipeline.labelled_updates import added_video
from tagging.pipeline.stages import Stages
from tagging.pipeline.tagger import Tagger
from tagging.service.bundles.loaded_bundle import Snapshot
from tagging.service.bundles.registry import BundleRegistry
from tagging.service.clients.current import caller
from tagging.service.clients.quotas import Quotas
from tagging.service.inference.admission import Admission
from tagging.service.inference.model_threads import ModelThreads
from tagging.service.inference.pauses import Pause, PausingStages
from tagging.store.database.taggings import TaggingOptions
from tagging.store.labelled_log import AddedVideo
from tagging.types import LabelledVideo, RankedTags, VideoRef

Inspect = Callable[[Tagger, ReadVideo, SelectConfig], Inspection]


@dataclass(frozen=True, slots=True, eq=False)
class Admissions:
    """The admissions of videos, by what they cost."""

    texts: Admission  # to tag or to label, without media
    media: Admission  # to tag or to label, with media
    explanations: Admission


class Inference:
    """Tags and encodes one video at a time for each caller. Belongs to one event loop."""

    def __init__(
        self,
        bundles: BundleRegistry,
        model: ModelThreads,
        admissions: Admissions,
        quotas: Quotas,
        stages: Stages,
    ) -> None:
        self.bundles = bundles
        self._model = model
        self._admissions = admissions
        self._quotas = quotas
        self._stages = stages

    def admit(self, video: VideoRef, content: bytes | None) -> AbstractAsyncContextManager[Snapshot]:
        """Wait for the caller's turn and keep the active bundle open; raises what `Admission.admit` raises.

        content: the media, where they have no uri
        """
        has_media = video.uri is not None or content is not None
        return self._admit(self._admissions.media if has_media else self._admissions.texts, content)

    def admit_explanation(self, content: bytes | None) -> AbstractAsyncContextManager[Snapshot]:
        """Wait for the caller's turn to have a video explained, as `admit` does for tagging one."""
        return self._admit(self._admissions.explanations, content)

    @asynccontextmanager
    async def _admit(self, admission: Admission, content: bytes | None) -> AsyncIterator[Snapshot]:
        """No deadline is passed on: gRPC cancels a call whose deadline passes, and so its wait."""
        async with (
            admission.admit(caller().name, len(content or b""), None),
            self.bundles.active.use() as snapshot,
        ):
            yield snapshot

    async def tag(
        self, tagger: Tagger, video: VideoRef, file: OpenFile | None, options: TaggingOptions
    ) -> tuple[ReadVideo, RankedTags]:
        """Decode and tag a video; return it decoded, too, for the shadow bundle. Raises what prevents the tagging."""
        selection = await self._model.selection(tagger, options)
        read = await self._read(tagger, video, file)
        return read, await self._model.tag(tagger, read, selection)

    async def tag_in_shadow(self, tagger: Tagger, read: ReadVideo, options: TaggingOptions) -> RankedTags:
        """Tag a decoded video with another bundle; raises what prevents it from being tagged."""
        selection = await self._model.selection(tagger, options)
        with self._stages("shadow"):
            return await self._model.tag(tagger, read, selection)

    async def explain(
        self,
        tagger: Tagger,
        video: VideoRef,
        file: OpenFile | None,
        options: TaggingOptions,
        inspect: Inspect,
    ) -> Inspection:
        """Decode and explain a video; other jobs of the models run between the stages of its many passes.

        Raises what prevents the video from being tagged, and DeadlineExceededError between two stages.
        """
        selection = await self._model.selection(tagger, options)
        read = await self._read(tagger, video, file)

        def inspect_with(pause: Pause) -> Inspection:
            return inspect(replace(tagger, stages=PausingStages(pause)), read, selection)

        with self._stages("explain"):
            return await self._model.run_with_pauses(inspect_with)

    async def encode_labelled(
        self, tagger: Tagger, labelled: LabelledVideo, file: OpenFile | None
    ) -> tuple[AddedVideo, tuple[str, ...]]:
        """Decode and encode a labelled video for the log; returns it with warnings. Raises what prevents it."""
        read = await self._read(tagger, labelled.video, file)
        encoded = await self._model.encode(tagger, read)
        return added_video(labelled, encoded, tagger.models.encoders.fingerprints())

    async def _read(self, tagger: Tagger, video: VideoRef, file: OpenFile | None) -> ReadVideo:
        with self._stages("decode") if file is not None else nullcontext():
            read = await _decoded(tagger, video, file)
        if isinstance(read, Failure):
            raise read.error
        if read.media is not None:
            self._quotas.used_media(caller(), read.media.duration_s)
        return read


async def _decoded(tagger: Tagger, video: VideoRef, file: OpenFile | None) -> ReadVideo | Failure:
    """The video with its media, where there are some and the bundle has encoders for media."""
    if file is not None and video.uri is None:
        video = replace(video, uri=file.name)  # content that was sent, as if it had a location
    if file is None or tagger.decoder is None:
        return read_result(video, None)
    try:
        media = await asyncio.wrap_future(tagger.decoder.submit(file))
    except VideotagError as error:
        return read_result(video, error)
    return read_result(video, media)
