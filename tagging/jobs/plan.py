"""CPU plan of a batch on Ray: how many workers each stage gets.

Ray waits without a word for CPUs that will never be free, so a plan that does not fit is refused before the start.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tagging.errors import InvalidConfigError
from tagging.jobs.job import WHOLE, Share

LEAST_CPUS = 3  # one for decoding, one to encode, one to recall, rank and write


@dataclass(frozen=True, slots=True)
class Plan:
    """Workers of each stage; each takes one CPU, and an encoder a GPU where the cluster has any."""

    decoders: int
    encoders: int
    taggers: int
    gpus_per_encoder: float = 0.0


def plan_for(
    resources: Mapping[str, float], encoders: int | None = None, taggers: int | None = None, share: Share = WHOLE
) -> Plan:
    """Return the plan of one driver for the resources of a cluster: {"CPU": 64.0, "GPU": 8.0}.

    encoders, taggers: as the caller wants them; None: one encoder a GPU if there are CPUs for them, or a quarter of the
        CPUs each
    share: of several drivers on the cluster, each gets its part of the CPUs and GPUs
    Raises InvalidConfigError for a plan that the cluster cannot run.
    """
    all_cpus = int(resources.get("CPU", 0))
    cpus = all_cpus // share.drivers + (share.driver <= all_cpus % share.drivers)
    gpus = resources.get("GPU", 0.0) / share.drivers
    part = "" if share.drivers == 1 else f" for the share {share}"
    if cpus < LEAST_CPUS:
        raise InvalidConfigError(
            f"the Ray cluster has {cpus} CPUs{part}, a batch needs {LEAST_CPUS}: to decode, to encode, and to tag",
            "add a node, or run without --ray" if not part else "add a node, or divide into fewer shares",
        )
    taggers = taggers or max(1, cpus // 4)
    encoders = encoders or max(1, min(int(gpus) or 1, cpus - taggers - 1) if gpus else cpus // 4)
    decoders = cpus - encoders - taggers
    if decoders < 1:
        raise InvalidConfigError(
            f"{encoders} encoders and {taggers} taggers leave none of the cluster's {cpus} CPUs{part} for decoding",
            f"ask for {cpus - 1} workers at most",
        )
    return Plan(decoders, encoders, taggers, min(1.0, gpus / encoders))
