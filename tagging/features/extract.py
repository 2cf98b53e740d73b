"""Feature extraction for many videos through the feature store: stored features are read, the rest computed and stored.

A killed extraction resumes: texts are identified by their sha256, local files by that of their bytes. (A URL must be
fetched before its bytes are known, so media at URLs are decoded again.)
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagging.config.media import MediaConfig
from tagging.features.base import FrameEncoder, SoundEncoder, TellsClasses, TextEncoder, mean_pool
from tagging.features.encode import cut_text_warning, encode_videos
from tagging.features.factory import Encoders
from tagging.media.pool import DecodePool
from tagging.media.read_ahead import MEDIA_PER_BATCH, Failure, ReadVideo, read_batches
from tagging.media.source import content_hash
from tagging.progress import Progress
from tagging.ragged import Tokens
from tagging.store.features import FeatureStore, FeatureTable, StoredFeatures
from tagging.types import MODALITIES, Modality, VideoEmbeddings, VideoRef

logger = logging.getLogger(__name__)

TEXTS_AT_ONCE = 4096  # sorted by length before they are batched, so more at once pads less


@dataclass(frozen=True, slots=True, eq=False)
class Extraction:
    """The features of V videos, and the failures."""

    embeddings: tuple[VideoEmbeddings, ...]  # V, an empty one where nothing could be had
    failures: tuple[Failure, ...]  # media that could not be used, whether or not there was text instead
    tokens: Mapping[Modality, Tokens]  # of frames and sound of the V videos, if requested

    def only(self, rows: NDArray[np.int64]) -> "Extraction":
        """Return the features of some of the videos; failures were reported already."""
        tokens = {name: one.only(rows) for name, one in self.tokens.items()}
        return Extraction(tuple(self.embeddings[row] for row in rows.tolist()), (), tokens)


@dataclass(slots=True)
class _Found:
    """The features of one video collected so far."""

    rows: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    beliefs: dict[Modality, NDArray[np.float16]] = field(default_factory=dict)
    tokens: dict[Modality, NDArray[np.float16]] = field(default_factory=dict)
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
    """with_beliefs: also those of every token, which take a third of a megabyte for five minutes of sound.
    with_tokens: also the tokens of frames and sound, which for the offline encoders take 20 and 80 kilobytes.
    """
    found = [_Found() for _ in videos]
    if encoders.text is not None:
        _extract_text(videos, encoders.text, store, progress, found)
    failures: list[Failure] = []
    if encoders.frames is not None or encoders.audio is not None:
        failures = _extract_media(videos, encoders, media, store, progress, found, with_beliefs, with_tokens)
    embeddings = tuple(
        VideoEmbeddings(one.rows, one.warnings, one.beliefs, video.title, video.description, video.uploader_id)
        for video, one in zip(videos, found, strict=True)
    )
    dims = {"frames": encoders.frames, "audio": encoders.audio} if with_tokens else {}
    tokens: dict[Modality, Tokens] = {
        modality: Tokens.of([one.tokens.get(modality) for one in found], encoder.dim)
        for modality in MODALITIES
        if (encoder := dims.get(modality)) is not None
    }
    return Extraction(embeddings, tuple(failures), tokens)


def _extract_text(
    videos: Sequence[VideoRef],
    encoder: TextEncoder,
    store: FeatureStore,
    progress: Progress,
    found: list[_Found],
) -> None:
    texts = [video.text for video in videos]
    keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() if text else "" for text in texts]
    table = store.table("text", encoder.fingerprint, encoder.dim)
    by_key = {key: text for key, text in zip(keys, texts, strict=True) if key and key not in table}
    missing = list(by_key.items())
    with progress.track("encode text", len(missing)) as advance:
        try:
            for start in range(0, len(missing), TEXTS_AT_ONCE):
                chunk = missing[start : start + TEXTS_AT_ONCE]
                some = [text for _, text in chunk]
                counts = encoder.token_counts(some)
                for (key, _), row, count in zip(chunk, encoder.encode(some), counts, strict=True):
                    cut = cut_text_warning(int(count), encoder.max_tokens)
                    table.add(key, StoredFeatures(row[None].astype(np.float16), cut))
                advance(len(chunk))
        finally:
            table.flush()
    _collect("text", table, keys, found)


def _extract_media(
    videos: Sequence[VideoRef],
    encoders: Encoders,
    media: MediaConfig,
    store: FeatureStore,
    progress: Progress,
    found: list[_Found],
    with_beliefs: bool,
    with_tokens: bool,
) -> list[Failure]:
    tables: dict[Modality, FeatureTable] = {}
    if encoders.frames is not None:
        sampling = f"{media.frames}x{media.max_side_px}"
        tables["frames"] = store.table("frames", _table_name(encoders.frames, sampling), encoders.frames.dim)
    if encoders.audio is not None:
        sampling = f"{media.sound_max_s:g}s"
        tables["audio"] = store.table("audio", _table_name(encoders.audio, sampling), encoders.audio.dim)

    keys = ["" for _ in videos]
    place_of = {video.video_id: place for place, video in enumerate(videos)}
    with_media = [video for video in videos if video.uri is not None]
    unread = []
    with progress.track("hash media", len(with_media)) as advance:
        for video in with_media:
            keys[place_of[video.video_id]] = key = _local_hash(video, media)
            if not key or any(key not in table for table in tables.values()):
                unread.append(video)
            advance(1)

    failures: list[Failure] = []
    media_only = Encoders(frames=encoders.frames, audio=encoders.audio)
    with progress.track("decode and encode media", len(unread)) as advance, DecodePool(media) as pool:
        # Text is left out here, so a file that cannot be read comes back as a failure and is named.
        refs = (VideoRef(video.video_id, video.uri) for video in unread)
        try:
            for batch in read_batches(refs, pool, MEDIA_PER_BATCH):
                read = [one for one in batch if isinstance(one, ReadVideo)]
                failures += [
                    Failure(videos[place_of[one.video.video_id]], one.error)
                    for one in batch
                    if isinstance(one, Failure)
                ]
                for one, features in zip(read, encode_videos(media_only, read), strict=True):
                    if one.media is None:
                        continue
                    keys[place_of[one.video.video_id]] = one.media.content_hash
                    tokens = {"frames": features.frames, "audio": features.audio}
                    for modality, table in tables.items():
                        table.add(one.media.content_hash, _stored(tokens[modality], features.warnings))
                advance(len(batch))
        finally:
            for table in tables.values():
                table.flush()
    for modality, table in tables.items():
        encoder = getattr(encoders, modality) if with_beliefs else None
        believe = encoder.beliefs if isinstance(encoder, TellsClasses) else None
        _collect(modality, table, keys, found, believe, with_tokens)
    return failures


def _stored(tokens: NDArray[np.float32] | None, warnings: tuple[str, ...]) -> StoredFeatures:
    return StoredFeatures(None if tokens is None else tokens.astype(np.float16), warnings)


def _collect(
    modality: Modality,
    table: FeatureTable,
    keys: Sequence[str],
    found: list[_Found],
    believe: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
    with_tokens: bool = False,
) -> None:
    """Pooled unit rows of the stored tokens, to every video with that content; and what is believed of each token."""
    places: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        if key:
            places.setdefault(key, []).append(place)
    for key, stored in table.read(list(places)):
        tokens = None if stored.tokens is None else stored.tokens.astype(np.float32)
        row = None if tokens is None else mean_pool(tokens)
        beliefs = None if tokens is None or believe is None else believe(tokens).astype(np.float16)
        for place in places[key]:
            one = found[place]
            if row is not None:
                one.rows[modality] = row
            if beliefs is not None:
                one.beliefs[modality] = beliefs
            if with_tokens and stored.tokens is not None:
                one.tokens[modality] = stored.tokens
            one.warnings += tuple(w for w in stored.warnings if w not in one.warnings)


def _table_name(encoder: FrameEncoder | SoundEncoder, sampling: str) -> str:
    return f"{encoder.fingerprint}-{sampling}"


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
