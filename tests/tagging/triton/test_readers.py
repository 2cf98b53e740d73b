"""Readers whose networks are on a real Triton, with the CPU configurations: what they read, versions, cancellation."""

import shutil
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

pytest.importorskip("rapidocr", reason="pip install 'videotag[ocr]' to test the screen reader")

from tagging import concurrency
from tagging.config.encoders import EncodersConfig, HashedTextConfig
from tagging.config.media import MediaConfig
from tagging.config.readers import PpOcrConfig
from tagging.errors import ArtifactMismatchError, DeadlineExceededError
from tagging.features.factory import load_encoders
from tagging.features.reader_weights import pp_ocr_files
from tagging.features.screen_text import PpOcrReader
from tagging.features.triton.client import TritonClient
from tagging.features.triton.endpoint import Endpoint
from tagging.features.triton.readers import screen_sessions
from tagging.features.triton.runtime import models_of
from tagging.media.decode import decode
from tagging.progress import Silent
from tagging.triton.check import check_server
from tagging.triton.export import export_bundle
from tagging.types import Frames
from tests.support.build_once import build_once
from tests.support.polling import wait_until
from tests.support.triton import MISSING, TritonServer, counters, environment
from tests.tagging.triton.conftest import write_bundle

pytestmark = [
    pytest.mark.triton, pytest.mark.ocr, pytest.mark.skipif(environment() is None, reason=MISSING)
]  # fmt: skip

CONFIG = EncodersConfig(
    device="cpu", text=HashedTextConfig(backend="hashed-ngrams"), screen=PpOcrConfig(frames=6, threads=1)
)
SCREEN = ["screen_detect", "screen_read"]


@pytest.fixture(scope="module")
def server(built_once: Path, tiny_starter: Path) -> Iterator[TritonServer]:
    """A server of a bundle whose only networks are the readers'."""

    def export(folder: Path) -> None:
        write_bundle(tiny_starter, folder / "bundle", CONFIG)
        export_bundle(folder / "bundle", folder / "models", Silent())

    folder = build_once(built_once, "triton-readers", export)
    server = TritonServer(folder / "models", SCREEN)
    yield server
    server.remove()


@pytest.fixture
def client(server: TritonServer) -> Iterator[TritonClient]:
    with TritonClient(server.url) as client:
        yield client


def titles(*lines: str) -> Frames:
    """A frame a second with one line, of any length."""
    pictures = []
    for line in lines:
        picture = Image.new("RGB", (640, 352), (30, 60, 90))
        ImageDraw.Draw(picture).text((20, 160), line, (255, 255, 255), ImageFont.load_default(36))
        pictures.append(np.asarray(picture))
    return Frames(np.stack(pictures), np.arange(len(lines), dtype=np.float64))


def test_text_on_drawn_pictures_is_read_as_in_process(client: TritonClient) -> None:
    here, there = load_encoders(CONFIG).screen, load_encoders(CONFIG, client).screen
    assert here is not None
    assert there is not None
    lines = ("Sale", "A longer line of text, 37 signs wide", "12:45", "Summer in the mountains")
    noise = np.random.default_rng(0).integers(0, 256, (2, 90, 160, 3), np.uint8)
    for frames in (titles(*lines), Frames(noise, np.arange(2.0))):
        assert there.read(frames) == here.read(frames)
    assert [passage.text for passage in there.read(titles(*lines)).passages] == list(lines)
    assert there.fingerprint == here.fingerprint


def test_text_on_a_real_video_is_read_as_in_process(client: TritonClient, shared_data: Path) -> None:
    frames = decode(shared_data / "clips" / "panda_9bceab68c8.mp4", MediaConfig()).frames
    here, there = load_encoders(CONFIG).screen, load_encoders(CONFIG, client).screen
    assert frames is not None
    assert here is not None
    assert there is not None
    found = there.read(frames)
    assert found.passages
    assert found == here.read(frames)


def test_the_models_of_readers_are_checked_and_probed(server: TritonServer, client: TritonClient) -> None:
    assert [row.model for row in check_server(server.repository, Endpoint.of(server.url))] == SCREEN
    models = models_of(load_encoders(CONFIG, client).readers().values())
    assert [model.spec.name for model in models] == SCREEN
    assert all(model.works() for model in models)


def test_a_server_with_other_weights_is_refused(client: TritonClient, tmp_path: Path) -> None:
    import onnx

    for name, path in pp_ocr_files(PpOcrConfig()).items():
        shutil.copyfile(path, tmp_path / name)
    model = onnx.load(tmp_path / "rec.onnx")
    model.doc_string = "other"
    onnx.save(model, tmp_path / "rec.onnx")
    config = PpOcrConfig(weights=str(tmp_path))
    with pytest.raises(ArtifactMismatchError, match="no version of screen_read has the fingerprint"):
        PpOcrReader(pp_ocr_files(config), config, screen_sessions(client))


def test_a_reading_ends_with_its_callers(server: TritonServer, client: TritonClient) -> None:
    reader = load_encoders(CONFIG, client).screen
    assert reader is not None
    cancellation, context = concurrency.Cancellation(), copy_context()
    context.run(concurrency.set_cancellation, cancellation)
    before = counters(server, "screen_detect")[0]
    frames = titles(*"abcdef")
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(context.run, reader.read, frames)
        wait_until(lambda: counters(server, "screen_detect")[0] > before)
        cancellation.cancel()
        with pytest.raises((DeadlineExceededError, CancelledError)):
            reading.result()
    assert counters(server, "screen_detect")[0] < before + len(frames.pixels)
