"""Training of the ranker on made-up videos, whose titles name their tags in words of their own."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import sparse

from rank import train
from rank.negatives import NegativeSample, NegativeSampler
from rank.train import train_ranker
from tagging.bert import Bert
from tagging.config.rank import NegativesConfig
from tagging.progress import Silent
from tests.support.ranker_data import CONFIG, LONG, TAGS, cosines_of, read, same, share_above, toy, trained
from tests.support.tiny_bert import tiny_bert


def test_true_tags_rise_above_others_on_videos_not_trained_on() -> None:
    fresh = toy(60, seed=2)
    known = fresh.known.toarray()
    toys = toy(120, seed=1)
    before = trained(toys, LONG.model_copy(update={"least_steps": 1, "rate": 1e-9, "bert_rate": 1e-9}))
    after = trained(toys, LONG)
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


class Recording(NegativeSampler):
    """Negatives that record the videos of each step."""

    def __init__(self, *sources: Any) -> None:
        super().__init__(*sources)
        self.asked: list[list[int]] = []

    def sample(self, videos: NDArray[np.int64], generator: np.random.Generator) -> NegativeSample:
        self.asked.append(videos.tolist())
        return super().sample(videos, generator)


def test_every_video_with_a_tag_and_content_is_used_once_per_epoch() -> None:
    toys = toy(24, seed=1, has_text=lambda number: number < 6)
    known = toys.known.toarray()
    known[[0, 4]] = False
    sources = (sparse.csr_array(known), sparse.csr_array(known), toys.edges, toys.recalled, CONFIG.negatives)
    usable = [row for row in range(24) if row not in (0, 4) and (row < 6 or row % 3 != 2)]
    negatives = Recording(*sources)
    config = CONFIG.model_copy(update={"batch": 4, "least_steps": 3 * (len(usable) // 4)})
    train_ranker(toys.data, negatives, tiny_bert(), config, 7, Silent())
    epochs = np.split(np.array(negatives.asked), 3)
    for epoch in epochs:
        assert len(set(epoch.reshape(-1).tolist())) == epoch.size
        assert set(epoch.reshape(-1).tolist()) <= set(usable)
        assert len(usable) - epoch.size < 4
    assert not np.array_equal(epochs[0], epochs[1])


def test_videos_without_a_tag_or_content_cannot_be_trained_on() -> None:
    toys = toy(4, seed=1)
    untagged = replace(toys, known=sparse.csr_array((4, TAGS), dtype=np.bool_))
    unseen = replace(toys, data=replace(toys.data, text=read([None] * 4, 2), media={}))
    for nothing in (untagged, unseen):
        with pytest.raises(ValueError, match="no video with a tag and something to look at"):
            trained(nothing)


def test_the_same_seed_gives_the_same_weights_and_another_does_not() -> None:
    toys = toy(40, seed=1)
    first, again, other = (trained(toys, seed=seed) for seed in (3, 3, 4))
    assert same(first, again)
    assert not same(first, other)


def test_training_leaves_the_given_bert_and_the_global_generator_as_they_were() -> None:
    toys, bert = toy(40, seed=1), tiny_bert()
    before = torch.get_rng_state()
    train_ranker(toys.data, toys.negatives(), bert, CONFIG, 7, Silent())
    assert torch.equal(torch.get_rng_state(), before)
    assert same(bert, tiny_bert())
    assert all(value.requires_grad for value in bert.parameters())


def test_training_in_parts_is_training_at_once() -> None:
    towers = CONFIG.towers.model_copy(update={"trained_layers": 0, "dropout": 0.0})
    plain = CONFIG.model_copy(update={"towers": towers, "view_dropout": 0.0, "graph_dropout": 0.0})
    toys = toy(40, seed=1, lower=3)
    whole, parts = (trained(toys, plain.model_copy(update={"at_once": at_once})) for at_once in (4096, 3))
    for (name, tensor), other in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        torch.testing.assert_close(tensor, other, atol=1e-3, rtol=1e-3, msg=name)


def test_probable_false_negatives_are_filtered_from_a_share_of_the_steps_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(train, "LOG_EVERY", 1)
    negatives = NegativesConfig(drawn=2, two_hop=0, recalled=1, positives=2, margin=0.8)
    config = LONG.model_copy(update={"negatives": negatives, "least_steps": 50})
    toys = toy(120, seed=1, missing=True)
    known = toys.known.toarray()
    planted = known[:, 0] & ~known[:, 1]
    assert planted.sum() > 5
    with caplog.at_level("INFO", logger="rank.train"):
        filtered = cosines_of(trained(toys, config), toys.data)
    reported = ["left out of own" in record.message for record in caplog.records if record.message.startswith("step")]
    assert reported == [step >= 0.3 * 50 for step in range(50)]
    monkeypatch.setattr(train, "FILTER_FROM", 2.0)
    unfiltered = cosines_of(trained(toys, config), toys.data)

    def lead(cosines: NDArray[np.float32]) -> float:
        """Return the lead of tag 1 over wrong tags on the videos that lack it, relative to the lead of tag 0."""
        wrong = cosines[planted][:, 2:].mean()
        return float((cosines[planted, 1].mean() - wrong) / (cosines[planted, 0].mean() - wrong))

    assert lead(filtered) > lead(unfiltered) + 0.1
    assert share_above(filtered, known) > 0.8


def test_a_bert_is_trained_at_its_own_rate() -> None:
    toys = toy(40, seed=1)
    start = tiny_bert()
    towers = trained(toys, CONFIG.model_copy(update={"bert_rate": 1e-9}))
    moved = max_change(towers.bert, start)
    assert 0 < moved < 1e-6
    assert max_change(trained(toys).bert, start) > 1e-3


def max_change(first: Bert | None, other: Bert) -> float:
    assert first is not None
    states = zip(first.state_dict().values(), other.state_dict().values(), strict=True)
    return float(max((before - after).abs().max().item() for before, after in states))
