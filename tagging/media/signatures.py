"""File signatures: what a file that no demuxer accepts seems to be, and the size that a file states at its start."""

from pathlib import Path

HEAD = 512  # bytes that are looked at
RIFF_HEADER = 8  # bytes
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
