"""Export of a trained network to the shipped file: half precision, with class names and their vectors."""

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from tagging.features.resnet import SmallResNet
from tagging.features.trained import FRAME_DIM, SOUND_DIM
from tagging.files.atomic import atomic_file
from tagging.tools.distillation.classes import Classes

KINDS = {"vision": ("videotag-vision", 3, FRAME_DIM), "audio": ("videotag-audio", 1, SOUND_DIM)}


def write(
    network: SmallResNet,
    encoder: str,
    classes: Classes,
    anchors: NDArray[np.float32],
    text_fingerprint: str,
    file: Path,
) -> None:
    """Write the file; equal networks give equal bytes."""
    tensors = {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
    tensors["anchors"] = torch.from_numpy(anchors)
    halves = {name: tensor.detach().cpu().half().contiguous() for name, tensor in tensors.items()}
    metadata = {
        "kind": KINDS[encoder][0],
        "class_names": classes.names,
        "class_words": classes.words,
        "text_fingerprint": text_fingerprint,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file) as partial:
        # safetensors' own file writer makes the file private, so write bytes; it shuffles metadata, so use a single
        # entry.
        partial.write_bytes(save(halves, {"videotag": json.dumps(metadata)}))


def write_untrained(
    encoder: str, classes: Classes, anchors: NDArray[np.float32], text_fingerprint: str, file: Path, seed: int = 7
) -> None:
    """Write a network with random weights, the baseline that has only the architecture."""
    _, channels, dim = KINDS[encoder]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SmallResNet(channels, dim, len(classes.names))
    write(network, encoder, classes, anchors, text_fingerprint, file)
