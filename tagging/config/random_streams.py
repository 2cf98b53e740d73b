"""Named random streams: `numpy.random.default_rng([seed, stream, …])` for each independent use of one training seed.

Reproducible trainings depend on the numbers: a stream keeps its number, and a new stream takes the next.
"""

from enum import IntEnum


class Stream(IntEnum):
    """The second entry of a NumPy seed sequence; the first is the configured seed."""

    RECALL_BATCHES = 1
    TAG_EXTRACTION = 2
    RECALL_TAG_WALKS = 3
    FUSION_FOLDS = 4
    RANK_TAG_WALKS = 5
    PRECISION_CONTROL = 6
    RECALLED_NEGATIVES = 7
    FALSE_NEGATIVE_AUDIT = 8
    RERANKER_FOLDS = 9
    TAG_OFFSET_FOLDS = 10
    CALIBRATION_RESPLITS = 11
    RANK_STEPS = 12
    RANK_EPOCHS = 13
    TRITON_SAMPLES = 14
    REVIEW_ORDER = 15
    TOPIC_TAG_WALKS = 16
    TOPIC_TRAINING = 17
    TOPIC_CLUSTERS = 18
    TOPIC_THRESHOLDS = 19
    WRONG_CANDIDATES = 20
    TOPIC_QUEUES = 21
    RECOMMENDATION_VALIDATION = 22
    RECOMMENDATION_TRAINING = 23
    RECOMMENDATION_RANDOM = 24
    RECOMMENDATION_TEST = 25
    RECURRENT_TRAINING = 26
    RECURRENT_TOPICS = 27
    RECOMMENDATION_USERS = 28
    CLICK_TRAINING = 29
    CLICK_NEW_VIDEOS = 30
    AUDIO_VISUAL_TRAINING = 31
    AUDIO_VISUAL_PAIRS = 32
    TOPIC_COHESION = 33
    RECALL_FOLDS = 34
    CLICK_NEGATIVES = 35
    RECALL_REGRESSION = 36


class HoldoutSalt(IntEnum):
    """Added to the configured seed for each independent draw of held-out uploaders (`tagging.splits.is_held_out`)."""

    EVALUATION = 0
    FUSION = 1
    RETURNING_UPLOADERS = 2
    PRECISION = 3
