"""Tags added to what recall learnt, without learning again.

The tag tower reads any name (`RecallModel.tag_rows`); what else the similarity branch has of each tag is its bias.
"""

from dataclasses import replace

import torch

from recall.model import RecallModel


def with_unused(learnt: RecallModel, added: int) -> RecallModel:
    """With the bias of this many tags that no video has, behind those of the others.

    Training gives a tag on c of the videos log((c + 1) / C), C = Σ c. C is not kept, and follows, as Σ exp(bias) over
    N tags is (C + N) / C.
    """
    bias = learnt.tag_bias
    pairs = len(bias) / (bias.double().exp().sum() - 1)
    unused = -pairs.log().to(bias.dtype)
    return replace(learnt, tag_bias=torch.cat([bias, unused.expand(added)]))
