"""Readers whose packages are missing are listed with the command that installs them; named weights must exist."""

import importlib.util
from importlib.machinery import ModuleSpec

import pytest

from tagging.config.encoders import EncodersConfig
from tagging.config.readers import PpOcrConfig, WhisperConfig
from tagging.errors import MissingPackageError
from tagging.features.factory import load_encoders
from tagging.features.reader_weights import missing_readers, pp_ocr_files, whisper_files

BOTH = EncodersConfig(text=None, speech=WhisperConfig(), screen=PpOcrConfig())


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which no extra for readers is installed."""
    find = importlib.util.find_spec

    def found(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in ("faster_whisper", "rapidocr") else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", found)


@pytest.mark.usefixtures("bare")
def test_encoders_load_without_the_readers_and_list_how_to_install_them() -> None:
    encoders = load_encoders(BOTH)
    assert (encoders.speech, encoders.screen) == (None, None)
    assert encoders.missing == {"speech": "pip install 'videotag[speech]'", "screen": "pip install 'videotag[ocr]'"}
    assert encoders.reader_fingerprints() == {}


@pytest.mark.usefixtures("bare")
def test_a_missing_package_is_one_error_with_the_command() -> None:
    with pytest.raises(MissingPackageError, match="faster-whisper") as raised:
        whisper_files(WhisperConfig())
    assert raised.value.hint == "pip install 'videotag[speech]'"
    with pytest.raises(MissingPackageError, match="rapidocr") as raised:
        pp_ocr_files(PpOcrConfig())
    assert raised.value.hint == "pip install 'videotag[ocr]'"


def test_readers_that_are_not_configured_are_not_missing() -> None:
    assert missing_readers(EncodersConfig(text=None)) == {}
