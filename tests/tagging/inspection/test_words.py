"""Words and figures of explanations."""

import pytest

from recall.channels.base import NEIGHBOUR_VIEWS, PASSAGE_CHANNELS, SENSED_MODALITIES, Strength
from tagging.inspection.explanation import ChannelView
from tagging.inspection.words import READS, apart, capital, clock, figure, listed, ordinal, plural, why_not_proposed

OTHERS = ("lexical", "words", "classifier", "regression", "similarity", "extracted", "uploader", "written")


def channel(name: str, voters: int = 0, proposals: int = 0, has_input: bool = True) -> ChannelView:
    return ChannelView(name, has_input, proposals, (), voters, ())


@pytest.mark.parametrize("name", [*NEIGHBOUR_VIEWS, *SENSED_MODALITIES, *PASSAGE_CHANNELS, *OTHERS])
def test_every_channel_has_words_for_what_it_reads_and_for_what_it_did_not_find(name: str) -> None:
    assert READS[name]
    assert why_not_proposed(channel(name), 0) != "not among its proposals"
    assert why_not_proposed(channel(name, has_input=False), 0) == "nothing to read"


def test_voting_channels_say_how_many_of_the_voters_have_the_tag() -> None:
    assert why_not_proposed(channel("text"), 0) == "no labelled video is near"
    assert why_not_proposed(channel("text", 300, 500), 0) == "not on the 300 nearest labelled videos"
    assert why_not_proposed(channel("lexical", 300, 500), 2) == (
        "on 2 of the 300 nearest labelled videos, too few for its 500 best tags"
    )


def test_a_name_that_is_not_recognised_has_the_strength_that_it_lacks() -> None:
    assert why_not_proposed(channel("seen"), 0, Strength(0.18, 0.3)) == (
        "not recognised in the frames: strength 0.18, and 0.3 is needed"
    )
    assert why_not_proposed(channel("heard"), 0) == "not recognised in the sound"
    assert why_not_proposed(channel("seen", proposals=50), 0, Strength(0.5, 0.3)) == (
        "its 50 best tags are stronger than 0.5"
    )


@pytest.mark.parametrize(
    ("first", "second", "texts"),
    [
        (0.0496, 0.05, ("0.0496", "0.05")),
        (0.3, 0.15, ("0.3", "0.15")),
        (0.5, 0.5, ("0.5", "0.5")),
        (0.123456, 0.123457, ("0.123456", "0.123457")),
    ],
)
def test_unequal_figures_get_digits_until_they_differ(first: float, second: float, texts: tuple[str, str]) -> None:
    assert apart(first, second) == texts


def test_figures_times_and_counts_are_in_words() -> None:
    assert [figure(value) for value in (0.0, 0.0312, 0.5, 1.0)] == ["0", "0.031", "0.50", "1.00"]
    assert [clock(second) for second in (4.9, 62, 3723)] == ["0:04", "1:02", "1:02:03"]
    assert [ordinal(number) for number in (1, 2, 3, 4, 11, 12, 13, 21, 103, 1112)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "103rd", "1,112th",
    ]  # fmt: skip
    assert [plural(count, "tag") for count in (0, 1, 2000)] == ["0 tags", "1 tag", "2,000 tags"]
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    assert [capital(text) for text in ("", "text of A")] == ["", "Text of A"]
