"""Networks of encoders on a Triton server."""

from collections.abc import Iterable, Sequence

from tagging.features.networks.base import Encoder, Network, OnNetworks
from tagging.features.networks.contract import ModelSpec
from tagging.features.networks.encoders import NetworkFrameEncoder, NetworkSoundEncoder, NetworkTextEncoder
from tagging.features.triton.client import TritonClient
from tagging.features.triton.model import TritonModel


class TritonRuntime:
    """A Runtime: the versions of a server's models that have the fingerprints of encoders."""

    runs_texts = True

    def __init__(self, client: TritonClient) -> None:
        self._client = client

    def network(self, encoder: Encoder, spec: ModelSpec) -> TritonModel:
        """Return the version of the model. Raises what TritonModel.find raises."""
        return TritonModel.find(self._client, spec, encoder.fingerprint)

    def fingerprint(self, encoder: Encoder) -> str:
        """Return the fingerprint of the in-process encoder: an export checks that the results are equal."""
        return encoder.fingerprint


def models_of(parts: Iterable[object]) -> list[TritonModel]:
    """Return the models of those of the encoders and readers that run on Triton."""
    return [network for part in parts for network in _networks(part) if isinstance(network, TritonModel)]


def _networks(part: object) -> Sequence[Network]:
    if isinstance(part, NetworkTextEncoder | NetworkFrameEncoder | NetworkSoundEncoder):
        return [part.network]
    return part.networks if isinstance(part, OnNetworks) else []
