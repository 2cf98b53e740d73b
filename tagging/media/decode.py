"""Decoding of a local media file to a MediaSample, with a warning for everything that is missing.

Three passes, each opening the file again (a few ms): packets, planned frames, sound.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from tagging.config.media import MediaConfig
from tagging.errors import InvalidMediaError
from tagging.media.container import ESTIMATED_FORMATS, UNDIVIDED_FORMATS, open_container
from tagging.media.fields import frame_ticks
from tagging.media.frames import decode_frames
from tagging.media.limits import Deadline, check_bytes, check_duration, check_pixels, seconds
from tagging.media.packets import PacketTable, read_packets
from tagging.media.signatures import describe, ends_early, stated_bytes, states_duration
from tagging.media.sound import decode_sound
from tagging.media.source import content_hash
from tagging.media.timeline import Timeline, build_timeline, plan_frames
from tagging.media.tracks import Tracks, choose_tracks
from tagging.types import SAMPLE_RATE_HZ, Frames, MediaSample, Sound

DECODING_VERSION = 3  # raised when the same file gives other pictures or sound; stored features are named after it
# HEIF and AVIF pictures, often tiled, are opened like MP4; of a grid only the first tile would be seen.
STILL_BRANDS = frozenset({"heic", "heix", "heim", "heis", "mif1", "avif"})
SILENCE = 1e-4  # highest absolute sample of a track that counts as silent
CUT_AT_LEAST_S = 0.5  # tracks of healthy files end slightly before the header's duration
CUT_AT_LEAST = 0.02  # of the header's duration, or of the bytes that it states
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
    warnings = (*survey.tracks.notes, *survey.warnings, *picture_warnings, *sound_warnings)
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
    """The facts known before pictures and sound are decoded."""

    format_name: str
    tracks: Tracks
    timeline: Timeline
    warnings: tuple[str, ...]


def _survey(path: Path, config: MediaConfig, deadline: Deadline) -> _Survey:
    try:
        with open_container(path) as container:
            tables = read_packets(container, deadline)
            tracks = choose_tracks(container, tables)
            if container.metadata.get("major_brand") in STILL_BRANDS and _count(tracks.picture, tables) <= 1:
                raise _not_timed("a still picture")
        with open_container(path) as container:
            frame_gap = None
            if tracks.picture is not None:
                picture = container.streams[tracks.picture]
                assert isinstance(picture, VideoStream)
                check_pixels(picture.codec_context.width, picture.codec_context.height, config)
                frame_gap = frame_ticks(container, picture, tables[tracks.picture], deadline)
            timeline = build_timeline(container, tracks, tables, frame_gap)
            check_duration(timeline.picture.duration_s if timeline.picture is not None else 0.0, config)
            check_duration(timeline.sound_s or 0.0, config)
            return _Survey(
                format_name=container.format.long_name or container.format.name,
                tracks=tracks,
                timeline=timeline,
                warnings=(
                    *_transparency(container, tracks),
                    *(_cuts(path, container, tracks, tables) or _cut_bytes(path)),
                    *_mended(timeline),
                ),
            )
    except av.error.FFmpegError as error:
        raise _not_timed(describe(path)) from error


def _not_timed(found: str) -> InvalidMediaError:
    return InvalidMediaError(
        f"not readable as video or sound: found {found}",
        "give a media file such as mp4, webm, mov, mkv, avi, mp3 or wav",
    )


def _count(stream: int | None, tables: Mapping[int, PacketTable]) -> int:
    return 0 if stream is None else len(tables[stream])


def _cut_bytes(path: Path) -> list[str]:
    """Warn of a truncated file whose header states its size, or that has a trailer."""
    if ends_early(path):
        return ["cut file: its end is missing"]
    found, stated = path.stat().st_size, stated_bytes(path)
    if stated is None or stated - found <= CUT_AT_LEAST * stated:
        return []
    return [f"cut file: it has {found} of {stated} bytes"]


def _cuts(path: Path, container: InputContainer, tracks: Tracks, tables: Mapping[int, PacketTable]) -> list[str]:
    """Warn of a truncated file: header durations that the packets do not reach, per file or else per track.

    A file lasts as long as its longest track, which may be of subtitles, or begin late.
    """
    if container.format.name in ESTIMATED_FORMATS and not states_duration(path):
        return []
    early_s = max(0.0, -(container.start_time or 0) / av.time_base)  # durations of Matroska count from 0
    end_s = max((table.end_s() for table in tables.values() if len(table)), default=0.0)
    whole = _cut(early_s + end_s, (container.duration or 0) / av.time_base, "")
    if whole or container.format.name in UNDIVIDED_FORMATS:
        return whole
    cuts = []
    for index, track_name in ((tracks.picture, " of picture"), (tracks.sound, " of sound")):
        if index is None or not len(tables[index]):
            continue
        stream, table = container.streams[index], tables[index]
        starts_s = table.starts_s()
        found_s = table.end_s() - (float(starts_s[0]) if len(starts_s) else 0.0)
        if stream.duration is not None and stream.time_base is not None:
            cuts += _cut(found_s, float(stream.duration * stream.time_base), track_name)
    return cuts


def _transparency(container: InputContainer, tracks: Tracks) -> list[str]:
    """Warn of VP8 and VP9 with transparency, which is a second stream that ffmpeg's decoders do not read."""
    is_transparent = tracks.picture is not None and container.streams[tracks.picture].metadata.get("alpha_mode") == "1"
    return ["the picture is transparent in places, which is not read"] if is_transparent else []


def _mended(timeline: Timeline) -> list[str]:
    warnings = []
    if timeline.strays:
        packets = "packet has a stray time and is" if timeline.strays == 1 else "packets have stray times and are"
        warnings.append(f"{timeline.strays} {packets} left out")
    if timeline.jumps_s:
        warnings.append(f"the file's clock jumps by {seconds(timeline.jumps_s)} s, which was removed")
    return warnings


def _cut(found_s: float, stated_s: float, track_name: str) -> list[str]:
    if not found_s or stated_s - found_s <= max(CUT_AT_LEAST_S, CUT_AT_LEAST * stated_s):
        return []
    return [f"cut file: decoded {seconds(found_s)} s of {seconds(stated_s)} s{track_name}"]


def _picture(path: Path, survey: _Survey, config: MediaConfig, deadline: Deadline) -> tuple[Frames | None, list[str]]:
    if survey.tracks.picture is None:
        return None, ["no picture track"]
    track = survey.timeline.picture
    if track is None:
        return None, ["the picture track is empty"]
    decoded = decode_frames(path, survey.tracks.picture, track, config, deadline)
    warnings = _damage(decoded.damaged_packets, "picture")
    if decoded.damaged_frames:
        warnings.append(f"{decoded.damaged_frames} damaged picture{'s' * (decoded.damaged_frames > 1)} left out")
    if decoded.frames is None:
        return None, [*warnings, "the picture track cannot be read"]
    planned = len(plan_frames(track, config.frames))
    unseen = planned - len(decoded.frames.pixels)
    if unseen > (0 if warnings else UNSEEN_AT_LEAST * planned):
        warnings.append(f"{unseen} of {planned} pictures could not be decoded")
    if decoded.cropped:
        warnings.append(f"the picture changes its shape: {decoded.cropped} of {planned} pictures are cropped")
    return decoded.frames, warnings + _holes(survey.timeline.holes_s)


def _holes(holes_s: tuple[tuple[float, float], ...]) -> list[str]:
    if not holes_s:
        return []
    if len(holes_s) == 1:
        ((start_s, end_s),) = holes_s
        return [f"no pictures between {seconds(start_s)} s and {seconds(end_s)} s"]
    lost_s = sum(end_s - start_s for start_s, end_s in holes_s)
    return [f"no pictures for {seconds(lost_s)} s, in {len(holes_s)} places"]


def _sound(path: Path, survey: _Survey, config: MediaConfig, deadline: Deadline) -> tuple[Sound | None, list[str]]:
    if survey.tracks.sound is None:
        return None, ["no sound track"]
    samples, damaged = decode_sound(path, survey.tracks.sound, config, deadline)
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
