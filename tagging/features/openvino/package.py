"""The package openvino, and what the processor does for it; nothing heavy is imported."""

import importlib.util
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from tagging.config.encoders import EncodersConfig
from tagging.errors import InvalidConfigError, MissingPackageError

if TYPE_CHECKING:
    import openvino

TELEMETRY = "openvino_telemetry"


def require_openvino(config: EncodersConfig) -> None:
    """Raise MissingPackageError if the configuration needs OpenVINO and it is not installed."""
    if config.runtime == "openvino" and importlib.util.find_spec("openvino") is None:
        raise MissingPackageError(
            "encoders.runtime is openvino, but the package openvino is not installed",
            "pip install 'videotag[openvino]'",
        )


@cache
def core() -> "openvino.Core":
    """Return the process's instance of OpenVINO, which loads its plugins once."""
    return library().Core()


@cache
def library() -> Any:
    """Import OpenVINO without openvino-telemetry; nothing else here imports it first.

    With that package the import alone reports itself to Intel and leaves an identifier in the home folder, and so do
    `openvino.convert_model` and `ovc`. Where it cannot be imported, OpenVINO uses a stub of its own.
    """
    present = sys.modules.get(TELEMETRY)
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # an import of it fails
    try:
        return importlib.import_module("openvino")
    finally:
        del sys.modules[TELEMETRY]
        if present is not None:
            sys.modules[TELEMETRY] = present


def has_fast_bf16() -> bool:
    """Return whether the processor multiplies bf16 matrices faster than f32.

    Intel's do with tiles (AMX) alone, AMD's with AVX512-BF16 (Zen 4), as measured (tagging/bench/BENCHMARKS.md).
    """
    import torch

    return bool(torch.cpu._is_amx_tile_supported()) or (_has_bf16() and _processor().startswith("AMD"))


def _has_bf16() -> bool:
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _processor() -> str:
    return str(core().get_property("CPU", "FULL_DEVICE_NAME"))


def settled_precision(config: EncodersConfig) -> EncodersConfig:
    """Return the configuration with the precision that this processor computes in, for a bundle to state.

    Raises InvalidConfigError for bf16 on a processor that has no bf16.
    """
    if config.runtime == "torch":
        return config
    if config.precision == "auto":
        return config.model_copy(update={"precision": "bf16" if has_fast_bf16() else "f32"})
    if config.precision == "bf16" and not _has_bf16():
        raise InvalidConfigError(
            "encoders.precision is bf16, which this processor lacks",
            "use a processor with AVX512-BF16 or AMX, or train with precision f32",
        )
    return config
