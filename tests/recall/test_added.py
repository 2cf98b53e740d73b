"""Tags added to what recall learnt, against a training that had them from the start."""

import pytest
import torch

from recall.added import with_unused
from recall.train import TagInputs, learn
from tagging.progress import Silent
from tests.support.topics import LEARNT, NAMES, topics


def test_an_added_tag_has_the_bias_that_training_gives_a_tag_without_videos() -> None:
    data, short = topics(64, seed=1), LEARNT.model_copy(update={"epochs": 1})
    learnt = learn(data.videos, data.tags, data.uploaders, TagInputs(NAMES, {}), short, 3, Silent())
    want = learnt.tag_bias[NAMES.index("kitten recipe")].item()
    more = with_unused(learnt, 2)
    assert torch.equal(more.tag_bias[: len(NAMES)], learnt.tag_bias)
    assert more.tag_bias[len(NAMES) :].tolist() == pytest.approx([want, want], abs=1e-4)
    assert with_unused(more, 1).tag_bias[-1].item() == pytest.approx(want, abs=1e-4)
