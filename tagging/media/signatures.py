"""File signatures: what a file that no demuxer accepts seems to be, and by what a format shows that it is truncated."""

from pathlib import Path

HEAD = 512  # bytes that are looked at
TAIL = 64  # bytes; a few may follow the trailer
RIFF_HEADER, ID3_HEADER = 8, 10  # bytes
UNKNOWN_SIZES = (0, 2**32 - 1)  # of a recording that was not finished
WEBP_ANIMATION = 0x02  # flag of the VP8X chunk (WebP container specification)


def describe(path: Path) -> str:
    """Return a noun phrase: "a playlist, which names other files"."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    return _by_signature(head) or _as_text(head)


def stated_bytes(path: Path) -> int | None:
    """Return the size of a RIFF file (AVI, WAV) as its first chunk states it; None if it is unknown.

    ffmpeg shortens the duration of a truncated one to what is there.
    """
    with path.open("rb") as file:
        head = file.read(RIFF_HEADER)
    if len(head) < RIFF_HEADER or not head.startswith(b"RIFF"):
        return None
    chunk = int.from_bytes(head[4:], "little")
    return None if chunk in UNKNOWN_SIZES else RIFF_HEADER + chunk


def ends_early(path: Path) -> bool:
    """Return True for a GIF or PNG file without its trailer."""
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(0, path.stat().st_size - TAIL))
        tail = file.read()
    if head == b"GIF8":
        return not tail.rstrip(b"\0").endswith(b";")
    return head == b"\x89PNG" and b"IEND" not in tail


def states_duration(path: Path) -> bool:
    """Return True for an MP3 file with a Xing, Info or VBRI header, which counts the frames."""
    with path.open("rb") as file:
        tag = file.read(ID3_HEADER)
        if tag.startswith(b"ID3") and len(tag) == ID3_HEADER:
            size = sum((byte & 127) << 7 * digit for digit, byte in enumerate(reversed(tag[6:])))
            file.seek(ID3_HEADER + size)
        else:
            file.seek(0)
        frame = file.read(HEAD)
    return any(name in frame for name in (b"Xing", b"Info", b"VBRI"))


def _by_signature(head: bytes) -> str | None:
    if head.startswith((b"#EXTM3U", b"ffconcat")):
        return "a playlist, which names other files"
    if head[4:8] == b"ftyp":
        return "an MP4 file whose index (moov) is missing or damaged, perhaps cut short"
    if head.startswith(b"RIFF") and head[8:16] == b"WEBPVP8X" and head[20] & WEBP_ANIMATION:
        return "an animated WebP, which is not read (GIF, APNG and WebM are)"
    if head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"RIFF" + head[4:8] + b"WEBP")):
        return "a still picture"
    return None if head.strip(b"\0") else "only zero bytes"


def _as_text(head: bytes) -> str:
    try:
        text = head[:-3].decode() if len(head) == HEAD else head.decode()  # the last character may be cut
    except UnicodeDecodeError:
        return f"unknown data that starts with {head[:8].hex(' ')}"
    return "text" if text.isprintable() or "\n" in text or "\t" in text else "unknown data"
