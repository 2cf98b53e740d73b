"""OpenVINO as the runtime of encoders: conversion, files, compilation, precision and fingerprints.

f32 gives the vectors of torch up to rounding (1e-6), so a fingerprint stays: a bundle that was trained with one opens
with the other. bf16 moves vectors, those of frames by up to 0.01 in their cosine, and has a fingerprint of its own.
"""

from importlib.metadata import version

from tagging import paths
from tagging.features.networks.base import Encoder
from tagging.features.networks.contract import ModelSpec
from tagging.features.networks.encoder_graphs import encoder_graph
from tagging.features.networks.graph import largest_difference
from tagging.features.openvino.conversion import convert, keep_converted, read_converted
from tagging.features.openvino.network import CompiledNetwork, OpenVinoNetwork, Precision
from tagging.features.weights import fingerprint

MODULES = 1  # raised when the modules that are converted compute another function


class OpenVinoRuntime:
    """A Runtime."""

    def __init__(self, precision: Precision) -> None:
        self._precision: Precision = precision
        self.runs_texts = precision == "bf16"  # in f32 torch, which reads them without padding, takes half of the time

    def network(self, encoder: Encoder, spec: ModelSpec) -> OpenVinoNetwork:
        """Return the network of an encoder, converted at its first use on this machine.

        Raises ArtifactMismatchError if the conversion does not compute what the encoder does.
        """
        path = paths.converted() / f"{spec.name}-{_key(encoder, spec)}.safetensors"
        model = read_converted(path)
        if model is None:
            graph = encoder_graph(encoder)
            assert graph is not None, "the factory places encoders with a network only"
            model = convert(graph)
            tried = OpenVinoNetwork(CompiledNetwork(model, "f32"), spec, encoder.batch_size)
            [outputs] = tried.many([graph.inputs])
            largest_difference(spec, graph.outputs, outputs, "OpenVINO")
            keep_converted(model, path)
        return OpenVinoNetwork(CompiledNetwork(model, self._precision), spec, encoder.batch_size)

    def fingerprint(self, encoder: Encoder) -> str:
        """Return the in-process encoder's fingerprint for f32, one of its own for bf16."""
        if self._precision == "f32":
            return encoder.fingerprint
        return fingerprint("openvino", {"encoder": encoder.fingerprint, "precision": self._precision}, {})


def _key(encoder: Encoder, spec: ModelSpec) -> str:
    """Return a hash of what a converted network depends on."""
    versions = {"modules": MODULES, "openvino": version("openvino"), "torch": version("torch")}
    return fingerprint("converted", {"encoder": encoder.fingerprint, "spec": repr(spec), **versions}, {})
