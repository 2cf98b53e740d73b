"""Variants of a video: its answer computed again without one input (ablations), or with a tag's name in the title.

A variant starts at the first stage that reads the change: from the embeddings without a modality, from the votes
without a labelled video, from the union without a channel. All variants are encoded once and ranked in one call.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from recall.query import RecallQuery
from tagging.inspection.decision import DecidedVideo, Subject, decide
from tagging.inspection.explanation import Ablation, Outcome
from tagging.media.read_ahead import ReadVideo
from tagging.pipeline.models import EncodedVideo, PipelineModels, encode
from tagging.pipeline.recall_stage import Recalled, RecallStage
from tagging.pipeline.stages import Stages
from tagging.text.words import split_words
from tagging.types import MODALITIES, PASSAGE_SOURCES, AnyModality, VideoEmbeddings

CHANGES_AT_ONCE = 16
VOTERS_PER_CHANNEL = 3  # nearest labelled videos with the tag that are left out, one by one


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a video: an input that is left out, or a name that is added to the title."""

    kind: Literal["modality", "channel", "neighbour", "title"]
    name: str  # of the modality, channel or tag; the video id of the neighbour
    title: str = ""  # of the neighbour
    video_row: int = -1  # of the neighbour


@dataclass(frozen=True, slots=True, eq=False)
class Variants:
    """A video decided again under each of some changes."""

    videos: dict[Change, DecidedVideo]

    def ablations(self, subject: Subject, changes: Sequence[Change]) -> tuple[Ablation, ...]:
        """Return the confidence and the outcome of a tag without each input that the changes leave out."""
        return tuple(
            Ablation(change.kind, change.name, change.title, *self.fate(subject, change))
            for change in changes
            if change.kind != "title"
        )

    def fate(self, subject: Subject, change: Change) -> tuple[float | None, Outcome]:
        """Return the confidence and the outcome of a tag under a change."""
        video = self.videos[change]
        row = subject.row_in(video.recalled)
        # Extraction may not find a phrase any more.
        return video.confidence(row), "not_proposed" if row is None else video.outcome(row)


def inputs_of(video: DecidedVideo, row: int, recall_stage: RecallStage) -> list[Change]:
    """Return the inputs whose absence may change a tag: modalities, channels that proposed anything, and its voters."""
    inputs = [Change("modality", name) for name in _modalities(video.encoded.embeddings)]
    proposed = video.recalled.proposed.items()
    inputs += [Change("channel", name) for name, tags in proposed if tags is not None and len(tags.tag_rows)]
    return [*inputs, *_voters(video, row, recall_stage)]


def naming(video: DecidedVideo, name: str) -> Change | None:
    """Return the change that adds a tag's name to the title; None if the text has it already."""
    words, text = (f" {' '.join(split_words(part))} " for part in (name, video.encoded.embeddings.text))
    return None if words in text else Change("title", name)


def compute_variants(
    models: PipelineModels, video: DecidedVideo, changes: Sequence[Change], stages: Stages
) -> Variants:
    """Decide the video again under each of the changes; equal ones once.

    The changes are computed in small batches: between them a service tags videos, and the deadline is checked.
    """
    changes = list(dict.fromkeys(changes))
    decided: dict[Change, DecidedVideo] = {}
    for start in range(0, len(changes), CHANGES_AT_ONCE):
        decided |= _decided_again(models, video, changes[start : start + CHANGES_AT_ONCE], stages)
    return Variants(decided)


def _decided_again(
    models: PipelineModels, video: DecidedVideo, changes: Sequence[Change], stages: Stages
) -> dict[Change, DecidedVideo]:
    stage = models.recall_stage
    encoded = {change: _encoded_without(video.encoded, change) for change in changes}
    encoded |= _renamed(models, video.encoded, [change for change in changes if change.kind == "title"], stages)
    with stages("recall"):
        recalled = _recalled_again({key: encoded[key] for key in changes if key.kind != "channel"}, stage)
        for change in changes:
            if change.kind == "channel":
                proposed = {**video.recalled.proposed, change.name: None}
                recalled[change] = stage.unite(video.encoded.embeddings, proposed)
    decided = decide(models, [*encoded.values()], [recalled[key] for key in encoded], video.selection, stages)
    return dict(zip(encoded, decided, strict=True))


def _recalled_again(encoded: dict[Change, EncodedVideo], stage: RecallStage) -> dict[Change, Recalled]:
    """Return the output of recall under changes of modalities, voters or the title."""
    if not encoded:
        return {}
    queries = [
        _query_without(query, change)
        for query, change in zip(
            stage.queries([without.embeddings for without in encoded.values()]), encoded, strict=True
        )
    ]
    proposed = zip(encoded.items(), stage.propose_for(queries), strict=True)
    return {change: stage.unite(without.embeddings, tags) for (change, without), tags in proposed}


def _query_without(query: RecallQuery, change: Change) -> RecallQuery:
    return replace(query, left_out=frozenset({change.video_row})) if change.kind == "neighbour" else query


def _renamed(
    models: PipelineModels, video: EncodedVideo, changes: Sequence[Change], stages: Stages
) -> dict[Change, EncodedVideo]:
    """Return the video under titles that have the names, too; only the text is encoded again."""
    references = [
        replace(video.video, title=f"{video.video.title.strip()} {change.name}".strip()) for change in changes
    ]
    texts = encode(models.encoders, [ReadVideo(reference, None) for reference in references], stages)
    return {
        change: replace(
            video,
            video=text.video,
            features=replace(video.features, text=text.features.text),
            embeddings=replace(
                video.embeddings,
                rows={**video.embeddings.rows, **text.embeddings.rows},
                title=text.video.title,
            ),
        )
        for change, text in zip(changes, texts, strict=True)
    }


def _encoded_without(video: EncodedVideo, change: Change) -> EncodedVideo:
    """Return the video without a modality; the text is title and description."""
    if change.kind != "modality":
        return video
    name, rows = change.name, video.embeddings
    embeddings = replace(
        rows,
        rows={view: row for view, row in rows.rows.items() if view != name},
        beliefs={modality: tokens for modality, tokens in rows.beliefs.items() if modality != name},
        passages={source: passages for source, passages in rows.passages.items() if source != name},
    )
    reference = video.video
    if name == "text":
        embeddings = replace(embeddings, title="", description="")
        reference = replace(reference, title="", description="")
    without: dict[str, Any] = {name: None}  # a name that mypy cannot know
    return replace(video, video=reference, features=replace(video.features, **without), embeddings=embeddings)


def _modalities(embeddings: VideoEmbeddings) -> list[AnyModality]:
    """Return the modalities that any channel could read; a text counts without an encoder for it, too."""
    present = {*embeddings.modalities, *(["text"] if embeddings.text else [])}
    return [name for name in (*MODALITIES, *PASSAGE_SOURCES) if name in present]


def _voters(video: DecidedVideo, row: int, recall_stage: RecallStage) -> list[Change]:
    """Return the labelled videos that vote for a tag, the nearest of each channel."""
    table = recall_stage.neighbour_store.table
    found: dict[int, Change] = {}
    for neighbours in video.recalled.united.neighbours.values():
        has_tag = recall_stage.have_tag(neighbours.video_rows, row)
        for other in neighbours.video_rows[has_tag][:VOTERS_PER_CHANNEL].tolist():
            found[other] = Change("neighbour", table.id_of(other), table.title_of(other), other)
    return [*found.values()]
