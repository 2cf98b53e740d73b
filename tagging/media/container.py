"""Opening a media file so that it can neither reach another file nor a network address.

Playlists (HLS, DASH, concat) name other files; ffmpeg would follow them whatever the file is called.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

# Demuxers that read one file of timed media. None of them follows references with these options.
MEDIA_FORMATS = (
    "3gp,aac,ac3,aiff,amr,ape,asf,au,avi,caf,dv,eac3,flac,flv,gif,h264,hevc,ivf,matroska,mov,mp3,mp4,mpeg,mpegts,"
    "mpegvideo,mxf,nut,ogg,rm,tta,w64,wav,webm,wv"
)

# These carry no presentation times: ffmpeg guesses them from decoding times, wrongly where there are B-frames.
UNTIMED_FORMATS = frozenset({"avi", "h264", "hevc", "mpegvideo"})

# The duration is an estimate from the bit rate or from the last bytes, so it says nothing about a cut.
ESTIMATED_FORMATS = frozenset({"aac", "ac3", "amr", "eac3", "h264", "hevc", "mp3", "mpeg", "mpegts", "mpegvideo"})

# Only the whole file's duration is stated; ffmpeg fills it in for each track, however short the track is.
UNDIVIDED_FORMATS = frozenset({"matroska,webm", "flv"})

# After lost bytes these are read on from any packet; others from the next group, which begins with a keyframe.
RESUMING_FORMATS = frozenset({"mpeg", "mpegts"})


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """Raises av.error.FFmpegError where no media container is found."""
    options = {"protocol_whitelist": "file", "format_whitelist": MEDIA_FORMATS}
    # An absolute path cannot be taken for a protocol ("concat:a|b"), and damaged tags must not stop the reading.
    name = os.path.abspath(path)  # noqa: PTH100 (resolve() would follow links, which may lead into odd names)
    with av.open(name, options=options, metadata_errors="replace") as container:
        yield container


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The first moving picture; the cover art of a song is none."""
    still = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = (s for s in container.streams.video if s.codec_context is not None and not s.disposition & still)
    return next(streams, None)


def sound_stream(container: InputContainer) -> AudioStream | None:
    return next((s for s in container.streams.audio if s.codec_context is not None), None)


def use_threads(stream: VideoStream, workers: int) -> None:
    """This worker's share of the cores. One thread measured fastest on 2 cores: 0.65 s against 0.80 s with AUTO."""
    threads = max(1, (os.cpu_count() or 1) // workers)
    stream.thread_type = "AUTO" if threads > 1 else "NONE"
    stream.codec_context.thread_count = threads
