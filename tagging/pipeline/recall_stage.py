"""The recall stage of a bundle: its channels, and the labelled videos and tags behind them."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recall.channels.base import Channel
from recall.channels.edited import only, redirected
from recall.fusion import Fusion, top_candidates
from recall.merge import merge
from recall.model import text_of
from tagging.bundle.files import artifact_errors
from tagging.bundle.manifest import BundleManifest
from tagging.config.recall import RecallConfig
from tagging.pipeline.recall_parts import RecallParts, load_fusion
from tagging.tags.catalog import TagCatalog
from tagging.types import Candidates, ChannelTags, VideoEmbeddings

TagRows = NDArray[np.int64]


class RecallStage:
    """Channels side by side, their union, and the likeliest of it within the budget."""

    def __init__(self, parts: RecallParts, blend: Fusion | None, config: RecallConfig) -> None:
        self.parts = parts
        self.catalog = parts.catalog
        self.neighbour_store = parts.neighbour_store()
        self.channels: Sequence[Channel] = parts.channels(self.neighbour_store, config)
        self.blend = blend
        self.config = config
        self._learnt = parts.learnt.learnt if parts.learnt is not None else None
        self._redirects: Mapping[int, int] = {}
        self._spelled: Mapping[str, int | None] = {}

    @classmethod
    def load(cls, folder: Path, manifest: BundleManifest) -> "RecallStage":
        """The recall stage of a bundle; ArtifactCorruptError where a file is not what it should be."""
        parts = RecallParts.load(folder, manifest)
        with artifact_errors(folder):
            return cls(parts, load_fusion(folder, parts), manifest.config.recall)

    def edited(
        self,
        catalog: TagCatalog,
        channels: Sequence[Channel],
        redirects: Mapping[int, int],
        spelled: Mapping[str, int | None],
    ) -> "RecallStage":
        """The same labelled videos under edited tags.

        catalog: the bundle's rows, and created tags behind them; redirects: rows of merged tags, what they became;
        spelled: whose the spellings are that were added or taken away, normalised; None: nobody's
        """
        other = copy(self)
        other.catalog, other.channels, other._redirects, other._spelled = catalog, channels, redirects, spelled
        return other

    def rows_spelled(self) -> dict[str, int]:
        """For whom a labelled video votes by each spelling, normalised.

        By that of a merged tag for the row of that one: where the merge is taken back, the vote goes back with it.
        """
        rows = dict(self.catalog.rows_by_spelling)
        for form, row in self._spelled.items():
            found = rows.get(form)  # maybe of a tag that is gone: it keeps its names in the catalog
            if row is None:
                rows.pop(form, None)
            elif found is None or self._redirects.get(found, found) != row:
                rows[form] = row
        return rows

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[Candidates]:
        """The candidates of each video, without hidden tags, within the budget."""
        proposed = self.propose(videos)
        return [self.unite(video, one) for video, one in zip(videos, proposed, strict=True)]

    def propose(self, videos: Sequence[VideoEmbeddings]) -> list[dict[str, ChannelTags | None]]:
        """What each channel says of each video."""
        videos = self.prepared(videos)
        by_channel = {channel.name: self._resolved(channel.recall(videos)) for channel in self.channels}
        return [{name: tags[place] for name, tags in by_channel.items()} for place in range(len(videos))]

    def prepared(self, videos: Sequence[VideoEmbeddings]) -> Sequence[VideoEmbeddings]:
        """The videos as channels want them: with what the video tower makes of them, where there is one."""
        return videos if self._learnt is None else self._learnt.with_hidden(videos)

    def add_labelled(
        self, video_ids: Sequence[str], videos: Sequence[VideoEmbeddings], tags: Sequence[TagRows]
    ) -> None:
        """Let labelled videos vote from now on, each in place of the one of that id; without tags it has no vote."""
        voting = [place for place, rows in enumerate(tags) if len(rows)]
        for video_id, rows in zip(video_ids, tags, strict=True):
            if not len(rows):
                self.neighbour_store.remove(video_id)
        prepared = self.prepared([videos[place] for place in voting])
        for place, video in zip(voting, prepared, strict=True):
            self.neighbour_store.add(video_ids[place], video, tags[place])

    def name(self, candidates: Candidates, row: int) -> str:
        """The name of a candidate, whether the catalog has it or not."""
        return self.catalog.names[row] if row < len(self.catalog) else candidates.new[row]

    def tags_of(self, video_row: int) -> NDArray[np.int64]:
        """Of a labelled video, as they are now."""
        rows = self.neighbour_store.voters.tags_of(video_row)
        rows = rows[rows < len(self.catalog)]
        if not self._redirects:
            return rows
        return np.array([self._redirects.get(row, row) for row in rows.tolist()], np.int64)

    def unite(self, video: VideoEmbeddings, proposed: Mapping[str, ChannelTags | None]) -> Candidates:
        candidates = merge(proposed)
        if self.catalog.hidden.any():
            candidates = _without(candidates, self.catalog.hidden)
        if len(self.catalog) > len(self.parts.catalog):  # blend and rank know created tags by their names alone
            created = candidates.tag_rows[candidates.tag_rows >= len(self.parts.catalog)].tolist()
            candidates = replace(candidates, new={row: self.name(candidates, row) for row in created})
        if self.blend is None:
            return candidates
        return top_candidates(self.blend.weigh(candidates, text_of(video)), self.config.blend.budget)

    def _resolved(self, proposed: list[ChannelTags | None]) -> list[ChannelTags | None]:
        return [None if tags is None else self._known(tags) for tags in proposed]

    def _known(self, tags: ChannelTags) -> ChannelTags:
        """Merged tags as what they became. A labelled video may vote for a tag that was created after these edits."""
        if not tags.new and len(tags.tag_rows) and tags.tag_rows.max() >= len(self.catalog):
            tags = only(tags, np.flatnonzero(tags.tag_rows < len(self.catalog)).tolist())
        return redirected(tags, self._redirects) if self._redirects else tags


def _without(candidates: Candidates, hidden: NDArray[np.bool_]) -> Candidates:
    known = candidates.tag_rows < len(hidden)
    kept = ~known | ~hidden[np.where(known, candidates.tag_rows, 0)]
    return replace(candidates, tag_rows=candidates.tag_rows[kept], scores=candidates.scores[kept])
