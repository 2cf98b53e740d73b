"""Configuration of the readers: what is said (speech) and what is written on the screen.

Each part of the program receives only its own branch. A bundle stores the tree of its training; profiles.py has the
values.
"""

from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from tagging.config.base import Branch


class WhisperConfig(Branch):
    """Whisper through faster-whisper (extra `speech`).

    `weights` is "packaged" (the base model, whose packages the extra installs), a folder in CTranslate2's format, or a
    name of such a model on the hub.
    """

    backend: Literal["whisper"] = "whisper"
    weights: str = "packaged"
    max_speech_s: PositiveFloat = 120.0  # speech without its pauses; the rest is not transcribed
    threads: PositiveInt | None = None  # of one reading; None: one, as a video's encoders and other videos use the rest


class PpOcrConfig(Branch):
    """PP-OCR through RapidOCR (extra `ocr`), on the CPU.

    `weights` is "packaged" (PP-OCRv6 small, in RapidOCR's wheel), a folder with det.onnx and rec.onnx, or a name on the
    hub with these files; rec.onnx has its signs in the metadata `character`, as RapidOCR's models do.
    """

    backend: Literal["pp-ocr"] = "pp-ocr"
    weights: str = "packaged"
    frames: PositiveInt = 4  # of the decoded ones, evenly spread; of those that look the same, one is read
    max_side_px: PositiveInt = 736
    threads: PositiveInt | None = None  # of one reading; None: one, as a video's encoders and other videos use the rest
