"""The benchmark of the audio-visual learner on made-up pictures and sounds whose rows follow from their words."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tagging.config.clicks import AudioVisualConfig
from tagging.errors import InvalidManifestError, NothingToLearnError
from tagging.progress import Silent
from tagging.tools.benchmarks.audio_visual import LOSSES, Fold, audio_visual_benchmark, ndcg, rank_by_rows
from tagging.tools.benchmarks.audio_visual_clips import (
    CARRIERS,
    PER_PICTURE,
    Sources,
    as_made,
    known_words,
    overlapping,
    paired,
    sources_of,
)
from tagging.types import VideoEmbeddings

PICTURES = (("dog", "animal"), ("cat", "animal"), ("train", "vehicle"), ("lamp",))
SOUNDS = (("piano", "music"), ("train", "vehicle"), ("dog", "animal"), ("bird", "animal"))
SETTINGS = AudioVisualConfig(width=8, epochs=1)


def made(count: int, seed: int) -> Sources:
    """Return clips whose rows are the sum of a vector for each word, with noise."""
    rng = np.random.default_rng(seed)
    words = sorted({word for kinds in (*PICTURES, *SOUNDS) for word in kinds})
    vectors = dict(zip(words, np.random.default_rng(0).normal(size=(len(words), 2, 12)), strict=True))

    def rows(words: list[frozenset[str]], side: int) -> NDArray[np.float32]:
        exact = np.stack([sum((vectors[word][side] for word in each), np.zeros(12)) for each in words])
        return np.asarray(exact + rng.normal(size=exact.shape) / 10, np.float32)

    seen, heard = (
        [frozenset(kinds[kind]) for kind in rng.integers(len(kinds), size=count)] for kinds in (PICTURES, SOUNDS)
    )
    return Sources(rows(seen, 0), rows(heard, 1), seen, heard)


def test_a_new_pairing_joins_the_pictures_with_sounds_that_share_the_most_words() -> None:
    sources = made(40, 1)
    pictures, sounds = overlapping(sources, np.random.default_rng(1))
    for picture, seen in enumerate(sources.seen):
        shared = [len(seen & heard) for heard in sources.heard]
        chosen = sounds[pictures == picture].tolist()
        assert len(set(chosen)) == len(chosen)
        assert len(chosen) == (min(PER_PICTURE, shared.count(max(shared))) if max(shared) else 0)
        assert all(shared[sound] == max(shared) for sound in chosen)
    assert 0 < len(set(pictures.tolist())) < 40  # a lamp shares no word with any sound


def test_every_word_of_a_pair_has_one_carrier() -> None:
    sources = made(30, 2)
    words = ["animal", "cat", "dog", "piano"]
    clips = paired(sources, as_made(sources, np.random.default_rng(1)), words)
    for row in range(30):
        for column, word in enumerate(words):
            carriers = [carrier for carrier in CARRIERS if clips.carried[carrier][row, column]]
            seen, heard = word in sources.seen[row], word in sources.heard[row]
            want = {(True, False): ["frames"], (False, True): ["sound"], (True, True): ["both"]}.get((seen, heard), [])
            assert carriers == want
            assert clips.labels[row, column] == (seen or heard)


def test_ndcg_is_that_of_a_plain_loop_and_leaves_the_other_words_out() -> None:
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(20, 30)).astype(np.float32)
    truth, other = rng.random((20, 30)) < 0.1, rng.random((20, 30)) < 0.1
    truth[0], other = False, other & ~truth
    found = []
    for row in range(20):
        ranked = sorted((column for column in range(30) if not other[row, column]), key=lambda c: -scores[row, c])
        if truth[row].any():
            gained = sum(1 / math.log2(rank + 2) for rank, column in enumerate(ranked[:10]) if truth[row, column])
            found.append(gained / sum(1 / math.log2(rank + 2) for rank in range(min(10, int(truth[row].sum())))))
    assert len(found) < 20
    assert ndcg(scores, truth, other) == pytest.approx(np.mean(found))
    assert math.isnan(ndcg(scores, np.zeros_like(truth), other))


def test_the_probe_finds_what_the_rows_tell_and_no_more() -> None:
    training, test = made(120, 4), made(40, 5)
    words = known_words(training)
    draw = np.random.default_rng(1)
    fold = Fold(*(paired(sources, as_made(sources, draw), words) for sources in (training, test)))
    rankings = rank_by_rows(fold)

    def found(system: str, carrier: str) -> float:
        truth = fold.test.carried[carrier]  # type: ignore[index]
        return ndcg(rankings[system], truth, fold.test.labels & ~truth)

    assert found("frames", "frames") > 0.9
    assert found("sound", "sound") > 0.9
    assert found("frames", "sound") < found("concatenation", "sound") - 0.1
    assert found("concatenation", "both") > 0.9


def test_the_tables_have_every_system_with_and_without_each_loss() -> None:
    tables = audio_visual_benchmark(made(60, 6), made(20, 7), [1, 2], SETTINGS, Silent())
    names, rows = zip(*tables.items(), strict=True)
    assert names == ("clips", "as made, nDCG@10", "overlapping, nDCG@10")
    views = ("own classifier", "global", "private", "common", "across")
    systems = ["frames", "sound", "concatenation", *(f"{loss}: {view}" for loss in LOSSES for view in views)]
    for table in rows[1:]:
        assert [row["system"] for row in table] == systems
        assert table[2]["frames, gain"] == "+0.0000 ± 0.0000"


def test_equal_seeds_give_equal_tables_and_others_do_not() -> None:
    first, again, other = (
        audio_visual_benchmark(made(60, 6), made(20, 7), [seed], SETTINGS, Silent()) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_words_that_no_two_sources_carry_cannot_be_learnt() -> None:
    rows = np.ones((1, 4), np.float32)
    sources = Sources(rows, rows, [frozenset({"dog"})], [frozenset({"rain"})])
    with pytest.raises(NothingToLearnError):
        audio_visual_benchmark(sources, sources, [1], SETTINGS, Silent())


def test_sources_carry_their_label_and_the_general_words_for_it() -> None:
    row = np.array([1.0, 0.0], np.float32)
    clip = VideoEmbeddings({"frames": row, "audio": row[::-1]})
    sources = sources_of([[("space", "text"), ("king penguin", "frames"), ("rain", "audio")]], [clip])
    assert {"king penguin", "animal"} <= sources.seen[0]
    assert "rain" in sources.heard[0]
    np.testing.assert_array_equal(sources.audio, [[0.0, 1.0]])
    with pytest.raises(InvalidManifestError, match="'nothing' is no label of frames"):
        sources_of([[("nothing", "frames"), ("rain", "audio")]], [clip])
    with pytest.raises(InvalidManifestError, match="no frames or no sound"):
        sources_of([[("king penguin", "frames"), ("rain", "audio")]], [VideoEmbeddings({"frames": row})])
