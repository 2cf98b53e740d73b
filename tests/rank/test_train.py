"""Training of the ranker on made-up videos, whose titles name their tags in words of their own."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from rank import train
from rank.bert import Bert
from rank.negatives import Draw, Negatives
from rank.towers import Towers
from rank.train import RankData, backward, train_ranker, without_some
from tagging.config import NegativesConfig, RankerConfig, TowersConfig
from tagging.progress import Advance, Silent
from tagging.types import TagLists, Tokens
from tests.rank.tiny import SHAPE, tiny_bert

TAGS = 10
CLS, SEP, FILLER, WORD, NAME = 0, 1, 2, 10, 25  # tag t is WORD + t in titles, and called NAME + t
LOOKS = np.random.default_rng(9).standard_normal((TAGS, 6))

CONFIG = RankerConfig(
    towers=TowersConfig(width=32, trained_layers=1, clusters=4, groups=2, expansion=1),
    negatives=NegativesConfig(drawn=6, two_hop=1, recalled=1, positives=2),
    batch=16,
    epochs=1e-6,
    least_steps=8,
    rate=5e-3,
    bert_rate=1e-3,
)
LONG = CONFIG.model_copy(
    update={
        "negatives": CONFIG.negatives.model_copy(update={"drawn": TAGS}),
        "batch": 32,
        "least_steps": 70,
        "rate": 1e-2,
        "bert_rate": 3e-3,
    }
)


@dataclass(frozen=True)
class Toy:
    data: RankData
    known: sparse.csr_array
    edges: sparse.csr_array
    recalled: TagLists

    def negatives(self, config: RankerConfig = CONFIG) -> Negatives:
        return Negatives(self.known, self.known, self.edges, self.recalled, config.negatives)


@torch.inference_mode()
def read(texts: Sequence[Sequence[int] | None], lower: int) -> Tokens:
    """What the lower layers make of each text, one at a time."""
    bert = tiny_bert()
    states: list[NDArray[np.floating] | None] = []
    for text in texts:
        if text is None:
            states.append(None)
        else:
            ids = torch.tensor([[CLS, *text, SEP]])
            mask = torch.ones_like(ids, dtype=torch.bool)
            states.append(bert.through(bert.enter(ids), mask, slice(lower))[0].numpy())
    return Tokens.of(states, SHAPE.width)


def toy(
    count: int, seed: int, has_text: Callable[[int], bool] = lambda _: True, lower: int = 2, missing: bool = False
) -> Toy:
    """Each video has one or two tags, named in its title among fillers, and looks like them.

    Every third has no frames. missing: half of the videos of tag 0 show tag 1 as well and do not have it as a label;
    the other half have it.
    """
    generator = np.random.default_rng(seed)
    titles: list[list[int] | None] = []
    labels: list[list[int]] = []
    frames: list[NDArray[np.float64] | None] = []
    for number in range(count):
        shown = generator.choice(TAGS, generator.integers(1, 3), replace=False).tolist()
        own = shown
        if missing and 0 in shown:
            shown = [0, 1]
            own = [0, 1] if generator.random() < 0.5 else [0]
        title = generator.permutation([*(WORD + tag for tag in shown), *(FILLER + generator.integers(0, 8, 2))])
        titles.append(title.tolist() if has_text(number) else None)
        looks = LOOKS[generator.choice(shown, 4)] + 0.2 * generator.standard_normal((4, 6))
        frames.append(None if number % 3 == 2 else looks)
        labels.append(own)
    known = np.zeros((count, TAGS), np.bool_)
    for row, own in enumerate(labels):
        known[row, own] = True
    circle = np.zeros((TAGS, TAGS))
    for tag in range(TAGS):
        circle[tag, (tag + 1) % TAGS] = circle[(tag + 1) % TAGS, tag] = 1.0
    proposed = [[1] if missing and own == [0] else [int(generator.integers(TAGS))] for own in labels]
    return Toy(
        RankData(
            read(titles, lower),
            {"frames": Tokens.of(frames, 6)},
            read([[NAME + tag] for tag in range(TAGS)], lower),
            generator.standard_normal((TAGS, 3)).astype(np.float32),
            generator.uniform(0.5, 1.0, count).astype(np.float32),
        ),
        sparse.csr_array(known),
        sparse.csr_array(circle),
        TagLists(np.arange(count + 1), np.array(proposed).reshape(-1)),
    )


def trained(some: Toy, config: RankerConfig = CONFIG, seed: int = 7, **more: Any) -> Towers:
    return train_ranker(some.data, some.negatives(config), tiny_bert(), config, seed, **({"progress": Silent()} | more))


@torch.inference_mode()
def cosines_of(towers: Towers, data: RankData) -> NDArray[np.float32]:
    given = data.videos(np.arange(len(data.text)))
    rows: NDArray[np.float32] = (
        towers.videos(given, given.present()) @ towers.tags(data.tags(np.arange(TAGS))).T
    ).numpy()
    return rows


def share_above(cosines: NDArray[np.float32], known: NDArray[np.bool_]) -> float:
    """How often a true tag is nearer than one that is not."""
    right = [true > other for row, own in zip(cosines, known, strict=True) for true in row[own] for other in row[~own]]
    return float(np.mean(right))


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_true_tags_rise_above_others_on_videos_not_trained_on() -> None:
    fresh = toy(60, seed=2)
    known = fresh.known.toarray()
    some = toy(120, seed=1)
    before = trained(some, LONG.model_copy(update={"least_steps": 1, "rate": 1e-9, "bert_rate": 1e-9}))
    after = trained(some, LONG)
    assert share_above(cosines_of(before, fresh.data), known) < 0.7
    assert share_above(cosines_of(after, fresh.data), known) > 0.93


def test_videos_that_lack_text_or_frames_are_learnt_from_and_read() -> None:
    towers = trained(toy(120, seed=1, has_text=lambda number: number % 2 == 0), LONG)
    assert all(value.isfinite().all() for value in towers.state_dict().values())
    for has_text in (True, False):
        fresh = toy(60, seed=2, has_text=lambda _, has_text=has_text: has_text)  # type: ignore[misc]
        cosines, seen = cosines_of(towers, fresh.data), np.diff(fresh.data.media["frames"].starts) > 0
        assert np.isfinite(cosines).all()
        known = fresh.known.toarray()
        for frames in (True, False):
            if has_text or frames:
                assert share_above(cosines[seen == frames], known[seen == frames]) > 0.85


class Recording(Negatives):
    """Negatives that remember of which videos they were asked."""

    def __init__(self, *sources: Any) -> None:
        super().__init__(*sources)
        self.asked: list[list[int]] = []

    def draw(self, videos: NDArray[np.int64], generator: np.random.Generator) -> Draw:
        self.asked.append(videos.tolist())
        return super().draw(videos, generator)


def test_every_video_with_a_tag_and_something_to_look_at_is_met_once_an_epoch() -> None:
    some = toy(24, seed=1, has_text=lambda number: number < 6)
    known = some.known.toarray()
    known[[0, 4]] = False
    sources = (sparse.csr_array(known), sparse.csr_array(known), some.edges, some.recalled, CONFIG.negatives)
    usable = [row for row in range(24) if row not in (0, 4) and (row < 6 or row % 3 != 2)]
    negatives = Recording(*sources)
    config = CONFIG.model_copy(update={"batch": 4, "least_steps": 3 * (len(usable) // 4)})
    train_ranker(some.data, negatives, tiny_bert(), config, 7, Silent())
    epochs = np.split(np.array(negatives.asked), 3)
    for epoch in epochs:
        assert len(set(epoch.reshape(-1).tolist())) == epoch.size
        assert set(epoch.reshape(-1).tolist()) <= set(usable)
        assert len(usable) - epoch.size < 4
    assert not np.array_equal(epochs[0], epochs[1])


def test_without_a_tag_or_anything_to_look_at_there_is_nothing_to_learn() -> None:
    some = toy(4, seed=1)
    untagged = replace(some, known=sparse.csr_array((4, TAGS), dtype=np.bool_))
    unseen = replace(some, data=replace(some.data, text=read([None] * 4, 2), media={}))
    for nothing in (untagged, unseen):
        with pytest.raises(ValueError, match="no video with a tag and something to look at"):
            trained(nothing)


def test_the_same_seed_gives_the_same_weights_and_another_does_not() -> None:
    some = toy(40, seed=1)
    first, again, other = (trained(some, seed=seed) for seed in (3, 3, 4))
    assert same(first, again)
    assert not same(first, other)


def test_training_leaves_the_given_bert_and_the_global_generator_as_they_were() -> None:
    some, bert = toy(40, seed=1), tiny_bert()
    before = torch.get_rng_state()
    train_ranker(some.data, some.negatives(), bert, CONFIG, 7, Silent())
    assert torch.equal(torch.get_rng_state(), before)
    assert same(bert, tiny_bert())
    assert all(value.requires_grad for value in bert.parameters())


class KilledError(Exception):
    pass


class Counting:
    """Progress that counts, and dies at a step."""

    def __init__(self, dies_at: float = math.inf) -> None:
        self.calls: list[int] = []
        self._dies_at = dies_at

    @contextmanager
    def track(self, what: str, total: int | None) -> Iterator[Advance]:
        def advance(steps: int) -> None:
            self.calls.append(steps)
            if sum(self.calls) >= self._dies_at:
                raise KilledError

        yield advance


@pytest.mark.parametrize("trained_layers", [0, 1])
def test_a_killed_training_goes_on_to_the_same_weights_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained_layers: int
) -> None:
    monkeypatch.setattr(train, "SAVE_EVERY", 3)
    towers = CONFIG.towers.model_copy(update={"trained_layers": trained_layers})
    config = CONFIG.model_copy(update={"towers": towers})
    some = toy(40, seed=1, lower=3 - trained_layers)
    straight = trained(some, config)
    with pytest.raises(KilledError):
        trained(some, config, progress=Counting(dies_at=5), checkpoint=tmp_path / "training.pt")
    second = Counting()
    resumed = trained(some, config, progress=second, checkpoint=tmp_path / "training.pt")
    assert second.calls == [3, *(8 - 3) * [1]]
    assert same(straight, resumed)
    assert [path.name for path in tmp_path.iterdir()] == ["training.pt"]


def other_config(some: Toy) -> tuple[Toy, RankerConfig, int]:
    return some, CONFIG.model_copy(update={"rate": 1e-3}), 7


def other_seed(some: Toy) -> tuple[Toy, RankerConfig, int]:
    return some, CONFIG, 8


def other_labels(some: Toy) -> tuple[Toy, RankerConfig, int]:
    known = some.known.toarray()
    known[0] = ~known[0]
    return replace(some, known=sparse.csr_array(known)), CONFIG, 7


def other_frames(some: Toy) -> tuple[Toy, RankerConfig, int]:
    frames = some.data.media["frames"]
    other = replace(frames, values=frames.values[:, ::-1])
    return replace(some, data=replace(some.data, media={"frames": other})), CONFIG, 7


def one_more_modality(some: Toy) -> tuple[Toy, RankerConfig, int]:
    frames = some.data.media["frames"]
    return replace(some, data=replace(some.data, media={"frames": frames, "audio": frames})), CONFIG, 7


@pytest.mark.parametrize("change", [other_config, other_seed, other_labels, other_frames, one_more_modality])
def test_a_checkpoint_of_another_run_is_not_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Toy], tuple[Toy, RankerConfig, int]]
) -> None:
    monkeypatch.setattr(train, "SAVE_EVERY", 3)
    some = toy(40, seed=1)
    trained(some, checkpoint=tmp_path / "training.pt")
    other, config, seed = change(some)
    counting = Counting()
    fresh = trained(other, config, seed, progress=counting, checkpoint=tmp_path / "training.pt")
    assert counting.calls[0] == 0
    assert same(fresh, trained(other, config, seed))


def test_gradients_of_parts_are_those_of_one_pass_with_the_same_dropout() -> None:
    torch.manual_seed(0)
    encoders = [nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.4), nn.Linear(8, 4)) for _ in range(2)]
    scale = nn.Parameter(torch.tensor(1.5))
    weights = [scale, *(weight for encoder in encoders for weight in encoder.parameters())]
    things = [torch.randn(7, 5), torch.randn(11, 5)]
    sizes: list[int] = []

    def reading(place: int) -> Callable[[NDArray[np.int64]], Tensor]:
        def encode(rows: NDArray[np.int64]) -> Tensor:
            sizes.append(len(rows))
            vectors: Tensor = encoders[place](things[place][torch.from_numpy(rows)])
            return vectors

        return encode

    def loss(one: Tensor, other: Tensor) -> Tensor:
        cosines = nn.functional.normalize(one, dim=1) @ nn.functional.normalize(other, dim=1).T
        return -(scale * cosines).log_softmax(dim=1)[:, :7].diagonal().mean()

    rows = [np.arange(7), np.arange(11)]

    def gradients(backwards: Callable[[], None]) -> tuple[list[Tensor], Tensor]:
        torch.manual_seed(1)
        for weight in weights:
            weight.grad = None
        backwards()
        return [weight.grad for weight in weights if weight.grad is not None], torch.rand(3)

    def one_pass(at_once: int) -> None:
        """The same parts, which draw the same dropout, all with their graphs in memory."""
        vectors = [
            torch.cat([reading(place)(some[start : start + at_once]) for start in range(0, len(some), at_once)])
            for place, some in enumerate(rows)
        ]
        torch.autograd.backward(loss(*vectors))

    for at_once in (1, 3, 7, 11, 50):
        want, next_wanted = gradients(lambda at_once=at_once: one_pass(at_once))  # type: ignore[misc]
        sizes.clear()
        got, then = gradients(lambda at_once=at_once: backward([reading(0), reading(1)], rows, loss, at_once))  # type: ignore[misc]
        assert max(sizes) <= at_once
        assert len(got) == len(weights)
        for one, other in zip(got, want, strict=True):
            torch.testing.assert_close(one, other)
        assert torch.equal(then, next_wanted)  # what is drawn afterwards is the same too


def test_training_in_parts_is_training_at_once() -> None:
    towers = CONFIG.towers.model_copy(update={"trained_layers": 0, "dropout": 0.0})
    plain = CONFIG.model_copy(update={"towers": towers, "view_dropout": 0.0, "graph_dropout": 0.0})
    some = toy(40, seed=1, lower=3)
    whole, parts = (trained(some, plain.model_copy(update={"at_once": at_once})) for at_once in (4096, 3))
    for (name, one), other in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3, msg=name)


def test_own_negatives_that_are_likely_labels_are_left_out_once_the_towers_are_trusted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(train, "TELL_EVERY", 1)
    negatives = NegativesConfig(drawn=2, two_hop=0, recalled=1, positives=2, margin=0.8)
    config = LONG.model_copy(update={"negatives": negatives, "least_steps": 50})
    some = toy(120, seed=1, missing=True)
    known = some.known.toarray()
    planted = known[:, 0] & ~known[:, 1]
    assert planted.sum() > 5
    with caplog.at_level("INFO", logger="rank.train"):
        filtered = cosines_of(trained(some, config), some.data)
    told = ["left out of own" in record.message for record in caplog.records]
    assert told == [step >= 0.3 * 50 for step in range(50)]
    monkeypatch.setattr(train, "TRUSTED_FROM", 2.0)
    unfiltered = cosines_of(trained(some, config), some.data)

    def lead(cosines: NDArray[np.float32]) -> float:
        """How far tag 1 is above the tags that are wrong, on the videos that lack it, beside how far tag 0 is."""
        wrong = cosines[planted][:, 2:].mean()
        return float((cosines[planted, 1].mean() - wrong) / (cosines[planted, 0].mean() - wrong))

    assert lead(filtered) > lead(unfiltered) + 0.1
    assert share_above(filtered, known) > 0.8


def test_modality_dropout_never_takes_the_last_one() -> None:
    torch.manual_seed(0)
    present = torch.tensor([[True, False, False], [True, True, True], [False, True, True], [False] * 3]).repeat(300, 1)
    kept = without_some(present, 0.5)
    assert torch.equal(kept.any(dim=1), present.any(dim=1))
    assert not (kept & ~present).any()
    assert torch.equal(without_some(present, 0.0), present)
    # Of three each stays in half of the cases, and where all would go.
    assert kept[1::4].float().mean().item() == pytest.approx(0.5 + 0.5**3, abs=0.06)


def test_a_bert_is_trained_at_its_own_rate() -> None:
    some = toy(40, seed=1)
    start = tiny_bert()
    towers = trained(some, CONFIG.model_copy(update={"bert_rate": 1e-9}))
    moved = max_change(towers.bert, start)
    assert 0 < moved < 1e-6
    assert max_change(trained(some).bert, start) > 1e-3


def max_change(one: Bert, other: Bert) -> float:
    states = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return float(max((before - after).abs().max().item() for before, after in states))
