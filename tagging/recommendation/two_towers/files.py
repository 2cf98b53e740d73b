"""Files of a recommendation model: written with the manifest last, and read only if every file is intact."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from tagging.files.tensors import read_tensors, write_tensors
from tagging.recommendation.items import Vocabulary
from tagging.recommendation.two_towers.manifest import TWO_TOWERS, TwoTowersManifest
from tagging.recommendation.two_towers.model import RecommendationModel
from tagging.recommendation.two_towers.towers import TwoTowers
from tagging.tags.catalog import TagCatalog

WEIGHTS = "model.safetensors"
VECTORS = "vectors"


@dataclass(frozen=True, slots=True, eq=False)
class StoredModel:
    """A model and the ids of its videos."""

    model: RecommendationModel
    video_ids: tuple[str, ...]  # V


def write_model(
    folder: Path, model: RecommendationModel, video_ids: Sequence[str], draft: TwoTowersManifest
) -> TwoTowersManifest:
    """Write all files of a model into a folder; return the manifest as written.

    video_ids: V; draft: the manifest before it is sealed
    """
    tensors = {**model.towers.state_dict(), VECTORS: torch.from_numpy(model.vectors)}
    write_tensors(folder / WEIGHTS, tensors)
    vocabulary = model.vocabulary
    vocabulary.tags.save(folder / "catalog.parquet")
    has_id = [video_id in vocabulary.ids for video_id in video_ids]
    pq.write_table(pa.table({"video_id": list(video_ids), "has_id": has_id}), folder / "videos.parquet")
    for name, rows in (("words", vocabulary.words), ("uploaders", vocabulary.uploaders)):
        pq.write_table(pa.table({"name": pa.array(rows, pa.string())}), folder / f"{name}.parquet")
    return TWO_TOWERS.seal(folder, draft)


def read_model(folder: Path, manifest: TwoTowersManifest) -> StoredModel:
    """Read the model of a checked folder. Raises ArtifactCorruptError for files that do not fit together."""
    with TWO_TOWERS.loading(folder):
        tensors, _ = read_tensors(folder / WEIGHTS)
        vectors = tensors.pop(VECTORS).numpy()
        towers = TwoTowers(manifest.sizes, manifest.dims, manifest.config)
        towers.load_state_dict(tensors)
        videos = pq.read_table(folder / "videos.parquet")
        video_ids = tuple(videos["video_id"].to_pylist())
        if vectors.shape != (len(video_ids), towers.width):
            raise ValueError(f"{len(video_ids)} videos of width {towers.width}, vectors {vectors.shape}")
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
