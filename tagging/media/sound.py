"""Decoding of an audio track to mono samples at 16 kHz."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from tagging.config.media import MediaConfig
from tagging.media.container import demux, open_container
from tagging.media.downmix import channel_weights, mix_down
from tagging.media.limits import Deadline
from tagging.types import SAMPLE_RATE_HZ

BLOCK = SAMPLE_RATE_HZ  # samples that are mixed down together
SANE_RATE_HZ = 6_000_000  # DSD is decoded to 2.8 MHz; the filter of a damaged header's rate would need gigabytes


def decode_sound(
    path: Path, stream_index: int, config: MediaConfig, deadline: Deadline
) -> tuple[NDArray[np.float32], int]:
    """Decode (samples,) in [-1, 1], at most sound_max_s, and count the damaged packets that were skipped.

    Raises DecodeTimeoutError.
    """
    most = round(config.sound_max_s * SAMPLE_RATE_HZ)
    mixer = _Mixer()
    parts: list[NDArray[np.float32]] = []
    count = damaged = 0
    with open_container(path) as container:
        for packet in demux(container, container.streams[stream_index]):
            if count >= most:
                break
            deadline.check()
            try:
                heard = [
                    part for frame in packet.decode() if isinstance(frame, AudioFrame) for part in mixer.mix(frame)
                ]
            except av.error.EOFError:
                break
            except (av.error.FFmpegError, ValueError):
                damaged += 1
                continue
            parts += heard
            count += sum(len(part) for part in heard)
        if count < most:
            try:
                parts += mixer.flush()
            except (av.error.FFmpegError, ValueError):  # the resampler may reject what it buffered
                damaged += 1
    samples = np.concatenate(parts)[:most] if parts else np.empty(0, np.float32)
    return np.clip(samples, -1.0, 1.0), damaged


class _Mixer:
    """Resample each channel, then mix them down, a block at a time.

    The mono mix of swresample exceeds full scale for float samples: (0.9, 0.9) becomes 1.27.
    """

    def __init__(self) -> None:
        self._resampler: AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None
        self._weights = np.ones(1, np.float32)
        self._waiting: list[NDArray[np.float32]] = []  # (n, C) each
        self._waiting_samples = 0  # counted, as packets may hold a single sample

    def mix(self, frame: AudioFrame) -> Iterator[NDArray[np.float32]]:
        """Resample one decoded frame to parts (samples,); rate and channels may change within a file."""
        if frame.sample_rate > SANE_RATE_HZ:
            raise ValueError(f"{frame.sample_rate} samples a second, expected at most {SANE_RATE_HZ}")
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:
            yield from self.flush()
            self._resampler = AudioResampler(format="flt", layout=frame.layout, rate=SAMPLE_RATE_HZ)
            self._kind = kind
            self._weights = channel_weights([channel.name for channel in frame.layout.channels])
        assert self._resampler is not None
        frame.pts = None  # the resampler fails on gaps in damaged files
        self._resample(self._resampler, frame)
        if self._waiting_samples >= BLOCK:
            yield from self._mixed()

    def flush(self) -> Iterator[NDArray[np.float32]]:
        """Return the rest."""
        resampler, self._resampler, self._kind = self._resampler, None, None
        if resampler is not None:
            try:
                self._resample(resampler, None)
            finally:
                yield from self._mixed()

    def _resample(self, resampler: AudioResampler, frame: AudioFrame | None) -> None:
        for part in map(_channels, resampler.resample(frame)):
            self._waiting.append(part)
            self._waiting_samples += len(part)

    def _mixed(self) -> Iterator[NDArray[np.float32]]:
        waiting, self._waiting, self._waiting_samples = self._waiting, [], 0
        if waiting:
            yield mix_down(np.concatenate(waiting), self._weights)


def _channels(frame: AudioFrame) -> NDArray[np.float32]:
    # Interleaved samples use one plane: PyAV 18 reads out of bounds and crashes from the ninth plane on.
    samples = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
    return np.nan_to_num(np.asarray(samples, np.float32))
