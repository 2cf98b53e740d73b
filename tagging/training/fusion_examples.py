"""Examples for the fusion: what recall, trained on some of the labelled videos, proposes for others."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recall.channels.extracted import ExtractedTags
from recall.fusion import FusionExample
from recall.merge import merge
from recall.name_words import NameWords
from tagging.bundle.indexes import build_video_indexes
from tagging.config.root import Config
from tagging.pipeline.recall_parts import RecallParts
from tagging.pipeline.recall_stage import RecallStage
from tagging.progress import Progress
from tagging.tags.catalog import TagCatalog
from tagging.training.name_sources import NameSources
from tagging.training.recall_model import TrainedModel
from tagging.training.training_set import TrainingSet
from tagging.types import Candidates, ChannelTags, FloatRows

BATCH_VIDEOS = 256


@dataclass(frozen=True, slots=True, eq=False)
class ExampleSource:
    """The recall stage over the videos of a trained model, which proposes candidates for others as for unseen ones."""

    training_set: TrainingSet
    stage: RecallStage
    words: NameWords
    uses: FloatRows  # (N, 2) uploaders and videos of each tag among the model's videos

    @classmethod
    def of(
        cls,
        training_set: TrainingSet,
        trained: TrainedModel,
        rows: NDArray[np.int64],
        names: NameSources,
        config: Config,
    ) -> "ExampleSource":
        """rows: (n,) of the videos that the model was trained on"""
        words = NameWords(training_set.catalog.names)
        views = build_video_indexes(
            [trained.queries[row] for row in rows.tolist()], config.recall, config.training.seed
        )
        parts = RecallParts(
            training_set.catalog, words, training_set.labelled.only(rows), views, names.channels,
            replace(trained.parts, texts=trained.parts.texts[rows]), trained.extractor,
        )  # fmt: skip
        return cls(training_set, RecallStage.of(parts, None, config.recall), words, parts.uses())

    def examples(
        self, label: str, rows: NDArray[np.int64], progress: Progress, *, uploaders_known: bool
    ) -> list[FusionExample]:
        """Return the united candidates of labelled videos, with their true tags.

        label: of the work, for the progress display
        uploaders_known: whether recall may use the history of each video's uploader
        """
        labelled, catalog = self.training_set.labelled, self.training_set.catalog
        embeddings = self.training_set.embeddings
        found: list[FusionExample] = []
        with progress.track(label, len(rows)) as advance:
            for start in range(0, len(rows), BATCH_VIDEOS):
                batch = rows[start : start + BATCH_VIDEOS].tolist()
                videos = [embeddings[row] for row in batch]
                if not uploaders_known:
                    videos = [replace(video, uploader_id=None) for video in videos]
                for row, video, proposed in zip(batch, videos, self.stage.propose(videos), strict=True):
                    candidates = merge({name: _known_tags(name, tags, self.uses) for name, tags in proposed.items()})
                    candidates = _mark_new(candidates, catalog, self.uses)
                    found.append(FusionExample(candidates, video.text, labelled.tags.at(row), self.uses))
                advance(len(batch))
        return found


def _known_tags(channel: str, tags: ChannelTags | None, uses: FloatRows) -> ChannelTags | None:
    """Leave out tags that no video of the model has: only extraction could know them."""
    if tags is None or channel == ExtractedTags.name:
        return tags
    kept = uses[tags.tag_rows, 1] > 0
    evidence = tuple(piece for piece, is_kept in zip(tags.evidence, kept, strict=False) if is_kept)
    return ChannelTags(tags.tag_rows[kept], tags.scores[kept], tags.neighbours, evidence)


def _mark_new(candidates: Candidates, catalog: TagCatalog, uses: FloatRows) -> Candidates:
    """Mark the tags that no video of the model has as new, as they would be to a bundle of those videos only.

    Otherwise no new tag would ever be correct, because the catalog has all tags of the held-out videos.
    """
    known = candidates.tag_rows[candidates.within(len(catalog))]
    new = {row: catalog.names[row] for row in known[uses[known, 1] == 0].tolist()}
    return replace(candidates, new={**candidates.new, **new})
