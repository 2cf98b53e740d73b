import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagging.bundle.sealed import content_digest
from tagging.errors import ArtifactCorruptError, ArtifactError, ArtifactMismatchError, ArtifactNotFoundError
from tagging.topics.files import read_model, read_topics, read_videos
from tagging.topics.manifest import TOPIC_MODEL
from tagging.topics.pool import certain
from tests.support.topic_pools import pool_of

FILES = ["catalog.parquet", "groups.parquet", "model.safetensors", "topics.parquet", "videos.parquet"]


@pytest.fixture
def copy(fitted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fitted, tmp_path / "topics"))


def edit_and_seal(folder: Path, **values: object) -> None:
    """Write other values with a valid digest, as a faulty writer would."""
    path = folder / "manifest.json"
    tree = {**json.loads(path.read_text()), **values}
    tree["version"] = f"20260101T000000Z-{content_digest(tree)}"
    path.write_text(json.dumps(tree))


def test_the_manifest_lists_every_file_and_the_provenance(fitted: Path, pool_manifest: Path) -> None:
    manifest = TOPIC_MODEL.read(fitted)
    assert sorted(manifest.files) == FILES
    assert manifest.counts["videos"] == 200
    assert manifest.counts["topics"] == 4
    assert manifest.tasks == {"category": 4, "tags": 16}
    assert [source.name for source in manifest.sources] == [pool_manifest.name]
    assert manifest.lineage.next_id == 5


def test_what_is_read_assigns_as_what_was_written(fitted: Path) -> None:
    manifest = TOPIC_MODEL.read(fitted)
    model = read_model(fitted, manifest)
    stored = pq.read_table(fitted / "videos.parquet").to_pylist()
    pool = pool_of(200, seed=1)
    # By tags alone, as the embeddings of the fixture are not at hand.
    rows = model.space.represent(
        [type(video)({}) for video in pool.embeddings], [certain(video.tags) for video in pool.videos]
    )
    assert [row["video_id"] for row in stored] == [video.video.video_id for video in pool.videos]
    assert rows.present[1].tolist() == [False, True]
    best = model.assign(rows).at(1)[0][0]
    assert "cars" in model.topics[best].tags
    assert (model.topics, model.groups) == read_topics(fitted)
    assert np.isfinite(model.centres).all()


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_file_is_one_error_that_says_what_to_do(copy: Path, name: str, damage: str) -> None:
    path = copy / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    if damage != "remove":
        path.write_bytes(content if damage == "flip" else content[: len(content) // 2])
    with pytest.raises(ArtifactError) as error:
        TOPIC_MODEL.read(copy)
    assert name in error.value.message or "topic model" in error.value.message
    assert "topics fit" in error.value.hint


def test_a_bundle_is_no_topic_model(text_bundle: Path) -> None:
    with pytest.raises(ArtifactMismatchError, match="is not a topic model"):
        TOPIC_MODEL.read(text_bundle)


def test_a_folder_without_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactNotFoundError, match="is not a topic model"):
        TOPIC_MODEL.read(tmp_path)


def test_a_model_of_another_text_normalisation_is_refused(copy: Path) -> None:
    edit_and_seal(copy, normalisation=0)
    with pytest.raises(ArtifactMismatchError, match="normalisation 0"):
        TOPIC_MODEL.read(copy)


def test_weights_that_do_not_fit_the_manifest_are_refused(copy: Path) -> None:
    edit_and_seal(copy, modalities={"text": 3})
    with pytest.raises(ArtifactCorruptError, match="cannot be loaded"):
        read_model(copy, TOPIC_MODEL.read(copy))


def test_groups_of_another_model_are_one_error(copy: Path) -> None:
    path = copy / "groups.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(ArtifactCorruptError, match="groups, which are not those of the"):
        read_topics(copy)


def test_videos_of_another_model_are_one_error(copy: Path) -> None:
    path = copy / "videos.parquet"
    rows = [{**row, "topics": [10_000] * len(row["topics"])} for row in pq.read_table(path).to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, pq.read_schema(path)), path)
    with pytest.raises(ArtifactCorruptError, match=r"has topics \[10000.*not all of the model"):
        list(read_videos(copy))
