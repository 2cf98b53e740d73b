"""Recall and rank joined: from videos to ranked tags with their evidence.

VideoRef → MediaSample → ModalityFeatures → VideoEmbeddings → Candidates → TagScores → RankedTags
"""

from pathlib import Path

from rank.base import Ranker
from rank.contrastive import ContrastiveRanker
from rank.fusion import NoisyOrRanker
from rank.precision_control import HeldOutPredictions
from rank.recall_probability import RecallProbabilityRanker
from tagging import paths
from tagging.bundle.files import artifact_errors, read_manifest
from tagging.bundle.manifest import BundleManifest
from tagging.errors import ArtifactMismatchError
from tagging.features.factory import Encoders, load_encoders
from tagging.pipeline.recall_stage import RecallStage
from tagging.pipeline.stages import Stages, untimed
from tagging.pipeline.tagger import Tagger
from tagging.torch_tools import torch_device
from tagging.types import MODALITIES, Modality


def load_tagger(folder: Path | None = None, stages: Stages = untimed) -> Tagger:
    """Load a bundle for tagging and check it against its manifest.

    folder: of the bundle; None: the starter bundle in the package
    stages: times the stages of each batch
    Raises ArtifactError for a bundle that is missing, damaged, of another format or made with other encoders, and
    MissingWeightsError if one of its encoders is not on this machine.
    """
    folder = paths.default_bundle() if folder is None else folder
    manifest = read_manifest(folder)
    encoders = load_encoders(manifest.config.encoders)
    check_encoders(manifest, encoders)
    try:
        recall_stage, ranker = RecallStage.load(folder, manifest), load_ranker(folder, manifest)
        answers = load_held_out_predictions(folder, manifest)
    except Exception:
        read_manifest(folder)  # names a file damaged since, whatever the library reported
        raise
    return Tagger(recall_stage, ranker, encoders, manifest.config, manifest.version, answers, stages)


def load_held_out_predictions(folder: Path, manifest: BundleManifest) -> HeldOutPredictions | None:
    """What the bundle would answer videos that nothing of it was fitted on."""
    if manifest.learnt is None or not manifest.learnt.kept_for_promises:
        return None
    with artifact_errors(folder):
        return HeldOutPredictions.load(folder / "answers.parquet")


def load_ranker(folder: Path, manifest: BundleManifest) -> Ranker:
    """The ranker that was trained; without one candidates are as sure as recall says, or as its channels together."""
    config = manifest.config.rank
    if manifest.ranker is not None and config.ranker is not None:
        device = torch_device(config.ranker.device, "rank.ranker.device")
        with artifact_errors(folder):
            return ContrastiveRanker.load(folder / "rank", config.ranker, device)
    return NoisyOrRanker(config.fusion) if manifest.learnt is None else RecallProbabilityRanker()


def check_encoders(manifest: BundleManifest, encoders: Encoders) -> None:
    """The encoders at hand are those whose vectors the bundle holds, or ArtifactMismatchError."""
    stated = stated_fingerprints(manifest)
    for modality, found in encoders.fingerprints().items():
        if found != stated.get(modality):
            raise ArtifactMismatchError(
                f"bundle {manifest.version}: its {modality} encoder has fingerprint {stated.get(modality)}, "
                f"the one here {found}",
                "install the weights and packages the bundle was trained with, or train it again",
            )


def stated_fingerprints(manifest: BundleManifest) -> dict[Modality, str]:
    """Of the encoders that a bundle was made with."""
    return {one: manifest.encoders[one].fingerprint for one in MODALITIES if one in manifest.encoders}
