"""Optical character recognition of text on the screen: PP-OCR (Li et al. 2022) through RapidOCR.

ONNX Runtime, OpenVINO or a Triton server runs the models.

A few frames are read, and of frames that look the same only one: titles stay for seconds, and a frame costs more than
all other encoders of a video together.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import SequenceMatcher
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image
from rapidocr import RapidOCR
from rapidocr.utils.output import RapidOCROutput

from tagging import concurrency
from tagging.config.readers import PpOcrConfig
from tagging.errors import ArtifactMismatchError, VideotagError
from tagging.features.networks.base import Network
from tagging.features.networks.screen_text import NetworkSession
from tagging.features.weights import fingerprint
from tagging.messages import shown
from tagging.text.normalise import normalise
from tagging.types import Frames, Passage, Reading

# Judged by eye on real clips: below them are textures, and signs in scripts that the recogniser does not know.
LEAST_SCORE = 0.9  # mean probability of a line's signs
LEAST_SCORE_SHORT = 0.99  # of a line with at most one letter, such as a number

SAME_PICTURE = 12.0  # of 255: largest difference of grey of a cell; a mean would not notice another subtitle
THUMBNAIL_PX = 32
SAME_TEXT = 0.8  # share of the signs of two lines that are equal and in order

Session = Callable[[NDArray[Any]], Any]  # a model: (B, 3, H, W) -> its output


class Sessions(Protocol):
    """Makes the sessions of the detector and the recogniser, for something other than ONNX Runtime."""

    def __call__(self, ocr: Any, files: Mapping[str, Path], threads: int, /) -> tuple[Session, Session]:
        """ocr: the RapidOCR that has loaded both files; threads: of one call"""


class PpOcrReader:
    """Reads the lines of text on some of the frames, in scripts that the recogniser has signs for."""

    def __init__(self, files: Mapping[str, Path], config: PpOcrConfig, sessions: Sessions | None = None) -> None:
        """Load the models. Raises ArtifactMismatchError if they are no such models, and what `sessions` raises.

        files: det.onnx and rec.onnx
        sessions: those that run the models; None: ONNX Runtime's
        """
        gates = [LEAST_SCORE, LEAST_SCORE_SHORT, SAME_PICTURE, SAME_TEXT]
        settings = {"frames": config.frames, "max_side_px": config.max_side_px, "gates": gates}
        self.fingerprint = fingerprint("pp-ocr", {**settings, "library": version("rapidocr")}, files)
        self.files = files
        self._frames = config.frames
        blank = np.full((48, 320, 3), 255, np.uint8)
        try:
            _check_signs(files["rec.onnx"])
            threads = config.threads or 1
            ocr: Any = RapidOCR(params=_parameters(files, config.max_side_px, threads))
            ocr(blank, use_det=False)  # it loads each model when it first needs it
            ocr(blank, use_det=True)
            if sessions is not None:
                ocr.text_det.session, ocr.text_rec.session = sessions(ocr, files, threads)
            self.ocr = ocr
        except VideotagError:
            raise
        except Exception as error:  # of ONNX Runtime or RapidOCR
            raise ArtifactMismatchError(
                f"{files['det.onnx'].parent} has no PP-OCR models that RapidOCR can load: {shown(str(error))}",
                "name a folder with det.onnx and rec.onnx",
            ) from error

    @property
    def networks(self) -> list[Network]:
        """The networks that run outside this process."""
        sessions = self.ocr.text_det.session, self.ocr.text_rec.session
        return [session.network for session in sessions if isinstance(session, NetworkSession)]

    def read(self, frames: Frames) -> Reading:
        """Return each text once, with the times of the first and the last read frame that shows it."""
        chosen = evenly_spread(len(frames.pixels), self._frames)
        passages: list[Passage] = []
        thumbnails = [_thumbnail(frames.pixels[row]) for row in chosen]
        lines: list[tuple[str, float]] = []
        for position, row in enumerate(chosen):
            concurrency.check_cancellation()
            if not position or not _alike(thumbnails[position], thumbnails[position - 1]):
                lines = self._lines(frames.pixels[row])
            for text, score in lines:
                passages = _with_line(passages, text, score, float(frames.times_s[row]))
        return Reading(tuple(passages))

    def _lines(self, picture: NDArray[np.uint8]) -> list[tuple[str, float]]:
        """(H, W, 3) RGB -> the trusted lines, from top to bottom, and their scores."""
        found = self.ocr(np.ascontiguousarray(picture[..., ::-1]), use_det=True)  # BGR, as OpenCV has it
        if not isinstance(found, RapidOCROutput) or found.txts is None or found.scores is None:
            return []
        lines = zip(found.txts, found.scores, strict=True)
        return [(" ".join(text.split()), min(float(score), 1.0)) for text, score in lines if is_trusted(text, score)]


def is_trusted(text: str, score: float) -> bool:
    """Return whether a line passes the gates: numbers, symbols and single letters are often no text at all."""
    letters = sum(sign.isalpha() for sign in text)
    return score >= (LEAST_SCORE if letters > 1 else LEAST_SCORE_SHORT)


def is_same_text(first: str, second: str) -> bool:
    """Return whether two lines are one text that was read twice, up to a few wrong letters; numbers must be equal."""
    first, second = normalise(first), normalise(second)
    numbers = ([sign for sign in text if sign.isdigit()] for text in (first, second))
    return next(numbers) == next(numbers) and SequenceMatcher(None, first, second, autojunk=False).ratio() >= SAME_TEXT


def _with_line(passages: list[Passage], text: str, score: float, at_s: float) -> list[Passage]:
    """Return the passages with a line of a later frame, in the more confident spelling where it was read before."""
    line = Passage(text, at_s, at_s, score)
    for position, known in enumerate(passages):
        if is_same_text(known.text, text):
            best = max(known, line, key=lambda passage: passage.confidence)
            merged = replace(best, start_s=known.start_s, end_s=at_s)
            return [*passages[:position], merged, *passages[position + 1 :]]
    return [*passages, line]


def evenly_spread(length: int, count: int) -> list[int]:
    """Return at most `count` of `length` rows, rising: the middle row of each of `count` equal parts."""
    return sorted({int((part + 0.5) * length / count) for part in range(count)})


def _thumbnail(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    small = Image.fromarray(picture).convert("L").resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX)
    return np.asarray(small, np.float32)


def _alike(first: NDArray[np.float32], second: NDArray[np.float32]) -> bool:
    return float(np.abs(first - second).max()) <= SAME_PICTURE


def _check_signs(recogniser: Path) -> None:
    """Raise ValueError if the model does not say which signs it knows; RapidOCR would download a list."""
    session = onnxruntime.InferenceSession(str(recogniser), providers=["CPUExecutionProvider"])
    if "character" not in session.get_modelmeta().custom_metadata_map:
        raise ValueError("the recogniser's metadata has no `character`")


def _parameters(files: Mapping[str, Path], max_side_px: int, threads: int) -> dict[str, Any]:
    return {
        "Global.log_level": "critical",
        "Global.text_score": 0.0,  # the gates here judge every line
        "Global.use_cls": False,  # frames are upright
        "Det.model_path": str(files["det.onnx"]),
        "Det.limit_type": "max",
        "Det.limit_side_len": max_side_px,
        "Rec.model_path": str(files["rec.onnx"]),
        "EngineConfig.onnxruntime.intra_op_num_threads": threads,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }
