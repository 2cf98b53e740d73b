"""Description of the machine that a benchmark ran on: processor, threads, other load, versions."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil
import torch

from tagging.bench.figure import Row

# Instruction sets that decide which kernels the networks run on.
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8", "asimd", "sve")
PACKAGES = ("videotag", "torch", "numpy", "faiss-cpu", "lightgbm", "av", "sentence-transformers")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def machine(cpu_information: Path = Path("/proc/cpuinfo")) -> list[Row]:
    """Return rows of a property and its value."""
    facts = _processor(cpu_information)
    threads = [f"torch {torch.get_num_threads()}", *(f"{name}={os.environ[name]}" for name in _set_variables())]
    found = {
        "processor": facts.get("model name") or platform.processor() or platform.machine(),
        "instruction sets": " ".join(name for name in INSTRUCTION_SETS if name in facts.get("flags", "").split()),
        "cores": f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}",
        "memory GiB": str(round(psutil.virtual_memory().total / 2**30)),
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "threads": ", ".join(threads),
        "load before (1 min)": f"{os.getloadavg()[0]:.2f}",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }
    return [{"machine": name, "value": value} for name, value in found.items()]


def _set_variables() -> list[str]:
    return [name for name in THREAD_VARIABLES if name in os.environ]


def _processor(file: Path) -> dict[str, str]:
    """Return the fields of the first processor; "Features" of an ARM are its flags."""
    try:
        first = file.read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return {}
    fields = (line.partition(":") for line in first.splitlines())
    facts = {name.strip(): value.strip() for name, _, value in fields}
    return {"flags": facts.get("Features", ""), **facts}
