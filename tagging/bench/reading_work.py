"""Reading of made-up videos, for measurements of readers: drawn lines of text, and a random spectrogram of speech."""

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tagging.bench.encoding_work import WORDS, Work
from tagging.features.factory import Encoders
from tagging.types import Frames

if TYPE_CHECKING:
    from tagging.features.speech import WhisperReader

PICTURES, LINES = 4, 3  # of a video, of each picture
TOKENS = 40  # of half a minute of speech at most, with the prompt


def reading_work(encoders: Encoders, seed: int) -> dict[str, Work]:
    """Return what reads the pictures of a video, and half a minute of speech, for the readers that are present."""
    rng = np.random.default_rng(seed)
    work: dict[str, Work] = {}
    if (screen := encoders.screen) is not None:
        frames = _drawn(rng)
        work["text on the screen"] = lambda: screen.read(frames)
    if encoders.speech is not None:
        from tagging.features.speech import WhisperReader

        assert isinstance(encoders.speech, WhisperReader), "the only reader of speech"
        work["speech"] = _speech(encoders.speech, rng)
    return work


def _drawn(rng: np.random.Generator) -> Frames:
    """Return pictures that differ, with lines of words."""
    pictures = []
    for number in range(PICTURES):
        picture = Image.new("RGB", (640, 360), (20 + 50 * number, 60, 90))
        for row in range(LINES):
            line = " ".join(rng.choice(WORDS, 4))
            ImageDraw.Draw(picture).text((30, 40 + 100 * row), line, (255, 255, 255), ImageFont.load_default(40))
        pictures.append(np.asarray(picture))
    return Frames(np.stack(pictures), np.arange(float(PICTURES)))


def _speech(reader: "WhisperReader", rng: np.random.Generator) -> Work:
    """Return what is asked of the network for half a minute: the language, then the text."""
    import ctranslate2

    from tagging.features.networks.speech import GREEDY

    model: Any = reader.model.model
    features = ctranslate2.StorageView.from_array(rng.normal(-0.5, 0.5, (1, model.n_mels, 3000)).astype(np.float32))
    tokens = ("<|startoftranscript|>", "<|en|>", "<|transcribe|>")
    prompt = [reader.model.hf_tokenizer.token_to_id(token) for token in tokens[: 3 if model.is_multilingual else 1]]

    def work() -> None:
        encoded = model.encode(features, to_cpu=False)
        if model.is_multilingual:
            model.detect_language(encoded)
        model.generate(encoded, [prompt], max_length=TOKENS, suppress_tokens=[1], **GREEDY)

    return work
