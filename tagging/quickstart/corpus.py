"""Synthetic labelled corpus of the quickstart: generated in a minute, without third-party videos or a download.

Each video has tags of three kinds, and only one modality shows each kind: the subject is in the title, the scene in the
frames, the sound in the sound track. So the corpus shows the purpose of each channel.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tagging.progress import Progress
from tagging.quickstart.render import SCENES, SOUNDS, render_clip

# subject -> its other tags, and titles of videos about it
SUBJECTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "cooking": (
        ("food", "recipe"),
        (
            "Tomato soup in ten minutes",
            "The crispiest roast potatoes",
            "Fresh pasta by hand",
            "My grandmother's apple pie",
            "Five sauces every cook should know",
            "Bread without kneading",
        ),
    ),
    "fitness": (
        ("workout", "health"),
        (
            "Ten minute morning stretch",
            "Push-ups for beginners",
            "A full body workout at home",
            "How to run your first 5k",
            "Yoga for a stiff back",
            "Stronger legs in four weeks",
        ),
    ),
    "football": (
        ("sport", "goals"),
        (
            "Every goal of the cup final",
            "The best free kicks this season",
            "How defenders read the game",
            "Derby highlights",
            "A striker's first hat-trick",
            "Penalty shootout drama",
        ),
    ),
    "travel": (
        ("vlog", "journey"),
        (
            "Three days in Lisbon on a budget",
            "The night train across the Alps",
            "Packing light for a month away",
            "A weekend on the islands",
            "Hidden villages of the coast",
            "Backpacking through Vietnam",
        ),
    ),
    "gardening": (
        ("plants", "diy"),
        (
            "Growing tomatoes on a balcony",
            "When to prune roses",
            "A compost heap that works",
            "Seeds to sow in March",
            "Saving a dying houseplant",
            "Raised beds from old boards",
        ),
    ),
    "astronomy": (
        ("space", "science"),
        (
            "How to find Saturn tonight",
            "Why the Moon drifts away",
            "A first telescope under 200",
            "What a comet is made of",
            "The scale of the galaxy",
            "Photographing star trails",
        ),
    ),
    "programming": (
        ("coding", "tutorial"),
        (
            "Python generators explained",
            "Debugging without guessing",
            "Build a web server from scratch",
            "Git rebase in plain words",
            "Writing tests you can trust",
            "Your first neural network",
        ),
    ),
    "cats": (
        ("pets", "funny"),
        (
            "Cat meets a cucumber",
            "Kitten learns to climb",
            "Why cats knock things over",
            "Two cats and one box",
            "A cat that opens doors",
            "The laziest cat of all",
        ),
    ),
    "history": (
        ("documentary", "education"),
        (
            "The fall of Constantinople",
            "How the Romans built roads",
            "Letters from a medieval market",
            "The first printed books",
            "Ships of the Vikings",
            "Life in a bronze age village",
        ),
    ),
    "cars": (
        ("test drive", "review"),
        (
            "An electric hatchback after a year",
            "Restoring a rusty roadster",
            "Manual or automatic",
            "The quietest car we measured",
            "Winter tyres compared",
            "What a used van really costs",
        ),
    ),
}
TEST_TITLES = 2  # of each subject, reserved for the test clips
DESCRIPTIONS = ("{title}. New videos every week.", "In this video: {title}.", "{title} - all you need to know.", "")


@dataclass(frozen=True, slots=True)
class PlannedVideo:
    """A video before it is rendered; scene and sound are None if it has no clip."""

    video_id: str
    title: str
    description: str
    tags: tuple[str, ...]
    scene: str | None
    sound: str | None


def plan_training(videos: int, clips: int, rng: np.random.Generator) -> list[PlannedVideo]:
    """Plan `videos` videos, the first `clips` of them with a clip; equal generators give equal plans."""
    return _plan("demo", videos, clips, slice(0, -TEST_TITLES), rng)


def plan_test(clips: int, rng: np.random.Generator) -> list[PlannedVideo]:
    """Plan clips with titles that no training video has."""
    return _plan("test", clips, clips, slice(-TEST_TITLES, None), rng)


def _plan(prefix: str, videos: int, clips: int, titles_used: slice, rng: np.random.Generator) -> list[PlannedVideo]:
    scenes, sounds, subjects = list(SCENES), list(SOUNDS), list(SUBJECTS)
    plans = []
    for number in range(videos):
        subject = subjects[rng.integers(len(subjects))]
        others, all_titles = SUBJECTS[subject]
        titles = all_titles[titles_used]
        title = titles[rng.integers(len(titles))] + str(rng.choice(["", "", " (part 2)", " | live", "!"]))
        has_clip = number < clips
        scene = scenes[number % len(scenes)] if has_clip else None
        sound = sounds[(number // len(scenes) + number) % len(sounds)] if has_clip else None
        plans.append(
            PlannedVideo(
                video_id=f"{prefix}-{number:03d}",
                title=title,
                description=DESCRIPTIONS[rng.integers(len(DESCRIPTIONS))].format(title=title),
                tags=(subject, *others, *filter(None, (scene, sound))),
                scene=scene,
                sound=sound,
            )
        )
    return plans


def write_corpus(plans: Sequence[PlannedVideo], folder: Path, rng: np.random.Generator, progress: Progress) -> Path:
    """Render the clips into `folder` and write the manifest next to them; return the manifest's path."""
    folder.mkdir(parents=True, exist_ok=True)
    with progress.track("render clips", sum(plan.scene is not None for plan in plans)) as advance:
        for plan in plans:
            if plan.scene is not None and plan.sound is not None:
                render_clip(folder / f"{plan.video_id}.mp4", plan.scene, plan.sound, rng)
                advance(1)
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(_lines(plans)), encoding="utf-8")
    return manifest


def _lines(plans: Iterable[PlannedVideo]) -> Iterable[str]:
    for plan in plans:
        row = {
            "video_id": plan.video_id,
            "title": plan.title,
            "description": plan.description,
            "tags": list(plan.tags),
        }
        if plan.scene is not None:
            row["uri"] = f"{plan.video_id}.mp4"
        yield json.dumps(row, ensure_ascii=False) + "\n"
