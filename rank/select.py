"""Which of the ranked candidates become tags."""

import numpy as np
from numpy.typing import NDArray

from tagging.config import SelectConfig
from tagging.types import Candidates, TagScores


def select(candidates: Candidates, scores: TagScores, config: SelectConfig) -> NDArray[np.int64]:
    """Places of the chosen candidates, best first: at most max_tags, none below min_confidence.

    Equal confidences keep the order of the catalog, where frequent tags come first.
    """
    confidences = scores.confidences
    if confidences.shape != candidates.tag_rows.shape:
        raise ValueError(f"{len(candidates.tag_rows)} candidates, confidences {confidences.shape}")
    order = np.lexsort((candidates.tag_rows, -confidences))[: config.max_tags]
    return order[confidences[order] >= config.min_confidence]
