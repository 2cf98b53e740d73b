"""Configuration of topic queues: decay, deletion, fresh videos and candidates."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from tagging.config.base import Branch, Days, Fraction, Share


class QueuesConfig(Branch):
    """Topic queues (topics/queues/). The letters are those of the paper, which states only the share of fresh videos.

    Exposures and clicks are counted with exponential decay.
    """

    half_life_days: Days = 7.0  # after which an exposure or click counts half
    least_exposures: NonNegativeFloat = 50.0  # τ₁
    least_click_rate: Share = 0.01  # τ₂
    fresh_share: Fraction = 0.1  # of the videos of a queue
    fresh_days: Days = 14.0  # since its assignment, that a video with few exposures may be fresh
    least_fresh: Annotated[int, Field(ge=0, le=10**6)] = 10  # of a queue with few other videos, such as a new one
    recent_clicks: Annotated[int, Field(ge=1, le=1000)] = 50  # N₁, of a user
    preferred_topics: PositiveInt = 5  # N₂, of a user
    candidates: Annotated[int, Field(ge=1, le=1000)] = 200  # N₃, for a user
    remembered_days: Days = 14.0  # of events: older ones are refused, so that none counts twice
    kept_days: Days = 30.0  # since its assignment, until a deleted video is removed from the database
    seed: NonNegativeInt = 7

    @property
    def half_life_s(self) -> float:
        return self.half_life_days * 86_400
