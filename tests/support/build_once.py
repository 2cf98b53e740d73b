"""Files that are expensive to make, built once for all pytest-xdist workers of a test session.

The first worker that needs them builds, under a file lock; the others wait and read. This is the recipe of the
pytest-xdist documentation ("making session-scoped fixtures execute only once").
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def session_root(factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return a temporary folder that all workers of this session share.

    worker_id: "master" without pytest-xdist, else gw0, gw1, ...
    """
    base = factory.getbasetemp()
    root = (base if worker_id == "master" else base.parent) / "built-once"
    root.mkdir(exist_ok=True)
    return root


def build_once(root: Path, name: str, build: Callable[[Path], object]) -> Path:
    """Return the folder root/name, filled by `build` in one worker. Tests that change its files copy it first."""
    folder, complete = root / name, root / f"{name}.complete"
    with FileLock(root / f"{name}.lock"):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)  # left by a build that failed
            folder.mkdir()
            build(folder)
            complete.touch()
    return folder
