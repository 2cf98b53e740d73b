"""Tagger: a loaded bundle that tags videos, one or many, and explains each tag by its evidence.

VideoRef → ReadVideo → EncodedVideo → ScoredVideo → RankedTags
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tagging.config.root import SelectConfig
from tagging.media.pool import DecodePool
from tagging.media.read_ahead import Failure, ReadVideo, read_batches
from tagging.pipeline.answer import ranked_tags, stated_by
from tagging.pipeline.models import EncodedVideo, PipelineModels, encode
from tagging.pipeline.selection import Selector
from tagging.pipeline.stages import Stages
from tagging.types import RankedTags, VideoRef

VIDEOS_PER_BATCH = 512  # encoders sort texts by length, so more at once pads less


@dataclass(frozen=True, slots=True, eq=False)
class Tagger:
    """A bundle ready to tag; a context manager, because it may own decode processes."""

    models: PipelineModels
    selector: Selector
    decoder: DecodePool | None  # None if no encoder reads media
    bundle_version: str
    stages: Stages  # times "encode", "recall", "rank" and "select", each once for a batch

    def __enter__(self) -> "Tagger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the decode processes."""
        if self.decoder is not None:
            self.decoder.close()

    def with_models(self, models: PipelineModels) -> "Tagger":
        """Return a tagger with other models, such as the bundle's under edited tags, and the same decoder."""
        return replace(self, models=models)

    def selection(
        self, max_tags: int | None, precision: float | None = None, min_confidence: float | None = None
    ) -> SelectConfig:
        """Return the selection to tag with; see Selector.selection."""
        return self.selector.selection(max_tags, precision, min_confidence)

    def tag(self, video: VideoRef, selection: SelectConfig) -> RankedTags:
        """Return the tags of one video; raises the VideotagError that prevents it from being tagged."""
        [result] = self.tag_many([video], selection)
        if isinstance(result, Failure):
            raise result.error
        return result

    def read(self, video: VideoRef) -> ReadVideo:
        """Decode the media of one video; raises the VideotagError that prevents it from being tagged."""
        [[read]] = read_batches([video], self.decoder, 1)
        if isinstance(read, Failure):
            raise read.error
        return read

    def tag_many(self, videos: Iterable[VideoRef], selection: SelectConfig) -> Iterator[RankedTags | Failure]:
        """Yield the tags or the failure of each video, in order; later media decode while earlier ones are encoded."""
        for batch in read_batches(videos, self.decoder, VIDEOS_PER_BATCH):
            read = [video for video in batch if isinstance(video, ReadVideo)]
            tagged = iter(self.tag_read(read, [selection] * len(read)))
            for video in batch:
                yield video if isinstance(video, Failure) else next(tagged)

    def tag_read(self, videos: Sequence[ReadVideo], selections: Sequence[SelectConfig]) -> list[RankedTags | Failure]:
        """Return the tags or the failure of each video, whose media are in memory; each has a selection of its own."""
        return self.tag_encoded(self.encode(videos), selections)

    def encode(self, videos: Sequence[ReadVideo]) -> list[EncodedVideo]:
        """Return the videos as this bundle's encoders see them. May run while `tag_encoded` does in another thread."""
        return encode(self.models.encoders, videos, self.stages)

    def tag_encoded(
        self, videos: Sequence[EncodedVideo], selections: Sequence[SelectConfig]
    ) -> list[RankedTags | Failure]:
        """Return the tags or the failure of each video, which this bundle's encoders have encoded."""
        recall_stage = self.models.recall_stage
        stated = [stated_by(selection, recall_stage.catalog.parents) for selection in selections]
        scored = self.models.score(videos, stated, self.stages)
        with self.stages("select"):
            return [
                ranked_tags(video, selection, recall_stage, self.bundle_version)
                for video, selection in zip(scored, selections, strict=True)
            ]
