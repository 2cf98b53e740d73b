"""The made-up work of readers."""

import pytest

from tagging.bench.reading_work import PICTURES, reading_work
from tagging.features.factory import Encoders
from tagging.types import Frames, Passage, Reading
from tests.support.readers import ScriptedScreen


class Watching(ScriptedScreen):
    """Keeps the frames that it read."""

    def read(self, frames: Frames) -> Reading:
        self.frames = frames
        return super().read(frames)


def test_the_pictures_of_a_video_have_text_and_differ() -> None:
    first, second = Watching(Passage("SALE", 0.0, 0.0, 0.99)), Watching()
    for reader in (first, second):
        work = reading_work(Encoders(screen=reader), seed=3)
        assert list(work) == ["text on the screen"]
        work["text on the screen"]()
    assert (first.frames.pixels == second.frames.pixels).all()
    pictures = first.frames.pixels
    assert len({picture.tobytes() for picture in pictures}) == PICTURES
    assert all((picture == 255).all(axis=2).mean() > 0.01 for picture in pictures)  # the signs


@pytest.mark.speech
def test_speech_is_half_a_minute_of_tokens() -> None:
    pytest.importorskip("faster_whisper", reason="pip install 'videotag[speech]' to test the speech reader")
    from tagging.config.readers import WhisperConfig
    from tagging.features.reader_weights import whisper_files
    from tagging.features.speech import WhisperReader

    class Watched:
        """Notes the calls of faster-whisper's model."""

        is_multilingual, n_mels = True, 80

        def __init__(self) -> None:
            self.calls: list[tuple[str, tuple[int, ...]]] = []

        def encode(self, features: object, to_cpu: bool) -> str:
            self.calls.append(("encode", tuple(features.shape)))  # type: ignore[attr-defined]
            return "encoded"

        def detect_language(self, encoded: str) -> None:
            self.calls.append(("detect", ()))

        def generate(self, encoded: str, prompts: list[list[int]], **options: object) -> None:
            self.calls.append(("generate", (len(prompts[0]),)))

    config = WhisperConfig(threads=1)
    reader = WhisperReader(whisper_files(config), config, "cpu")
    watched = reader.model.model = Watched()
    reading_work(Encoders(speech=reader), seed=3)["speech"]()
    assert watched.calls == [("encode", (1, 80, 3000)), ("detect", ()), ("generate", (3,))]
