"""Removal of hashtags from captions, which would otherwise give the tags away."""

import re
from collections.abc import Sequence

_RUN = re.compile(r"[#＃][^\s#＃]*")  # a hashtag that is not one of the video's own tags


def cut_hashtags(caption: str, tags: Sequence[str]) -> str:
    """Return the caption without any #hashtag, white space collapsed.

    The video's own tags are removed first, longest first: text may follow a known tag without a space, and a tag may be
    a prefix of another.
    """
    for tag in sorted(tags, key=len, reverse=True):
        caption = re.sub(rf"[#＃]\s*{re.escape(tag)}", " ", caption, flags=re.IGNORECASE)
    return " ".join(_RUN.sub(" ", caption).split())
