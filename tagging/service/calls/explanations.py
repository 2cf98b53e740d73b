"""Calls about explanations: why a video gets its tags, and why not others."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from tagging.errors import ConflictError, UnknownIdError
from tagging.inspection.explanation import Inspection
from tagging.inspection.inspect import inspect_answer, inspect_video
from tagging.media.web.urls import is_web_address
from tagging.messages import without_credentials
from tagging.pipeline.stages import Stages
from tagging.service.calls.media import open_media, sha256_of
from tagging.service.calls.requests import TagRequest, content_hash
from tagging.service.inference.inference import Inference
from tagging.service.sources.sources import Sources
from tagging.store.database.taggings import Tagging, Taggings


@dataclass(frozen=True, slots=True)
class ExplainRequest:
    """A video to explain, as a client describes it."""

    subject: TagRequest | str  # str: id of a video with a stored answer
    why: tuple[str, ...]  # spellings of tags, or other texts, without repeats
    why_answered: bool  # True: the answered tags are asked about, too


@dataclass(frozen=True, slots=True)
class ExplanationReport:
    """An inspection, and the state that it is of."""

    inspection: Inspection
    content_hash: str
    last_edit: int  # number of the last tag edit that is applied; 0 for none


class ExplanationCalls:
    """Answers the calls about explanations. Belongs to one event loop."""

    def __init__(self, inference: Inference, sources: Sources, taggings: Taggings, stages: Stages) -> None:
        self._inference = inference
        self._bundles = inference.bundles
        self._sources = sources
        self._taggings = taggings
        self._stages = stages

    async def explain(self, request: ExplainRequest) -> ExplanationReport:
        """Explain the answer of the active bundle, under the current tags, to a video.

        Raises UnknownIdError if no answer is stored for a video id, ConflictError if the media of its answer are not
        stored, and the VideotagError that prevents the video from being tagged.
        """
        if isinstance(request.subject, TagRequest):
            return await self._explain(request.subject, request)
        stored = await self._stored(request.subject)
        report = await self._explain(TagRequest(stored.video, None, stored.key.options, evidence=True), request)
        return _with_warnings(report, _changes_since(stored, report))

    async def _explain(self, subject: TagRequest, request: ExplainRequest) -> ExplanationReport:
        if any(self._bundles.active.snapshot.tags.find_spelling(query) is None for query in request.why):
            await self._bundles.follow()  # another service may have created the tag just now
        video = subject.video
        async with (
            self._inference.admit_explanation(subject.content) as snapshot,
            open_media(self._sources, video.uri, subject.content, self._stages) as file,
        ):
            hashed = content_hash(video, await sha256_of(file))
            inspect = partial(inspect_answer if request.why_answered else inspect_video, queries=request.why)
            inspection = await self._inference.explain(snapshot.tagger, video, file, subject.options, inspect)
        explanation = replace(inspection.explanation, video=replace(video, uri=public_uri(video.uri)))
        return ExplanationReport(replace(inspection, explanation=explanation), hashed, snapshot.last_edit)

    async def _stored(self, video_id: str) -> Tagging:
        stored = await self._taggings.latest(video_id)
        if stored is None:
            raise UnknownIdError(
                f"no answer is stored for the video {video_id!r}", "tag it first, or send the video to explain"
            )
        if stored.video.uri is None and content_hash(stored.video, None) != stored.key.content_hash:
            raise ConflictError(
                f"the media of the video {video_id!r} were sent as content, which is not stored",
                "send the video to explain with its content",
            )
        return stored


def public_uri(uri: str | None) -> str | None:
    """A uri without user, password and query, which may hold a signature: other clients may ask for a stored answer."""
    if uri is None or not is_web_address(uri):
        return uri
    return without_credentials(uri).partition("?")[0]


def _changes_since(stored: Tagging, report: ExplanationReport) -> Iterator[str]:
    """Yield a sentence for each reason why the explanation may differ from the stored answer."""
    version = report.inspection.explanation.bundle_version
    if stored.key.bundle_version != version:
        yield f"the stored answer is of bundle {stored.key.bundle_version}, the explanation of bundle {version}"
    if stored.key.content_hash != report.content_hash:
        yield "the media have changed since the stored answer"
    if stored.last_edit != report.last_edit:
        yield "tags were edited after the stored answer"


def _with_warnings(report: ExplanationReport, warnings: Iterable[str]) -> ExplanationReport:
    explanation = report.inspection.explanation
    looked_at = replace(explanation.looked_at, warnings=(*warnings, *explanation.looked_at.warnings))
    inspection = replace(report.inspection, explanation=replace(explanation, looked_at=looked_at))
    return replace(report, inspection=inspection)
