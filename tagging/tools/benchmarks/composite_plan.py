"""Plan of the composite set: the picture, sound and talk of each clip, each tag carried by exactly one modality.

The names and general words of a clip's picture and of its sound are disjoint, and none of them occurs in its text.
Every source is used at most once, so test clips share no source with training clips; all tags of a test clip are tags
of training clips.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from tagging.errors import InvalidManifestError
from tagging.tools.benchmarks.sources import Source, Talk, plain
from tagging.types import Modality

TEST_SHARE = 0.2
SHORTEST_S, LONGEST_S = 3.0, 6.0

S = TypeVar("S", bound=Source)


@dataclass(frozen=True, slots=True, eq=False)
class ClipPlan:
    video_id: str
    talk: Talk
    picture: Source
    sound: Source
    seconds: float
    seed: int  # of the path of the crop over the picture

    @property
    def split(self) -> str:
        return "test" if self.talk.held_out else "train"

    @property
    def carried(self) -> list[tuple[str, Modality]]:
        """(tag, the only modality that carries it) pairs."""
        by_text: list[tuple[str, Modality]] = [(tag, "text") for tag in self.talk.tags]
        return [*by_text, (self.picture.tags[0], "frames"), (self.sound.tags[0], "audio")]


def plan_clips(
    talks: Sequence[Talk], pictures: Sequence[Source], sounds: Sequence[Source], clips: int, seed: int
) -> list[ClipPlan]:
    """Return at most `clips` plans, a fifth of them tests; fewer if sources run out. Equal arguments give equal plans.

    Raises InvalidManifestError if the sources do not suffice for one training and one test clip.
    """
    rng = np.random.default_rng(seed)
    wanted = round(clips * TEST_SHARE)
    train_talks, test_talks = _divided(talks)
    train_pictures, test_pictures = _divided(pictures)
    train_sounds, test_sounds = _divided(sounds)
    train = _matched(train_talks, train_pictures, train_sounds, clips - wanted, "train", rng)
    known = {tag for plan in train for tag, _ in plan.carried}
    test = _matched(
        _with_tags(test_talks, known),
        _with_tags(test_pictures, known),
        _with_tags(test_sounds, known),
        wanted,
        "test",
        rng,
    )
    if not train or not test:
        raise InvalidManifestError(f"the sources suffice for {len(train)} training and {len(test)} test clips only")
    return [*train, *test]


def _divided(sources: Sequence[S]) -> tuple[list[S], list[S]]:
    """Divide the sources into those of training clips and those of test clips."""
    return [source for source in sources if not source.held_out], [source for source in sources if source.held_out]


def _with_tags(sources: Sequence[S], known: set[str]) -> list[S]:
    """Return the sources all of whose tags are known."""
    return [source for source in sources if known.issuperset(source.tags)]


def _matched(
    talks: Sequence[Talk],
    pictures: Sequence[Source],
    sounds: Sequence[Source],
    clips: int,
    prefix: str,
    rng: np.random.Generator,
) -> list[ClipPlan]:
    """Match each talk with the next compatible picture and then with the next compatible sound."""
    picture_queue, sound_queue = _round_robin(pictures, rng), _round_robin(sounds, rng)
    plans: list[ClipPlan] = []
    for index in rng.permutation(len(talks)):
        if len(plans) == clips:
            break
        talk = talks[index]
        text = plain(f"{talk.title}\n{talk.description}")
        picture = next((picture for picture in picture_queue if _is_unrelated(picture, text, frozenset())), None)
        if picture is None:
            continue
        sound = next((sound for sound in sound_queue if _is_unrelated(sound, text, picture.related)), None)
        if sound is None:
            continue
        picture_queue.remove(picture)
        sound_queue.remove(sound)
        seconds = round(float(rng.uniform(SHORTEST_S, LONGEST_S)), 2)
        name = f"{prefix}-{len(plans):04d}"
        plans.append(ClipPlan(name, talk, picture, sound, seconds, int(rng.integers(2**32))))
    return plans


def _is_unrelated(source: Source, text: str, others: frozenset[str]) -> bool:
    return not source.related & others and not any(word in text for word in source.related)


def _round_robin(sources: Sequence[S], rng: np.random.Generator) -> list[S]:
    """Shuffle, the first of every label before the second of any, so rare labels count as much as common ones."""
    shuffled = [sources[index] for index in rng.permutation(len(sources))]
    seen: Counter[tuple[str, ...]] = Counter()
    rounds: dict[int, list[S]] = defaultdict(list)
    for source in shuffled:
        rounds[seen[source.tags]].append(source)
        seen[source.tags] += 1
    return [source for number in sorted(rounds) for source in rounds[number]]
