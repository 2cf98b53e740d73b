"""Embeddings grown from real ones."""

import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from tagging.bench.embeddings import grow, grown_file
from tagging.errors import VideotagError
from tests.support.embeddings import clustered


def test_grown_rows_are_the_real_rows_and_unit_rows_close_to_two_of_them() -> None:
    real = clustered(np.random.default_rng(0), 300)
    rows = grow(real, 1_000, np.random.default_rng(1))
    np.testing.assert_array_equal(rows[:300], real)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    nearest = np.sort(rows[300:] @ real.T, axis=1)
    by_chance = np.sort(clustered(np.random.default_rng(2), 700) @ real.T, axis=1)
    assert (nearest[:, -2] > 0.6).mean() > 0.9
    assert (by_chance[:, -2] > 0.6).mean() < 0.5
    np.testing.assert_array_equal(rows, grow(real, 1_000, np.random.default_rng(1)))


def test_growing_to_fewer_rows_truncates() -> None:
    real = clustered(np.random.default_rng(0), 50)
    np.testing.assert_array_equal(grow(real, 20, np.random.default_rng(1)), real[:20])


def test_rows_of_a_file_are_the_grown_ones_and_the_file_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    real = clustered(np.random.default_rng(0), 50)
    with grown_file(real, 200, np.random.default_rng(1)) as rows:
        np.testing.assert_array_equal(rows, grow(real, 200, np.random.default_rng(1)))
        assert isinstance(rows, np.memmap)
    assert not list(tmp_path.iterdir())


def test_rows_that_do_not_fit_on_the_disk_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**30, 2**30, 0))
    real = clustered(np.random.default_rng(0), 50)
    with pytest.raises(VideotagError, match="200 rows need"), grown_file(real, 200, np.random.default_rng(1)):
        pass
    assert not list(tmp_path.iterdir())
