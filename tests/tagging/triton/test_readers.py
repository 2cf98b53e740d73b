"""Readers whose networks are on a real Triton, with the CPU configurations: what they read, versions, cancellation."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

pytest.importorskip("rapidocr", reason="pip install 'videotag[ocr]' to test the screen reader")
pytest.importorskip("faster_whisper", reason="pip install 'videotag[speech]' to test the speech reader")

from ctranslate2 import StorageView

from tagging import concurrency
from tagging.config.media import MediaConfig
from tagging.config.readers import PpOcrConfig
from tagging.errors import ArtifactMismatchError, DeadlineExceededError
from tagging.features.factory import load_encoders
from tagging.features.networks.speech import Encoded, SpeechNetwork
from tagging.features.reader_weights import pp_ocr_files
from tagging.features.screen_text import PpOcrReader
from tagging.features.speech import WhisperReader
from tagging.features.triton.client import TritonClient
from tagging.features.triton.endpoint import Endpoint
from tagging.features.triton.readers import place_speech, screen_sessions
from tagging.media.decode import decode
from tagging.pipeline.load import load_tagger
from tagging.pipeline.triton_towers import triton_models
from tagging.triton.check import check_server
from tagging.types import Frames, Reading
from tests.support.polling import wait_until
from tests.support.triton import MISSING, TritonServer, counters, environment
from tests.tagging.triton.conftest import READERS

pytestmark = [
    pytest.mark.triton,
    pytest.mark.ocr,
    pytest.mark.speech,
    pytest.mark.skipif(environment() is None, reason=MISSING),
]

MODELS = ["screen_detect", "screen_read", "speech"]


@pytest.fixture(scope="module")
def server(exported_readers: Path) -> Iterator[TritonServer]:
    server = TritonServer(exported_readers / "models", MODELS)
    yield server
    server.remove()


@pytest.fixture(scope="module")
def client(server: TritonServer) -> Iterator[TritonClient]:
    with TritonClient(server.url) as client:
        yield client


Readers = tuple[WhisperReader, PpOcrReader]


def readers(client: TritonClient | None) -> Readers:
    encoders = load_encoders(READERS, client)
    assert isinstance(encoders.speech, WhisperReader)
    assert isinstance(encoders.screen, PpOcrReader)
    return encoders.speech, encoders.screen


@pytest.fixture(scope="module")
def here() -> Readers:
    return readers(None)


@pytest.fixture(scope="module")
def there(client: TritonClient) -> Readers:
    return readers(client)


def titles(*lines: str) -> Frames:
    """A frame a second with one line, of any length."""
    pictures = []
    for line in lines:
        picture = Image.new("RGB", (640, 352), (30, 60, 90))
        ImageDraw.Draw(picture).text((20, 160), line, (255, 255, 255), ImageFont.load_default(36))
        pictures.append(np.asarray(picture))
    return Frames(np.stack(pictures), np.arange(len(lines), dtype=np.float64))


def test_text_on_drawn_pictures_is_read_as_in_process(here: Readers, there: Readers) -> None:
    lines = ("Sale", "A longer line of text, 37 signs wide", "12:45", "Summer in the mountains")
    noise = np.random.default_rng(0).integers(0, 256, (2, 90, 160, 3), np.uint8)
    for frames in (titles(*lines), Frames(noise, np.arange(2.0))):
        assert there[1].read(frames) == here[1].read(frames)
    assert [passage.text for passage in there[1].read(titles(*lines)).passages] == list(lines)
    assert there[1].fingerprint == here[1].fingerprint


def test_whisper_computes_of_made_up_spectrograms_what_it_does_in_process(here: Readers, there: Readers) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(-0.5, 0.5, (2, 80, 400)).astype(np.float32)
    start, french, task = map(
        here[0].model.hf_tokenizer.token_to_id, ("<|startoftranscript|>", "<|fr|>", "<|transcribe|>")
    )
    options = {
        "max_length": 12, "suppress_tokens": [1, 2], "beam_size": 1, "patience": 1, "length_penalty": 1,
        "repetition_penalty": 1, "no_repeat_ngram_size": 0, "suppress_blank": True, "max_initial_timestamp_index": 50,
        "return_scores": True, "return_no_speech_prob": True,
    }  # fmt: skip
    want, got = (reader.model.model for reader in (here[0], there[0]))
    encoded, given = (model.encode(StorageView.from_array(features), to_cpu=False) for model in (want, got))
    prompts = [[start, french, task]] * 2
    for plain, found in zip(
        want.generate(encoded, prompts, **options), got.generate(given, prompts, **options), strict=True
    ):
        assert found.sequences_ids == plain.sequences_ids
        np.testing.assert_allclose(found.scores, plain.scores, atol=1e-4)
        np.testing.assert_allclose(found.no_speech_prob, plain.no_speech_prob, atol=1e-4)
    for pairs, plain_pairs in zip(got.detect_language(given), want.detect_language(encoded), strict=True):
        assert pairs[0][0] == plain_pairs[0][0]
        assert dict(pairs) == pytest.approx(dict(plain_pairs), abs=1e-4)
    assert there[0].fingerprint == here[0].fingerprint


def test_rows_of_a_request_may_ask_for_different_things(client: TritonClient, there: Readers) -> None:
    [model] = [model for model in there[0].networks if model.spec.name == "speech"]
    inputs = {
        "features": np.random.default_rng(1).normal(-0.5, 0.5, (4, 80, 300)).astype(np.float32),
        "encoding": np.random.default_rng(2).normal(0, 1, (4, 150, 512)).astype(np.float32),
        "prompt": np.full((4, 1), 50258, np.int32),
        "suppressed": np.array([[1], [1], [2], [1]], np.int32),
        "length": np.array([[6], [0], [6], [4]], np.int32),
    }
    [together] = model.many([inputs])
    for row in range(4):
        [alone] = model.many([{name: values[row : row + 1] for name, values in inputs.items()}])
        for name, values in alone.items():
            width = values.shape[1]
            np.testing.assert_allclose(together[name][row : row + 1, :width], values, atol=1e-5)
            padding = -1 if name == "tokens" else 0
            assert (together[name][row, width:] == padding).all()
    assert together["encoding"].any(axis=(1, 2)).tolist() == [False, True, False, False]
    assert together["languages"].any(axis=1).tolist() == [False, True, False, False]
    assert (together["tokens"] >= 0).any(axis=1).tolist() == [True, False, True, True]


def test_decoding_that_is_not_greedy_is_refused(there: Readers) -> None:
    encoded = Encoded(np.zeros((1, 16, 512), np.float32), np.zeros((1, 99), np.float32))
    with pytest.raises(ArtifactMismatchError, match="faster-whisper decodes by"):
        there[0].model.model.generate(encoded, [[1]], max_length=4, suppress_tokens=[1], beam_size=5)


def test_real_videos_are_read_as_in_process(here: Readers, there: Readers, shared_data: Path) -> None:
    sound = decode(shared_data / "clips" / "panda_d2aae68c6c.mp4", MediaConfig()).sound
    frames = decode(shared_data / "clips" / "panda_9bceab68c8.mp4", MediaConfig()).frames
    assert sound is not None
    assert frames is not None
    found: list[Reading] = [there[0].read(sound), there[1].read(frames)]
    assert all(reading.passages for reading in found)
    assert found == [here[0].read(sound), here[1].read(frames)]


def test_the_models_of_readers_are_checked_and_probed(
    exported_readers: Path, server: TritonServer, client: TritonClient
) -> None:
    checked = check_server(server.repository, Endpoint.of(server.url))
    assert [row.model for row in checked] == ["screen_detect", "screen_read", "speech"]
    assert max(row.largest_difference for row in checked) <= 1e-4
    with load_tagger(exported_readers / "bundle", triton=client) as tagger:
        models = triton_models(tagger.models)
    assert sorted(model.spec.name for model in models) == MODELS
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
    with pytest.raises(ArtifactMismatchError, match="no version of speech has the fingerprint"):
        place_speech(client, SpeechNetwork({"model.bin": [tmp_path / "rec.onnx"]}, 80, 512, ("<|en|>",)))


def cancelled_after_an_answer(server: TritonServer, model: str, read: Callable[[], Reading]) -> int:
    """Cancel a reading after the model's first answer; return the number of its answers."""
    cancellation, context = concurrency.Cancellation(), copy_context()
    context.run(concurrency.set_cancellation, cancellation)
    before = counters(server, model)[0]
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(context.run, read)
        wait_until(lambda: counters(server, model)[0] > before)
        cancellation.cancel()
        with pytest.raises((DeadlineExceededError, CancelledError)):
            reading.result()
    return counters(server, model)[0] - before


def test_reading_the_screen_ends_with_its_callers(server: TritonServer, there: Readers) -> None:
    frames = titles(*"abcdef")
    assert cancelled_after_an_answer(server, "screen_detect", lambda: there[1].read(frames)) < len(frames.pixels)


def test_reading_speech_ends_with_its_callers(server: TritonServer, there: Readers, shared_data: Path) -> None:
    sound = decode(shared_data / "clips" / "panda_d2aae68c6c.mp4", MediaConfig()).sound
    assert sound is not None
    cancelled_after_an_answer(server, "speech", lambda: there[0].read(sound))  # which is the language
