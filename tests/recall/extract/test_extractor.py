import json
from pathlib import Path

import numpy as np
import pytest

from recall.extract.extractor import NewTag, TagExtractor
from recall.extract.spans import CHARACTERS_READ
from tagging.errors import ArtifactCorruptError, ArtifactMismatchError, ArtifactNotFoundError
from tagging.text.normalise import normalise
from tests.support.titles import songs
from tests.support.work import function_calls


@pytest.fixture(scope="module")
def extractor() -> TagExtractor:
    return TagExtractor.fit(*songs(150, 50, seed=1), np.random.default_rng(0))


def test_extraction_learns_which_spans_and_compositions_are_tags(extractor: TagExtractor) -> None:
    titles, tags, _ = songs(20, 20, seed=2)
    for title, true in zip(titles, tags, strict=True):
        got = [normalise(tag.name) for tag in extractor.propose(title, "", 3)]
        assert set(got) == set(map(normalise, true[:3])), title


def test_names_have_the_spelling_of_the_title_and_its_text_as_evidence(extractor: TagExtractor) -> None:
    best = {tag.name: tag for tag in extractor.propose("Zorbaq - Miplo Quent (Official Video)", "", 5)}
    assert best["Miplo Quent"].text == "Miplo Quent"
    assert best["Zorbaq lyrics"].text == "Zorbaq"
    assert all(0 <= tag.probability <= 1 for tag in best.values())


def test_the_most_probable_names_come_first_up_to_the_limit(extractor: TagExtractor) -> None:
    every = extractor.propose("Zorbaq - Miplo Quent (Official Video)", "", 1000)
    chances = [tag.probability for tag in every]
    assert chances == sorted(chances, reverse=True)
    assert len({normalise(tag.name) for tag in every}) == len(every)
    assert extractor.propose("Zorbaq - Miplo Quent (Official Video)", "", 4) == every[:4]
    assert extractor.propose("Zorbaq - Miplo Quent (Official Video)", "", 0) == []


def test_an_accented_span_is_proposed_with_and_without_accents(extractor: TagExtractor) -> None:
    got = {normalise(tag.name): tag for tag in extractor.propose("Zorbaq - Miénteme (Official Video)", "", 1000)}
    assert {"miénteme", "mienteme"} <= got.keys()
    assert got["mienteme"].text == "Miénteme"


def test_two_spans_are_combined_in_both_orders(extractor: TagExtractor) -> None:
    got = {tag.name: tag.text for tag in extractor.propose("Zorbaq - Miplo (Official Video)", "", 1000)}
    united = {name.removesuffix(" Zorbaq") for name in got if name.endswith(" Zorbaq")}
    assert united
    assert all(f" {name} " in " Miplo Official Video " for name in united)
    assert all(got[f"{name} Zorbaq"].startswith("Zorbaq - ") for name in united)


def test_known_names_are_proposed_as_well(extractor: TagExtractor) -> None:
    got = [normalise(tag.name) for tag in extractor.propose("Music - Miplo Quent (Official Video)", "", 5)]
    assert "music" in got


def test_the_description_is_read_if_there_is_no_title(extractor: TagExtractor) -> None:
    title = "Zorbaq - Miplo Quent (Official Video)"
    assert extractor.propose("  ", f"\n{title}\nmore of it", 9) == extractor.propose(title, "", 9)
    assert extractor.propose(title, "another text", 9) == extractor.propose(title, "", 9)


def test_a_saved_extractor_is_equal_after_loading(extractor: TagExtractor, tmp_path: Path) -> None:
    extractor.save(tmp_path / "extract")
    again = TagExtractor.load(tmp_path / "extract")
    for title in ("Zorbaq - Miplo Quent (Official Video)", "жил был - Ёж", "米津玄師 - 海の幽霊"):
        assert again.propose(title, "", 100) == extractor.propose(title, "", 100)


def test_a_folder_without_an_extractor_is_an_error(extractor: TagExtractor, tmp_path: Path) -> None:
    with pytest.raises(ArtifactNotFoundError):
        TagExtractor.load(tmp_path)
    extractor.save(tmp_path)
    arrays = (tmp_path / "extract.npz").read_bytes()
    (tmp_path / "extract.npz").write_bytes(arrays[: len(arrays) // 2])
    with pytest.raises(ArtifactCorruptError):
        TagExtractor.load(tmp_path)
    words = json.loads((tmp_path / "extract.json").read_text(encoding="utf-8"))
    (tmp_path / "extract.json").write_text(json.dumps(words | {"format": 99}), encoding="utf-8")
    with pytest.raises(ArtifactMismatchError):
        TagExtractor.load(tmp_path)
    (tmp_path / "extract.json").write_text("[", encoding="utf-8")
    with pytest.raises(ArtifactCorruptError):
        TagExtractor.load(tmp_path)


def test_equal_seeds_give_equal_extractors() -> None:
    videos = songs(40, 20, seed=3)
    first, second = (TagExtractor.fit(*videos, np.random.default_rng(5)) for _ in range(2))
    title = "Zorbaq - Miplo Quent (Official Video)"
    assert first.propose(title, "", 50) == second.propose(title, "", 50)


HOSTILE = ["", "  ", "🔥🔥", "!!!", "\ud83d", "\u200f\u202e", "\x00"]


@pytest.mark.parametrize("title", HOSTILE)
def test_an_empty_text_gives_no_names(extractor: TagExtractor, title: str) -> None:
    assert extractor.propose(title, "", 10) == []


@pytest.mark.parametrize(
    "title",
    [
        "one",
        "x\ud83dy z",
        "\u202eabc\u202c سلام",
        "word " * 2000,
        "漢字かな" * 2500,
        "#a" * 5000,
        "a | " * 3000,
        "й" * 10_000,
    ],
)
def test_any_title_gives_encodable_names_in_bounded_time(extractor: TagExtractor, title: str) -> None:
    got = extractor.propose(title, "", 10_000)
    work = function_calls(lambda: extractor.propose(title, "", 10_000))
    work_of_beginning = function_calls(lambda: extractor.propose(title[:CHARACTERS_READ], "", 10_000))
    assert work <= 2 * work_of_beginning + 2_000
    assert 0 < len(got) < 1000
    for tag in got:
        assert isinstance(tag, NewTag)
        assert normalise(tag.name)
        (tag.name + tag.text).encode("utf-8")


def test_training_without_usable_videos_is_an_error() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="has a tag that occurs in its title"):
        TagExtractor.fit(["a b", "c d"], [["x"], ["y"]], ["u", "v"], rng)
    with pytest.raises(ValueError, match="has a tag that occurs in its title"):
        TagExtractor.fit([], [], [], rng)
    with pytest.raises(ValueError, match="2 titles, tags of 1 videos, 2 uploaders"):
        TagExtractor.fit(["a", "b"], [["x"]], ["u", "v"], rng)
