"""Decoding of a local media file to a MediaSample, with a warning for everything that is missing.

Three passes, each opening the file again (a few ms): packets, planned frames, sound.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer

from tagging.config.media import MediaConfig
from tagging.errors import InvalidMediaError
from tagging.media.container import ESTIMATED_FORMATS, UNDIVIDED_FORMATS, open_container, picture_stream, sound_stream
from tagging.media.frames import decode_frames
from tagging.media.limits import Deadline, check_bytes, check_duration, check_pixels, seconds
from tagging.media.sound import decode_sound
from tagging.media.source import content_hash
from tagging.media.timeline import PictureTrack, Timeline, plan_frames, read_timeline
from tagging.types import SAMPLE_RATE_HZ, Frames, MediaSample, Sound

SILENCE = 1e-4  # highest absolute sample of a track that counts as silent
CUT_AT_LEAST_S = 0.5  # tracks of healthy files end slightly before the header's duration
CUT_AT_LEAST = 0.02  # of the header's duration
SHORT_AT_LEAST_S = 0.25  # decoded sound of healthy files is up to 0.04 s shorter than its packets
SHORT_AT_LEAST = 0.02  # of the expected sound
UNSEEN_AT_LEAST = 1 / 8  # of the planned pictures if no packet was damaged: packets of some codecs contain no picture


def decode(path: Path, config: MediaConfig, clock: Callable[[], float] = time.monotonic) -> MediaSample:
    """Decode the readable parts of the file, with warnings about the rest.

    Raises InvalidMediaError (neither picture nor sound) and the errors of the limits: MediaTooBigError,
    MediaTooLongError, MediaTooManyPixelsError, DecodeTimeoutError.
    """
    deadline = Deadline(config.decode_timeout_s, clock)
    check_bytes(path.stat().st_size, config)
    survey = _survey(path, config, deadline)
    frames, picture_warnings = _picture(path, survey, config, deadline)
    sound, sound_warnings = _sound(path, survey, config, deadline)
    warnings = (*survey.cuts, *picture_warnings, *sound_warnings)
    if frames is None and sound is None:
        raise InvalidMediaError(
            f"neither picture nor sound can be read ({survey.format_name}: {', '.join(warnings)})",
            "check that the file plays to its end",
        )
    return MediaSample(
        content_hash=content_hash(path),
        duration_s=max(
            survey.timeline.picture.duration_s if survey.timeline.picture is not None else 0.0,
            survey.timeline.sound_s or 0.0,
            sound.duration_s if sound is not None else 0.0,
        ),
        frames=frames,
        sound=sound,
        warnings=warnings,
    )


@dataclass(frozen=True, slots=True)
class _Survey:
    """The facts known before anything is decoded."""

    format_name: str
    has_picture: bool
    has_sound: bool
    timeline: Timeline
    cuts: tuple[str, ...]  # warnings


def _survey(path: Path, config: MediaConfig, deadline: Deadline) -> _Survey:
    try:
        with open_container(path) as container:
            picture, sound = picture_stream(container), sound_stream(container)
            check_duration((container.duration or 0) / av.time_base, config)
            if picture is not None:
                check_pixels(picture.codec_context.width, picture.codec_context.height, config)
            timeline = read_timeline(container, picture, sound, deadline)
            check_duration(timeline.picture.duration_s if timeline.picture is not None else 0.0, config)
            check_duration(timeline.sound_s or 0.0, config)
            return _Survey(
                format_name=container.format.long_name or container.format.name,
                has_picture=picture is not None,
                has_sound=sound is not None,
                timeline=timeline,
                cuts=tuple(_cuts(container, timeline)),
            )
    except av.error.FFmpegError as error:
        raise InvalidMediaError(
            f"not readable as video or sound: found {_looks_like(path)}",
            "give a media file such as mp4, webm, mov, mkv, avi, mp3 or wav",
        ) from error


def _cuts(container: InputContainer, timeline: Timeline) -> list[str]:
    """Warn of a truncated file: header durations that the packets do not reach, per file or else per track."""
    if container.format.name in ESTIMATED_FORMATS:
        return []
    picture, sound = picture_stream(container), sound_stream(container)
    found_picture_s = timeline.picture.duration_s if timeline.picture is not None else 0.0
    found_sound_s = timeline.sound_s or 0.0
    whole = _cut(max(found_picture_s, found_sound_s), (container.duration or 0) / av.time_base, "")
    if whole or container.format.name in UNDIVIDED_FORMATS:
        return whole
    cuts = []
    for found_s, stream, track_name in ((found_picture_s, picture, " of picture"), (found_sound_s, sound, " of sound")):
        if stream is not None and stream.duration is not None and stream.time_base is not None:
            cuts += _cut(found_s, float(stream.duration * stream.time_base), track_name)
    return cuts


def _cut(found_s: float, stated_s: float, track_name: str) -> list[str]:
    if not found_s or stated_s - found_s <= max(CUT_AT_LEAST_S, CUT_AT_LEAST * stated_s):
        return []
    return [f"cut file: decoded {seconds(found_s)} s of {seconds(stated_s)} s{track_name}"]


def _picture(path: Path, survey: _Survey, config: MediaConfig, deadline: Deadline) -> tuple[Frames | None, list[str]]:
    if not survey.has_picture:
        return None, ["no picture track"]
    track: PictureTrack | None = survey.timeline.picture
    if track is None:
        return None, ["the picture track is empty"]
    plan = plan_frames(track, config.frames)
    frames, damaged = decode_frames(path, track, plan, config, deadline)
    warnings = _damage(damaged, "picture")
    if frames is None:
        return None, [*warnings, "the picture track cannot be read"]
    unseen = len(plan) - len(frames.pixels)
    if unseen > (0 if damaged else UNSEEN_AT_LEAST * len(plan)):
        warnings.append(f"{unseen} of {len(plan)} pictures could not be decoded")
    return frames, warnings + _holes(survey.timeline.holes_s)


def _holes(holes_s: tuple[tuple[float, float], ...]) -> list[str]:
    if not holes_s:
        return []
    if len(holes_s) == 1:
        ((start_s, end_s),) = holes_s
        return [f"no pictures between {seconds(start_s)} s and {seconds(end_s)} s"]
    lost_s = sum(end_s - start_s for start_s, end_s in holes_s)
    return [f"no pictures for {seconds(lost_s)} s, in {len(holes_s)} places"]


def _sound(path: Path, survey: _Survey, config: MediaConfig, deadline: Deadline) -> tuple[Sound | None, list[str]]:
    if not survey.has_sound:
        return None, ["no sound track"]
    samples, damaged = decode_sound(path, config, deadline)
    warnings = _damage(damaged, "sound")
    there_s = survey.timeline.sound_s or 0.0
    if not len(samples):
        return None, [*warnings, "the sound track cannot be read" if there_s else "the sound track is empty"]
    due_s = min(there_s, config.sound_max_s)
    decoded_s = len(samples) / SAMPLE_RATE_HZ
    if due_s - decoded_s > max(SHORT_AT_LEAST_S, SHORT_AT_LEAST * due_s):
        warnings.append(f"{seconds(decoded_s)} s of {seconds(due_s)} s of sound could be decoded")
    if np.abs(samples).max() < SILENCE:
        return None, [*warnings, "sound track is silent"]
    if len(samples) >= round(config.sound_max_s * SAMPLE_RATE_HZ) and there_s > config.sound_max_s:
        warnings.append(f"sound cut at {seconds(config.sound_max_s)} s of {seconds(there_s)} s")
    return Sound(samples), warnings


def _damage(packets: int, track_name: str) -> list[str]:
    return [f"{packets} damaged {track_name} packet{'s' if packets > 1 else ''} skipped"] if packets else []


def _looks_like(path: Path) -> str:
    """Guess the type of a file that no demuxer accepts, for the error message."""
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(b"#EXTM3U") or head.startswith(b"ffconcat"):
        return "a playlist, which names other files"
    if head[4:8] == b"ftyp":
        return "an MP4 file whose index (moov) is missing or damaged, perhaps cut short"
    if head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"RIFF" + head[4:8] + b"WEBP")):
        return "a still picture"
    if not head.strip(b"\0"):
        return "only zero bytes"
    try:
        text = head[:-3].decode() if len(head) == 512 else head.decode()  # the last character may be cut
    except UnicodeDecodeError:
        return f"unknown data that starts with {head[:8].hex(' ')}"
    return "text" if text.isprintable() or "\n" in text or "\t" in text else "unknown data"
