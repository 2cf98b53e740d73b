"""Files of a recommendation model: written with the manifest last, and read only if every file is intact."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

from tagging.bundle.files import artifact_errors, check_file, seal, validated
from tagging.bundle.manifest import content_digest
from tagging.errors import ArtifactCorruptError, ArtifactMismatchError, ArtifactNotFoundError
from tagging.files.tensors import read_tensors
from tagging.recommendation.items import Vocabulary
from tagging.recommendation.manifest import FORMAT, MANIFEST, RecommendationManifest
from tagging.recommendation.model import RecommendationModel
from tagging.recommendation.towers import TwoTowers
from tagging.tags.catalog import TagCatalog
from tagging.text.normalise import VERSION

TRAIN_AGAIN = "restore the folder, or run `videotag recommend train` again"
WEIGHTS = "model.safetensors"
VECTORS = "vectors"


@dataclass(frozen=True, slots=True, eq=False)
class StoredModel:
    """A model and the ids of its videos."""

    model: RecommendationModel
    video_ids: tuple[str, ...]  # V


def write_model(
    folder: Path, model: RecommendationModel, video_ids: Sequence[str], draft: RecommendationManifest
) -> RecommendationManifest:
    """Write all files of a model into a folder; return the manifest as written.

    video_ids: V; draft: the manifest, whose format, version, normalisation and files are replaced
    """
    tensors = {**model.towers.state_dict(), VECTORS: torch.from_numpy(model.vectors)}
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / WEIGHTS)
    vocabulary = model.vocabulary
    vocabulary.tags.save(folder / "catalog.parquet")
    has_id = [video_id in vocabulary.ids for video_id in video_ids]
    pq.write_table(pa.table({"video_id": list(video_ids), "has_id": has_id}), folder / "videos.parquet")
    for name, rows in (("words", vocabulary.words), ("uploaders", vocabulary.uploaders)):
        pq.write_table(pa.table({"name": pa.array(rows, pa.string())}), folder / f"{name}.parquet")
    return seal(folder, draft, FORMAT, draft.created)


def read_recommendation_manifest(folder: Path) -> RecommendationManifest:
    """Return the manifest of an intact model: of this format, and every file exists and has the stated hash.

    Raises ArtifactNotFoundError, ArtifactMismatchError for another format or text normalisation, and
    ArtifactCorruptError.
    """
    tree = _read_json(folder)
    found = tree.get("format") if isinstance(tree, dict) else None
    if not isinstance(tree, dict) or found != FORMAT or "interactions" not in tree:
        raise ArtifactMismatchError(
            f"{folder}: no recommendation model of format {FORMAT}, found format {found!r}",
            "give a folder of `videotag recommend train`; train one of another version again",
        )
    manifest = validated(RecommendationManifest, tree, folder / MANIFEST, TRAIN_AGAIN)
    if not manifest.version.endswith(f"-{content_digest(tree)}"):
        raise ArtifactCorruptError(f"{folder / MANIFEST} was changed after {manifest.version} was made", TRAIN_AGAIN)
    if manifest.normalisation != VERSION:
        raise ArtifactMismatchError(
            f"{folder}: model of text normalisation {manifest.normalisation}, this videotag reads {VERSION}",
            "train it again: its tags were merged by other rules",
        )
    for name, entry in manifest.files.items():
        check_file(folder, name, entry, TRAIN_AGAIN)
    return manifest


def read_model(folder: Path, manifest: RecommendationManifest) -> StoredModel:
    """Read the model of a checked folder. Raises ArtifactCorruptError for files that do not fit together."""
    with artifact_errors(folder, TRAIN_AGAIN):
        tensors, _ = read_tensors(folder / WEIGHTS)
        vectors = tensors.pop(VECTORS).numpy()
        towers = TwoTowers(manifest.sizes, manifest.dims, manifest.config)
        towers.load_state_dict(tensors)
        videos = pq.read_table(folder / "videos.parquet")
        video_ids = tuple(videos["video_id"].to_pylist())
        if len(vectors) != len(video_ids):
            raise ValueError(f"{len(video_ids)} videos, {len(vectors)} vectors")
        with_id = [video_id for video_id, has in zip(video_ids, videos["has_id"].to_pylist(), strict=True) if has]
        vocabulary = Vocabulary(
            sizes=manifest.sizes,
            dims=manifest.dims,
            ids={video_id: row for row, video_id in enumerate(with_id)},
            tags=TagCatalog.load(folder / "catalog.parquet"),
            words=_read_names(folder / "words.parquet"),
            uploaders=_read_names(folder / "uploaders.parquet"),
        )
        return StoredModel(RecommendationModel(towers.eval().requires_grad_(False), vocabulary, vectors), video_ids)


def _read_names(path: Path) -> dict[str, int]:
    return {name: row for row, name in enumerate(pq.read_table(path)["name"].to_pylist())}


def _read_json(folder: Path) -> object:
    try:
        return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactNotFoundError(
            f"{folder} is no recommendation model: it has no {MANIFEST}", "make one with `videotag recommend train`"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactCorruptError(f"{folder / MANIFEST} cannot be read: {error}", TRAIN_AGAIN) from error
