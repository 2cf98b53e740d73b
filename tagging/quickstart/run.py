"""Quickstart: tag a clip with the starter bundle, then generate a corpus, train on it, evaluate, and tag it again."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from tagging.config.encoders import FrameStatisticsConfig, SoundStatisticsConfig
from tagging.config.profiles import PROFILES
from tagging.config.root import Config
from tagging.errors import OutputExistsError
from tagging.evaluation.run import EvaluationReport, evaluate
from tagging.files.atomic import partial_folder, require_folder
from tagging.pipeline.load import load_tagger
from tagging.progress import Progress
from tagging.quickstart.corpus import plan_test, plan_training, write_corpus
from tagging.store.features import FeatureStore
from tagging.training.run import TrainingReport, train
from tagging.types import RankedTags, VideoRef

SEED = 7
MARKER = ".videotag-quickstart"
VIDEOS, CLIPS, TEST_CLIPS = 160, 72, 24


@dataclass(frozen=True, slots=True)
class Quickstart:
    clip: Path
    title: str
    true_tags: tuple[str, ...]  # that the clip was generated for
    before: RankedTags  # by the starter bundle
    training: TrainingReport
    evaluation: EvaluationReport
    answer: RankedTags


def quickstart_config() -> Config:
    """Return the offline profile with statistics as vision and audio encoders, which suffice for synthetic clips."""
    offline = PROFILES["offline"]
    encoders = offline.encoders.model_copy(
        update={
            "vision": FrameStatisticsConfig(backend="frame-statistics"),
            "audio": SoundStatisticsConfig(backend="sound-statistics"),
            "speech": None,
            "screen": None,
        }
    )
    names = offline.recall.names.model_copy(update={"seen": None, "heard": None})  # statistics have no classes
    recall = offline.recall.model_copy(update={"names": names})
    return offline.model_copy(update={"profile": "quickstart", "encoders": encoders, "recall": recall})


def run_quickstart(folder: Path, progress: Progress, starter: Path, *, created: datetime) -> Quickstart:
    """Run the quickstart in `folder`; an earlier quickstart there is replaced when this one is complete.

    starter: the bundle that tags before the training.
    created: the time that the new bundle states, with a time zone.
    Raises OutputExistsError if the folder holds anything else, and OutputUnwritableError.
    """
    folder = folder.resolve()  # "." has no name to swap
    require_folder(folder)
    if folder.exists() and not (folder / MARKER).exists() and any(folder.iterdir()):
        raise OutputExistsError(f"{folder} holds files that no quickstart made", "choose another --out")
    with partial_folder(folder) as work:
        new = work / "new"
        result = _make(new, progress, starter, created)
        (new / MARKER).write_text("Made by `videotag quickstart`, which may replace this folder.\n", encoding="utf-8")
        if folder.exists():
            folder.rename(work / "old")
        new.rename(folder)
    return replace(
        result,
        clip=folder / result.clip.relative_to(new),
        training=replace(result.training, bundle=str(folder / "bundle")),
    )


def _make(folder: Path, progress: Progress, starter: Path, created: datetime) -> Quickstart:
    rng = np.random.default_rng(SEED)
    planned = plan_training(VIDEOS, CLIPS, rng)
    unseen = plan_test(TEST_CLIPS, rng)
    test = write_corpus(unseen, folder / "test", rng, progress)
    example = unseen[0]
    video = VideoRef(example.video_id, str(folder / "test" / f"{example.video_id}.mp4"), example.title)
    with progress.track("tag a clip with the starter bundle", 1) as advance, load_tagger(starter) as tagger:
        before = tagger.tag(video, tagger.selection(None))
        advance(1)

    corpus = write_corpus(planned, folder / "corpus", rng, progress)
    store = FeatureStore(folder / "features")
    bundle = folder / "bundle"
    training = train([corpus], {}, bundle, quickstart_config(), store, progress, created=created)
    evaluation = evaluate(bundle, [test], {}, store, progress)
    with load_tagger(bundle) as tagger:
        answer = tagger.tag(video, tagger.selection(None))
    return Quickstart(Path(str(video.uri)), example.title, example.tags, before, training, evaluation, answer)
