"""State of the encoders and readers on this machine."""

from pathlib import Path

import pytest

from tagging.config.encoders import EncodersConfig
from tagging.config.profiles import PROFILES
from tagging.config.readers import WhisperConfig
from tagging.errors import MissingPackageError
from tagging.features import factory, listing
from tagging.features.listing import list_models

SENTENCES = {"backend": "sentence-transformers", "weights": "no-such/model"}


def test_every_part_of_the_offline_profile_is_ready_with_the_file_that_it_reads() -> None:
    states = list_models(PROFILES["offline"].encoders)
    assert [state.reads for state in states] == ["text", "frames", "sound", "speech", "text on the screen"]
    assert {state.state for state in states} == {"ready"}
    assert all(Path(state.weights).exists() and not state.missing for state in states)


def test_missing_weights_come_with_the_command_that_gets_them_and_absent_parts_are_off(tmp_path: Path) -> None:
    config = EncodersConfig.model_validate({"text": SENTENCES, "speech": {"weights": str(tmp_path)}})
    text, frames, _, speech, screen = list_models(config)
    assert (text.state, text.weights) == ("missing", "")
    assert "videotag models fetch" in text.missing
    assert frames.state == screen.state == "off"
    assert (speech.state, speech.backend) == ("missing", "whisper")
    assert "no model.bin" in speech.missing


def test_a_reader_whose_package_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: object) -> None:
        raise MissingPackageError("reading speech needs the package faster-whisper", "pip install 'videotag[speech]'")

    monkeypatch.setitem(listing.FINDERS, WhisperConfig, absent)
    speech = list_models(PROFILES["offline"].encoders)[3]
    assert (speech.state, "videotag[speech]" in speech.missing) == ("missing", True)


def test_a_backend_without_weights_is_ready() -> None:
    config = EncodersConfig.model_validate({"text": {"backend": "hashed-ngrams"}})
    assert (list_models(config)[0].state, list_models(config)[0].weights) == ("ready", "")
    factory.check_weights(config)
