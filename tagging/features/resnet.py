"""ResNet-18 at half the width, with the ResNet-D stem of three small convolutions.

He et al. 2016 ("Deep residual learning") and He et al. 2019 ("Bag of tricks", section 4.2). Plain 3x3 convolutions
have several times the throughput of depthwise ones on a CPU, most of all in training.
timm has this network too, but needs torchvision, which the offline profile avoids.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

WIDTHS = (32, 64, 128, 256)
HEAD = 768


class SmallResNet(nn.Module):
    """Encode pictures, or log-mel examples as pictures of one channel, into a map of tokens.

    channels: of the input. dim: of a token. classes: classes that tokens are scored against. widths: channels of the
    four stages.
    """

    def __init__(self, channels: int, dim: int, classes: int, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.entry = nn.Sequential(
            _convolution(channels, widths[0] // 2, stride=2),
            _convolution(widths[0] // 2, widths[0] // 2),
            _convolution(widths[0] // 2, widths[0]),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        blocks: list[nn.Module] = []
        before = widths[0]
        for stage, width in enumerate(widths):
            blocks += [Block(before, width, stride=2 if stage else 1), Block(width, width)]
            before = width
        self.blocks = nn.Sequential(*blocks)
        self.head = _convolution(widths[-1], HEAD, size=1)
        self.token = nn.Linear(HEAD, dim)
        self.classes = nn.Linear(dim, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, cells, dim): one token per 32 x 32 cell; their mean is the token of the input."""
        cells = self.head(self.blocks(self.entry(inputs)))  # (B, HEAD, H / 32, W / 32)
        tokens: Tensor = self.token(cells.flatten(2).transpose(1, 2))
        return tokens


class Block(nn.Module):
    """Residual block of two convolutions; a downsampled shortcut is averaged before its projection (ResNet-D)."""

    def __init__(self, before: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.change = nn.Sequential(
            _convolution(before, width, stride=stride),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.carry = nn.Sequential()
        if before != width or stride != 1:
            pool = nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False) if stride != 1 else nn.Identity()
            self.carry = nn.Sequential(pool, nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.relu(self.change(inputs) + self.carry(inputs))


def _convolution(before: int, width: int, stride: int = 1, size: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, width, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )
