import pytest

from recall.channels.lexicon import Lexicon


def found(names: list[list[str]], text: str) -> list[tuple[int, str]]:
    return [(match.index, match.text) for match in Lexicon(names).matches(text)]


def test_whole_words_are_found_whatever_their_case_and_number() -> None:
    names = [["dog"], ["hot dog"], ["Ice Hockey"]]
    assert found(names, "My DOGS play ice-hockey") == [(0, "DOGS"), (2, "ice-hockey")]
    assert found(names, "a dogma of icehockey") == []


def test_the_longest_name_wins_and_hides_what_is_inside_it() -> None:
    names = [["hockey"], ["ice hockey"], ["ice"]]
    assert found(names, "ice hockey and hockey") == [(1, "ice hockey"), (0, "hockey")]


def test_an_alias_finds_its_tag_and_a_tag_is_found_once() -> None:
    assert found([["soccer", "association football"]], "Soccer, or association football") == [(0, "Soccer")]


def test_the_exact_spelling_takes_precedence_over_its_singular() -> None:
    assert found([["glass"], ["glasses"]], "new glasses") == [(1, "glasses")]
    assert found([["news"]], "what is new") == []


@pytest.mark.parametrize("name", ["the", "how to", "best", "new", "top 10", "7", "x", "video", "🔥"])
def test_uninformative_names_are_never_found(name: str) -> None:
    assert found([[name]], f"{name} and once more {name}s") == []


def test_an_uninformative_word_is_not_read_as_a_plural() -> None:
    assert found([["doe"]], "What does the fox say") == []
    assert found([["doe"]], "Two does in the forest") == []
    assert found([["doe"]], "A doe") == [(0, "doe")]


def test_names_are_found_inside_texts_without_spaces() -> None:
    assert found([["動画"], ["猫"]], "猫の動画") == [(1, "猫"), (0, "動画")]
    assert found([["東京タワー"]], "夜の東京タワーへ") == [(0, "東京タワー")]


def test_part_of_a_word_is_no_match_in_scripts_without_spaces() -> None:
    names = [["京都"], ["東京"], ["ตาก"]]
    assert found(names, "東京都の夜景") == [(1, "東京")]
    assert found(names, "京都の夜景") == [(0, "京都")]
    assert found(names, "ตากลม") == []


@pytest.mark.parametrize("name", ["R", "The Who", "Us", "2024"])
def test_a_name_of_common_words_is_found_with_its_capitals(name: str) -> None:
    assert found([[name]], f"Best of {name}, live") == [(0, name)]
    if name.lower() != name:
        assert found([[name]], f"best of {name.lower()}, live") == []


@pytest.mark.parametrize("name", ["C++", "C#", "F#", ".NET", "A*", "Notepad++", "Disney+"])
def test_punctuation_with_a_meaning_belongs_to_the_name(name: str) -> None:
    bare = name.strip(".+#*")
    assert found([[name]], f"Getting started with {name.lower()} today") == [(0, name.lower())]
    assert found([[name]], f"Getting started with {bare} today") == []
    assert found([[bare + "x"], [bare]], f"Getting started with {name}, today") == []


def test_a_hashtag_of_several_words_is_found_as_them_and_as_one() -> None:
    assert found([["Black Friday"]], "Deals #BlackFriday") == [(0, "#BlackFriday")]
    assert found([["blackfriday"]], "Deals #BlackFriday") == [(0, "#BlackFriday")]
    assert found([["friday"]], "Deals #BlackFriday") == [(0, "Friday")]


@pytest.mark.parametrize(
    ("name", "text", "evidence"),
    [
        ("guitar lesson", "🔥GUITAR LESSON🔥 how to", "GUITAR LESSON"),
        ("puppy", "❗𝗣𝘂𝗽𝗽𝘆❗ swims", "𝗣𝘂𝗽𝗽𝘆"),
        ("minecraft", "★Ｍｉｎｅｃｒａｆｔ™survival", "Ｍｉｎｅｃｒａｆｔ"),
        ("minecraft", "ᴍɪɴᴇᴄʀᴀꜰᴛ", "ᴍɪɴᴇᴄʀᴀꜰᴛ"),
        ("gaming", "ga\u200bming", "ga\u200bming"),
        ("omelette", "Comment réussir l’omelette", "omelette"),
        ("opera", "una notte all'opera", "opera"),
        ("istanbul", "İSTANBUL'da gezi", "İSTANBUL"),
        ("mine", "M̶͚̂i̷̓͗n̶̐e", "M̶͚̂i̷̓͗n̶̐e"),
    ],
)
def test_evidence_quotes_the_text_as_it_was_typed(name: str, text: str, evidence: str) -> None:
    [match] = Lexicon([[name]]).matches(text)
    assert match.text == evidence
    assert match.text in text


def test_an_empty_text_contains_no_name() -> None:
    assert found([], "a dog") == found([["dog"]], "") == []
