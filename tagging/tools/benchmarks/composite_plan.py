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
    train = _matched(*_part(talks, pictures, sounds, False), clips - wanted, "train", rng)
    known: set[str] = {tag for plan in train for tag, _ in plan.carried}
    part = [[one for one in some if known.issuperset(one.tags)] for some in _part(talks, pictures, sounds, True)]
    test = _matched([one for one in part[0] if isinstance(one, Talk)], part[1], part[2], wanted, "test", rng)
    if not train or not test:
        raise InvalidManifestError(f"the sources give {len(train)} training and {len(test)} test clips")
    return [*train, *test]


def _part(
    talks: Sequence[Talk], pictures: Sequence[Source], sounds: Sequence[Source], held_out: bool
) -> tuple[list[Talk], list[Source], list[Source]]:
    one, two, three = ([s for s in some if s.held_out is held_out] for some in (talks, pictures, sounds))
    return [talk for talk in one if isinstance(talk, Talk)], two, three


def _matched(
    talks: Sequence[Talk],
    pictures: Sequence[Source],
    sounds: Sequence[Source],
    clips: int,
    prefix: str,
    rng: np.random.Generator,
) -> list[ClipPlan]:
    """Match each talk with the next compatible picture and then with the next compatible sound."""
    picture_queue, sound_queue = _label_by_label(pictures, rng), _label_by_label(sounds, rng)
    plans: list[ClipPlan] = []
    for place in rng.permutation(len(talks)):
        if len(plans) == clips:
            break
        talk = talks[place]
        text = plain(f"{talk.title}\n{talk.description}")
        picture = next((one for one in picture_queue if _apart(one, text, frozenset())), None)
        if picture is None:
            continue
        sound = next((one for one in sound_queue if _apart(one, text, picture.related)), None)
        if sound is None:
            continue
        picture_queue.remove(picture)
        sound_queue.remove(sound)
        seconds = round(float(rng.uniform(SHORTEST_S, LONGEST_S)), 2)
        name = f"{prefix}-{len(plans):04d}"
        plans.append(ClipPlan(name, talk, picture, sound, seconds, int(rng.integers(2**32))))
    return plans


def _apart(one: Source, text: str, others: frozenset[str]) -> bool:
    return not one.related & others and not any(word in text for word in one.related)


S = TypeVar("S", bound=Source)


def _label_by_label(sources: Sequence[S], rng: np.random.Generator) -> list[S]:
    """Shuffle, the first of every label before the second of any, so rare labels count as much as common ones."""
    shuffled = [sources[place] for place in rng.permutation(len(sources))]
    seen: Counter[tuple[str, ...]] = Counter()
    rounds: dict[int, list[S]] = defaultdict(list)
    for one in shuffled:
        rounds[seen[one.tags]].append(one)
        seen[one.tags] += 1
    return [one for number in sorted(rounds) for one in rounds[number]]
