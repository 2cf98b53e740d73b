"""Feature extraction for many videos through the feature store: stored features are read, the rest computed and stored.

An interrupted extraction resumes: texts are identified by their sha256, local files by the sha256 of their bytes. (A
URL must be fetched before its bytes are known, so media at URLs are decoded again.)
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagging.config.media import MediaConfig
from tagging.features.base import (
    ClassPredictor,
    FrameEncoder,
    ScreenReader,
    SoundEncoder,
    SpeechReader,
    TextEncoder,
    mean_pool,
)
from tagging.features.encode import encode_videos
from tagging.features.encode_texts import encode_texts
from tagging.features.factory import Encoders
from tagging.features.passages import joined
from tagging.features.read import read_passages
from tagging.features.side_by_side import Pieces
from tagging.media.decode import DECODING_VERSION
from tagging.media.pool import DecodePool
from tagging.media.read_ahead import MEDIA_PER_BATCH, Failure, ReadVideo, read_batches
from tagging.media.source import content_hash
from tagging.progress import Progress
from tagging.ragged import Tokens
from tagging.store.features import FeatureStore, FeatureTable, StoredFeatures
from tagging.store.passages import PassageTable
from tagging.types import (
    MODALITIES,
    MediaSample,
    Modality,
    Passage,
    PassageSource,
    Reading,
    VideoEmbeddings,
    VideoRef,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Extraction:
    """The features of V videos, and the failures."""

    embeddings: tuple[VideoEmbeddings, ...]  # V, without rows where nothing could be encoded
    failures: tuple[Failure, ...]  # media that could not be used, whether or not there was text instead
    tokens: Mapping[Modality, Tokens]  # of frames and sound of the V videos, if requested

    def only(self, rows: NDArray[np.int64]) -> "Extraction":
        """Return the features of some of the videos; failures were reported already."""
        tokens = {modality: tokens.only(rows) for modality, tokens in self.tokens.items()}
        return Extraction(tuple(self.embeddings[row] for row in rows.tolist()), (), tokens)


@dataclass(slots=True)
class _Found:
    """The features of one video collected so far."""

    rows: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    beliefs: dict[Modality, NDArray[np.float16]] = field(default_factory=dict)
    tokens: dict[Modality, NDArray[np.float16]] = field(default_factory=dict)
    passages: dict[PassageSource, tuple[Passage, ...]] = field(default_factory=dict)
    passage_rows: dict[PassageSource, list[NDArray[np.float32]]] = field(default_factory=dict)  # (1, D) of each text
    warnings: tuple[str, ...] = ()


def extract(
    videos: Sequence[VideoRef],
    encoders: Encoders,
    media: MediaConfig,
    store: FeatureStore,
    progress: Progress,
    *,
    with_beliefs: bool = False,
    with_tokens: bool = False,
) -> Extraction:
    """Read the features of videos from the store; compute and store the missing ones.

    with_beliefs: also the class probabilities of every token, a third of a megabyte for five minutes of sound.
    with_tokens: also the tokens of frames and sound, 20 and 80 kilobytes per video with the offline encoders.
    """
    found = [_Found() for _ in videos]
    if encoders.text is not None:
        _extract_text(videos, encoders.text, store, progress, found)
    failures: list[Failure] = []
    tables = _media_tables(encoders, media, store)
    if encoders.reads_media:
        keys, missing = _hash_local_media(videos, tables, media, progress)
        failures = _encode_media(missing, encoders, tables, media, progress, keys)
        video_keys = [keys.get(video.video_id, "") for video in videos]
        for modality, table in tables.vectors.items():
            encoder = getattr(encoders, modality) if with_beliefs else None
            beliefs_of = encoder.beliefs if isinstance(encoder, ClassPredictor) else None
            _collect(modality, table, video_keys, found, beliefs_of, with_tokens)
        for source, passages in tables.passages.items():
            _collect_passages(source, passages, video_keys, found)
        if encoders.text is not None:
            _embed_passages(encoders.text, store, progress, found)
    embeddings = tuple(
        VideoEmbeddings(
            features.rows,
            features.warnings,
            features.beliefs,
            video.title,
            video.description,
            video.uploader_id,
            features.passages,
        )
        for video, features in zip(videos, found, strict=True)
    )
    token_encoders = {"frames": encoders.frames, "audio": encoders.audio} if with_tokens else {}
    tokens: dict[Modality, Tokens] = {
        modality: Tokens.of([features.tokens.get(modality) for features in found], encoder.dim)
        for modality in MODALITIES
        if (encoder := token_encoders.get(modality)) is not None
    }
    return Extraction(embeddings, tuple(failures), tokens)


def _extract_text(
    videos: Sequence[VideoRef],
    encoder: TextEncoder,
    store: FeatureStore,
    progress: Progress,
    found: list[_Found],
) -> None:
    table, keys = encode_texts([video.text for video in videos], encoder, store, progress)
    _collect("text", table, keys, found)


def _embed_passages(encoder: TextEncoder, store: FeatureStore, progress: Progress, found: Sequence[_Found]) -> None:
    """Add to each video the row of each source of passages: the mean of its texts' stored rows, as `passages_row`."""
    texts = [
        (features, source, text)
        for features in found
        for source, passages in features.passages.items()
        for text in joined(passages, encoder)
    ]
    table, keys = encode_texts([text for _, _, text in texts], encoder, store, progress)
    stored = {key: features.tokens for key, features in table.read(list(dict.fromkeys(keys)))}
    for (features, source, _), key in zip(texts, keys, strict=True):
        row = stored[key]
        assert row is not None
        features.passage_rows.setdefault(source, []).append(row.astype(np.float32))
    for features in found:
        features.rows |= {source: mean_pool(np.concatenate(rows)) for source, rows in features.passage_rows.items()}


@dataclass(frozen=True, slots=True, eq=False)
class _MediaTables:
    """The stored features of media: a table of each encoder's vectors and of each reader's passages."""

    vectors: Mapping[Modality, FeatureTable]
    passages: Mapping[PassageSource, PassageTable]

    @property
    def every(self) -> list[FeatureTable | PassageTable]:
        return [*self.vectors.values(), *self.passages.values()]

    def __contains__(self, key: str) -> bool:
        return all(key in table for table in self.every)

    def flush(self) -> None:
        for table in self.every:
            table.flush()


def _media_tables(encoders: Encoders, media: MediaConfig, store: FeatureStore) -> _MediaTables:
    """Return the tables of encoders and readers; a name has what changes the content: model, sampling and decoding."""
    pictures, sounds = f"{media.frames}x{media.max_side_px}", f"{media.sound_max_s:g}s"
    vectors: dict[Modality, FeatureTable] = {}
    passages: dict[PassageSource, PassageTable] = {}
    if encoders.frames is not None:
        vectors["frames"] = store.table("frames", _table_name(encoders.frames, pictures), encoders.frames.dim)
    if encoders.audio is not None:
        vectors["audio"] = store.table("audio", _table_name(encoders.audio, sounds), encoders.audio.dim)
    if encoders.speech is not None:
        passages["speech"] = store.passages("speech", _table_name(encoders.speech, sounds))
    if encoders.screen is not None:
        passages["screen"] = store.passages("screen", _table_name(encoders.screen, pictures))
    return _MediaTables(vectors, passages)


def _hash_local_media(
    videos: Sequence[VideoRef], tables: _MediaTables, media: MediaConfig, progress: Progress
) -> tuple[dict[str, str], list[VideoRef]]:
    """Return the content hash of each local file by video id, and the videos to decode as a table lacks their media."""
    keys: dict[str, str] = {}
    missing = []
    with_media = [video for video in videos if video.uri is not None]
    with progress.track("hash media", len(with_media)) as advance:
        for video in with_media:
            keys[video.video_id] = key = _local_hash(video, media)
            if not key or key not in tables:
                missing.append(video)
            advance(1)
    return keys, missing


def _encode_media(
    videos: Sequence[VideoRef],
    encoders: Encoders,
    tables: _MediaTables,
    media: MediaConfig,
    progress: Progress,
    keys: dict[str, str],
) -> list[Failure]:
    """Store the media's tokens and passages, complete the content hashes by video id, and return the failures."""
    failures: list[Failure] = []
    media_only = Encoders(frames=encoders.frames, audio=encoders.audio)
    by_id = {video.video_id: video for video in videos}
    with progress.track("decode and encode media", len(videos)) as advance, DecodePool(media) as pool:
        # Without the text, so that an unreadable file is reported as a failure.
        refs = (VideoRef(video.video_id, video.uri) for video in videos)
        try:
            for batch in read_batches(refs, pool, MEDIA_PER_BATCH):
                decoded = [result for result in batch if isinstance(result, ReadVideo)]
                failures += [
                    Failure(by_id[result.video.video_id], result.error)
                    for result in batch
                    if isinstance(result, Failure)
                ]
                for read, features in zip(decoded, encode_videos(media_only, decoded), strict=True):
                    if read.media is None:
                        continue
                    keys[read.video.video_id] = read.media.content_hash
                    tokens = {"frames": features.frames, "audio": features.audio}
                    for modality, table in tables.vectors.items():
                        table.add(read.media.content_hash, _stored(tokens[modality], features.warnings))
                _read_passages([read.media for read in decoded if read.media is not None], encoders, tables)
                advance(len(batch))
        finally:
            tables.flush()
    return failures


def _read_passages(media: Sequence[MediaSample], encoders: Encoders, tables: _MediaTables) -> None:
    """Store the readings of the readers whose tables lack this content; a reader that failed will try again."""
    unread = {
        (source, sample.content_hash): sample
        for source, table in tables.passages.items()
        for sample in media
        if sample.content_hash not in table
    }
    with Pieces() as pieces:
        started = {
            (source, key): pieces.start(read_passages, encoders, sample, source)
            for (source, key), sample in unread.items()
        }
        for (source, key), sample in unread.items():
            reading, _ = started[source, key].result()  # the log says which reader failed
            has_input = (sample.sound if source == "speech" else sample.frames) is not None
            if reading is not None or not has_input:
                tables.passages[source].add(key, reading or Reading(()))


def _stored(tokens: NDArray[np.float32] | None, warnings: tuple[str, ...]) -> StoredFeatures:
    return StoredFeatures(None if tokens is None else tokens.astype(np.float16), warnings)


def _collect(
    modality: Modality,
    table: FeatureTable,
    keys: Sequence[str],
    found: list[_Found],
    beliefs_of: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
    with_tokens: bool = False,
) -> None:
    """Add the pooled unit row of the stored tokens to each video with that content, and beliefs and tokens on request.

    keys: the content hash of each video, "" without content
    """
    videos: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        if key:
            videos.setdefault(key, []).append(index)
    for key, stored in table.read(list(videos)):
        tokens = None if stored.tokens is None else stored.tokens.astype(np.float32)
        row = None if tokens is None else mean_pool(tokens)
        beliefs = None if tokens is None or beliefs_of is None else beliefs_of(tokens).astype(np.float16)
        for index in videos[key]:
            features = found[index]
            if row is not None:
                features.rows[modality] = row
            if beliefs is not None:
                features.beliefs[modality] = beliefs
            if with_tokens and stored.tokens is not None:
                features.tokens[modality] = stored.tokens
            features.warnings += tuple(warning for warning in stored.warnings if warning not in features.warnings)


def _collect_passages(source: PassageSource, table: PassageTable, keys: Sequence[str], found: Sequence[_Found]) -> None:
    """Add the stored passages, and the warnings of their reader, to each video with that content."""
    readings = dict(table.read([key for key in keys if key]))
    for key, features in zip(keys, found, strict=True):
        if key in readings:
            reading = readings[key]
            features.warnings += tuple(warning for warning in reading.warnings if warning not in features.warnings)
            if reading.passages:
                features.passages[source] = reading.passages


def _table_name(encoder: FrameEncoder | SoundEncoder | SpeechReader | ScreenReader, sampling: str) -> str:
    return f"{encoder.fingerprint}-{sampling}-decoding{DECODING_VERSION}"


def _local_hash(video: VideoRef, media: MediaConfig) -> str:
    """Return the sha256 of a local file; "" for a URL, and for an unreadable file, which decoding will report."""
    if video.uri is None or "://" in video.uri:
        return ""
    try:
        path = Path(video.uri)
        # A pipe or device may never end, and a file beyond the limit is refused before its bytes are read.
        return content_hash(path) if path.is_file() and path.stat().st_size <= media.max_bytes else ""
    except (OSError, ValueError):
        return ""
