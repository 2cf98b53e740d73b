"""Hashtags that stand in a caption, cut out of it: with them there, naming the tags is reading them."""

import re
from collections.abc import Sequence

_RUN = re.compile(r"[#＃][^\s#＃]*")  # what is left of a hashtag that is none of the video's own


def cut_hashtags(caption: str, tags: Sequence[str]) -> str:
    """The caption without any #hashtag, white space collapsed.

    The video's own tags go first, the longest first: text may follow a known one without a space, and one tag may
    begin with another.
    """
    for tag in sorted(tags, key=len, reverse=True):
        caption = re.sub(rf"[#＃]\s*{re.escape(tag)}", " ", caption, flags=re.IGNORECASE)
    return " ".join(_RUN.sub(" ", caption).split())
