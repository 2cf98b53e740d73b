"""Files of a topic model: written with the manifest last, and read only if every file is intact."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from tagging.files.tensors import read_tensors, write_tensors
from tagging.store.topic_video import AssignedVideo
from tagging.tags.catalog import TagCatalog
from tagging.topics.assignment import Assignments
from tagging.topics.manifest import TOPIC_MODEL, TopicsManifest
from tagging.topics.mmoe import Mmoe
from tagging.topics.model import Topic, TopicGroup, TopicModel
from tagging.topics.naming import Example
from tagging.topics.space import TopicSpace
from tagging.types import FloatRows

WEIGHTS = "model.safetensors"


def write_model(
    folder: Path, model: TopicModel, video_ids: Sequence[str], assignments: Assignments, draft: TopicsManifest
) -> TopicsManifest:
    """Write all files of a model into a folder; return the manifest as written.

    video_ids, assignments: of the pool
    draft: the manifest before it is sealed
    """
    tensors = {f"mmoe.{key}": value for key, value in model.space.mmoe.state_dict().items()}
    tensors |= {"centres": torch.from_numpy(model.centres), "tag_vectors": torch.from_numpy(model.space.tag_vectors)}
    tensors["means"] = torch.from_numpy(model.space.means)
    write_tensors(folder / WEIGHTS, tensors)
    model.space.catalog.save(folder / "catalog.parquet")
    pq.write_table(_topic_table(model.topics), folder / "topics.parquet")
    pq.write_table(pa.Table.from_pylist([asdict(group) for group in model.groups], _GROUPS), folder / "groups.parquet")
    pq.write_table(_video_table(model, video_ids, assignments), folder / "videos.parquet")
    return TOPIC_MODEL.seal(folder, draft)


def read_model(folder: Path, manifest: TopicsManifest) -> TopicModel:
    """Read the model of a checked folder. Raises ArtifactCorruptError for files that do not fit together."""
    with TOPIC_MODEL.loading(folder):
        tensors, _ = read_tensors(folder / WEIGHTS)
        mmoe = Mmoe(manifest.modalities, manifest.tasks, manifest.config.mmoe)
        mmoe.load_state_dict(
            {key.removeprefix("mmoe."): value for key, value in tensors.items() if key.startswith("mmoe.")}
        )
        topics, groups = read_topics(folder)
        return TopicModel(
            space=TopicSpace(
                mmoe=mmoe.eval().requires_grad_(False),
                catalog=TagCatalog.load(folder / "catalog.parquet"),
                tag_vectors=tensors["tag_vectors"].numpy(),
                means=tensors["means"].numpy(),
            ),
            centres=tensors["centres"].numpy(),
            thresholds=manifest.thresholds,
            topics=topics,
            groups=groups,
        )


def read_topics(folder: Path) -> tuple[tuple[Topic, ...], tuple[TopicGroup, ...]]:
    """Read the topics and their groups without the weights. Raises ArtifactCorruptError for other tables."""
    with TOPIC_MODEL.loading(folder):
        topics = tuple(_topic(row) for row in pq.read_table(folder / "topics.parquet").to_pylist())
        groups = tuple(
            TopicGroup(row["name"], tuple(row["tags"]), tuple(row["topics"]))
            for row in pq.read_table(folder / "groups.parquet").to_pylist()
        )
        of_groups = sorted((row, topic) for row, group in enumerate(groups) for topic in group.topics)
        if of_groups != sorted((topic.group, topic.id) for topic in topics):
            raise ValueError(f"{len(groups)} groups, which are not those of the {len(topics)} topics")
        return topics, groups


def read_centres(folder: Path) -> FloatRows:
    """Read the centres (K, W) in the order of the topics. Raises ArtifactCorruptError for other tensors."""
    with TOPIC_MODEL.loading(folder):
        return np.asarray(read_tensors(folder / WEIGHTS)[0]["centres"].numpy())


def read_videos(folder: Path) -> Iterator[AssignedVideo]:
    """Yield the videos that a model was fitted on with their topics. Raises ArtifactCorruptError for another table."""
    with TOPIC_MODEL.loading(folder):
        ids = frozenset(pq.read_table(folder / "topics.parquet", columns=["id"])["id"].to_pylist())
        for batch in pq.ParquetFile(folder / "videos.parquet").iter_batches():
            for row in batch.to_pylist():
                if not ids.issuperset(row["topics"]):
                    raise ValueError(f"video {row['video_id']} has topics {row['topics']}, not all of the model")
                yield AssignedVideo(row["video_id"], tuple(zip(row["topics"], row["similarities"], strict=True)))


_NAMES = pa.list_(pa.string())
_EXAMPLE = pa.struct({"video_id": pa.string(), "title": pa.string(), "similarity": pa.float64()})
_LANGUAGE = pa.struct({"language": pa.string(), "share": pa.float64()})
_TOPICS = pa.schema(
    {
        "id": pa.int64(),
        "name": pa.string(),
        "tags": _NAMES,
        "videos": pa.int64(),
        "examples": pa.list_(_EXAMPLE),
        "languages": pa.list_(_LANGUAGE),
        "group": pa.int64(),
    }
)
_GROUPS = pa.schema({"name": pa.string(), "tags": _NAMES, "topics": pa.list_(pa.int64())})


def _topic_table(topics: Sequence[Topic]) -> pa.Table:
    rows = []
    for topic in topics:
        shares = [{"language": name, "share": share} for name, share in topic.languages.items()]
        rows.append({**asdict(topic), "languages": shares})
    return pa.Table.from_pylist(rows, _TOPICS)


def _topic(row: dict[str, object]) -> Topic:
    examples, languages = row.pop("examples"), row.pop("languages")
    assert isinstance(examples, list)
    assert isinstance(languages, list)
    fields = {**row, "tags": tuple(row["tags"])}  # type: ignore[arg-type]
    return Topic(
        **fields,  # type: ignore[arg-type]
        examples=tuple(Example(**example) for example in examples),
        languages={share["language"]: share["share"] for share in languages},
    )


def _video_table(model: TopicModel, video_ids: Sequence[str], assignments: Assignments) -> pa.Table:
    ids = [topic.id for topic in model.topics]
    of_videos = [assignments.at(video) for video in range(len(video_ids))]
    return pa.table(
        {
            "video_id": pa.array(video_ids, pa.string()),
            "topics": pa.array([[ids[row] for row, _ in found] for found in of_videos], pa.list_(pa.int64())),
            "similarities": pa.array([[value for _, value in found] for found in of_videos], pa.list_(pa.float32())),
        }
    )
