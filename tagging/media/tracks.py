"""Track selection: which picture track and which sound track of a file are read.

A file may hold covers, previews, other angles, commentaries and audio descriptions besides the film. A player follows
the dispositions that the file states; files often state none or wrong ones, so lengths and sizes count as well.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from tagging.media.packets import PacketTable

STILL = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
ASIDE = Disposition.comment | Disposition.visual_impaired | Disposition.hearing_impaired | Disposition.descriptions
COMMENTARY = re.compile(r"comment|descri(ption|bed)|director", re.IGNORECASE)
LONG_ENOUGH = 0.5  # of the longest track of its kind; a shorter one is an insert

T = TypeVar("T", VideoStream, AudioStream)
Criterion = tuple[str, Callable[[T], float]]  # the word for a track that is chosen by it, and what is compared


@dataclass(frozen=True, slots=True)
class Tracks:
    """The streams to read, by index, and a note for each choice between several."""

    picture: int | None
    sound: int | None
    notes: tuple[str, ...] = ()


def choose_tracks(container: InputContainer, tables: Mapping[int, PacketTable]) -> Tracks:
    """Choose the picture and the sound track of a file.

    Picture: no cover or thumbnail; of several, those with more than one picture, then of at least half the longest
    one's length, then marked as default, then the largest. Sound: no commentary or description, then of at least half
    the longest one's length, then marked as default, then with the most channels. Equals: the first.
    """
    pictures = [s for s in container.streams.video if s.codec_context is not None and not s.disposition & STILL]
    sounds = [s for s in container.streams.audio if s.codec_context is not None]
    moving = [stream for stream in pictures if len(tables[stream.index]) > 1] or pictures
    picture, picture_notes = _choose(
        moving,
        "picture",
        (
            ("longest", _long_enough(moving, tables)),
            ("default", _is_default),
            ("largest", lambda stream: stream.codec_context.width * stream.codec_context.height),
        ),
    )
    sound, sound_notes = _choose(
        sounds,
        "sound",
        (
            ("main", lambda stream: not _is_aside(stream)),
            ("longest", _long_enough(sounds, tables)),
            ("default", _is_default),
            ("widest", lambda stream: stream.codec_context.layout.nb_channels),
        ),
    )
    return Tracks(picture, sound, (*picture_notes, *sound_notes))


def _choose(streams: Sequence[T], kind: str, criteria: Sequence["Criterion[T]"]) -> tuple[int | None, tuple[str, ...]]:
    """Return the index of the best stream, and a note that names the criterion which decided."""
    if not streams:
        return None, ()
    left, reason = list(streams), "first"
    for word, score in criteria:
        best = max(map(score, left))
        equals = [stream for stream in left if score(stream) == best]
        if len(equals) < len(left):
            left, reason = equals, word
        if len(left) == 1:
            break
    if len(left) > 1:
        reason = "first"
    return left[0].index, (f"{len(streams)} {kind} tracks: the {reason} one was used",) if len(streams) > 1 else ()


def _is_default(stream: VideoStream | AudioStream) -> bool:
    return bool(stream.disposition & Disposition.default)


def _is_aside(stream: AudioStream) -> bool:
    names = (stream.metadata.get(key, "") for key in ("title", "handler_name", "HANDLER_NAME"))
    return bool(stream.disposition & ASIDE) or any(COMMENTARY.search(name) for name in names)


def _long_enough(streams: Sequence[T], tables: Mapping[int, PacketTable]) -> Callable[[T], bool]:
    lengths = {stream.index: _length_s(tables[stream.index]) for stream in streams}
    longest = max(lengths.values(), default=0.0)
    return lambda stream: lengths[stream.index] >= LONG_ENOUGH * longest


def _length_s(table: PacketTable) -> float:
    starts = table.starts_s()
    return table.end_s() - float(starts[0]) if len(starts) else table.end_s()
