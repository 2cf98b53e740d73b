"""What recall learns from labelled videos, and how its channels are weighed against each other.

The videos of some uploaders are kept from the learning: all channels propose tags for them as they would for a new
uploader, and the blend is fitted on that. A few videos of the other uploaders are kept, too, half of them with their
uploader told, so that the blend knows what habits are worth. Of yet other uploaders nothing is fitted on the videos:
what recall says of those is as it will be of any new uploader's. Then all of these vote like the others.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recall.channels.base import Channel
from recall.channels.extracted import ExtractedTags
from recall.extract.extractor import TagExtractor
from recall.fusion import Fusion, cross_fitted, fit_fusion, top_candidates
from recall.merge import merge
from recall.model import save_tag_rows, text_of
from recall.name_words import NameWords
from recall.train import TagInputs, learn
from tagging.bundle.indexes import build_tag_index, build_video_indexes
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.bundle.manifest import RecallModelEntry
from tagging.config.random_streams import HoldoutSalt, Stream
from tagging.config.recall import RecallModelConfig
from tagging.config.root import Config
from tagging.errors import NothingToLearnError
from tagging.pipeline.recall_parts import RecallModelParts, RecallParts
from tagging.pipeline.recall_stage import RecallStage
from tagging.progress import Progress
from tagging.ragged import TagLists
from tagging.splits import is_held_out
from tagging.tags.catalog import TagCatalog
from tagging.tags.graph import build_graph
from tagging.tags.graph_embedding import embed_tags
from tagging.types import Candidates, ChannelTags, VideoEmbeddings, VideoRef

logger = logging.getLogger(__name__)

AT_ONCE = 256
LEAST_BLENDED = 50  # videos
MOST_BLENDED = 0.2
MOST_PROMISED = 0.1
RETURNING = 0.25  # videos of known uploaders for one of a new one

Floats = NDArray[np.float32]
Example = tuple[Candidates, str, NDArray[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutCandidates:
    """What recall says of labelled videos that its channels did not learn from, and whose blend did not either."""

    rows: NDArray[np.int64]  # (n,) of the labelled videos
    candidates: list[Candidates]  # n, within the budget


@dataclass(frozen=True, slots=True, eq=False)
class TrainedRecall:
    parts: RecallModelParts
    tags: Floats  # (N, D) unit rows of the tag tower, zeros where nothing of a name is known
    embeddings: list[VideoEmbeddings]  # of all labelled videos, with what the video tower makes of them
    blend: Fusion
    learnt_from: NDArray[np.int64]  # rows of the labelled videos
    blended: HeldOutCandidates
    promised: HeldOutCandidates
    recalled: TagLists  # of those learnt from: what recall proposes for some of them, which rank is to tell apart

    def save(self, folder: Path) -> None:
        """Into a folder that is made for it."""
        folder.mkdir()
        self.parts.learnt.save(folder)
        save_tag_rows(folder, self.tags)
        sparse.save_npz(folder / "texts.npz", self.parts.texts.astype(np.float32), compressed=False)
        self.blend.save(folder / "blend.txt")
        if self.parts.extractor is not None:
            self.parts.extractor.save(folder / "extract")

    def entry(self) -> RecallModelEntry:
        learnt = self.parts.learnt
        return RecallModelEntry(
            labels=len(learnt.labels),
            ngrams=learnt.features.width,
            videos=len(self.learnt_from),
            blended_on=len(self.blended.rows),
            kept_for_promises=len(self.promised.rows),
            extracts=self.parts.extractor is not None,
        )


def train_recall(
    embeddings: Sequence[VideoEmbeddings],
    labelled: LabelledVideos,
    catalog: TagCatalog,
    names: Floats | None,
    named: Sequence[Channel],
    config: Config,
    progress: Progress,
) -> TrainedRecall:
    """What recall learns by a configuration that wants it to; NothingToLearnError where the videos teach nothing.

    names: rows of the first tags' names by the text encoder
    named: the direct sources, which need no learning but are part of what is blended
    """
    recall, training = config.recall, config.training
    learnt_config = recall.learnt
    assert learnt_config is not None
    share = min(MOST_BLENDED, training.blended / len(labelled.ids))
    new = _kept(labelled, share, training.seed + HoldoutSalt.FUSION)
    share_promised = min(MOST_PROMISED, training.promised / len(labelled.ids))
    is_promised = ~new & _kept(labelled, share_promised, training.seed + HoldoutSalt.PRECISION)
    returning = ~new & ~is_promised & _returning(labelled, share * RETURNING, training.seed)
    voting, blended = np.flatnonzero(~new & ~is_promised & ~returning), np.flatnonzero(new | returning)
    if len(voting) < training.least_videos or len(blended) < LEAST_BLENDED:
        raise NothingToLearnError(
            f"{len(voting)} videos to learn from and {len(blended)} to fit the blend on, "
            f"needed {training.least_videos} and {LEAST_BLENDED}"
        )
    some = labelled.only(voting)
    tags = _tags(catalog, names, some, learnt_config, training.seed, progress)
    learnt = learn(
        [embeddings[row] for row in voting.tolist()], some.tags, some.uploader_numbers(), tags, learnt_config,
        training.seed, progress,
    )  # fmt: skip
    seen = learnt.with_hidden(embeddings)
    texts = learnt.features.transform([text_of(video) for video in seen])
    tag_rows = learnt.tag_rows(tags.names, tags.dense)
    parts = RecallModelParts(
        learnt,
        build_tag_index(learnt, tag_rows, recall, training.seed),
        texts,
        _extractor(some, catalog, training.seed),
    )
    views = build_video_indexes([seen[row] for row in voting.tolist()], recall, training.seed)
    words = NameWords(catalog.names)
    voters = RecallParts(catalog, words, some, views, named, replace(parts, texts=texts[voting]))
    recall_stage, weights = RecallStage(voters, None, recall), voters.uses()
    numbers = labelled.uploader_numbers()

    def recalled(what: str, rows: NDArray[np.int64], told: NDArray[np.bool_]) -> list[Example]:
        """The united candidates, text and true tags of labelled videos; told: whether their uploader is."""
        examples: list[Example] = []
        with progress.track(what, len(rows)) as advance:
            for start in range(0, len(rows), AT_ONCE):
                some = rows[start : start + AT_ONCE].tolist()
                videos = [seen[row] if told[row] else replace(seen[row], uploader_id=None) for row in some]
                for row, video, proposed in zip(some, videos, recall_stage.propose(videos), strict=True):
                    candidates = merge({name: _voted(name, tags, weights) for name, tags in proposed.items()})
                    examples.append((_as_new(candidates, catalog, weights), text_of(video), labelled.tags.at(row)))
                advance(len(some))
        return examples

    told = np.arange(len(labelled.ids)) % 2 == 1
    examples = recalled("recall for the blend", blended, told)
    blend = fit_fusion(examples, words, weights, recall.blend, training.seed)
    fair = cross_fitted(examples, numbers[blended], words, weights, recall.blend, training.seed)
    promised = np.flatnonzero(is_promised)
    weighed = [
        blend.weigh(candidates, text)
        for candidates, text, _ in recalled("recall for the promise", promised, np.zeros_like(told))
    ]
    some_learnt = np.sort(
        np.random.default_rng([training.seed, Stream.RECALLED_NEGATIVES]).permutation(voting)[: training.recalled]
    )
    proposed = [
        top_candidates(blend.weigh(candidates, text), recall.blend.budget).tag_rows
        for candidates, text, _ in recalled("recall for rank", some_learnt, np.zeros_like(told))
    ]
    return TrainedRecall(
        parts, tag_rows, seen, blend, voting,
        HeldOutCandidates(blended, [top_candidates(one, recall.blend.budget) for one in fair]),
        HeldOutCandidates(promised, [top_candidates(one, recall.blend.budget) for one in weighed]),
        _lists(dict(zip(some_learnt.tolist(), proposed, strict=True)), voting, len(catalog)),
    )  # fmt: skip


def _tags(
    catalog: TagCatalog,
    names: Floats | None,
    labelled: LabelledVideos,
    config: RecallModelConfig,
    seed: int,
    progress: Progress,
) -> TagInputs:
    """What the tag tower reads of each tag: its name, the text encoder's row of it, its place in the tag graph."""
    dense: dict[str, Floats] = {}
    if "text" in config.tag_views and names is not None:
        dense["text"] = np.zeros((len(catalog), names.shape[1]), np.float32)
        dense["text"][: len(names)] = names
    if "graph" in config.tag_views:
        graph = build_graph(labelled.tags, len(catalog), labelled.uploader_numbers())
        graph = graph.filter_edges(min_uploaders=config.edge_uploaders)
        if graph.edges:
            dense["graph"] = embed_tags(
                graph, config.walks, np.random.default_rng([seed, Stream.RECALL_TAG_WALKS]), progress
            ).rows
    return TagInputs(catalog.names, dense)


def _extractor(labelled: LabelledVideos, catalog: TagCatalog, seed: int) -> TagExtractor | None:
    tags = [[catalog.names[tag] for tag in labelled.tags.at(row)] for row in range(len(labelled.ids))]
    uploaders = [str(number) for number in labelled.uploader_numbers()]
    try:
        return TagExtractor.fit(labelled.titles, tags, uploaders, np.random.default_rng([seed, Stream.TAG_EXTRACTION]))
    except ValueError as error:
        logger.info("no new tags will be proposed: %s", error)
        return None


def _voted(channel: str, tags: ChannelTags | None, uses: NDArray[np.float32]) -> ChannelTags | None:
    """Without the tags that only the kept videos brought into the catalog: none but extraction could know them."""
    if tags is None or channel == ExtractedTags.name:
        return tags
    kept = uses[tags.tag_rows, 1] > 0
    evidence = tuple(one for one, is_kept in zip(tags.evidence, kept, strict=False) if is_kept)
    return ChannelTags(tags.tag_rows[kept], tags.scores[kept], tags.neighbours, evidence)


def _as_new(candidates: Candidates, catalog: TagCatalog, uses: Floats) -> Candidates:
    """With the tags that only the kept videos brought into the catalog marked as new, as to a bundle they would be.

    Or no new tag were ever right: those of the kept videos are all in the catalog.
    """
    known = candidates.tag_rows[candidates.tag_rows < len(catalog)]
    new = {row: catalog.names[row] for row in known[uses[known, 1] == 0].tolist()}
    return replace(candidates, new={**candidates.new, **new})


def _lists(proposed: Mapping[int, NDArray[np.int64]], rows: NDArray[np.int64], tags: int) -> TagLists:
    """The tags of the catalog among those proposed for each of the rows, none where nothing was asked for."""
    nothing = np.zeros(0, np.int64)
    lists = [some[some < tags] for some in (proposed.get(row, nothing) for row in rows.tolist())]
    return TagLists.of(lists)


def _kept(labelled: LabelledVideos, share: float, seed: int) -> NDArray[np.bool_]:
    """(V,) True for all videos of some uploaders; each seed is another draw than the holdout's."""
    owners = zip(labelled.ids, labelled.uploader_ids, strict=True)
    return np.array([is_held_out(VideoRef(one, uploader_id=owner), share, seed) for one, owner in owners])


def _returning(labelled: LabelledVideos, share: float, seed: int) -> NDArray[np.bool_]:
    """(V,) True for some of the videos whose uploader has others."""
    numbers = labelled.uploader_numbers()
    has_others = np.bincount(numbers)[numbers] > 1
    drawn = [
        is_held_out(VideoRef(video_id), share, seed + HoldoutSalt.RETURNING_UPLOADERS) for video_id in labelled.ids
    ]
    return np.asarray(has_others & np.array(drawn))
