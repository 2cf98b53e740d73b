"""The folder of an index that grows. The highest number in it counts:

    lock              one process at a time
    000000/journal    over an index that lies elsewhere, in a bundle for instance
    000001/journal    after the first snapshot: what this generation holds, and every change since
           base/      a saved index of its own
           ids.npy    the id of each of its rows

A generation is written beside the others and takes its name when all of it is on the disk.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import struct
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recall.index.base import VectorIndex
from recall.index.factory import drop_index, load_index
from recall.index.journal import Journal, read_journal
from recall.index.live import Ids, LiveRows, Rows
from tagging.config import IndexConfig
from tagging.errors import ArtifactCorruptError, ArtifactError, ArtifactMismatchError, VideotagError

logger = logging.getLogger(__name__)

FORMAT = 1
ADDED, REMOVED = b"A", b"R"  # a record's first byte, after the journal's first record, which is JSON
FIRST_ID = struct.Struct("<q")
RESTORE = "restore it from a backup; without one, remove the folder and add the rows again"


def lock(folder: Path) -> int:
    """An open file whose lock says that this process has the folder; ArtifactError where another one has it."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise ArtifactError(f"{folder} is open elsewhere", "one process at a time grows an index") from error
    return handle


def numbers(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def generation(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}"


def journal(folder: Path) -> Path:
    return folder / "journal"


def added(first_id: int, rows: Rows) -> bytes:
    return ADDED + FIRST_ID.pack(first_id) + rows.astype("<f4").tobytes()


def removed(ids: Ids) -> bytes:
    return REMOVED + ids.astype("<i8").tobytes()


def changes(before: LiveRows, now: LiveRows) -> list[bytes]:
    """Records that lead from the live rows of one moment to those of a later one over the same base."""
    new = now.tail[len(before.tail) :]
    were_live = np.concatenate([before.tail_live, np.ones(len(new), np.bool_)])
    gone = np.concatenate([now.base_ids[before.base_live & ~now.base_live], now.tail_ids[were_live & ~now.tail_live]])
    return ([added(before.next_id, new)] if len(new) else []) + ([removed(gone)] if len(gone) else [])


def replayed(live: LiveRows, records: Iterable[bytes]) -> LiveRows:
    """The rows after the changes of the records; ValueError where these do not follow on each other."""
    tail, gone, next_id = [live.tail], [np.zeros(0, np.int64)], live.next_id
    for record in records:
        kind, body = record[:1], record[1:]
        if kind == REMOVED:
            gone.append(np.frombuffer(body, "<i8").astype(np.int64))
        elif kind == ADDED and FIRST_ID.unpack_from(body)[0] == next_id:
            rows = np.frombuffer(body, "<f4", offset=FIRST_ID.size).astype(np.float32)
            tail.append(rows.reshape(-1, live.base.dim))
            next_id += len(tail[-1])
        else:
            raise ValueError(f"a record {kind!r} where the next id is {next_id}")
    return live.with_tail(np.concatenate(tail)).without(np.concatenate(gone))  # no id is used twice: any order will do


def save_base(folder: Path, base: VectorIndex, config: IndexConfig, ids: Ids) -> dict[str, Any]:
    """Write a base of its own into a new generation; returns what its header says of it."""
    (folder / "base").mkdir()
    base.save(folder / "base")
    np.save(folder / "ids.npy", ids, allow_pickle=False)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    _sync(*files)
    return {
        "index": config.model_dump(mode="json"),
        "files": {path.relative_to(folder).as_posix(): _sha256(path) for path in files},
    }


def write(folder: Path, over: str, live: LiveRows, own: dict[str, Any], records: Sequence[bytes]) -> None:
    """Complete a new generation: its journal begins with what it holds, and all of the folder is on the disk.

    live: its rows before the changes of the records
    own:  what `save_base` returned; empty where the base lies elsewhere
    """
    header = {"format": FORMAT, "over": over, "dim": live.base.dim, "rows": len(live), "next_id": live.next_id, **own}
    file = Journal(journal(folder))
    try:
        for record in (json.dumps(header).encode(), *records):
            file.append(record)
    finally:
        file.close()
    _sync(*folder.rglob("*"), folder)


def rename(partial: Path, target: Path) -> None:
    partial.rename(target)
    _sync(target.parent)


def read(folder: Path, over: str, first: Callable[[], VectorIndex]) -> LiveRows:
    """The rows of a generation, every file of it checked. first: loads a base that lies elsewhere."""
    [begin, *records], cut = read_journal(journal(folder))
    if cut:
        logger.warning("%s: the last record was torn, its %d bytes were cut off", journal(folder), cut)
    header = json.loads(begin)
    if (header["format"], header["over"]) != (FORMAT, over):
        raise ArtifactMismatchError(
            f"{folder.parent} grows {header['over']!r} in format {header['format']}, expected {over!r} in {FORMAT}",
            "give each index a folder of its own",
        )
    if "index" in header:
        for name, sha256 in header["files"].items():
            if (found := _sha256(folder / name)) != sha256:
                raise ArtifactCorruptError(
                    f"{folder / name} has sha256 {found[:12]}…, expected {sha256[:12]}…", RESTORE
                )
        config = IndexConfig.model_validate(header["index"])
        base = load_index(folder / "base", config, header["dim"], header["rows"])
        ids: Ids = np.load(folder / "ids.npy", allow_pickle=False)
    else:
        base = first()
        ids = np.arange(len(base))
        if (base.dim, len(base)) != (header["dim"], header["rows"]):
            raise ArtifactMismatchError(
                f"{folder.parent} grows an index of {header['rows']} rows of width {header['dim']}, "
                f"the one given has {len(base)} of {base.dim}",
                "give each index a folder of its own",
            )
    try:
        return replayed(LiveRows.of(base, ids, header["next_id"]), records)
    except ValueError as error:
        raise ArtifactCorruptError(f"{journal(folder)}: {error}", RESTORE) from error


def discard(folder: Path) -> None:
    """Remove a generation that counts no more; one that cannot be removed now is tried again at the next time."""
    try:
        header = json.loads(read_journal(journal(folder))[0][0])
        if "index" in header:
            drop_index(folder / "base", IndexConfig.model_validate(header["index"]))
    except (VideotagError, OSError) as error:
        logger.warning("%s counts no more, and cannot be removed: %s", folder, error)
        return
    shutil.rmtree(folder, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(*paths: Path) -> None:
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
