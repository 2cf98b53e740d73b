import pytest

from recall.ngrams import NgramFeatures
from tagging.config.recall import NgramConfig
from tagging.text.names import Found, how_found
from tagging.text.words import merged, read_forms, read_words, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Women's Ice-Hockey: the 2nd HALF!", "women ice hockey the 2nd half"),
        ("don't, O'Neill, rock'n'roll", "dont oneill rocknroll"),
        ("l`ami, Oʻzbekiston, O‘zbekiston", "ami ozbekiston ozbekiston"),
        ("ASP.NET Node.js agar.io Mr.Beast end.Start", "asp .net node .js agar .io mr beast end start"),
        ("l'omelette d’été qu'elle", "omelette été elle"),
        ("dell'arte all'opera un'altra", "arte opera altra"),
        ("T'Challa et l'homme", "tchalla et homme"),
        ("Minecraft'ta İstanbul’da Türkiye'nin", "minecraft istanbul türkiye"),
        ("C++, C++11, C# F♯ .NET A* Notepad++ (Disney+)", "c++ c++ 11 c# f# .net a* notepad++ disney+"),
        ("2+2 end. Start *loud* F*** #1", "2 2 end start loud f 1"),
        ("#BlackFriday #HTMLTutorial #GTA6 #4kVideo", "black friday html tutorial gta 6 4k video"),
        ("#हिन्दी #무료 #猫の動画", "हिन्दी 무료 猫 の 動画"),
        ("हिन्दी गाने", "हिन्दी गाने"),
        ("தமிழ் பாடல்", "தமிழ் பாடல்"),
        ("مُحَمَّد صلاح", "مُحَمَّد صلاح"),
        ("1\ufe0f\u20e3 top ❤\ufe0f", "1 top"),
        ("猫の動画", "猫 の 動画"),
        ("แมวน่ารัก", "แมว น่า รัก"),
        ("𠮷野家で食事", "𠮷 野家 で 食事"),
    ],
)
def test_words_of_a_text(text: str, words: str) -> None:
    assert split_words(text) == tuple(words.split())
    assert NgramFeatures.fit([text, text, "other words"], NgramConfig(least=1)).transform([text]).nnz


def test_words_of_a_run_of_letters_and_of_a_hashtag_are_joined() -> None:
    assert merged(read_words("#BlackFriday in 東京都")) == ("blackfriday", "in", "東京都")
    assert read_forms("#BlackFriday") == {"black", "friday", "blackfriday"}


@pytest.mark.parametrize(
    "text", ["🔥GUITAR🔥 l’ami", "ＡＢＣ ½ ᴄᴀᴘ", "#BlackFriday 東京都の夜", "&amp;x İ'da", "a\ud800b"]
)
def test_each_word_knows_its_place_in_the_text(text: str) -> None:
    words = read_words(text)
    assert words
    for word in words:
        assert word.form in split_words(text[word.start : word.end])
    assert [word.start for word in words] == sorted(word.start for word in words)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ice hockey", Found.BY_WORDS),
        ("C++", Found.BY_WORDS),
        ("猫", Found.BY_WORDS),
        ("R", Found.WITH_CASE),
        ("The Who", Found.WITH_CASE),
        ("2024", Found.WITH_CASE),
        ("us", Found.NEVER),
        ("7", Found.NEVER),
        ("🔥", Found.NEVER),
        ("top 10", Found.NEVER),
    ],
)
def test_how_a_name_is_found(name: str, found: Found) -> None:
    assert how_found(name) is found
