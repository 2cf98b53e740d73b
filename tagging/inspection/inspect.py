"""Inspection of one video: the explanation of its answer, and the questions about it.

    ReadVideo → EncodedVideo → DecidedVideo → Explanation → Inspection

The explanation is made from the values that decided the answer, and from nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from tagging.config.root import SelectConfig
from tagging.inspection.ablate import Change, Variants, compute_variants, inputs_of, naming
from tagging.inspection.decision import DecidedVideo, Subject, decide
from tagging.inspection.explain import explain
from tagging.inspection.explanation import Explanation, Inspection, TagQuestion
from tagging.inspection.reasons import TO_ADD, reason_of, reason_unknown, requirement_of
from tagging.inspection.traces import trace_tags
from tagging.media.read_ahead import ReadVideo
from tagging.pipeline.answer import nothing_to_read
from tagging.pipeline.models import PipelineModels, encode
from tagging.pipeline.stages import Stages
from tagging.pipeline.tagger import Tagger


@dataclass(frozen=True, slots=True, eq=False)
class VideoInspector:
    """A decided video and its explanation, about which questions may be asked."""

    models: PipelineModels
    video: DecidedVideo
    explanation: Explanation
    stages: Stages

    @classmethod
    def of(cls, tagger: Tagger, read: ReadVideo, selection: SelectConfig) -> "VideoInspector":
        """Decide the tags of a video whose media are in memory, as the tagger does.

        Raises InvalidVideoError if no encoder can read anything of it.
        """
        models, stages = tagger.models, tagger.stages
        encoded = encode(models.encoders, [read], stages)
        if not encoded[0].embeddings.modalities:
            raise nothing_to_read(read.video, encoded[0].features.warnings)
        with stages("recall"):
            [proposed] = models.recall_stage.propose([encoded[0].embeddings])
            recalled = [models.recall_stage.unite(encoded[0].embeddings, proposed)]
        [video] = decide(models, encoded, recalled, selection, stages)
        return cls(models, video, explain(read, video, models.recall_stage, tagger.bundle_version), stages)

    def ask(self, queries: Sequence[str]) -> tuple[TagQuestion, ...]:
        """Answer "why this tag?" or "why not that one?" for each query; queries that mean the same tag once.

        queries: tags of the catalog by any spelling, or any other text
        """
        stage = self.models.recall_stage
        subjects = _distinct([Subject.of(query, stage) for query in queries])
        changes = [self._changes(subject) for subject in subjects]
        variants = compute_variants(self.models, self.video, [*chain.from_iterable(changes)], self.stages)
        return tuple(
            self._answer(subject, variants, of_subject) for subject, of_subject in zip(subjects, changes, strict=True)
        )

    def _changes(self, subject: Subject) -> list[Change]:
        """Return the changes of the video to compute; none where no change can alter the outcome."""
        row = subject.row_in(self.video.recalled)
        outcome = self.video.outcome(row)
        if row is None or outcome == "hidden":
            return []
        name = self.video.recalled.united.name_of(row, self.video.catalog.names)
        named = None if outcome == "answered" else naming(self.video, name)
        inputs = inputs_of(self.video, row, self.models.recall_stage)
        return inputs if named is None else [*inputs, named]

    def _answer(self, subject: Subject, variants: Variants, changes: Sequence[Change]) -> TagQuestion:
        row = subject.row_in(self.video.recalled)
        if row is None:
            return TagQuestion(subject.query, None, "unknown", reason_unknown(subject), TO_ADD, ())
        [trace] = trace_tags(self.video, [row], self.models.recall_stage)
        ablations = variants.ablations(subject, changes)
        named = [variants.fate(subject, change) for change in changes if change.kind == "title"]
        return TagQuestion(
            subject.query,
            trace,
            trace.outcome,
            reason_of(
                trace,
                self.video,
                self.explanation.channels,
                self._votes(row),
                self.models.recall_stage.strengths(self.video.encoded.embeddings, row),
            ),
            requirement_of(trace, self.video, ablations, named[0] if named else None),
            ablations,
        )

    def _votes(self, row: int) -> dict[str, int]:
        """Return how many of the labelled videos that voted in each channel have a tag."""
        return {
            channel: int(self.models.recall_stage.have_tag(neighbours.video_rows, row).sum())
            for channel, neighbours in self.video.recalled.united.neighbours.items()
        }


def inspect_video(tagger: Tagger, video: ReadVideo, selection: SelectConfig, queries: Sequence[str]) -> Inspection:
    """Explain the answer to a video whose media are in memory, and answer a question for each query.

    queries: tags of the catalog by any spelling, or any other text; those that mean the same tag are answered once
    Raises InvalidVideoError if no encoder can read anything of the video.
    """
    inspector = VideoInspector.of(tagger, video, selection)
    return Inspection(inspector.explanation, inspector.ask(queries))


def inspect_answer(tagger: Tagger, video: ReadVideo, selection: SelectConfig, queries: Sequence[str]) -> Inspection:
    """Inspect a video as `inspect_video` does, and answer a question for each answered tag, too, after the queries."""
    inspector = VideoInspector.of(tagger, video, selection)
    answered = [tag.name for tag in inspector.explanation.tags if tag.outcome == "answered"]
    return Inspection(inspector.explanation, inspector.ask([*queries, *answered]))


def _distinct(subjects: Sequence[Subject]) -> list[Subject]:
    """Return the first subject of each tag or text."""
    first: dict[int | str, Subject] = {}
    for subject in subjects:
        first.setdefault(subject.form if subject.row is None else subject.row, subject)
    return [*first.values()]
