"""Real weights on OpenVINO against torch and ONNX Runtime: drawn text, and tags of real clips."""

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from tagging.config.encoders import EfficientNetLiteConfig, RuntimeName
from tagging.config.readers import PpOcrConfig
from tagging.features.efficientnet_lite import EfficientNetLiteEncoder
from tagging.features.networks.placement import frames_on
from tagging.features.openvino.runtime import OpenVinoRuntime
from tagging.features.reader_weights import pp_ocr_files
from tagging.features.weights import efficientnet_lite_file
from tagging.pipeline.load import load_tagger
from tagging.types import Frames, RankedTags, VideoRef

pytestmark = pytest.mark.skipif(find_spec("openvino") is None, reason="needs the extra openvino")

CLIPS = ("panda_9bceab68c8.mp4", "kinetics_0f6d0c50a5.mp4")


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOTAG_HOME", str(tmp_path))


def titled(*lines: str) -> Frames:
    """A frame for each line, which it shows."""
    pictures = [Image.new("RGB", (512, 288), (30, 60, 90)) for _ in lines]
    for picture, line in zip(pictures, lines, strict=True):
        ImageDraw.Draw(picture).text((40, 100), line, (255, 255, 255), ImageFont.load_default(40))
    return Frames(np.stack([np.asarray(picture) for picture in pictures]), np.arange(float(len(lines))))


def test_efficientnet_lite_gives_the_same_directions() -> None:
    config = EfficientNetLiteConfig(backend="efficientnet-lite")
    local = EfficientNetLiteEncoder(efficientnet_lite_file(config), config)
    encoder = frames_on(OpenVinoRuntime("f32"), local)
    frames = titled("Summer", "Sale", "Mountain", "Chapter Two", "Harvest")
    want, got = local.encode(local.prepare(frames)), encoder.encode(encoder.prepare(frames))
    cosines = (want * got).sum(axis=1) / np.linalg.norm(want, axis=1) / np.linalg.norm(got, axis=1)
    assert cosines.min() > 1 - 1e-5


@pytest.mark.ocr
@pytest.mark.skipif(find_spec("rapidocr") is None, reason="needs the extra ocr")
def test_the_same_lines_are_read_from_several_threads_at_once() -> None:
    from tagging.features.openvino.pp_ocr import openvino_sessions
    from tagging.features.screen_text import PpOcrReader

    files, config = pp_ocr_files(PpOcrConfig()), PpOcrConfig()
    reader, other = PpOcrReader(files, config), PpOcrReader(files, config, openvino_sessions)
    assert other.fingerprint == reader.fingerprint
    videos = [titled("Summer Sale", "Chapter Two"), titled("Harvest"), titled("Mountain view")]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(other.read, videos))
    for video, reading in zip(videos, found, strict=True):
        want = reader.read(video).passages
        assert [(line.text, line.start_s) for line in reading.passages] == [(line.text, line.start_s) for line in want]
        assert reading.passages


@pytest.mark.slow
def test_real_clips_get_the_same_tags(shared_data: Path) -> None:
    def answers(runtime: RuntimeName) -> list[RankedTags]:
        videos = [VideoRef(clip, str(shared_data / "clips" / clip)) for clip in CLIPS]
        with load_tagger(runtime=runtime) as tagger:
            return [tagger.tag(video, tagger.selection(max_tags=None)) for video in videos]

    for got, want in zip(answers("openvino"), answers("torch"), strict=True):
        assert [tag.name for tag in got.tags] == [tag.name for tag in want.tags]
        assert [tag.confidence for tag in got.tags] == pytest.approx([tag.confidence for tag in want.tags], abs=1e-3)
