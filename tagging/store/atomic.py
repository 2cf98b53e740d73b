"""Writing whole or not at all: into a hidden sibling that takes the name at the end.

A process that is killed leaves at most the hidden sibling, which the next writer of the same name removes.
"""

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from tagging.errors import OutputExistsError


@contextmanager
def partial_folder(out: Path) -> Iterator[Path]:
    """A hidden sibling of `out` to fill and rename; what is still under that name at the end is removed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{out.name}.partial-"
    _remove_abandoned(out.parent, prefix)
    partial = out.parent / f"{prefix}{uuid.uuid4().hex}"
    partial.mkdir()
    handle = os.open(partial, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # tells a later run that this folder's writer lives
        yield partial
    finally:
        os.close(handle)
        shutil.rmtree(partial, ignore_errors=True)


def require_new(out: Path) -> None:
    """Called before the work that leads to a folder: OutputExistsError where something is already.

    OSError where no folder can be made.
    """
    if os.path.lexists(out):
        raise OutputExistsError(f"{out} exists; a folder is never written over", "choose another place, or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(out.parent, os.W_OK):
        raise PermissionError(f"no right to write into {out.parent}")


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A hidden sibling to fill; renamed to `out` when the block ends without an error."""
    require_new(out)
    with partial_folder(out) as partial:
        yield partial
        try:
            partial.rename(out)
        except OSError as error:  # somebody else finished first
            raise OutputExistsError(f"{out} appeared while it was made", "choose another place") from error


@contextmanager
def partial_file(path: Path) -> Iterator[Path]:
    """A hidden sibling to write; it takes the place of `path` when the block ends, and is gone after an error."""
    partial = path.with_name(f".{path.name}.partial-{uuid.uuid4().hex}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_text_file(path: Path) -> Iterator[TextIO]:
    """The same as an open UTF-8 text file."""
    with partial_file(path) as partial, partial.open("w", encoding="utf-8") as file:
        yield file


def _remove_abandoned(parent: Path, prefix: str) -> None:
    for path in parent.iterdir():
        if not path.name.startswith(prefix):
            continue
        with suppress(FileNotFoundError, BlockingIOError):  # gone meanwhile, or its writer lives
            handle = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(handle)
