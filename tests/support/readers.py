"""Readers without weights: they return what a test tells them to."""

from tagging.types import Frames, Passage, Reading, Sound


class ScriptedSpeech:
    """Hears the same passages in every sound, and remembers how many it read."""

    def __init__(self, *passages: Passage, warnings: tuple[str, ...] = (), fingerprint: str = "scripted") -> None:
        self.fingerprint = fingerprint
        self.sounds = 0
        self._reading = Reading(passages, warnings)

    def read(self, sound: Sound) -> Reading:
        self.sounds += 1
        return self._reading


class ScriptedScreen:
    """Sees the same passages on the frames of every video, and remembers how many videos it read."""

    def __init__(self, *passages: Passage, warnings: tuple[str, ...] = (), fingerprint: str = "scripted") -> None:
        self.fingerprint = fingerprint
        self.videos = 0
        self._reading = Reading(passages, warnings)

    def read(self, frames: Frames) -> Reading:
        self.videos += 1
        return self._reading


class FailingReader:
    """Fails on every input, by default as a library does on odd ones."""

    fingerprint = "failing"

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error or RuntimeError("odd input")

    def read(self, part: Sound | Frames) -> Reading:
        raise self._error
