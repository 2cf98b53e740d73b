"""Recall stage of a bundle: its channels, their union, and the most probable candidates within the budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recall.channels.base import CatalogEdits, Channel, MeasuringChannel, Strength
from recall.channels.edited import only, redirected
from recall.fusion import Fusion, top_candidates
from recall.merge import merge
from recall.neighbours.store import NeighbourStore
from recall.query import RecallQuery
from tagging.bundle.manifest import BundleManifest
from tagging.bundle.sealed import artifact_errors
from tagging.config.recall import RecallConfig
from tagging.pipeline.recall_parts import RecallParts, load_fusion
from tagging.ragged import Ragged
from tagging.tags.catalog import TagCatalog
from tagging.text.normalise import normalise
from tagging.types import Candidates, ChannelTags, Indices, VideoEmbeddings


@dataclass(frozen=True, slots=True, eq=False)
class CatalogState:
    """A catalog as recall sees it: the bundle's rows, then those of created tags."""

    catalog: TagCatalog
    redirects: Mapping[int, int] = field(default_factory=dict)  # row of each merged tag -> the tag it was merged into
    overrides: Mapping[str, int | None] = field(default_factory=dict)  # edited normalised spellings; None: of no tag

    def rows_by_spelling(self) -> dict[str, int]:
        """Return the tag that a labelled video votes for by each normalised spelling.

        The spelling of a merged tag keeps the row of that tag: if the merge is undone, the votes return with it.
        """
        rows = dict(self.catalog.rows_by_spelling)
        for form, row in self.overrides.items():
            found = rows.get(form)  # possibly of a tag that is gone, whose names stay in the catalog
            if row is None:
                rows.pop(form, None)
            elif found is None or self.redirects.get(found, found) != row:
                rows[form] = row
        return rows

    def resolve(self, lists: Ragged) -> Ragged:
        """Return the lists with merged tags redirected, without rows of tags that are younger than this state."""
        known = lists.values < len(self.catalog)
        if not known.all():
            starts = np.concatenate([[0], np.cumsum(known)])[lists.starts]
            lists = Ragged(starts, lists.values[known])
        if not self.redirects:
            return lists
        rows = [self.redirects.get(row, row) for row in lists.values.tolist()]
        return Ragged(lists.starts, np.array(rows, np.int64))

    def resolve_tags(self, tags: ChannelTags) -> ChannelTags:
        """Return a channel's tags, resolved as `resolve` does; a labelled video may vote for a younger tag."""
        if not tags.new and len(tags.tag_rows) and tags.tag_rows.max() >= len(self.catalog):
            tags = only(tags, np.flatnonzero(tags.tag_rows < len(self.catalog)).tolist())
        return redirected(tags, self.redirects) if self.redirects else tags


@dataclass(frozen=True, slots=True, eq=False)
class Recalled:
    """The way of one video's tags through the recall stage."""

    proposed: Mapping[str, ChannelTags | None]  # by channel; None: the video lacks the input of the channel
    united: Candidates  # every tag that any channel proposed, but hidden ones; with probabilities if there is a fusion
    candidates: Candidates  # those of `united` that are ranked


@dataclass(frozen=True, slots=True, eq=False)
class RecallStage:
    """Channels side by side and the fusion that weighs their tags; neighbours may be added while it runs."""

    parts: RecallParts
    neighbour_store: NeighbourStore
    channels: Sequence[Channel]
    fusion: Fusion | None
    tags: CatalogState
    budget: int  # candidates that are ranked

    @classmethod
    def of(cls, parts: RecallParts, fusion: Fusion | None, config: RecallConfig) -> "RecallStage":
        """Return the stage over the parts of a bundle."""
        store = parts.neighbour_store()
        channels = parts.channels(store, config)
        return cls(parts, store, channels, fusion, CatalogState(parts.catalog), config.blend.budget)

    @classmethod
    def load(cls, folder: Path, manifest: BundleManifest) -> "RecallStage":
        """Load the recall stage of a bundle; ArtifactCorruptError for a damaged file."""
        parts = RecallParts.load(folder, manifest)
        with artifact_errors(folder):
            return cls.of(parts, load_fusion(folder, parts), manifest.config.recall)

    @property
    def catalog(self) -> TagCatalog:
        return self.tags.catalog

    def with_tags(self, edits: CatalogEdits, tags: CatalogState) -> "RecallStage":
        """Return the stage over edited tags and the same labelled videos. Called on the stage without edits."""
        return replace(self, channels=[channel.with_tags(edits) for channel in self.channels], tags=tags)

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[Candidates]:
        """Return the candidates of each video, without hidden tags, within the budget."""
        return [self.unite(video, tags).candidates for video, tags in zip(videos, self.propose(videos), strict=True)]

    def propose(self, videos: Sequence[VideoEmbeddings]) -> list[dict[str, ChannelTags | None]]:
        """Return the tags of every channel, by its name, for each video."""
        return self.propose_for(self.queries(videos))

    def propose_for(self, queries: Sequence[RecallQuery]) -> list[dict[str, ChannelTags | None]]:
        """Return the tags of every channel, by its name, for each query."""
        by_channel = {
            channel.name: [None if tags is None else self.tags.resolve_tags(tags) for tags in channel.recall(queries)]
            for channel in self.channels
        }
        return [{name: tags[index] for name, tags in by_channel.items()} for index in range(len(queries))]

    def queries(self, videos: Sequence[VideoEmbeddings]) -> list[RecallQuery]:
        """Return the videos as channels read them: encoded by the video tower, if the bundle has one."""
        parts = self.parts.recall_model
        if parts is None:
            return [RecallQuery.of(video) for video in videos]
        return parts.model.queries(videos, parts.tower)

    def unite(self, video: VideoEmbeddings, proposed: Mapping[str, ChannelTags | None]) -> Recalled:
        """Return the candidates of one video from the tags of its channels, with what they were selected from."""
        candidates = merge(proposed)
        if self.catalog.hidden.any():
            candidates = _without(candidates, self.catalog.hidden)
        if len(self.catalog) > len(self.parts.catalog):  # fusion and ranker know created tags by their names alone
            created = candidates.tag_rows[~candidates.within(len(self.parts.catalog))].tolist()
            names = {row: candidates.name_of(row, self.catalog.names) for row in created}
            in_catalog = frozenset(created) - candidates.new.keys()
            candidates = replace(candidates, new=names, created=in_catalog)
        if self.fusion is None:
            return Recalled(proposed, candidates, candidates)
        united = self.fusion.weigh(candidates, video.text)
        return Recalled(proposed, united, top_candidates(united, self.budget))

    def strengths(self, video: VideoEmbeddings, tag_row: int) -> dict[str, Strength]:
        """Return the strength of a tag, proposed or not, in each channel that measures it."""
        rows = [tag_row, *(row for row, target in self.tags.redirects.items() if target == tag_row)]
        measuring = [channel for channel in self.channels if isinstance(channel, MeasuringChannel)]
        found = {channel.name: [channel.strength_of(video, row) for row in rows] for channel in measuring}
        measured = {name: [strength for strength in strengths if strength] for name, strengths in found.items()}
        return {name: max(each, key=lambda strength: strength.strength) for name, each in measured.items() if each}

    def add_labelled(
        self, video_ids: Sequence[str], videos: Sequence[VideoEmbeddings], tags: Sequence[Indices]
    ) -> None:
        """Add labelled videos to neighbour voting, each in place of the one of its id; one without tags is removed."""
        voting = [index for index, rows in enumerate(tags) if len(rows)]
        for video_id, rows in zip(video_ids, tags, strict=True):
            if not len(rows):
                self.neighbour_store.remove(video_id)
        queries = self.queries([videos[index] for index in voting])
        for index, query in zip(voting, queries, strict=True):
            self.neighbour_store.add(video_ids[index], query, tags[index])

    @property
    def labelled_videos(self) -> int:
        """The number of labelled videos that vote."""
        return len(self.neighbour_store.table.live())

    def has_labelled(self, video_id: str) -> bool:
        """Return True if a labelled video votes."""
        return self.neighbour_store.table.row_of(video_id) is not None

    def row_spelled(self, spelling: str) -> int | None:
        """Return the row of the tag with this name or alias, hidden or not; None if there is none."""
        form = normalise(spelling)
        # The spellings of the bundle's catalog are indexed once, those of an edited one after each edit.
        rows = self.tags.overrides if form in self.tags.overrides else self.parts.catalog.rows_by_spelling
        row = rows.get(form)
        return row if row is None else self.tags.redirects.get(row, row)

    def rows_spelled(self) -> dict[str, int]:
        """Return the tag that a labelled video votes for by each normalised spelling."""
        return self.tags.rows_by_spelling()

    def tags_of(self, video_rows: Indices) -> Ragged:
        """Return the current tags of labelled videos."""
        return self.tags.resolve(self.neighbour_store.table.tags_of(video_rows))

    def have_tag(self, video_rows: Indices, tag_row: int) -> NDArray[np.bool_]:
        """Return (n,) True for each of n labelled videos that has a tag."""
        tags = self.tags_of(video_rows)
        found = np.zeros(len(tags), np.bool_)
        found[np.searchsorted(tags.starts, np.flatnonzero(tags.values == tag_row), side="right") - 1] = True
        return found


def _without(candidates: Candidates, hidden: NDArray[np.bool_]) -> Candidates:
    known = candidates.within(len(hidden))
    kept = ~known | ~hidden[np.where(known, candidates.tag_rows, 0)]
    return replace(candidates, tag_rows=candidates.tag_rows[kept], scores=candidates.scores[kept])
