"""Readers of screen text and speech whose networks are on a Triton server."""

from functools import partial
from typing import TYPE_CHECKING

from tagging.features.networks.screen_text import ScreenNetwork, network_sessions
from tagging.features.networks.speech import SpeechNetwork
from tagging.features.triton.client import TritonClient
from tagging.features.triton.model import TritonModel

if TYPE_CHECKING:
    from tagging.features.screen_text import Sessions


def place_speech(client: TritonClient, network: SpeechNetwork) -> TritonModel:
    """Return the model of Whisper's network. Raises what TritonModel.find raises."""
    return TritonModel.find(client, network.spec, network.fingerprint)


def screen_sessions(client: TritonClient) -> "Sessions":
    """Return what makes the sessions of PP-OCR, which raises what TritonModel.find raises."""

    def place(network: ScreenNetwork) -> TritonModel:
        return TritonModel.find(client, network.spec, network.fingerprint)

    return partial(network_sessions, place)
