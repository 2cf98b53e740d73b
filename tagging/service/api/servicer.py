"""TaggingService servicer: each handler converts the message to values, makes the call and converts the result."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
from videotag.v1 import tagging_pb2 as pb
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.errors import BackendUnavailableError
from tagging.service.api.bundle_messages import bundle_message, churn_message, read_bundle_name, read_churn_query
from tagging.service.api.explanation_messages import explanation_response, read_explain_request
from tagging.service.api.streaming import tag_stream
from tagging.service.api.tag_messages import (
    edit_message,
    edit_messages,
    edited_tag,
    listed_edits,
    read_creation,
    read_merge,
    read_tag_query,
    read_update,
    tag_messages,
    undone_tags,
    warnings_of,
)
from tagging.service.api.validation import check
from tagging.service.api.video_messages import (
    labelled_response,
    read_feedback,
    read_labelled,
    read_tag_request,
    read_tagging_query,
    tagging_message,
)
from tagging.service.calls.calls import Calls
from tagging.service.clients.current import caller

Context = grpc.aio.ServicerContext[Any, Any]


class Servicer(rpc.TaggingServiceServicer):
    """Handlers of the service; ErrorInterceptor turns what they raise into a status.

    Until `open` every call raises BackendUnavailableError, so that clients retry.
    """

    def __init__(self) -> None:
        self._opened: Calls | None = None

    def open(self, calls: Calls) -> None:
        """Start to answer calls."""
        self._opened = calls

    @property
    def _calls(self) -> Calls:
        if self._opened is None:
            raise BackendUnavailableError("the service is not warm yet", "wait until its health is SERVING")
        return self._opened

    async def TagVideo(self, request: pb.TagVideoRequest, context: Context) -> pb.TagVideoResponse:
        tag_request = read_tag_request(request)
        response = await self._calls.videos.tag(tag_request)
        return tagging_message(response, tag_request.evidence)

    async def StreamTagVideos(
        self, requests: AsyncIterator[pb.StreamTagVideosRequest], context: Context
    ) -> AsyncIterator[pb.StreamTagVideosResponse]:
        async with aclosing(tag_stream(requests, self._calls.videos, self._calls.metrics)) as responses:
            async for response in responses:
                yield response

    async def GetTagging(self, request: pb.GetTaggingRequest, context: Context) -> pb.GetTaggingResponse:
        query = read_tagging_query(request)
        response = await self._calls.videos.stored(*query)
        return pb.GetTaggingResponse(tagging=tagging_message(response, request.evidence))

    async def ExplainVideo(self, request: pb.ExplainVideoRequest, context: Context) -> pb.ExplainVideoResponse:
        explain_request = read_explain_request(request)
        report = await self._calls.explanations.explain(explain_request)
        return await asyncio.to_thread(explanation_response, report)  # a millisecond per candidate

    async def ListTags(self, request: pb.ListTagsRequest, context: Context) -> pb.ListTagsResponse:
        query = read_tag_query(request)
        page = await self._calls.tags.page(*query)
        return pb.ListTagsResponse(
            tags=tag_messages(page.tags, page.rows),
            next_page_token=page.next_token,
            bundle_version=page.bundle_version,
            last_edit=page.last_edit,
        )

    async def CreateTag(self, request: pb.CreateTagRequest, context: Context) -> pb.CreateTagResponse:
        change = await self._calls.tags.change(read_creation(request), caller().name)
        return pb.CreateTagResponse(
            tag=edited_tag(change),
            edits=edit_messages(change.edits),
            bundle_version=change.bundle_version,
            warnings=warnings_of(change),
        )

    async def UpdateTag(self, request: pb.UpdateTagRequest, context: Context) -> pb.UpdateTagResponse:
        change = await self._calls.tags.change(read_update(request), caller().name)
        return pb.UpdateTagResponse(
            tag=edited_tag(change),
            edits=edit_messages(change.edits),
            bundle_version=change.bundle_version,
            warnings=warnings_of(change),
        )

    async def MergeTags(self, request: pb.MergeTagsRequest, context: Context) -> pb.MergeTagsResponse:
        change = await self._calls.tags.change(read_merge(request), caller().name)
        return pb.MergeTagsResponse(
            tag=edited_tag(change), edits=edit_messages(change.edits), bundle_version=change.bundle_version
        )

    async def UndoTagEdit(self, request: pb.UndoTagEditRequest, context: Context) -> pb.UndoTagEditResponse:
        check(request)
        change = await self._calls.tags.undo(request.number, caller().name)
        [undo] = change.edits
        return pb.UndoTagEditResponse(
            edit=edit_message(undo, change.undone_by), tags=undone_tags(change), bundle_version=change.bundle_version
        )

    async def ListTagEdits(self, request: pb.ListTagEditsRequest, context: Context) -> pb.ListTagEditsResponse:
        check(request)
        page = await self._calls.tags.page_of_edits(request.page_size, request.page_token, request.tag_id)
        return pb.ListTagEditsResponse(edits=listed_edits(page), next_page_token=page.next_token)

    async def AddLabelledVideo(
        self, request: pb.AddLabelledVideoRequest, context: Context
    ) -> pb.AddLabelledVideoResponse:
        labelled, content = read_labelled(request)
        report = await self._calls.videos.add_labelled(labelled, content, caller().name)
        return labelled_response(request.video_id, report)

    async def RemoveLabelledVideo(
        self, request: pb.RemoveLabelledVideoRequest, context: Context
    ) -> pb.RemoveLabelledVideoResponse:
        check(request)
        removed = await self._calls.videos.remove_labelled(request.video_id, caller().name)
        return pb.RemoveLabelledVideoResponse(
            removed=removed, bundle_version=self._calls.bundles.bundles.active.version
        )

    async def SubmitFeedback(self, request: pb.SubmitFeedbackRequest, context: Context) -> pb.SubmitFeedbackResponse:
        feedback = read_feedback(request)
        stored = await self._calls.feedback.submit(feedback, caller().name)
        return pb.SubmitFeedbackResponse(feedback_id=stored.origin.request_id, bundle_version=stored.bundle_version)

    async def GetBundle(self, request: pb.GetBundleRequest, context: Context) -> pb.GetBundleResponse:
        bundles = self._calls.bundles.bundles
        return pb.GetBundleResponse(
            active=bundle_message(bundles.active),
            previous=bundle_message(bundles.previous),
            shadow=bundle_message(bundles.shadow),
            last_edit=bundles.active.last_edit,
        )

    async def ActivateBundle(self, request: pb.ActivateBundleRequest, context: Context) -> pb.ActivateBundleResponse:
        bundles = await self._calls.bundles.activate(*read_bundle_name(request))
        return pb.ActivateBundleResponse(
            active=bundle_message(bundles.active), previous=bundle_message(bundles.previous)
        )

    async def ShadowBundle(self, request: pb.ShadowBundleRequest, context: Context) -> pb.ShadowBundleResponse:
        bundles = await self._calls.bundles.set_shadow(*read_bundle_name(request))
        return pb.ShadowBundleResponse(shadow=bundle_message(bundles.shadow), bundle_version=bundles.active.version)

    async def GetChurn(self, request: pb.GetChurnRequest, context: Context) -> pb.GetChurnResponse:
        since, max_tags = read_churn_query(request)
        return churn_message(await self._calls.bundles.churn(since, max_tags))
