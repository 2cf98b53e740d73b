"""Safe opening of media containers: a file can reach neither another file nor a network address.

Playlists (HLS, DASH, concat) refer to other files, and ffmpeg follows them whatever the file's name is.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

# Demuxers that read one file of timed media. None of them follows references with these options.
MEDIA_FORMATS = (
    "3gp,aac,ac3,aiff,amr,ape,apng,asf,au,avi,caf,dv,eac3,flac,flv,gif,h264,hevc,ivf,matroska,mov,mp3,mp4,mpeg,mpegts,"
    "mpegvideo,mxf,nut,ogg,rm,tta,w64,wav,webm,wv"
)

# Formats without presentation times: ffmpeg guesses them from decoding times, wrongly if there are B-frames.
UNTIMED_FORMATS = frozenset({"avi", "h264", "hevc", "mpegvideo"})

# The duration is an estimate from the bit rate or from the last bytes, so it does not reveal a truncated file.
ESTIMATED_FORMATS = frozenset({"aac", "ac3", "amr", "eac3", "h264", "hevc", "mp3", "mpeg", "mpegts", "mpegvideo"})

# Formats that state only the whole file's duration; ffmpeg reports it for each track, however short.
UNDIVIDED_FORMATS = frozenset({"matroska,webm", "flv"})

# After lost bytes, reading of these resumes at any packet; of others at the next group, which begins with a keyframe.
RESUMING_FORMATS = frozenset({"mpeg", "mpegts"})

S = TypeVar("S", bound=Stream)


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """Open a container. Raises av.error.FFmpegError if the file is not a media container."""
    options = {"protocol_whitelist": "file", "format_whitelist": MEDIA_FORMATS}
    # An absolute path cannot be mistaken for a protocol ("concat:a|b"); damaged metadata must not stop reading.
    name = os.path.abspath(path)  # noqa: PTH100 (resolve() would follow links, which may lead into odd names)
    with av.open(name, options=options, metadata_errors="replace") as container:
        yield container


def demux(container: InputContainer, *streams: S) -> Iterator["Packet[S]"]:
    """Yield the packets of the streams until the file ends or cannot be read any further.

    The last packets, one for each stream, are empty and flush the decoders.
    """
    try:
        yield from cast("Iterator[Packet[S]]", container.demux(*streams))
    except av.error.FFmpegError:
        return
    except IndexError:  # PyAV 18, after the last packet of a file that declared a stream on the way
        return


def use_threads(stream: VideoStream, workers: int) -> None:
    """Give a decoder this worker's share of the cores. On 2 cores one thread was fastest: 0.65 s, 0.80 s with AUTO."""
    threads = max(1, (os.cpu_count() or 1) // workers)
    stream.thread_type = "AUTO" if threads > 1 else "NONE"
    stream.codec_context.thread_count = threads
