"""Name vectors and class-to-tag links of a bundle: the files that its name sources and tag edits read."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tagging.bundle.manifest import NamesEntry
from tagging.files.tables import numbers, read_table
from tagging.tags.catalog import TagCatalog
from tagging.text.normalise import normalise
from tagging.types import ClassTags, Modality


def save_name_vectors(folder: Path, vectors: NDArray[np.float32]) -> None:
    """Write names.npy in fp16; vectors: (N, D) unit rows."""
    np.save(folder / "names.npy", vectors.astype(np.float16), allow_pickle=False)


def load_name_vectors(folder: Path, entry: NamesEntry) -> NDArray[np.float32]:
    """Return (N, D) the vectors of names.npy; ValueError if their shape is not the entry's."""
    vectors = np.load(folder / "names.npy", allow_pickle=False)
    if vectors.shape != (entry.count, entry.dim):
        raise ValueError(f"names {vectors.shape}, the manifest states {(entry.count, entry.dim)}")
    return np.asarray(vectors, np.float32)


def save_class_words(folder: Path, vectors: Mapping[str, NDArray[np.float32]]) -> None:
    """Write words.parquet in fp16; vectors: by normal form, (D,) unit rows of words of classes that are no tag."""
    rows = np.stack(list(vectors.values())).astype(np.float16)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
    pq.write_table(pa.table({"word": pa.array(list(vectors)), "vector": lists}), folder / "words.parquet")


def load_word_vectors(
    folder: Path, entry: NamesEntry, catalog: TagCatalog, words: Iterable[str]
) -> dict[str, NDArray[np.float32]]:
    """Return, by normal form, the (D,) vectors of those of the words that names.npy or words.parquet holds.

    Raises ValueError if their shapes are not the entry's.
    """
    vectors, rows = np.load(folder / "names.npy", mmap_mode="r", allow_pickle=False), entry.rows()
    if vectors.shape != (entry.count, entry.dim):
        raise ValueError(f"names {vectors.shape}, the manifest states {(entry.count, entry.dim)}")
    found = _class_words(folder, entry) if entry.words else {}
    for form in map(normalise, words):
        row = catalog.rows_by_spelling.get(form)
        if row is None or normalise(catalog.names[row]) != form:  # an alias has no vector of its own
            continue
        position = int(np.searchsorted(rows, row))
        if position < len(rows) and rows[position] == row:
            found[form] = np.asarray(vectors[position], np.float32)
    return found


def _class_words(folder: Path, entry: NamesEntry) -> dict[str, NDArray[np.float32]]:
    table = read_table(folder / "words.parquet")
    vectors = np.array(table["vector"].to_pylist(), np.float32)
    if vectors.shape != (entry.words, entry.dim):
        raise ValueError(f"words {vectors.shape}, the manifest states {(entry.words, entry.dim)}")
    return dict(zip(table["word"].to_pylist(), vectors, strict=True))


def save_class_tags(folder: Path, modality: Modality, links: ClassTags) -> None:
    """Write the tags that the classes of a modality's encoder indicate to <modality>.parquet."""
    table = pa.table(
        {
            "tag": pa.array(links.tag_rows, pa.int32()),
            "class": pa.array(links.class_rows, pa.int32()),
            "weight": pa.array(links.weights, pa.float32()),
        }
    )
    pq.write_table(table, folder / f"{modality}.parquet")


def load_class_tags(folder: Path, modality: Modality, entry: NamesEntry) -> ClassTags:
    """Return the links of <modality>.parquet; ValueError if they name a tag without a name vector."""
    table = read_table(folder / f"{modality}.parquet")
    tag_rows = numbers(table["tag"]).astype(np.int64)
    if not np.isin(tag_rows, entry.rows()).all():
        raise ValueError(f"{modality}.parquet names tags that are not among the {entry.count} with names")
    return ClassTags(
        tag_rows=tag_rows,
        class_rows=numbers(table["class"]).astype(np.int64),
        weights=numbers(table["weight"]).astype(np.float32),
        classes=entry.classes[modality],
    )
