"""Pools of made-up videos of four topics for topic models, and settings that fit them in a second."""

import numpy as np

from tagging.config.recall import DeepWalkConfig
from tagging.config.topics import MmoeConfig, TopicsConfig
from tagging.progress import Silent
from tagging.topics.learn import Learnt, learn_topics
from tagging.topics.pool import Pool
from tagging.types import CategorisedVideo, VideoEmbeddings, VideoRef

SUBJECTS = {
    "cats": ("kitten", "purring", "whiskers"),
    "cars": ("engine", "gearbox", "wheels"),
    "food": ("recipe", "oven", "pasta"),
    "music": ("guitar", "chords", "melody"),
}
TINY = TopicsConfig(
    mmoe=MmoeConfig(experts=3, width=8, epochs=1, least_steps=60, batch=32, min_tag_videos=2, rate=1e-2),
    walks=DeepWalkConfig(weight="videos", dim=8, walks=4, length=10),
    count=4,
    topics_a_video=1.0,
)
DIM = 6


def pool_of(count: int, seed: int, first: int = 0) -> Pool:
    """Return videos whose subject is their category; every fifth lacks content, every seventh tags, a few both."""
    generator = np.random.default_rng(seed)
    videos, embeddings = [], []
    for number in range(count):
        subject = list(SUBJECTS)[number % 4]
        words = generator.choice(SUBJECTS[subject], 2, replace=False).tolist()
        title = f"{' '.join(words)} {first + number}"
        videos.append(
            CategorisedVideo(
                VideoRef(f"v{first + number}", title=title, uploader_id=f"u{number % 9}"),
                tags=() if number % 7 == 0 else (subject, *words),
                category=subject,
                language="en" if number % 3 else "de",
            )
        )
        looks = np.eye(DIM, dtype=np.float32)[number % 4] + 0.2 * generator.standard_normal(DIM).astype(np.float32)
        rows = {} if number % 5 == 0 else {"text": (looks / np.linalg.norm(looks)).astype(np.float32)}
        embeddings.append(VideoEmbeddings(rows, title=title))
    return Pool(videos, embeddings)


def learnt_of(pool: Pool, config: TopicsConfig = TINY) -> Learnt:
    return learn_topics(pool, config, Silent())


# TINY as a file for --config.
TINY_TOPICS_TOML = """
count = 4
topics_a_video = 1.0
[mmoe]
experts = 3
width = 8
epochs = 1
least_steps = 60
batch = 32
min_tag_videos = 2
rate = 0.01
[walks]
dim = 8
walks = 4
length = 10
"""


def manifest_rows(pool: Pool) -> list[dict[str, object]]:
    """Return the videos of a pool as rows of a manifest."""
    return [
        {
            "video_id": video.video.video_id,
            "title": video.video.title,
            "tags": list(video.tags),
            "category": video.category,
            "language": video.language,
            "uploader_id": video.video.uploader_id,
        }
        for video in pool.videos
    ]
