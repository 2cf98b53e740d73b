"""A healthy file of every kind that is read, to be damaged (tagging/tools/load_test/mutate.py)."""

from pathlib import Path

from tests.support.media_files import Film, make

FILMS = {
    "h264.mp4": Film(frames=12, tone_s=1.0),
    "fragmented.mp4": Film(frames=8, container_options={"movflags": "frag_keyframe+empty_moov"}),
    "h264.mkv": Film(frames=8, tone_s=0.5, options={"bf": "2"}),
    "mpeg4.avi": Film(frames=8, codec="mpeg4", tone_s=0.5, tone_codec="pcm_s16le"),
    "mpeg2.ts": Film(frames=8, rate=25, codec="mpeg2video"),
    "vp8.webm": Film(frames=6, codec="libvpx"),
    "frames.gif": Film(frames=4, codec="gif", pixels="rgb8"),
    "motion.mov": Film(frames=4, codec="mjpeg", pixels="yuvj420p"),
    "sound.wav": Film(tone_s=0.5, tone_codec="pcm_s16le", channels="5.1"),
    "sound.flac": Film(tone_s=0.5, tone_codec="flac"),
    "sound.m4a": Film(tone_s=0.5, channels="stereo"),
}


def clips(folder: Path) -> list[bytes]:
    """A healthy clip of each kind, of a few KB."""
    return [make(folder / name, film).read_bytes() for name, film in FILMS.items()]
