import math

import numpy as np
import pytest

from recall.channels.base import Strength
from recall.channels.edited import MergedChannel
from recall.channels.named_tags import NamedTags
from recall.channels.names import SensedNames, WrittenNames, strongest, token_strengths
from recall.channels.strength import probability
from recall.query import RecallQuery
from tagging.config.recall import NamesConfig, StrengthConfig
from tagging.types import ClassTags, VideoEmbeddings

# Classes: 0 beagle, 1 poodle, 2 car. Tags: 4 beagle, 6 dog, 9 vehicle.
LINKS = ClassTags(
    tag_rows=np.array([4, 6, 6, 9]),
    class_rows=np.array([0, 0, 1, 2]),
    weights=np.array([1.0, 1.0, 1.0, 0.5], np.float32),
    classes=3,
)
EASY = StrengthConfig(slope=1.0, intercept=0.0, least=0.0)


def test_strengths_equal_the_direct_definition() -> None:
    rng = np.random.default_rng(0)
    pairs = sorted({(int(t), int(c)) for t, c in rng.integers(0, 12, (60, 2))})
    links = ClassTags(
        np.array([t for t, _ in pairs]),
        np.array([c for _, c in pairs]),
        rng.uniform(0.1, 1, len(pairs)).astype(np.float32),
        12,
    )
    beliefs = rng.uniform(0, 1, (7, 12)).astype(np.float32)

    def beyond_chance(products: list[float], weights: list[float]) -> float:
        blind = sum(weights) / 12
        return min(max((sum(products) - blind) / (1 - blind), 0.0), 1.0)

    for together in ("sum", "max"):
        tags, got = token_strengths(beliefs, links, together)
        assert tags.tolist() == sorted({t for t, _ in pairs})
        for token in range(7):
            for index, tag in enumerate(tags):
                weights = [(c, float(w)) for (t, c), w in zip(pairs, links.weights, strict=True) if t == tag]
                products = [float(beliefs[token, c]) * w for c, w in weights]
                want = max(products) if together == "max" else beyond_chance(products, [w for _, w in weights])
                assert got[token, index] == pytest.approx(want, rel=1e-4, abs=1e-6)


def test_uniform_probabilities_give_no_strength() -> None:
    _, got = token_strengths(np.full((2, 3), 1 / 3, np.float32), LINKS, "sum")
    np.testing.assert_allclose(got, 0.0, atol=1e-6)


@pytest.mark.parametrize(("share", "want"), [(1.0, 0.4), (0.5, 0.65), (0.3, 0.65), (0.2, 0.9)])
def test_the_mean_is_over_the_share_of_the_strongest_tokens(share: float, want: float) -> None:
    shown = np.array([[0.1], [0.9], [0.2], [0.4]], np.float32)
    assert strongest(shown, share)[0] == pytest.approx(want)


def test_probability_is_logistic_from_the_threshold_on() -> None:
    config = StrengthConfig(slope=4.0, intercept=-2.0, least=0.3)
    got = probability(np.array([0.29, 0.3, 0.8], np.float32), config)
    assert got.tolist() == pytest.approx([0.0, 1 / (1 + math.exp(0.8)), 1 / (1 + math.exp(-1.2))], rel=1e-5)


def video(**beliefs: list[list[float]]) -> RecallQuery:
    arrays = {name: np.array(rows, np.float32) for name, rows in beliefs.items()}
    return RecallQuery.of(VideoEmbeddings({}, beliefs=arrays))  # type: ignore[arg-type]


def test_classes_of_a_general_tag_add_up_and_evidence_states_the_frame() -> None:
    seen = SensedNames("seen", "frames", LINKS, EASY.model_copy(update={"least": 0.1}), limit=10)
    [tags] = seen.recall([video(frames=[[0.4, 0.4, 0.2], [0.6, 0.3, 0.1]])])
    assert tags is not None
    assert tags.tag_rows.tolist() == [6, 4]
    dog = ((0.8 - 2 / 3) / (1 / 3) + (0.9 - 2 / 3) / (1 / 3)) / 2
    beagle = ((0.4 - 1 / 3) / (2 / 3) + (0.6 - 1 / 3) / (2 / 3)) / 2
    assert [e.similarity for e in tags.evidence] == pytest.approx([dog, beagle], rel=1e-5)
    assert [(e.channel, e.kind, e.frame, e.frames) for e in tags.evidence] == [("seen", "frame", 2, 2)] * 2
    assert tags.scores.tolist() == pytest.approx([1 / (1 + math.exp(-dog)), 1 / (1 + math.exp(-beagle))], rel=1e-5)


def test_the_strength_of_any_tag_that_a_class_means_is_measured() -> None:
    config = EASY.model_copy(update={"least": 0.2})
    seen, query = SensedNames("seen", "frames", LINKS, config, limit=10), video(frames=[[0.4, 0.4, 0.2]])
    [tags] = seen.recall([query])
    assert tags is not None
    assert tags.tag_rows.tolist() == [6]
    assert seen.strength_of(query.video, 6) == Strength(tags.evidence[0].similarity, 0.2)
    beagle = seen.strength_of(query.video, 4)
    assert beagle is not None
    assert beagle.strength == pytest.approx((0.4 - 1 / 3) / (2 / 3), rel=1e-5)
    assert seen.strength_of(query.video, 5) is None  # no class means it
    assert seen.strength_of(video(audio=[[0.1, 0.1, 0.1]]).video, 6) is None


def test_an_added_spelling_has_the_higher_strength_of_both() -> None:
    added = ClassTags(np.array([4]), np.array([2]), np.array([1.0], np.float32), 3)
    config, query = EASY.model_copy(update={"together": "max"}), video(frames=[[0.3, 0.1, 0.6]])
    first, second = (SensedNames("seen", "frames", links, config, limit=10) for links in (LINKS, added))
    both = MergedChannel(first, second, limit=10)
    beagle, dog = both.strength_of(query.video, 4), both.strength_of(query.video, 6)
    assert beagle == Strength(pytest.approx(0.6), 0.0)  # type: ignore[arg-type]
    assert dog == Strength(pytest.approx(0.3), 0.0)  # type: ignore[arg-type]
    assert both.strength_of(query.video, 5) is None


def test_sounds_do_not_add_up_and_evidence_states_the_second() -> None:
    heard = SensedNames("heard", "audio", LINKS, EASY.model_copy(update={"together": "max", "least": 0.5}), limit=10)
    [tags] = heard.recall([video(audio=[[0.2, 0.3, 0.0], [0.1, 0.1, 0.0], [0.9, 0.8, 0.0]])])
    assert tags is None or tags.tag_rows.tolist() == []
    [tags] = heard.recall([video(audio=[[0.6, 0.9, 0.0], [0.7, 0.3, 0.0]])])
    assert tags is not None
    assert tags.tag_rows.tolist() == [6, 4]
    assert [e.similarity for e in tags.evidence] == pytest.approx([0.8, 0.65])
    assert [(e.start_s, e.end_s) for e in tags.evidence] == [(0.0, 0.96), (0.96, 1.92)]


def test_a_video_without_the_modality_gives_none() -> None:
    seen = SensedNames("seen", "frames", LINKS, EASY, limit=10)
    assert seen.recall([video(audio=[[0.0, 0.0, 0.0]]), video()]) == [None, None]


def test_probabilities_of_another_encoder_are_rejected() -> None:
    with pytest.raises(ValueError, match="3 classes"):
        SensedNames("seen", "frames", LINKS, EASY, limit=10).recall([video(frames=[[0.5, 0.5]])])


def test_the_limit_applies_and_equal_probabilities_are_ordered_by_row() -> None:
    seen = SensedNames("seen", "frames", LINKS, EASY.model_copy(update={"together": "max"}), limit=2)
    [tags] = seen.recall([video(frames=[[0.4, 0.0, 0.8]])])
    assert tags is not None
    assert tags.tag_rows.tolist() == [4, 6]


def test_frames_with_times_give_the_seconds_in_which_a_tag_is_seen() -> None:
    arrays = {"frames": np.array([[0.9, 0.05, 0.05], [0.8, 0.1, 0.1], [0.05, 0.05, 0.9]], np.float32)}
    bounds = np.array([[0.0, 2.0], [2.0, 4.0], [4.0, 7.0]])
    max_of = EASY.model_copy(update={"together": "max"})
    seen = SensedNames("seen", "frames", LINKS, max_of, limit=10)
    [tags] = seen.recall([RecallQuery.of(VideoEmbeddings({}, beliefs=arrays, frame_spans=bounds))])  # type: ignore[arg-type]
    assert tags is not None
    by_row = dict(zip(tags.tag_rows.tolist(), tags.evidence, strict=True))
    assert (by_row[4].start_s, by_row[4].end_s) == (0.0, 2.0)
    assert [(s.start_s, s.end_s, s.modality) for s in by_row[4].spans] == [(0.0, 4.0, "frames")]
    assert [(s.start_s, s.end_s) for s in by_row[9].spans] == [(4.0, 7.0)]


def test_frames_without_times_have_no_spans() -> None:
    [tags] = SensedNames("seen", "frames", LINKS, EASY, limit=10).recall([video(frames=[[0.9, 0.05, 0.05]])])
    assert tags is not None
    assert [(e.start_s, e.end_s, e.spans) for e in tags.evidence] == [(None, None, ())] * len(tags.evidence)


NAMES = np.eye(4, dtype=np.float32)
SPELLINGS = [["ice hockey"], ["hockey"], ["winter"], ["dog", "dogs"]]


def written(
    config: NamesConfig, title: str = "", description: str = "", text: list[float] | None = None
) -> dict[int, str | None]:
    row = np.array(text or [0.5, 0.5, 0.5, 0.5], np.float32)
    given = RecallQuery.of(VideoEmbeddings({"text": row / np.linalg.norm(row)}, title=title, description=description))
    [tags] = WrittenNames(NamedTags.of(NAMES, np.arange(4), SPELLINGS), config, limit=10).recall([given])
    assert tags is not None
    assert all(e.kind == "text" and e.channel == "written" for e in tags.evidence)
    return {row: evidence.text for row, evidence in zip(tags.tag_rows.tolist(), tags.evidence, strict=True)}


def test_a_name_in_the_title_is_proposed_with_the_words_of_the_title() -> None:
    assert written(NamesConfig(literal=EASY), "Ice hockey with dogs", "hockey") == {0: "Ice hockey", 3: "dogs"}


def test_a_name_unrelated_to_the_rest_of_the_title_is_not_proposed() -> None:
    strict = NamesConfig(literal=EASY.model_copy(update={"least": 0.6}))
    assert written(strict, "winter dogs", text=[0.0, 0.0, 0.2, 0.9]) == {3: "dogs"}


def test_title_and_description_have_separate_curves() -> None:
    config = NamesConfig(literal=EASY, described=EASY.model_copy(update={"least": 0.9}))
    assert written(config, "a winter", "hockey and dogs", text=[0.0, 1.0, 0.1, 0.2]) == {1: "hockey", 2: "winter"}


def test_a_description_without_a_title_is_read_as_the_title() -> None:
    assert written(NamesConfig(literal=EASY), description="hockey") == {1: "hockey"}


def test_a_name_of_similar_meaning_has_the_whole_title_as_evidence() -> None:
    config = NamesConfig(written=EASY.model_copy(update={"least": 0.7}))
    assert written(config, " Cold  season ", text=[0.0, 0.0, 1.0, 0.5]) == {2: "Cold  season"}


def test_text_without_an_encoder_gives_none() -> None:
    channel = WrittenNames(NamedTags.of(NAMES, np.arange(4), SPELLINGS), NamesConfig(literal=EASY), limit=10)
    assert channel.recall([RecallQuery.of(VideoEmbeddings({}, title="hockey"))]) == [None]
