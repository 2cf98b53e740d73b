"""Items: what the item tower knows of each video, by view, with a mask of what is missing.

    id         a vector of its own for each video that was trained on
    tags       the mean of its tags' vectors
    tag words  the mean of the vectors of the words in its tags, which most rare tags share with others
    words      the same of its title and description
    uploader   a vector for each uploader of several videos
    text, frames, audio   the encoders' rows

A view is a field (a list of rows of an embedding table) or dense.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recall.model import dense_rows
from tagging.ragged import Ragged
from tagging.tags.catalog import TagCatalog, build_catalog
from tagging.text.normalise import normalise
from tagging.text.words import split_words
from tagging.types import MODALITIES, FloatRows, Indices, LabelledVideo, VideoEmbeddings

ID = "id"
TAGS = "tags"
TAG_WORDS = "tag words"
WORDS = "words"
UPLOADER = "uploader"
FIELDS = (ID, TAGS, TAG_WORDS, WORDS, UPLOADER)


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """n videos by view."""

    fields: Mapping[str, Ragged]  # n lists of rows of the field's table
    dense: Mapping[str, FloatRows]  # (n, dim) rows; zeros where missing
    present: NDArray[np.bool_]  # (n, views), fields first

    def __len__(self) -> int:
        return len(self.present)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n,) True for a video with at least one view."""
        return np.asarray(self.present.any(axis=1))

    def only(self, rows: Indices) -> "Items":
        return Items(
            {name: lists.only(rows) for name, lists in self.fields.items()},
            {name: values[rows] for name, values in self.dense.items()},
            self.present[rows],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """The rows of the embedding tables, and the width of the dense views. A view that is not named is not read."""

    sizes: Mapping[str, int]  # rows of each field's table
    dims: Mapping[str, int]  # width of each dense view
    ids: Mapping[str, int]  # video id -> row
    tags: TagCatalog
    words: Mapping[str, int]  # of texts and tags
    uploaders: Mapping[str, int]

    def __post_init__(self) -> None:
        names = {
            ID: len(self.ids),
            TAGS: len(self.tags),
            TAG_WORDS: len(self.words),
            WORDS: len(self.words),
            UPLOADER: len(self.uploaders),
        }
        for field, size in self.sizes.items():
            if names[field] != size:
                raise ValueError(f"{names[field]} names of the field {field!r}, expected {size}")

    def items(self, videos: Sequence[LabelledVideo], embeddings: Sequence[VideoEmbeddings]) -> Items:
        """Return videos by view; ids, tags and uploaders that are not in the vocabulary are missing."""
        rows_of = {
            ID: [_row(self.ids, video.video.video_id) for video in videos],
            TAGS: [self._tag_rows(video.tags) for video in videos],
            TAG_WORDS: [_rows(self.words, words_of(" ".join(video.tags))) for video in videos],
            WORDS: [_rows(self.words, words_of(video.video.text)) for video in videos],
            UPLOADER: [_row(self.uploaders, video.video.uploader_id) for video in videos],
        }
        fields = {name: Ragged.of(rows_of[name]) for name in self.sizes}
        dense = {name: dense_rows(embeddings, name, dim) for name, dim in self.dims.items()}
        masks = [np.diff(lists.starts) > 0 for lists in fields.values()] + [rows.any(axis=1) for rows in dense.values()]
        return Items(fields, dense, np.stack(masks, axis=1))

    def _tag_rows(self, tags: Sequence[str]) -> list[int]:
        found = (self.tags.rows_by_spelling.get(normalise(tag)) for tag in tags)
        return sorted({row for row in found if row is not None})


def build_vocabulary(
    videos: Sequence[LabelledVideo],
    embeddings: Sequence[VideoEmbeddings],
    learnt: Indices,
    views: Sequence[str],
    least_videos: int,
) -> Vocabulary:
    """Build the vocabulary from the videos that are learnt from; it knows nothing of the others.

    videos, embeddings: V; learnt: rows of the videos with an interaction
    views: which to read, in any order; a view that no learnt video has is left out
    least_videos: of a tag, word or uploader
    """
    known = [videos[row] for row in learnt.tolist()]
    catalog, _ = build_catalog((video.tags for video in known), least_videos)
    words = _frequent((words_of(" ".join([video.video.text, *video.tags])) for video in known), least_videos)
    owners = ([] if video.video.uploader_id is None else [video.video.uploader_id] for video in known)
    uploaders = _frequent(owners, least_videos)
    sizes = {ID: len(known), TAGS: len(catalog), TAG_WORDS: len(words), WORDS: len(words), UPLOADER: len(uploaders)}
    dims: dict[str, int] = {}
    for view in MODALITIES:
        width = next((len(embeddings[row].rows[view]) for row in learnt.tolist() if view in embeddings[row].rows), 0)
        if view in views and width:
            dims[view] = width
    return Vocabulary(
        sizes={name: sizes[name] for name in FIELDS if name in views and sizes[name]},
        dims=dims,
        ids={video.video.video_id: row for row, video in enumerate(known)},
        tags=catalog,
        words=words,
        uploaders=uploaders,
    )


def words_of(text: str) -> list[str]:
    """Return the distinct words of a text in their order, normalised."""
    return list(dict.fromkeys(split_words(normalise(text))))


def _frequent(names_of_videos: Iterable[Sequence[str]], least_videos: int) -> dict[str, int]:
    """Return a row for each name of `least_videos` videos or more, in alphabetical order."""
    counts = Counter(name for names in names_of_videos for name in names)
    return {name: row for row, name in enumerate(sorted(name for name in counts if counts[name] >= least_videos))}


def _rows(rows: Mapping[str, int], names: Sequence[str]) -> list[int]:
    return [rows[name] for name in names if name in rows]


def _row(rows: Mapping[str, int], name: str | None) -> list[int]:
    return [] if name is None else _rows(rows, [name])
