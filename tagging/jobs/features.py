"""Stored features of a batch: what the encoders and readers saw of each video, so that it need not be decoded again.

One part a shard, next to the shard's results (--keep-features); `videotag batch --retag OUT` reads them. Tokens are in
half precision, as in the feature store (tagging/store/features.py), which does not fit here: its tables are looked up
by content, in one list that each process holds, whereas a worker needs the rows of one shard.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel

from tagging.bundle.manifest import BundleManifest
from tagging.errors import ArtifactMismatchError
from tagging.files.storage import Storage
from tagging.jobs.output import part_numbers, read_part, write_part
from tagging.jobs.shards import row_hash
from tagging.media.decode import DECODING_VERSION
from tagging.pipeline.models import EncodedVideo
from tagging.types import PASSAGE_SOURCES, ModalityFeatures, Passage, Reading

WITHOUT_RETAG = "tag the manifest again without --retag"
OTHER_OUTPUT = "choose another --out"
_ENCODERS = b"videotag.encoders"
_PASSAGE = pa.struct(
    [
        ("text", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("confidence", pa.float64()),
        ("language", pa.string()),
    ]
)
_READING = pa.struct([("passages", pa.list_(_PASSAGE)), ("warnings", pa.list_(pa.string()))])
FEATURES = pa.schema(
    [
        ("row_hash", pa.string()),
        ("content_hash", pa.string()),
        ("warnings", pa.list_(pa.string())),
        ("text", pa.list_(pa.float32())),  # (D,) unit; null where a modality is missing
        ("frames", pa.list_(pa.float16())),  # (T, D), row after row
        ("audio", pa.list_(pa.float16())),  # (S, D)
        ("frame_dim", pa.int32()),
        ("audio_dim", pa.int32()),
        ("frame_spans", pa.list_(pa.float64())),  # (T, 2)
        ("speech", _READING),
        ("screen", _READING),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class StoredVideo:
    """The features of one manifest row."""

    features: ModalityFeatures
    content_hash: str | None


def encoder_identity(bundle: BundleManifest) -> dict[str, object]:
    """Return what must be equal for stored features to be those that a bundle's encoders would give again."""
    config = bundle.config
    return {
        **{modality: entry.fingerprint for modality, entry in bundle.encoders.items()},
        **{reader: _dumped(getattr(config.encoders, reader)) for reader in PASSAGE_SOURCES},
        "sampling": {name: getattr(config.media, name) for name in ("frames", "max_side_px", "sound_max_s")},
        "decoding": DECODING_VERSION,
    }


def check_features(storage: Storage, identity: Mapping[str, object], *, hint: str) -> bool:
    """Return whether an output has stored features; before a run, so only the first part is looked at.

    Raises ArtifactMismatchError, with the hint, if they do not fit.
    """
    numbers = part_numbers(storage, "features")
    return bool(numbers) and _fitting_part(storage, numbers[0], identity, hint) is not None


def write_features(
    storage: Storage, number: int, videos: Sequence[EncodedVideo], identity: Mapping[str, object]
) -> None:
    """Write the features of a shard's videos, and keep those of rows that earlier runs finished.

    Raises ArtifactMismatchError if those do not fit.
    """
    fresh = [_row(video) for video in videos]
    hashes = {row["row_hash"] for row in fresh}
    earlier = _fitting_part(storage, number, identity, OTHER_OUTPUT)
    kept = [] if earlier is None else [row for row in earlier.to_pylist() if row["row_hash"] not in hashes]
    about = {_ENCODERS: json.dumps(identity, sort_keys=True).encode("utf-8")}
    table = pa.Table.from_pylist([*kept, *fresh], FEATURES).replace_schema_metadata(about)
    write_part(storage, "features", number, table)


def read_features(storage: Storage, number: int, identity: Mapping[str, object]) -> dict[str, StoredVideo]:
    """Return the stored features of a shard by the hash of the manifest row; none if it has no part.

    Raises ArtifactMismatchError if they do not fit.
    """
    table = _fitting_part(storage, number, identity, WITHOUT_RETAG)
    if table is None:
        return {}
    return {row["row_hash"]: StoredVideo(_features(row), row["content_hash"]) for row in table.to_pylist()}


def _fitting_part(storage: Storage, number: int, identity: Mapping[str, object], hint: str) -> pa.Table | None:
    """Return a part; None if there is none.

    Raises ArtifactMismatchError if it has other columns, was made by other encoders, or with another sampling of frames
    and sound.
    """
    table = read_part(storage, "features", number)
    if table is None:
        return None
    found = {column.name: column.type for column in table.schema}
    wanted = {column.name: column.type for column in FEATURES}
    if differing := sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name)):
        raise ArtifactMismatchError(
            f"the features in {storage} are of another version of videotag, with other columns: {', '.join(differing)}",
            hint,
        )
    stored = json.loads((table.schema.metadata or {}).get(_ENCODERS, b"{}"))
    current = json.loads(json.dumps(identity))
    if differing := sorted(key for key in {*stored, *current} if stored.get(key) != current.get(key)):
        raise ArtifactMismatchError(
            f"the features in {storage} are of other encoders than the bundle's: {', '.join(differing)}", hint
        )
    return table


def _row(video: EncodedVideo) -> dict[str, Any]:
    features = video.features
    return {
        "row_hash": row_hash(video.video),
        "content_hash": video.content_hash,
        "warnings": list(features.warnings),
        "text": features.text,
        "frames": _halves(features.frames),
        "audio": _halves(features.audio),
        "frame_dim": None if features.frames is None else features.frames.shape[1],
        "audio_dim": None if features.audio is None else features.audio.shape[1],
        "frame_spans": None if features.frame_spans is None else features.frame_spans.ravel(),
        "speech": _reading_row(features.speech),
        "screen": _reading_row(features.screen),
    }


def _features(row: Mapping[str, Any]) -> ModalityFeatures:
    spans = row["frame_spans"]
    return ModalityFeatures(
        text=None if row["text"] is None else np.asarray(row["text"], np.float32),
        frames=_tokens(row["frames"], row["frame_dim"]),
        audio=_tokens(row["audio"], row["audio_dim"]),
        warnings=tuple(row["warnings"]),
        speech=_reading(row["speech"]),
        screen=_reading(row["screen"]),
        frame_spans=None if spans is None else np.asarray(spans, np.float64).reshape(-1, 2),
    )


def _halves(tokens: NDArray[np.float32] | None) -> NDArray[np.float16] | None:
    return None if tokens is None else tokens.astype(np.float16).ravel()


def _tokens(values: Sequence[float] | None, dim: int) -> NDArray[np.float32] | None:
    return None if values is None else np.asarray(values, np.float32).reshape(-1, dim)


def _reading_row(reading: Reading | None) -> dict[str, Any] | None:
    if reading is None:
        return None
    return {"passages": [asdict(passage) for passage in reading.passages], "warnings": list(reading.warnings)}


def _reading(row: Mapping[str, Any] | None) -> Reading | None:
    if row is None:
        return None
    return Reading(tuple(Passage(**passage) for passage in row["passages"]), tuple(row["warnings"]))


def _dumped(config: BaseModel | None) -> dict[str, Any] | None:
    return None if config is None else config.model_dump(mode="json")
