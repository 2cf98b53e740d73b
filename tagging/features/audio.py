"""VGGish audio encoder (Hershey et al. 2017): 128 numbers per 0.96 s of sound, without the PCA and quantisation of the
release."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tagging.errors import ArtifactMismatchError
from tagging.features.fetch_weights import reason_of
from tagging.features.log_mel import log_mel
from tagging.features.weights import fingerprint
from tagging.types import Sound


class VggishEncoder:
    """A SoundEncoder over torchvggish. Raises ArtifactMismatchError unless the file is a state dict of VGGish."""

    dim = 128

    def __init__(self, file: Path, batch_size: int, device: str = "cpu") -> None:
        from torchvggish.torchvggish import _vgg

        with torch.device("meta"):  # skips the random initialisation
            model = _vgg(postprocess=False)
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
            model.load_state_dict(state, assign=True)
        except Exception as error:  # torch and pickle raise several kinds of errors for other files
            raise ArtifactMismatchError(f"{file} is no VGGish state dict: {reason_of(error)}") from error
        self.model = model.float().eval().requires_grad_(False).to(device)
        self.batch_size = batch_size
        self._device = device
        self.fingerprint = fingerprint("torchvggish", {"version": 1}, {"weights": file})

    def prepare(self, sound: Sound) -> NDArray[np.float32]:
        """Sound -> (S, 96, 64) log-mel examples."""
        return log_mel(sound)

    def encode(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, 96, 64) -> (B, 128) the output of the network: non-negative, not normalised."""
        rows = np.empty((len(inputs), self.dim), np.float32)
        with torch.inference_mode():
            for start in range(0, len(inputs), self.batch_size):
                batch = torch.from_numpy(np.ascontiguousarray(inputs[start : start + self.batch_size]))
                rows[start : start + len(batch)] = self.model(batch[:, None].to(self._device)).cpu().numpy()
        return rows
