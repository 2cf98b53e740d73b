"""Recall and rank joined: from videos to ranked tags with their evidence.

VideoRef → MediaSample → ModalityFeatures → VideoEmbeddings → Candidates → TagScores → RankedTags
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from copy import copy
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from rank.base import Ranker
from rank.precision_control import HeldOutPredictions
from rank.select import select
from tagging.config.root import Config, SelectConfig
from tagging.errors import InvalidSelectionError, InvalidVideoError
from tagging.features.encode import embed, encode_videos
from tagging.features.factory import Encoders
from tagging.media.pool import DecodePool
from tagging.media.read_ahead import Failure, ReadVideo, read_batches
from tagging.media.source import OpenFile
from tagging.pipeline.labelled_updates import UpdateReport, apply_updates
from tagging.pipeline.precision import LONGEST_ANSWER, controlled_confidence
from tagging.pipeline.recall_stage import RecallStage
from tagging.pipeline.stages import Stages, untimed
from tagging.pipeline.tag_overlay import TagOverlay
from tagging.store.labelled_log import AddedVideo, LabelledUpdate
from tagging.tags.catalog import TagCatalog, tag_id
from tagging.tags.edits.edited_catalog import EditedCatalog
from tagging.text import normalise
from tagging.types import (
    Candidates,
    Evidence,
    LabelledVideo,
    MediaSample,
    Modality,
    RankedTag,
    RankedTags,
    RankInput,
    TagScores,
    VideoEmbeddings,
    VideoRef,
)

EVIDENCE_PER_CHANNEL = 3


TEXTS_AT_ONCE = 512  # sorted by length before they are batched


CACHED_THRESHOLDS = 1000  # that are remembered


class Tagger:
    """A bundle ready to tag; a context manager, as it may own decoder processes."""

    def __init__(
        self,
        recall_stage: RecallStage,
        ranker: Ranker,
        encoders: Encoders,
        config: Config,
        bundle_version: str,
        answers: HeldOutPredictions | None = None,
        stages: Stages = untimed,
    ) -> None:
        """answers: of videos that nothing was fitted on; without them no precision can be promised.

        stages: told of "encode", "recall", "rank" and "select", each once for a batch.
        """
        self._recall_stage = recall_stage
        self._ranker = ranker
        self._encoders = encoders
        self._config = config
        self._answers = answers
        self._stages = stages
        # Least confidences take a while to be looked for, and any number may be asked for.
        self._promised = lru_cache(CACHED_THRESHOLDS)(partial(controlled_confidence, seed=config.training.seed))
        self._overlay = TagOverlay(recall_stage, ranker, encoders, config.recall.names.near)
        self.bundle_version = bundle_version
        looks_at_media = encoders.frames is not None or encoders.audio is not None
        self._pool = DecodePool(config.media) if looks_at_media else None

    def __enter__(self) -> "Tagger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()

    @property
    def catalog(self) -> TagCatalog:
        return self._recall_stage.catalog

    @property
    def decode_workers(self) -> tuple[int, int]:
        """That are alive, and that were killed since the start."""
        return (0, 0) if self._pool is None else (self._pool.alive, self._pool.killed)

    @property
    def labelled_videos(self) -> int:
        """That vote."""
        return len(self._recall_stage.neighbour_store.voters.live())

    def has_labelled(self, video_id: str) -> bool:
        return self._recall_stage.neighbour_store.voters.row_of(video_id) is not None

    def warm(self) -> None:
        """What the first edit would wait for."""
        self._overlay.warm()

    def join(self, entries: Mapping[str, LabelledUpdate]) -> UpdateReport:
        """Let labelled videos vote from now on, or leave; by video. Safe while others are tagged."""
        return apply_updates(self._recall_stage, entries, self._encoders.fingerprints())

    def edited(self, tags: EditedCatalog) -> "Tagger":
        """The same bundle, labelled videos and decoders under edited tags; this one goes on as it is."""
        other = copy(self)
        other._recall_stage, other._ranker = self._overlay.edited(tags)
        return other

    def selection(
        self, max_tags: int | None, precision: float | None = None, min_confidence: float | None = None
    ) -> SelectConfig:
        """The bundle's own selection, with another number of tags and another least confidence where they are given.

        precision: the share of the answered tags that is to be right at least, in place of the bundle's least
        confidence (rank/precision_control.py defines the guarantee); if no confidence keeps it, every answer is empty.
        Raises InvalidSelectionError for a bundle without held-out videos, and for more than LONGEST_ANSWER tags.
        """
        stated = self._config.select
        if max_tags is not None:
            stated = stated.model_copy(update={"max_tags": max_tags})
        if min_confidence is not None:
            stated = stated.model_copy(update={"min_confidence": min_confidence})
        if precision is None:
            return stated
        if self._answers is None:
            raise InvalidSelectionError(
                "this bundle kept no videos aside that could say what precision it reaches",
                "give a least confidence instead, or train a bundle on more videos",
            )
        if stated.max_tags > LONGEST_ANSWER:
            raise InvalidSelectionError(
                f"no precision is known of answers of {stated.max_tags} tags", f"ask for {LONGEST_ANSWER} tags at most"
            )
        least = self._promised(self._answers, stated.max_tags, precision)
        return stated.model_copy(update={"min_confidence": least})

    def tag(self, video: VideoRef, selection: SelectConfig) -> RankedTags:
        """The tags of one video; raises the VideotagError that keeps it from being tagged."""
        [result] = self.tag_many([video], selection)
        if isinstance(result, Failure):
            raise result.error
        return result

    def tag_many(self, videos: Iterable[VideoRef], selection: SelectConfig) -> Iterator[RankedTags | Failure]:
        """Tags or the failure of each video, in their order; later media decode while earlier ones are encoded."""
        for batch in read_batches(videos, self._pool, TEXTS_AT_ONCE):
            read = [video for video in batch if isinstance(video, ReadVideo)]
            tagged = iter(self.tag_read(read, [selection] * len(read)))
            for video in batch:
                yield video if isinstance(video, Failure) else next(tagged)

    def tag_read(self, videos: Sequence[ReadVideo], selections: Sequence[SelectConfig]) -> list[RankedTags | Failure]:
        """Tags or the failure of each video, whose media are in memory; what each is to be answered may differ."""
        with self._stages("encode"):
            features = encode_videos(self._encoders, videos)
            embeddings = [embed(self._encoders, v.video, f) for v, f in zip(videos, features, strict=True)]
        with self._stages("recall"):
            candidates = self._recall_stage.recall(embeddings)
        inputs = [RankInput(v.video, f, c) for v, f, c in zip(videos, features, candidates, strict=True)]
        with self._stages("rank"):
            scores = self._ranker.score(inputs)
        with self._stages("select"):
            return [self._answer(*parts) for parts in zip(inputs, embeddings, scores, selections, strict=True)]

    def late(self, labelled: LabelledVideo, read: ReadVideo) -> tuple[AddedVideo, tuple[str, ...]]:
        """A labelled video as a log keeps it, and warnings; InvalidVideoError where nothing of it can be looked at."""
        [features] = encode_videos(self._encoders, [read])
        seen = embed(self._encoders, read.video, features)
        if not seen.rows:
            raise _blank(read.video, features.warnings)
        fingerprints = self._encoders.fingerprints()
        rows: dict[Modality, NDArray[np.float32]] = {modality: seen.rows[modality] for modality in seen.modalities}
        made_by = {modality: fingerprints[modality] for modality in rows}
        return AddedVideo(replace(read.video, uri=None), labelled.tags, rows, made_by), seen.warnings

    def submit(self, source: str | OpenFile) -> "Future[MediaSample] | None":
        """Begin to decode, as `DecodePool.submit` does; None where no encoder looks at media."""
        return None if self._pool is None else self._pool.submit(source)

    def _answer(
        self, ranked: RankInput, embeddings: VideoEmbeddings, scores: TagScores, selection: SelectConfig
    ) -> RankedTags | Failure:
        if not embeddings.rows:
            return Failure(ranked.video, _blank(ranked.video, ranked.features.warnings))
        chosen = select(ranked.candidates, scores, self._recall_stage.catalog.parents, selection)
        abstained = () if len(chosen) else self._abstention(ranked.candidates, scores, selection)
        evidence = self._evidence(ranked.candidates, ranked.candidates.tag_rows[chosen])
        return RankedTags(
            video_id=ranked.video.video_id,
            tags=tuple(self._tag(ranked.candidates, int(place), scores, evidence) for place in chosen),
            modalities=embeddings.modalities,
            warnings=embeddings.warnings + abstained,
            bundle_version=self.bundle_version,
        )

    def _abstention(self, candidates: Candidates, scores: TagScores, selection: SelectConfig) -> tuple[str, ...]:
        if not len(candidates.tag_rows):
            return ("nothing the bundle knows is near enough to propose a tag",)
        best = int(np.argmax(scores.confidences))
        name, found = (
            candidates.name_of(int(candidates.tag_rows[best]), self._recall_stage.catalog.names),
            scores.confidences[best],
        )
        if selection.min_confidence > 1:
            return (f"no confidence keeps the promised precision; the best tag, {name!r}, has {found:.2g}",)
        return (f"no tag reached the confidence {selection.min_confidence:g}; the best, {name!r}, has {found:.2g}",)

    def _tag(
        self, candidates: Candidates, place: int, scores: TagScores, evidence: Mapping[int, list[Evidence]]
    ) -> RankedTag:
        row = int(candidates.tag_rows[place])
        by_channel = zip(candidates.channels, candidates.scores[place], strict=True)
        catalog = self._recall_stage.catalog
        name, is_new = candidates.name_of(row, catalog.names), candidates.is_new(row)
        return RankedTag(
            tag_id=tag_id(normalise(name)) if is_new else catalog.ids[row],
            name=name,
            confidence=float(scores.confidences[place]),
            channels={name: float(score) for name, score in by_channel if not np.isnan(score)},
            evidence=tuple(evidence.get(row, ())),
            is_new=is_new,
        )

    def _evidence(self, candidates: Candidates, tag_rows: NDArray[np.int64]) -> dict[int, list[Evidence]]:
        """What the video itself says, and the nearest labelled videos with each tag, EVIDENCE_PER_CHANNEL a channel."""
        voters = self._recall_stage.neighbour_store.voters
        spoken = {row: list(candidates.evidence.get(row, ())) for row in tag_rows.tolist()}
        for channel, near in candidates.neighbours.items():
            counts: Counter[int] = Counter()
            for video, similarity in zip(near.video_rows, near.similarities, strict=True):
                tags_of = self._recall_stage.tags_of(int(video))
                for row in tags_of[np.isin(tags_of, tag_rows)].tolist():
                    if counts[row] < EVIDENCE_PER_CHANNEL:
                        counts[row] += 1
                        spoken[row].append(
                            Evidence(
                                channel,
                                "video",
                                float(similarity),
                                video_id=voters.id_of(int(video)),
                                title=voters.title_of(int(video)),
                            )
                        )
        return spoken


def _blank(video: VideoRef, warnings: Sequence[str]) -> InvalidVideoError:
    why = "; ".join(warnings) or "no modality is there"
    return InvalidVideoError(
        f"nothing of video {video.video_id!r} could be looked at: {why}",
        "give a title, or use a bundle with encoders for picture and sound",
    )
