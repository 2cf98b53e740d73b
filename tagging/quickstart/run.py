"""The quickstart: draw a corpus, train a bundle on it, measure it on videos kept aside, tag a clip."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tagging.config import PROFILES, Config, FrameStatisticsConfig, SoundStatisticsConfig
from tagging.errors import OutputExistsError
from tagging.evaluation import EvaluationReport, evaluate
from tagging.pipeline import load_tagger
from tagging.progress import Progress
from tagging.quickstart.corpus import plan_test, plan_training, write_corpus
from tagging.store.atomic import partial_folder
from tagging.store.features import FeatureStore
from tagging.training import TrainingReport, train
from tagging.types import RankedTags, VideoRef

SEED = 7
MARKER = ".videotag-quickstart"
VIDEOS, CLIPS, TEST_CLIPS = 160, 72, 24


@dataclass(frozen=True, slots=True)
class Quickstart:
    clip: Path
    title: str
    true_tags: tuple[str, ...]  # what the clip was drawn from
    training: TrainingReport
    evaluation: EvaluationReport
    answer: RankedTags


def quickstart_config() -> Config:
    """The offline profile, with picture and sound read as plain statistics: enough for scenes this simple."""
    offline = PROFILES["offline"]
    encoders = offline.encoders.model_copy(
        update={
            "vision": FrameStatisticsConfig(backend="frame-statistics"),
            "audio": SoundStatisticsConfig(backend="sound-statistics"),
        }
    )
    return offline.model_copy(update={"profile": "quickstart", "encoders": encoders})


def run_quickstart(folder: Path, progress: Progress) -> Quickstart:
    """All of it in `folder`; an earlier quickstart there is replaced when this one is done.

    Raises OutputExistsError where the folder holds anything else.
    """
    folder = folder.resolve()  # "." has no name to swap
    if folder.exists() and not (folder / MARKER).exists() and any(folder.iterdir()):
        raise OutputExistsError(f"{folder} holds something that no quickstart made", "choose another --out")
    with partial_folder(folder) as work:
        new = work / "new"
        made = _make(new, progress)
        (new / MARKER).write_text("Made by `videotag quickstart`, which may replace this folder.\n", encoding="utf-8")
        if folder.exists():
            folder.rename(work / "old")
        new.rename(folder)
    return replace(
        made,
        clip=folder / made.clip.relative_to(new),
        training=replace(made.training, bundle=str(folder / "bundle")),
    )


def _make(folder: Path, progress: Progress) -> Quickstart:
    rng = np.random.default_rng(SEED)
    corpus = write_corpus(plan_training(VIDEOS, CLIPS, rng), folder / "corpus", rng, progress)
    unseen = plan_test(TEST_CLIPS, rng)
    test = write_corpus(unseen, folder / "test", rng, progress)

    store = FeatureStore(folder / "features")
    bundle = folder / "bundle"
    training = train([corpus], {}, bundle, quickstart_config(), store, progress)
    evaluation = evaluate(bundle, [test], {}, store, progress)
    shown = unseen[0]
    clip = folder / "test" / f"{shown.video_id}.mp4"
    with load_tagger(bundle) as tagger:
        answer = tagger.tag(VideoRef(shown.video_id, str(clip), shown.title), tagger.selection(None))
    return Quickstart(clip, shown.title, shown.tags, training, evaluation, answer)
