"""Which videos are kept out of training.

Whole uploaders are held out, never single videos: an uploader repeats its tags on all its videos, and a random
split would measure memory. The draw is a hash, so the bundle's manifest (share and seed) is enough to repeat it.
"""

import hashlib

from tagging.types import VideoRef


def is_held_out(video: VideoRef, share: float, seed: int) -> bool:
    """True for a `share` in [0, 1) of the uploaders; a video without uploader counts as one of its own."""
    who = f"uploader {video.uploader_id}" if video.uploader_id is not None else f"video {video.video_id}"
    digest = hashlib.blake2b(f"{seed} {who}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64
