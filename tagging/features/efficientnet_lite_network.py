"""EfficientNet-Lite 0, 1 and 2 (Tan & Le 2019, without squeeze-and-excitation and with ReLU6) for inference.

The weights are those of TensorFlow's TPU release as converted by efficientnet-lite-pytorch, so padding is TensorFlow's
"SAME", by the size of each layer's own input. Every batch norm is folded into the convolution before it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Variant = Literal["lite0", "lite1", "lite2"]

FEATURES = 1280
STEM = 32
CLASSES = 1000
NORM_EPSILON = 1e-3
# Stages of EfficientNet-B0: repeats, kernel, stride, expansion, channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """Compound scaling of a variant."""

    width: float
    depth: float
    side: int  # of the input, in pixels

    def channels(self, base: int) -> int:
        """Return the scaled number of channels, a multiple of 8 that is at most a tenth smaller."""
        scaled = base * self.width
        rounded = max(8, int(scaled + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * scaled else rounded

    def repeats(self, stage: int) -> int:
        """Return the blocks of a stage; Lite scales neither the first nor the last one."""
        base = STAGES[stage][0]
        return base if stage in (0, len(STAGES) - 1) else math.ceil(base * self.depth)


SCALES: Mapping[Variant, Scale] = {
    "lite0": Scale(1.0, 1.0, 224),
    "lite1": Scale(1.0, 1.1, 240),
    "lite2": Scale(1.1, 1.2, 260),
}


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding, which is larger on the right and below."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int, groups: int = 1) -> None:
        super().__init__(inside, outside, kernel, stride, groups=groups)

    def forward(self, maps: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = (max((math.ceil(n / stride) - 1) * stride + kernel - n, 0) for n in maps.shape[-2:])
        if height % 2 == 0 and width % 2 == 0:  # the convolution pads by itself, without a copy
            padding = (height // 2, width // 2)
            return functional.conv2d(maps, self.weight, self.bias, self.stride, padding, groups=self.groups)
        padded = functional.pad(maps, (width // 2, width - width // 2, height // 2, height - height // 2))
        return functional.conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)


class Block(nn.Module):
    """An inverted residual block (MobileNetV2, Sandler et al. 2018)."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inside * expansion
        self.expand = nn.Conv2d(inside, wide, 1) if expansion > 1 else None
        self.depthwise = SameConv(wide, wide, kernel, stride, groups=wide)
        self.project = nn.Conv2d(wide, outside, 1)
        self.is_residual = stride == 1 and inside == outside

    def forward(self, maps: Tensor) -> Tensor:
        wide = maps if self.expand is None else functional.relu6(self.expand(maps), inplace=True)
        wide = functional.relu6(self.depthwise(wide), inplace=True)
        narrow: Tensor = self.project(wide)
        return narrow + maps if self.is_residual else narrow


class EfficientNetLite(nn.Module):
    """(B, 3, side, side) pixels of (x - 127) / 128 -> (B, 1280); `classes` turns these into (B, 1000) logits."""

    def __init__(self, scale: Scale) -> None:
        super().__init__()
        self.stem = SameConv(3, STEM, 3, 2)
        self.blocks = nn.Sequential(*_blocks(scale))
        self.head = nn.Conv2d(scale.channels(STAGES[-1][4]), FEATURES, 1)
        self.classes = nn.Linear(FEATURES, CLASSES)

    def forward(self, pixels: Tensor) -> Tensor:
        maps = functional.relu6(self.stem(pixels), inplace=True)
        maps = functional.relu6(self.head(self.blocks(maps)), inplace=True)
        return maps.mean(dim=(2, 3))


def load_network(scale: Scale, state: Mapping[str, Tensor]) -> EfficientNetLite:
    """Return the network with the weights of a state dict of efficientnet-lite-pytorch.

    Raises ValueError for a state dict with other names or shapes, which no other variant passes.
    """
    with torch.device("meta"):  # skips the random initialisation
        network = EfficientNetLite(scale)
    unread = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    folded: dict[str, Tensor] = {}
    try:
        for name, conv, norm in _folds(network):
            folded |= {f"{name}.{kind}": tensor for kind, tensor in _fold(unread, conv, norm).items()}
        folded |= {f"classes.{kind}": unread.pop(f"_fc.{kind}") for kind in ("weight", "bias")}
        if unread:
            raise ValueError(f"it has {len(unread)} more tensors, among them {min(unread)}")
        network.load_state_dict(folded, assign=True)
    except KeyError as error:
        raise ValueError(f"it has no tensor {error}") from error
    except RuntimeError as error:  # other shapes
        raise ValueError(str(error)) from error
    return network


def _blocks(scale: Scale) -> Iterator[Block]:
    inside = STEM
    for stage, (_, kernel, stride, expansion, channels) in enumerate(STAGES):
        for repeat in range(scale.repeats(stage)):
            outside = scale.channels(channels)
            yield Block(inside, outside, kernel, stride if repeat == 0 else 1, expansion)
            inside = outside


def _folds(network: EfficientNetLite) -> Iterator[tuple[str, str, str]]:
    """Yield each convolution of the network, with the names that it and its batch norm have in the file."""
    yield "stem", "_conv_stem", "_bn0"
    for index, block in enumerate(network.blocks):
        if block.expand is not None:
            yield f"blocks.{index}.expand", f"_blocks.{index}._expand_conv", f"_blocks.{index}._bn0"
        yield f"blocks.{index}.depthwise", f"_blocks.{index}._depthwise_conv", f"_blocks.{index}._bn1"
        yield f"blocks.{index}.project", f"_blocks.{index}._project_conv", f"_blocks.{index}._bn2"
    yield "head", "_conv_head", "_bn1"


def _fold(unread: dict[str, Tensor], conv: str, norm: str) -> dict[str, Tensor]:
    """Take a convolution and its batch norm out of the state; return both as one convolution."""
    weight = unread.pop(f"{conv}.weight")
    gain, bias, mean, variance = (
        unread.pop(f"{norm}.{name}") for name in ("weight", "bias", "running_mean", "running_var")
    )
    gain = gain / torch.sqrt(variance + NORM_EPSILON)
    return {"weight": weight * gain[:, None, None, None], "bias": bias - mean * gain}
