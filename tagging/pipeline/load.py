"""Loading of bundles: a tagger from a bundle's folder, checked against its manifest and the encoders at hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rank.base import Ranker
from rank.contrastive import ContrastiveRanker
from rank.fusion import NoisyOrRanker
from rank.precision_control import HeldOutPredictions
from rank.recall_probability import RecallProbabilityRanker
from tagging import paths
from tagging.bundle.manifest import BUNDLE, BundleManifest, EncoderEntry
from tagging.bundle.sealed import artifact_errors
from tagging.config.encoders import RuntimeName
from tagging.errors import ArtifactMismatchError
from tagging.features.factory import Encoders, load_encoders
from tagging.media.pool import DecodePool
from tagging.pipeline.models import PipelineModels
from tagging.pipeline.precision import PrecisionThresholds
from tagging.pipeline.recall_stage import RecallStage
from tagging.pipeline.selection import Selector
from tagging.pipeline.stages import Stages, untimed
from tagging.pipeline.tagger import Tagger
from tagging.pipeline.triton_towers import towers_on_triton
from tagging.torch_tools import torch_device
from tagging.types import MODALITIES, Modality

if TYPE_CHECKING:
    from tagging.features.triton.client import TritonClient


def load_tagger(
    folder: Path | None = None,
    stages: Stages = untimed,
    *,
    reads_media: bool = True,
    triton: "TritonClient | None" = None,
    runtime: RuntimeName | None = None,
) -> Tagger:
    """Load a bundle for tagging and check it against its manifest.

    folder: of the bundle; None: the starter bundle in the package
    stages: times the stages of each batch
    reads_media: False, for texts alone, loads neither the encoders nor the readers of frames and sound
    triton: runs the networks of encoders and readers, and the towers of recall and ranker; None: this process does
    runtime: of the encoders; None: the bundle's
    Raises ArtifactError for a bundle that is missing, damaged, of another format or made with other encoders, and
    MissingWeightsError if one of its encoders is not on this machine, InvalidConfigError for a runtime without the
    bundle's precision, MissingPackageError for one that is not installed. With `triton`, also ArtifactMismatchError if
    it does not hold the models of the bundle, BackendUnavailableError if it is away.
    """
    folder = paths.default_bundle() if folder is None else folder
    manifest = BUNDLE.read(folder)
    configured = manifest.config.encoders.on(runtime)
    encoders = load_encoders(configured if reads_media else configured.of_text(), triton)
    check_encoders(manifest, encoders)
    try:
        recall_stage = RecallStage.load(folder, manifest)
        ranker = load_ranker(folder, manifest, encoders, None if triton is None else "cpu")
        predictions = load_held_out_predictions(folder, manifest)
    except Exception:
        BUNDLE.read(folder)  # names a file damaged since, whatever the library reported
        raise
    models = PipelineModels(encoders, recall_stage, ranker)
    if triton is not None:
        models = towers_on_triton(models, manifest, triton)
    return make_tagger(manifest, models, predictions, stages)


def make_tagger(
    manifest: BundleManifest,
    models: PipelineModels,
    predictions: HeldOutPredictions | None = None,
    stages: Stages = untimed,
) -> Tagger:
    """Return the tagger over the models of a bundle; it starts decode processes if an encoder reads media.

    predictions: of videos that nothing was fitted on; without them no precision can be guaranteed
    """
    config, encoders = manifest.config, models.encoders
    return Tagger(
        models=models,
        selector=_selector(manifest, predictions),
        decoder=DecodePool(config.media) if encoders.reads_media else None,
        bundle_version=manifest.version,
        stages=stages,
    )


def load_selector(folder: Path, manifest: BundleManifest) -> Selector:
    """Return the selection of a bundle without loading its models."""
    return _selector(manifest, load_held_out_predictions(folder, manifest))


def _selector(manifest: BundleManifest, predictions: HeldOutPredictions | None) -> Selector:
    return Selector(manifest.config.select, PrecisionThresholds(predictions, manifest.config.training.seed))


def load_held_out_predictions(folder: Path, manifest: BundleManifest) -> HeldOutPredictions | None:
    """Return the bundle's predictions for videos that nothing was fitted on; None if it has none."""
    if manifest.learnt is None or not manifest.learnt.kept_for_promises:
        return None
    with artifact_errors(folder):
        return HeldOutPredictions.load(folder / "answers.parquet")


def load_ranker(folder: Path, manifest: BundleManifest, encoders: Encoders, device: str | None = None) -> Ranker:
    """Return the trained ranker; without one, the ranker by recall's probabilities or by its channels' noisy or.

    encoders: the bundle's
    device: of the towers, as torch names it; None: the configured one
    """
    config = manifest.config.rank
    if manifest.ranker is not None and config.ranker is not None:
        device = device or torch_device(config.ranker.device, "rank.ranker.device")
        with artifact_errors(folder):
            return ContrastiveRanker.load(folder / "rank", config.ranker, encoders.text, device)
    return NoisyOrRanker(config.fusion) if manifest.learnt is None else RecallProbabilityRanker()


def check_encoders(manifest: BundleManifest, encoders: Encoders) -> None:
    """Raise ArtifactMismatchError unless the encoders at hand made the vectors of the bundle."""
    check_fingerprints(f"bundle {manifest.version}", manifest.encoders, encoders)


def check_fingerprints(owner: str, stated: Mapping[str, EncoderEntry], encoders: Encoders) -> None:
    """Raise ArtifactMismatchError unless every encoder at hand has the fingerprint that is stated for its modality.

    owner: the artifact that states them, for the message
    """
    for modality, found in encoders.fingerprints().items():
        expected = stated[modality].fingerprint if modality in stated else None
        if found != expected:
            raise ArtifactMismatchError(
                f"{owner}: its {modality} encoder has fingerprint {expected}, the one here {found}",
                "install the weights and packages it was trained with, or train it again",
            )


def stated_fingerprints(manifest: BundleManifest) -> dict[Modality, str]:
    """Return the fingerprints of the encoders that a bundle was made with, by modality."""
    return {name: manifest.encoders[name].fingerprint for name in MODALITIES if name in manifest.encoders}
