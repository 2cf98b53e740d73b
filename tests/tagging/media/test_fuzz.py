import multiprocessing
import os
from collections import Counter
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from tagging.config.media import MediaConfig
from tagging.errors import InvalidMediaError, MediaLimitError
from tagging.media.pool import DecodePool
from tagging.media.source import OpenFile
from tagging.tools.load_test.mutate import mutant
from tagging.types import MediaSample
from tests.support.healthy_media import clips

CONFIG = MediaConfig(frames=4, decode_timeout_s=30.0)
ROUNDS, AT_ONCE = 50, 8


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def processes() -> set[int | None]:
    return {child.pid for child in multiprocessing.active_children()}


def submitted(pool: DecodePool, folder: Path, content: bytes) -> Future[MediaSample]:
    with (folder / "file").open("wb+") as file:
        (folder / "file").unlink()
        file.write(content)
        file.flush()
        return pool.submit(OpenFile(file.fileno(), "file"))


def test_every_damaged_file_gives_a_sample_or_a_known_error_without_leaks(tmp_path: Path) -> None:
    (tmp_path / "healthy").mkdir()
    healthy = clips(tmp_path / "healthy")
    rng = np.random.default_rng(4)
    outcomes: Counter[str] = Counter()
    with DecodePool(CONFIG, workers=2) as pool:
        for future in [submitted(pool, tmp_path, data) for data in healthy]:
            future.result()
        open_before, running = descriptors(), processes()
        for _ in range(ROUNDS):
            for future in [submitted(pool, tmp_path, mutant(healthy, rng)) for _ in range(AT_ONCE)]:
                error = future.exception()
                assert error is None or isinstance(error, InvalidMediaError | MediaLimitError), error
                outcomes[type(error).__name__] += 1
        assert descriptors() == open_before
        assert processes() == running  # no worker had to be replaced
    assert processes() == set()
    assert outcomes["NoneType"] > ROUNDS * AT_ONCE / 5
    assert outcomes["InvalidMediaError"] > ROUNDS * AT_ONCE / 5
