"""The recall stage of a bundle: its channels, and the labelled videos and tags behind them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recall.blend import Blend, budgeted, uses_of
from recall.channels.base import Channel
from recall.channels.edited import only, redirected
from recall.channels.extracted import Extracted
from recall.channels.learnt import Classifier, LikeNames
from recall.channels.lexical import NamesWithin, SimilarTexts
from recall.channels.names import SensedNames, WrittenNames
from recall.channels.similar import SimilarVideos
from recall.channels.uploader import UsualTags
from recall.electorate import Electorate
from recall.extract.extractor import TagExtractor
from recall.index.flat import FlatIndex
from recall.learnt import Learnt, text_of
from recall.lexical import NameWords
from recall.merge import merge
from recall.near import NearTexts, NearVideos
from recall.voters import Voters
from tagging.catalog import TagCatalog
from tagging.config import RecallConfig
from tagging.errors import ArtifactCorruptError
from tagging.indexed import SIMILAR, Indexed
from tagging.store.bundle import BundleManifest, NamesEntry
from tagging.store.labelled import LabelledVideos
from tagging.store.names import load_links, load_names
from tagging.types import Candidates, ChannelTags, Modality, VideoEmbeddings
from tagging.words import normalise

TagRows = NDArray[np.int64]
SENSED: dict[str, Modality] = {"seen": "frames", "heard": "audio"}  # the direct sources beside "written"


@dataclass(frozen=True, slots=True, eq=False)
class LearntParts:
    """What recall learnt, and what follows from it for the catalog and the labelled videos."""

    learnt: Learnt
    tags: Indexed | None  # as the similarity branch sees them; None where it was not learnt
    texts: sparse.csr_matrix  # (V, F) n-grams of the labelled videos
    extractor: TagExtractor | None  # None: no text of a labelled video names a tag of it


@dataclass(frozen=True, slots=True, eq=False)
class RecallParts:
    """What channels are made of."""

    catalog: TagCatalog
    words: NameWords  # of the catalog's names
    labelled: LabelledVideos
    views: Mapping[str, Indexed]  # of the labelled videos, by channel
    named: Sequence[Channel]  # the direct sources
    learnt: LearntParts | None

    def electorate(self) -> Electorate:
        """The labelled videos as channels go by them; others may join."""
        labelled = self.labelled
        voters = Voters(
            labelled.ids, labelled.titles, labelled.uploader_ids, labelled.uploader_numbers(), labelled.tags
        )
        near = {name: NearVideos(SIMILAR[name], one.index, one.rows) for name, one in self.views.items()}
        texts = None if self.learnt is None else NearTexts(self.learnt.learnt.features, self.learnt.texts)
        return Electorate(voters, near, texts)

    def channels(self, electorate: Electorate, config: RecallConfig) -> list[Channel]:
        """In the order in which tables show them."""
        voters, limit = electorate.voters, config.tags_per_channel
        channels: list[Channel] = [SimilarVideos(name, near, voters, config) for name, near in electorate.near.items()]
        channels += self.named
        if self.learnt is None or config.learnt is None:
            return channels
        learnt = self.learnt.learnt
        assert electorate.texts is not None
        channels.append(SimilarTexts(electorate.texts, voters, config))
        channels.append(NamesWithin(self.words, np.arange(len(self.catalog)), limit))
        if config.learnt.linear:
            channels.append(Classifier(learnt, limit))
        if self.learnt.tags is not None:
            channels.append(LikeNames(learnt, self.learnt.tags.index, self.learnt.tags.rows, limit))
        channels.append(UsualTags(voters, limit))
        if self.learnt.extractor is not None:
            spelled = self.catalog.rows_by_normalised()
            channels.append(
                Extracted(self.learnt.extractor, lambda name: spelled.get(normalise(name)), len(self.catalog), limit)
            )
        return channels

    def uses(self) -> NDArray[np.float32]:
        """(N, 2) uploaders and labelled videos of each tag."""
        lengths = np.diff(self.labelled.tags.starts)
        uploaders = np.repeat(self.labelled.uploader_numbers(), lengths)
        return uses_of(self.labelled.tags.tag_rows, uploaders, len(self.catalog))

    @classmethod
    def load(cls, folder: Path, manifest: BundleManifest) -> "RecallParts":
        """Those of a bundle; ArtifactCorruptError where a file is not what it should be."""
        config = manifest.config.recall
        with only_what_it_should_be(folder):
            catalog = TagCatalog.load(folder / "catalog.parquet")
            labelled = LabelledVideos.load(folder / "videos.parquet")
            if len(labelled.tags.tag_rows) and labelled.tags.tag_rows.max() >= len(catalog):
                raise ValueError("videos.parquet names tags that catalog.parquet does not have")
            indexes = {
                name: Indexed.load(folder / "channels" / name, config.index, entry)
                for name, entry in manifest.channels.items()
            }
            learnt = None
            if manifest.learnt is not None:
                with (folder / "learnt" / "texts.npz").open("rb") as file:  # SciPy leaves one that is cut short open
                    texts = sparse.load_npz(file)
                learnt = LearntParts(
                    Learnt.load(folder / "learnt"),
                    indexes.pop(LikeNames.name, None),
                    texts,
                    TagExtractor.load(folder / "learnt" / "extract") if manifest.learnt.extracts else None,
                )
            named = named_channels(folder, manifest.names, config, catalog)
            if learnt is None:  # what is learnt has weighed the channels there are, and no other
                indexes = {**_nobody(manifest), **indexes}
            return cls(catalog, NameWords(catalog.names), labelled, indexes, named, learnt)


class Recaller:
    """Channels side by side, their union, and the likeliest of it within the budget."""

    def __init__(self, parts: RecallParts, blend: Blend | None, config: RecallConfig) -> None:
        self.parts = parts
        self.catalog = parts.catalog
        self.electorate = parts.electorate()
        self.channels: Sequence[Channel] = parts.channels(self.electorate, config)
        self.blend = blend
        self.config = config
        self._learnt = parts.learnt.learnt if parts.learnt is not None else None
        self._redirects: Mapping[int, int] = {}
        self._spelled: Mapping[str, int | None] = {}

    @classmethod
    def load(cls, folder: Path, manifest: BundleManifest) -> "Recaller":
        """The recall stage of a bundle; ArtifactCorruptError where a file is not what it should be."""
        parts = RecallParts.load(folder, manifest)
        with only_what_it_should_be(folder):
            return cls(parts, load_blend(folder, parts), manifest.config.recall)

    def edited(
        self,
        catalog: TagCatalog,
        channels: Sequence[Channel],
        redirects: Mapping[int, int],
        spelled: Mapping[str, int | None],
    ) -> "Recaller":
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
        rows = self.catalog.rows_by_normalised()
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

    def admit(self, video_ids: Sequence[str], videos: Sequence[VideoEmbeddings], tags: Sequence[TagRows]) -> None:
        """Let labelled videos vote from now on, each in place of the one of that id; without tags it has no vote."""
        voting = [place for place, rows in enumerate(tags) if len(rows)]
        for video_id, rows in zip(video_ids, tags, strict=True):
            if not len(rows):
                self.electorate.remove(video_id)
        prepared = self.prepared([videos[place] for place in voting])
        for place, video in zip(voting, prepared, strict=True):
            self.electorate.add(video_ids[place], video, tags[place])

    def name(self, candidates: Candidates, row: int) -> str:
        """The name of a candidate, whether the catalog has it or not."""
        return self.catalog.names[row] if row < len(self.catalog) else candidates.new[row]

    def tags_of(self, video_row: int) -> NDArray[np.int64]:
        """Of a labelled video, as they are now."""
        rows = self.electorate.voters.tags_of(video_row)
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
        return budgeted(self.blend.weigh(candidates, text_of(video)), self.config.blend.budget)

    def _resolved(self, proposed: list[ChannelTags | None]) -> list[ChannelTags | None]:
        return [None if tags is None else self._known(tags) for tags in proposed]

    def _known(self, tags: ChannelTags) -> ChannelTags:
        """Merged tags as what they became. A labelled video may vote for a tag that was created after these edits."""
        if not tags.new and len(tags.tag_rows) and tags.tag_rows.max() >= len(self.catalog):
            tags = only(tags, np.flatnonzero(tags.tag_rows < len(self.catalog)).tolist())
        return redirected(tags, self._redirects) if self._redirects else tags


def load_blend(folder: Path, parts: RecallParts) -> Blend | None:
    """How the channels of a bundle are weighed; None where nothing was learnt."""
    if parts.learnt is None:
        return None
    return Blend.load(folder / "learnt" / "blend.txt", parts.words, parts.uses())


def named_channels(folder: Path, entry: NamesEntry | None, recall: RecallConfig, catalog: TagCatalog) -> list[Channel]:
    """The direct sources, as far as the configuration has them and the folder holds what they need."""
    config, limit = recall.names, recall.tags_per_channel
    if entry is None:
        return []
    channels: list[Channel] = []
    if config.written or config.literal or config.described:
        names, rows = load_names(folder, entry), entry.rows()
        channels.append(WrittenNames(names, rows, catalog.spellings(rows.tolist()), config, limit))
    for name, modality in SENSED.items():
        strength = {"seen": config.seen, "heard": config.heard}[name]
        if strength is not None and modality in entry.classes:
            links = load_links(folder, modality, entry)
            if len(links.tag_rows):
                channels.append(SensedNames(name, modality, links, strength, limit))
    return channels


@contextmanager
def only_what_it_should_be(folder: Path) -> Iterator[None]:
    """ArtifactCorruptError where a file of a bundle is not what its name says."""
    try:
        yield
    except (OSError, LookupError, TypeError, ValueError, AttributeError, RuntimeError, EOFError) as error:
        raise ArtifactCorruptError(f"{folder} cannot be loaded: {error}", "train the bundle again") from error


def _nobody(manifest: BundleManifest) -> dict[str, Indexed]:
    """A channel for each encoder, in which labelled videos may come to vote."""
    nothing = np.zeros(0, np.int64)
    return {
        name: Indexed(FlatIndex(np.zeros((0, manifest.encoders[view].dim), np.float32)), nothing)
        for name, view in SIMILAR.items()
        if view in manifest.encoders
    }


def _without(candidates: Candidates, hidden: NDArray[np.bool_]) -> Candidates:
    known = candidates.tag_rows < len(hidden)
    kept = ~known | ~hidden[np.where(known, candidates.tag_rows, 0)]
    return replace(candidates, tag_rows=candidates.tag_rows[kept], scores=candidates.scores[kept])
