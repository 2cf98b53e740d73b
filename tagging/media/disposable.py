"""Disposable packets of H.264: those that no other packet refers to (nal_ref_idc of 0; ITU-T H.264, 7.4.1).

With skip_frame the decoder does not report a damaged packet in which it finds nothing, so they are left out before the
decoder instead.
"""

from collections.abc import Iterator

START_CODE = b"\0\0\1"
SLICES = range(1, 6)  # nal_unit_type


def is_disposable(packet: bytes, extradata: bytes | None) -> bool:
    """Return True if a packet has slices, and no other packet refers to them.

    extradata: the decoder's; it tells whether units have a length or a start code
    """
    headers = [unit for unit in _unit_headers(packet, extradata or b"") if unit & 31 in SLICES]
    return bool(headers) and not any(unit >> 5 & 3 for unit in headers)


def _unit_headers(packet: bytes, extradata: bytes) -> Iterator[int]:
    """Yield the first byte of each NAL unit."""
    if extradata[:1] == b"\1" and len(extradata) > 4:  # avcC (ISO/IEC 14496-15, 5.3.3)
        length_bytes = (extradata[4] & 3) + 1
        at = 0
        while at + length_bytes < len(packet):
            yield packet[at + length_bytes]
            at += length_bytes + int.from_bytes(packet[at : at + length_bytes])
    else:
        at = packet.find(START_CODE)
        while 0 <= at < len(packet) - 3:
            yield packet[at + 3]
            at = packet.find(START_CODE, at + 3)
