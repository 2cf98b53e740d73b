import pytest

from recall.channels.lexicon import Lexicon


def found(names: list[list[str]], text: str) -> list[tuple[int, str]]:
    return [(match.index, match.text) for match in Lexicon(names).matches(text)]


def test_whole_words_are_found_whatever_their_case_and_number() -> None:
    names = [["dog"], ["hot dog"], ["Ice Hockey"]]
    assert found(names, "My DOGS play ice-hockey") == [(0, "dogs"), (2, "ice hockey")]
    assert found(names, "a dogma of icehockey") == []


def test_the_longest_name_wins_and_hides_what_is_inside_it() -> None:
    names = [["hockey"], ["ice hockey"], ["ice"]]
    assert found(names, "ice hockey and hockey") == [(1, "ice hockey"), (0, "hockey")]


def test_an_alias_finds_its_tag_and_a_tag_is_found_once() -> None:
    assert found([["soccer", "association football"]], "Soccer, or association football") == [(0, "soccer")]


def test_the_exact_spelling_takes_precedence_over_its_singular() -> None:
    assert found([["glass"], ["glasses"]], "new glasses") == [(1, "glasses")]
    assert found([["news"]], "what is new") == []


@pytest.mark.parametrize("name", ["the", "how to", "best", "new", "2017", "top 10", "x", "video"])
def test_uninformative_names_are_never_found(name: str) -> None:
    assert found([[name]], f"{name} and once more {name}s") == []


def test_an_uninformative_word_is_not_read_as_a_plural() -> None:
    assert found([["doe"]], "What does the fox say") == []
    assert found([["doe"]], "Two does in the forest") == []
    assert found([["doe"]], "A doe") == [(0, "doe")]


def test_names_are_found_inside_texts_without_spaces() -> None:
    assert found([["動画"], ["猫"]], "猫の動画") == [(1, "猫"), (0, "動 画")]


def test_an_empty_text_contains_no_name() -> None:
    assert found([], "a dog") == found([["dog"]], "") == []
