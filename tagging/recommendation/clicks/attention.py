"""Multi-head self-attention over fields: the inner representation of an impression (Hasama & Li, section 3).

The paper gives no equations of it; the layer is that of AutoInt (Song et al. 2019, eq. 5-8), with a mask.
"""

from torch import Tensor, nn
from torch.nn import functional

MASKED = -1e9  # logit; finite, as every field of an impression may be missing


class SelfAttention(nn.Module):
    """One layer: ReLU(heads + W_res x)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.residual = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """Return (B, F, D), in which each field has attended to those present.

        x: (B, F, D); present: (B, F) True where a field is present
        """
        batch, fields, width = x.shape
        q, k, v = self.project(x).view(batch, fields, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        logits = q @ k.mT * (width // self.heads) ** -0.5  # (B, heads, F, F)
        weights = logits.masked_fill(~present[:, None, None, :], MASKED).softmax(dim=-1)
        attended = (weights @ v).transpose(1, 2).reshape(batch, fields, width)
        return functional.relu(attended + self.residual(x))
