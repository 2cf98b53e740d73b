"""Files of a recommendation model."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tagging.bundle.sealed import content_digest
from tagging.errors import ArtifactCorruptError, ArtifactError, ArtifactMismatchError, ArtifactNotFoundError
from tagging.ragged import Ragged
from tagging.recommendation.two_towers.files import read_model, write_model
from tagging.recommendation.two_towers.manifest import TWO_TOWERS
from tests.support.watching import VIDEOS, catalog

FILES = ["catalog.parquet", "model.safetensors", "uploaders.parquet", "videos.parquet", "words.parquet"]


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "model"))


def edit_and_seal(folder: Path, **values: object) -> None:
    """Write other values with a valid digest, as a faulty writer would."""
    path = folder / "manifest.json"
    tree = {**json.loads(path.read_text()), **values}
    tree["version"] = f"20260101T000000Z-{content_digest(tree)}"
    path.write_text(json.dumps(tree))


def test_the_manifest_lists_every_file_and_the_counts(trained: Path) -> None:
    manifest = TWO_TOWERS.read(trained)
    assert sorted(manifest.files) == FILES
    assert manifest.counts["videos"] == manifest.counts["videos_with_id"] == VIDEOS
    assert manifest.counts["tags"] == 6
    assert manifest.holdout is None
    assert list(manifest.sizes) == ["id", "tags", "tag words", "words"]
    assert manifest.dims == {"text": 64}


def test_a_model_survives_writing_and_reading(trained: Path, tmp_path: Path) -> None:
    manifest = TWO_TOWERS.read(trained)
    stored = read_model(trained, manifest)
    assert stored.video_ids == tuple(video.video.video_id for video in catalog().videos)
    (tmp_path / "again").mkdir()
    written = write_model(tmp_path / "again", stored.model, stored.video_ids, manifest)
    assert written.files == manifest.files
    again = read_model(tmp_path / "again", TWO_TOWERS.read(tmp_path / "again"))
    histories, videos = Ragged.of([[1, 2], [7]]), np.arange(VIDEOS)
    np.testing.assert_array_equal(again.model.scores(histories, videos), stored.model.scores(histories, videos))
    assert again.model.towers.state_dict()["item.standardise.text.mean"].any()  # as learnt, not as built


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_file_is_one_error(copy: Path, name: str, damage: str) -> None:
    path = copy / name
    content = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        middle = len(content) // 2
        changed = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        path.write_bytes(changed if damage == "flip" else content[:middle])
    with pytest.raises(ArtifactError) as raised:
        TWO_TOWERS.read(copy)
    assert raised.value.hint


@pytest.mark.parametrize(("key", "value"), [("format", 1), ("normalisation", 1)])
def test_another_format_is_refused(copy: Path, key: str, value: int) -> None:
    edit_and_seal(copy, **{key: value})
    with pytest.raises(ArtifactMismatchError):
        TWO_TOWERS.read(copy)


def test_files_that_do_not_fit_the_manifest_are_one_error(copy: Path) -> None:
    edit_and_seal(copy, sizes={"id": 5, "tags": 6, "tag words": 7, "words": 7})
    with pytest.raises(ArtifactCorruptError, match="cannot be loaded"):
        read_model(copy, TWO_TOWERS.read(copy))


@pytest.mark.parametrize("table", ["catalog", "videos", "words"])
def test_a_table_of_another_model_is_one_error(copy: Path, table: str) -> None:
    manifest = TWO_TOWERS.read(copy)
    path = copy / f"{table}.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    (copy / "manifest.json").unlink()
    TWO_TOWERS.seal(copy, manifest)
    with pytest.raises(ArtifactCorruptError, match=r"cannot be loaded: \d+ (names of the field|videos)"):
        read_model(copy, TWO_TOWERS.read(copy))


def test_a_folder_of_something_else_is_no_model(tmp_path: Path, text_bundle: Path) -> None:
    with pytest.raises(ArtifactNotFoundError):
        TWO_TOWERS.read(tmp_path)
    with pytest.raises(ArtifactMismatchError):
        TWO_TOWERS.read(text_bundle)
