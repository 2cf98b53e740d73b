"""Field-coded video: interlaced H.264, MPEG-2 and VC-1 may code each of a frame's two fields as a packet of its own."""

from collections.abc import Iterator

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tagging.media.container import demux
from tagging.media.limits import Deadline
from tagging.media.packets import NONE, PacketTable

FIELD_CODECS = frozenset({"h264", "mpeg2video", "vc1"})
PROGRESSIVE = 1  # AV_FIELD_PROGRESSIVE
FIELDS_SHARE = 0.25  # of packets that are second fields; streams may mix frames and fields
FRAMES = 12  # are decoded to see how far apart frames are


def frame_ticks(container: InputContainer, stream: VideoStream, table: PacketTable, deadline: Deadline) -> int | None:
    """Return the ticks between two frames if packets are fields, else None. Decodes the first frames if they may be."""
    codec = stream.codec_context
    if codec.name not in FIELD_CODECS or codec.field_order == PROGRESSIVE:
        return None
    times: list[int] = []
    for frame in _frames(container, stream, deadline):
        if not frame.interlaced_frame:
            return None
        if frame.pts is not None:
            times.append(frame.pts)
        if len(times) == FRAMES:
            break
    if len(times) < 2:
        return None
    frame_gap = int(np.median(np.diff(np.sort(times))))
    pts = table.pts
    if np.count_nonzero(pts == NONE) > FIELDS_SHARE * len(pts):  # second fields without a time
        return frame_gap
    within = np.count_nonzero((pts >= min(times)) & (pts <= max(times)))
    return frame_gap if within > (1 + FIELDS_SHARE) * len(times) else None


def _frames(container: InputContainer, stream: VideoStream, deadline: Deadline) -> Iterator[VideoFrame]:
    for packet in demux(container, stream):
        deadline.check()
        try:
            yield from packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError:  # a damaged packet; later frames tell as much
            continue
