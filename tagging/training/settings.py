"""Training settings: checks before any work, and the effective configuration of a training."""

from pathlib import Path

from rank.checkpoint import require_checkpoint
from rank.distributed import Hardware
from tagging.config.rank import RankerConfig
from tagging.config.root import Config
from tagging.features.factory import Encoders, check_weights
from tagging.features.openvino.package import settled_precision
from tagging.features.weights import bert_folder
from tagging.training.name_sources import without_foreign_sources


def ranker_to_train(config: Config) -> RankerConfig | None:
    """Return the ranker that a configuration trains: none without a recall model, whose candidates it learns from."""
    return config.rank.ranker if config.recall.learnt is not None else None


def check_requirements(config: Config, checkpoint: Path | None) -> Hardware | None:
    """Check that weights, hardware and checkpoint are usable; return the hardware that trains the ranker, if any.

    Raises MissingWeightsError, MissingPackageError, InvalidConfigError if this machine lacks the configured GPUs, and
    ArtifactCorruptError or OutputUnwritableError for the checkpoint.
    """
    check_weights(config.encoders)
    ranker = ranker_to_train(config)
    if ranker is None:
        return None
    if ranker.bert is not None:
        bert_folder(ranker.bert)
    hardware = Hardware.of(ranker)
    if checkpoint is not None:
        require_checkpoint(checkpoint)
    return hardware


def settle_config(config: Config, hardware: Hardware | None, encoders: Encoders) -> Config:
    """Return the configuration that is trained with and stored in the bundle.

    Name sources that were fitted for other encoders are left out, and the precision of the encoders, and the ranker's
    precision and processes, become those of the hardware, so that a bundle states how it was trained.
    """
    settled = without_foreign_sources(config, encoders)
    settled = settled.model_copy(update={"encoders": settled_precision(settled.encoders)})
    ranker = settled.rank.ranker
    if hardware is None or ranker is None:
        return settled
    precision = "bfloat16" if hardware.bfloat16 else "float32"
    ranker = ranker.model_copy(update={"processes": hardware.processes, "precision": precision})
    return settled.model_copy(update={"rank": settled.rank.model_copy(update={"ranker": ranker})})
