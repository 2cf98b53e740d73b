"""Made-up users who walk through groups of videos in a fixed order, which item-kNN and titles do not show.

Group g is followed by group g + 1, the last by the first. A video is a random one of its group, which only its tag
names; titles say nothing.
"""

import numpy as np

from tagging.config.recommendation import TwoTowersConfig
from tagging.ragged import Ragged
from tagging.recommendation.tables import Catalog
from tagging.types import LabelledVideo, VideoEmbeddings, VideoRef

GROUPS, GROUP = 6, 12  # videos of a group
VIDEOS = GROUPS * GROUP
TINY = TwoTowersConfig(width=16, history=8, epochs=20, batch=512, negatives=40, rate=0.01, dropout=0.0)


def group_of(video: int) -> int:
    return video % GROUPS


def catalog() -> Catalog:
    generator = np.random.default_rng(1)
    videos, embeddings = [], []
    for video in range(VIDEOS):
        title = f"clip {generator.integers(1000)}"
        videos.append(LabelledVideo(VideoRef(f"v{video}", title=title), (f"group {group_of(video)}",)))
        row = generator.standard_normal(4).astype(np.float32)
        embeddings.append(VideoEmbeddings({"text": row / np.linalg.norm(row)} if video % 5 else {}, title=title))
    return Catalog(videos, embeddings)


def walks(users: int = 400, seed: int = 2) -> Ragged:
    generator = np.random.default_rng(seed)
    sequences = []
    for _ in range(users):
        start, length = generator.integers(GROUPS), generator.integers(3, 8)
        groups = (start + np.arange(length)) % GROUPS
        sequences.append(list(dict.fromkeys((generator.integers(GROUP, size=length) * GROUPS + groups).tolist())))
    return Ragged.of(sequences)
