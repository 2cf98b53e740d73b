"""The seam of recall: a channel looks at one aspect of a video and proposes tags."""

from collections.abc import Sequence
from typing import Protocol

from tagging.types import ChannelTags, VideoEmbeddings


class Channel(Protocol):
    name: str

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[ChannelTags | None]:
        """The tags proposed for each video, best first; None where the video lacks what the channel looks at."""
