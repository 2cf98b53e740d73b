"""The calls of the proto: message to value, what is to be done, value to message."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import grpc
from videotag.v1 import tagging_pb2 as pb
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.errors import BackendUnavailableError, ConflictError, VideotagError
from tagging.service.api.tag_messages import bundle_message, churn_message, edit_message, edit_messages, tag_message
from tagging.service.api.validation import check
from tagging.service.api.video_messages import MODALITY, read_labelled, read_tag_request, stream_response, tag_response
from tagging.service.bundles.registry import BundleRegistry
from tagging.service.calls.churn import churn_of
from tagging.service.calls.feedback import FeedbackCalls, VideoFeedback
from tagging.service.calls.shadow import Shadow
from tagging.service.calls.tags import Changed, TagCalls
from tagging.service.calls.videos import TaggingAnswer, VideoCalls
from tagging.service.clients.current import caller
from tagging.service.errors.status import status_of
from tagging.service.interceptors.errors import release_call
from tagging.service.observe.metrics import Metrics
from tagging.store.database.taggings import Taggings
from tagging.tags.edits.edit_batch import EditBatch

logger = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]
CHURN_TAGS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Collaborators:
    """What calls are answered with."""

    videos: VideoCalls
    tags: TagCalls
    feedback: FeedbackCalls
    bundles: BundleRegistry
    shadow: Shadow
    taggings: Taggings
    metrics: Metrics
    at_once: int  # videos of one stream that are tagged beside each other


class Servicer(rpc.TaggingServiceServicer):
    """What it raises, `boundary.py` makes a status of. Until it is opened, every call is told to come back."""

    def __init__(self) -> None:
        self._opened: Collaborators | None = None

    def open(self, parts: Collaborators) -> None:
        self._opened = parts

    @property
    def _parts(self) -> Collaborators:
        if self._opened is None:
            raise BackendUnavailableError("the service is not warm yet", "wait until its health is SERVING")
        return self._opened

    async def TagVideo(self, request: pb.TagVideoRequest, context: Context) -> pb.TagVideoResponse:
        asked = read_tag_request(request)
        return _tagged(await self._parts.videos.tag(asked), asked.evidence)

    async def StreamTagVideos(
        self, requests: AsyncIterator[pb.StreamTagVideosRequest], context: Context
    ) -> AsyncIterator[pb.StreamTagVideosResponse]:
        async def one(index: int, message: pb.TagVideoRequest) -> pb.StreamTagVideosResponse:
            try:
                asked = read_tag_request(message)
                answer = _tagged(await self._parts.videos.tag(asked), asked.evidence)
                return stream_response(index, message.video_id, answer)
            except Exception as error:
                self._parts.metrics.rejected(error)
                if not isinstance(error, VideotagError):  # of one video, which is no reason to end the others
                    logger.exception("a video of a stream failed as nobody foresaw")
                response = stream_response(index, message.video_id, status_of(error))
                release_call(error)
                return response

        async with aclosing(_side_by_side(requests, one, self._parts.at_once)) as responses:
            async for response in responses:
                yield response

    async def GetTagging(self, request: pb.GetTaggingRequest, context: Context) -> pb.GetTaggingResponse:
        check(request)
        content = request.content_hash if request.HasField("content_hash") else None
        version = request.bundle_version if request.HasField("bundle_version") else None
        answer = await self._parts.videos.stored(request.video_id, content, version)
        return pb.GetTaggingResponse(tagging=_tagged(answer, request.evidence))

    async def ListTags(self, request: pb.ListTagsRequest, context: Context) -> pb.ListTagsResponse:
        check(request)
        page = await self._parts.tags.page(request.page_size, request.page_token, request.text, _hidden(request.status))
        return pb.ListTagsResponse(
            tags=[tag_message(page.tags, row) for row in page.rows],
            next_page_token=page.next_token,
            bundle_version=page.bundle_version,
            last_edit=page.last_edit,
        )

    async def CreateTag(self, request: pb.CreateTagRequest, context: Context) -> pb.CreateTagResponse:
        check(request)
        made: list[str] = []

        def ask(change: EditBatch) -> None:
            made[:] = [
                change.create(request.name, request.aliases, request.parent_ids, request.language, request.description)
            ]

        changed = await self._parts.tags.change(ask, caller().name)
        return pb.CreateTagResponse(
            tag=_tag(changed, made[0]), edits=edit_messages(changed.edits), bundle_version=changed.bundle_version
        )

    async def UpdateTag(self, request: pb.UpdateTagRequest, context: Context) -> pb.UpdateTagResponse:
        check(request)

        def ask(change: EditBatch) -> None:
            change.update(
                request.tag_id,
                name=request.name if request.HasField("name") else None,
                add_aliases=request.add_aliases,
                remove_aliases=request.remove_aliases,
                add_parent_ids=request.add_parent_ids,
                remove_parent_ids=request.remove_parent_ids,
                description=request.description if request.HasField("description") else None,
                hidden=_hidden(request.status),
            )

        changed = await self._parts.tags.change(ask, caller().name)
        return pb.UpdateTagResponse(
            tag=_tag(changed, request.tag_id),
            edits=edit_messages(changed.edits),
            bundle_version=changed.bundle_version,
        )

    async def MergeTags(self, request: pb.MergeTagsRequest, context: Context) -> pb.MergeTagsResponse:
        check(request)
        changed = await self._parts.tags.change(
            lambda change: change.merge(request.target_id, request.source_ids), caller().name
        )
        return pb.MergeTagsResponse(
            tag=_tag(changed, request.target_id),
            edits=edit_messages(changed.edits),
            bundle_version=changed.bundle_version,
        )

    async def UndoTagEdit(self, request: pb.UndoTagEditRequest, context: Context) -> pb.UndoTagEditResponse:
        check(request)
        changed = await self._parts.tags.undo(request.number, caller().name)
        [entry] = changed.edits
        touched = dict.fromkeys(map(changed.tags.find, changed.touched))
        return pb.UndoTagEditResponse(
            edit=edit_message(entry),
            tags=[tag_message(changed.tags, row) for row in touched if row is not None],
            bundle_version=changed.bundle_version,
        )

    async def ListTagEdits(self, request: pb.ListTagEditsRequest, context: Context) -> pb.ListTagEditsResponse:
        check(request)
        page = await self._parts.tags.page_of_edits(request.page_size, request.page_token, request.tag_id)
        return pb.ListTagEditsResponse(edits=edit_messages(page.edits), next_page_token=page.next_token)

    async def AddLabelledVideo(
        self, request: pb.AddLabelledVideoRequest, context: Context
    ) -> pb.AddLabelledVideoResponse:
        labelled, content = read_labelled(request)
        voter = await self._parts.videos.add_labelled(labelled, content, caller().name)
        return pb.AddLabelledVideoResponse(
            video_id=request.video_id,
            tag_ids=voter.tag_ids,
            unknown_tags=voter.unknown_tags,
            modalities=[MODALITY[modality] for modality in voter.modalities],
            warnings=voter.warnings,
            bundle_version=voter.bundle_version,
            content_hash=voter.content_hash,
        )

    async def RemoveLabelledVideo(
        self, request: pb.RemoveLabelledVideoRequest, context: Context
    ) -> pb.RemoveLabelledVideoResponse:
        check(request)
        removed = await self._parts.videos.remove_labelled(request.video_id, caller().name)
        return pb.RemoveLabelledVideoResponse(removed=removed, bundle_version=self._parts.bundles.active.now.version)

    async def SubmitFeedback(self, request: pb.SubmitFeedbackRequest, context: Context) -> pb.SubmitFeedbackResponse:
        check(request)
        judged = VideoFeedback(
            request.video_id, request.accepted_tag_ids, request.rejected_tag_ids, request.added_tags,
            request.bundle_version if request.HasField("bundle_version") else None,
            request.feedback_id if request.HasField("feedback_id") else None,
        )  # fmt: skip
        stored = await self._parts.feedback.submit(judged, caller().name)
        return pb.SubmitFeedbackResponse(feedback_id=stored.request_id, bundle_version=stored.bundle_version)

    async def GetBundle(self, request: pb.GetBundleRequest, context: Context) -> pb.GetBundleResponse:
        bundles = self._parts.bundles
        return pb.GetBundleResponse(
            active=bundle_message(bundles.active),
            previous=bundle_message(bundles.previous),
            shadow=bundle_message(bundles.shadow),
            last_edit=bundles.active.now.last_edit,
        )

    async def ActivateBundle(self, request: pb.ActivateBundleRequest, context: Context) -> pb.ActivateBundleResponse:
        check(request)
        await self._parts.bundles.activate(*_named(request))
        bundles = self._parts.bundles
        return pb.ActivateBundleResponse(
            active=bundle_message(bundles.active), previous=bundle_message(bundles.previous)
        )

    async def ShadowBundle(self, request: pb.ShadowBundleRequest, context: Context) -> pb.ShadowBundleResponse:
        check(request)
        await self._parts.bundles.set_shadow(*_named(request))
        bundles = self._parts.bundles
        return pb.ShadowBundleResponse(shadow=bundle_message(bundles.shadow), bundle_version=bundles.active.now.version)

    async def GetChurn(self, request: pb.GetChurnRequest, context: Context) -> pb.GetChurnResponse:
        check(request)
        active, shadow = self._parts.bundles.active, self._parts.bundles.shadow
        if shadow is None:
            raise ConflictError("there is no shadow bundle", "ShadowBundle gives it one")
        since = request.since.ToDatetime(UTC) if request.HasField("since") else max(active.since, shadow.since)
        versions = active.manifest.version, shadow.manifest.version
        most = request.max_tags if request.HasField("max_tags") else CHURN_TAGS
        churn = await churn_of(self._parts.taggings.pairs(*versions, since), most)
        return churn_message(churn, self._parts.shadow.counts(versions[1]), *versions, since)


async def _side_by_side(
    requests: AsyncIterator[pb.StreamTagVideosRequest],
    one: Callable[[int, pb.TagVideoRequest], Coroutine[Any, Any, pb.StreamTagVideosResponse]],
    at_once: int,
) -> AsyncGenerator[pb.StreamTagVideosResponse, None]:
    """Responses as they are ready; no request is read while so many are under way."""
    running: set[asyncio.Task[pb.StreamTagVideosResponse]] = set()
    coming = aiter(requests)
    index, ended = 0, False
    reading: asyncio.Task[pb.StreamTagVideosRequest] | None = None
    try:
        while not ended or running:
            if reading is None and not ended and len(running) < at_once:
                reading = asyncio.ensure_future(anext(coming))
            waited = {*running, *([reading] if reading is not None else [])}
            done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if reading in done:
                assert reading is not None
                finished, reading = reading, None
                try:
                    message = finished.result().request
                except StopAsyncIteration:
                    ended = True
                else:
                    running.add(asyncio.create_task(one(index, message)))
                    index += 1
            for task in [one for one in running if one in done]:
                running.discard(task)
                yield task.result()
    finally:
        rest: list[asyncio.Task[Any]] = [*running, *([reading] if reading is not None else [])]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


def _tagged(answer: TaggingAnswer, evidence: bool) -> pb.TagVideoResponse:
    tagging = answer.tagging
    return tag_response(
        tagging.answer, tagging.key.content_hash, tagging.at, tagging.last_edit, answer.from_store, evidence
    )


def _tag(changed: Changed, tag_id: str) -> pb.Tag:
    return tag_message(changed.tags, changed.tags.row_of(tag_id))


def _hidden(status: pb.TagStatus.ValueType) -> bool | None:
    return None if status == pb.TAG_STATUS_UNSPECIFIED else status == pb.TAG_STATUS_HIDDEN


def _named(request: pb.ActivateBundleRequest | pb.ShadowBundleRequest) -> tuple[str | None, str | None]:
    """The folder, or the version."""
    match request.WhichOneof("bundle"):
        case "folder":
            return request.folder, None
        case "version":
            return None, request.version
    return None, None
