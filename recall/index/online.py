"""An index that labelled videos are added to and removed from while it is searched.

A built index, its base, never changes. Rows that were added since stand in a tail that is searched exactly, removed
ones are only marked, and every change is in a journal before anybody is told of it. `snapshot` folds all of it into a
new base.
"""

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from recall.index import generations
from recall.index.base import SearchResult, VectorIndex, check_rows
from recall.index.factory import build_index, drop_index
from recall.index.generations import generation
from recall.index.journal import Journal
from recall.index.live import Ids, LiveRows, Rows
from tagging.config import IndexConfig
from tagging.store.atomic import partial_folder


class GrowingIndex:
    """Ids are the places of the first base's rows, then the next numbers; none is ever used twice.

    Safe to use from several threads: searches never wait; additions, removals and the end of a snapshot do.
    """

    def __init__(self, folder: Path, config: IndexConfig, lock: int, over: str, number: int, live: LiveRows) -> None:
        """For `open`. lock: of the folder; number: of the generation that counts; live: its rows."""
        self.dim = live.base.dim
        self._folder = folder
        self._config = config
        self._lock = lock
        self._over = over
        self._number = number
        self._live = live
        self._room = live.tail  # grows by doubling; tails are its beginnings
        self._journal = Journal(generations.journal(generation(folder, number)))
        self._changing = threading.Lock()
        self._folding = threading.Lock()

    @classmethod
    def open(cls, folder: Path, over: str, first: Callable[[], VectorIndex], config: IndexConfig) -> "GrowingIndex":
        """The index as the folder has it, or a new one there.

        over:   what names the index that grows, a bundle's version and channel for instance
        first:  loads that index; called only while there is no snapshot
        config: how snapshots are built from now on

        Raises ArtifactError for a folder that another process has, ArtifactMismatchError for one over another index,
        ArtifactCorruptError for a damaged one. A torn last record is cut off with a warning.
        """
        folder.mkdir(parents=True, exist_ok=True)
        lock = generations.lock(folder)
        with ExitStack() as undo:
            undo.callback(os.close, lock)
            if not generations.numbers(folder):
                base = first()
                with partial_folder(generation(folder, 0)) as partial:
                    generations.write(partial, over, LiveRows.of(base, np.arange(len(base)), len(base)), {}, [])
                    generations.rename(partial, generation(folder, 0))
            number = generations.numbers(folder)[-1]
            live = generations.read(generation(folder, number), over, first)
            index = cls(folder, config, lock, over, number, live)
            undo.pop_all()
        index._discard_before(number)
        return index

    def __enter__(self) -> "GrowingIndex":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._journal.close()
        os.close(self._lock)

    def __len__(self) -> int:
        """Live rows."""
        return len(self._live)

    def __contains__(self, row_id: int) -> bool:
        return bool(self._live.has(np.array([row_id], np.int64))[0])

    @property
    def is_exact(self) -> bool:
        return self._live.base.is_exact

    @property
    def next_id(self) -> int:
        """The id of the row that is added next.

        Who must not add a row twice after a crash notes this number beside what is added: where the index, opened
        again, stands higher, the row is there.
        """
        return self._live.next_id

    @property
    def unfolded(self) -> int:
        """Rows added and rows of the base removed since the base was built."""
        live = self._live
        return len(live.tail) + int(np.count_nonzero(~live.base_live))

    def search(self, queries: Rows, k: int) -> SearchResult:
        return self._live.search(check_rows(queries, self.dim), k)

    def add(self, rows: Rows) -> Ids:
        """The ids of (n, D) unit rows, which are on the disk and are found from now on."""
        rows = check_rows(rows, self.dim)
        with self._changing:
            first_id = self._live.next_id
            if len(rows):
                self._journal.append(generations.added(first_id, rows))
                self._live = self._live.with_tail(self._grown(self._live.tail, rows))
        return np.arange(first_id, first_id + len(rows))

    def remove(self, ids: Iterable[int]) -> int:
        """How many of the rows were there; they are found no more. ValueError for an id that no row ever had."""
        asked = np.unique(np.fromiter(ids, np.int64))
        with self._changing:
            if len(asked) and not 0 <= asked[0] <= asked[-1] < self._live.next_id:
                raise ValueError(f"ids from {asked[0]} to {asked[-1]}, expected 0 to {self._live.next_id - 1}")
            there = asked[self._live.has(asked)]
            if len(there):
                self._journal.append(generations.removed(there))
                self._live = self._live.without(there)
        return len(there)

    def snapshot(self) -> None:
        """Build a new base of the live rows, with nothing to fold, while searches and changes go on.

        Takes the time and memory of a build. When it fails, or the process is killed, all is as before. The base
        before is kept until the next snapshot or opening, as a search may still be in it.
        """
        with self._folding:
            before, number = self._live, self._number + 1
            target = generation(self._folder, number)
            with partial_folder(target) as partial, ExitStack() as undo:
                base = build_index(before.rows, self._config)
                own = generations.save_base(partial, base, self._config, before.ids)
                undo.callback(drop_index, partial / "base", self._config)
                live = LiveRows.of(base, before.ids, before.next_id)
                with self._changing:
                    records = generations.changes(before, self._live)
                    generations.write(partial, self._over, live, own, records)
                    self._journal.close()  # a change that it took from here on would be lost
                    generations.rename(partial, target)
                    undo.pop_all()
                    self._journal = Journal(generations.journal(target))
                    self._live = generations.replayed(live, records)
                    self._room = self._live.tail
                    self._number = number
            self._discard_before(number - 1)

    def _grown(self, tail: Rows, rows: Rows) -> Rows:
        """The tail and the rows behind it. The part of the room that earlier tails show is left alone."""
        length = len(tail) + len(rows)
        if length > len(self._room):
            self._room = np.empty((max(2 * len(tail), length), self.dim), np.float32)
            self._room[: len(tail)] = tail
        self._room[len(tail) : length] = rows
        return self._room[:length]

    def _discard_before(self, number: int) -> None:
        for old in generations.numbers(self._folder):
            if old < number:
                generations.discard(generation(self._folder, old))
