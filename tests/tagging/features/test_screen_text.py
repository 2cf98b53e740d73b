"""PP-OCR on rendered and on real frames."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

pytest.importorskip("rapidocr", reason="pip install 'videotag[ocr]' to test the screen reader")

from tagging import concurrency
from tagging.config.media import MediaConfig
from tagging.config.readers import PpOcrConfig
from tagging.errors import ArtifactMismatchError, DeadlineExceededError, MissingWeightsError
from tagging.features.reader_weights import pp_ocr_files
from tagging.features.screen_text import PpOcrReader, evenly_spread, is_same_text, is_trusted
from tagging.media.decode import decode
from tagging.types import Frames

pytestmark = pytest.mark.ocr


@pytest.fixture(scope="module")
def reader() -> PpOcrReader:
    config = PpOcrConfig(threads=1)
    return PpOcrReader(pp_ocr_files(config), config)


def frames(*texts: Sequence[str]) -> Frames:
    """One frame a second, each with its lines of text."""
    pictures = []
    for lines in texts:
        picture = Image.new("RGB", (512, 288), (30, 60, 90))
        for row, line in enumerate(lines):
            font = ImageFont.load_default(40)
            ImageDraw.Draw(picture).text((40, 40 + 80 * row), line, (255, 255, 255), font)
        pictures.append(np.asarray(picture))
    return Frames(np.stack(pictures), np.arange(len(texts), dtype=np.float64))


def test_a_text_is_one_passage_from_the_first_to_the_last_frame_that_shows_it(reader: PpOcrReader) -> None:
    reading = reader.read(frames(["Summer Sale"], ["Summer Sale", "Chapter Two"], ["Chapter Two"], ["Chapter Two"]))
    found = [(passage.text, passage.start_s, passage.end_s) for passage in reading.passages]
    assert found == [("Summer Sale", 0.0, 1.0), ("Chapter Two", 1.0, 3.0)]
    assert all(passage.confidence > 0.9 for passage in reading.passages)


def test_frames_are_not_read_on_when_the_callers_are_gone(reader: PpOcrReader) -> None:
    cancellation = concurrency.Cancellation()
    cancellation.cancel()
    concurrency.set_cancellation(cancellation)
    try:
        with pytest.raises(DeadlineExceededError):
            reader.read(frames(["Summer Sale"]))
    finally:
        concurrency.set_cancellation(None)


def test_pictures_without_text_give_no_passages(reader: PpOcrReader) -> None:
    blank = np.zeros((2, 288, 512, 3), np.uint8)
    noisy = np.random.default_rng(0).integers(0, 256, (2, 288, 512, 3), dtype=np.uint8)
    tiny = np.full((1, 2, 2, 3), 255, np.uint8)
    for pixels in (blank, noisy, tiny):
        assert reader.read(Frames(pixels, np.arange(len(pixels), dtype=np.float64))).passages == ()


def test_several_threads_may_read_at_once(reader: PpOcrReader) -> None:
    videos = [frames([f"Chapter {word}"], [word]) for word in ("Two", "Harvest", "Mountain", "Summer")]
    alone = [reader.read(video) for video in videos]
    assert all(reading.passages for reading in alone)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(reader.read, videos * 2)) == alone * 2


def test_text_on_a_real_video_is_read(reader: PpOcrReader, shared_data: Path) -> None:
    sample = decode(shared_data / "clips" / "panda_9bceab68c8.mp4", MediaConfig())
    assert sample.frames is not None
    texts = [passage.text for passage in reader.read(sample.frames).passages]
    assert "CONNECT ELECTRICAL SUPPLY" in texts


def test_frames_are_evenly_spread() -> None:
    assert evenly_spread(16, 4) == [2, 6, 10, 14]
    assert evenly_spread(3, 4) == [0, 1, 2]
    assert evenly_spread(1, 4) == [0]


def test_numbers_and_single_letters_need_more_confidence_than_words() -> None:
    assert is_trusted("SALE", 0.92)
    assert not is_trusted("SALE", 0.85)
    assert not is_trusted("10", 0.95)
    assert not is_trusted("O", 0.95)
    assert is_trusted("2026", 0.995)


def test_the_same_text_may_have_a_wrong_letter_but_no_other_number() -> None:
    assert is_same_text("Kruger Sightings", "kruger sighitings")
    assert not is_same_text("Part 1 of 20", "Part 2 of 20")
    assert not is_same_text("Chapter Two", "Summer Sale")


def test_weights_that_are_no_ocr_models_are_one_error(tmp_path: Path) -> None:
    config = PpOcrConfig(weights=str(tmp_path))
    (tmp_path / "det.onnx").write_bytes(b"junk")
    with pytest.raises(MissingWeightsError, match=r"no rec\.onnx"):
        pp_ocr_files(config)
    (tmp_path / "rec.onnx").write_bytes(b"junk")
    with pytest.raises(ArtifactMismatchError, match="no PP-OCR models"):
        PpOcrReader(pp_ocr_files(config), config)
