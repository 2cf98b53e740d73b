"""Tone mapping: HDR frames (PQ or HLG, usually BT.2020) to 8-bit RGB of ordinary pictures (BT.709).

Encoders learnt from ordinary pictures; an HDR frame that is shown without conversion looks grey and flat.
Transfer functions: ITU-R BT.2100-2, tables 4 and 5; curve: the EETF of ITU-R BT.2390-10, 5.4.1, on the brightest
channel, so that hues stay; primaries: ITU-R BT.2087-0.
"""

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc, Interpolation
from numpy.typing import NDArray

PQ, HLG = int(ColorTrc.SMPTE2084), int(ColorTrc.ARIB_STD_B67)
BT2020 = int(ColorPrimaries.BT2020)
FULL_RANGE = int(ColorRange.JPEG)
REFERENCE_WHITE = 203.0  # cd/m2 of diffuse white in HDR (ITU-R BT.2408), the white of an ordinary picture
PEAK = 1000.0  # cd/m2 of the mastering display; content above it is clipped by the curve
SYSTEM_GAMMA = 1.2  # of HLG at PEAK

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073
_KR, _KB = 0.2627, 0.0593  # luma of BT.2020
_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)  # linear BT.2020 -> linear BT.709

Floats = NDArray[np.float32]


def is_hdr(frame: VideoFrame) -> bool:
    return int(frame.color_trc) in (PQ, HLG)


def to_sdr(frame: VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
    """Return an HDR frame, scaled, as (height, width, 3) RGB of an ordinary picture."""
    nits = _nits(_rgb(frame, width, height), int(frame.color_trc))
    brightest = nits.max(axis=2, keepdims=True)
    shown = nits * (_compress(brightest) / np.maximum(brightest, 1e-6)) / REFERENCE_WHITE
    if int(frame.color_primaries) == BT2020:
        shown = shown @ _TO_BT709.T
    return np.asarray(np.round(255 * np.clip(shown, 0.0, 1.0) ** (1 / 2.2)), np.uint8)


def pq_to_nits(signal: Floats) -> Floats:
    """The EOTF of PQ: signal in [0, 1] to cd/m2 in [0, 10000] (BT.2100, table 4)."""
    root = np.clip(signal, 0.0, 1.0) ** (1 / _M2)
    return np.asarray(10000 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1), np.float32)


def nits_to_pq(nits: Floats) -> Floats:
    """The inverse of `pq_to_nits`."""
    power = (np.clip(nits, 0.0, 10000.0) / 10000) ** _M1
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2, np.float32)


def hlg_to_nits(signal: Floats) -> Floats:
    """The EOTF of HLG on a display of PEAK: (..., 3) signal in [0, 1] to cd/m2 (BT.2100, table 5)."""
    signal = np.clip(signal, 0.0, 1.0)
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)
    luminance = scene @ np.array([_KR, 1 - _KR - _KB, _KB], np.float32)
    return np.asarray(PEAK * luminance[..., None] ** (SYSTEM_GAMMA - 1) * scene, np.float32)


def _nits(rgb: Floats, transfer: int) -> Floats:
    return pq_to_nits(rgb) if transfer == PQ else hlg_to_nits(rgb)


def _compress(nits: Floats) -> Floats:
    """The EETF of BT.2390: [0, PEAK] to [0, REFERENCE_WHITE], straight below its knee, then a Hermite spline."""
    source = float(nits_to_pq(np.array(PEAK, np.float32)))
    target = float(nits_to_pq(np.array(REFERENCE_WHITE, np.float32))) / source
    knee = 1.5 * target - 0.5
    e = np.clip(nits_to_pq(nits) / source, 0.0, 1.0)
    t = (e - knee) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * target
    return pq_to_nits(np.asarray(np.where(e < knee, e, spline) * source, np.float32))


def _rgb(frame: VideoFrame, width: int, height: int) -> Floats:
    """Return the coded (non-linear) RGB in [0, 1], (height, width, 3); from YUV by the matrix of BT.2020."""
    scaled = frame.reformat(width, height, "yuv444p16le", interpolation=Interpolation.BICUBIC, threads=1)
    y, u, v = np.moveaxis(scaled.to_ndarray().astype(np.float32), 2, 0) / 256  # in units of 8 bits
    if frame.color_range == FULL_RANGE:
        y, u, v = y / 256, u / 256 - 0.5, v / 256 - 0.5
    else:
        y, u, v = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    red, blue = y + 2 * (1 - _KR) * v, y + 2 * (1 - _KB) * u
    green = (y - _KR * red - _KB * blue) / (1 - _KR - _KB)
    return np.stack([red, green, blue], axis=2)
