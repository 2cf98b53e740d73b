import numpy as np

from recall.extract.compositions import compositions
from recall.extract.counting import count, labelled_videos
from recall.extract.counts import NO_UPLOADER, hashed
from recall.extract.phrases import named_spans
from recall.extract.spans import tokens
from tests.support.titles import mixed


def test_counts_exclude_the_own_uploader() -> None:
    titles, tags, owners = mixed()
    counted, own_by_uploader = count(labelled_videos(titles, tags, owners))
    for uploader in ("u0", "u7"):
        kept = [index for index, owner in enumerate(owners) if owner != uploader]
        videos = labelled_videos([titles[p] for p in kept], [tags[p] for p in kept], [owners[p] for p in kept])
        without, _ = count(videos)
        assert set(counted.templates) == set(without.templates)  # or the plain count would not be comparable
        for title in [title for title, owner in zip(titles, owners, strict=True) if owner == uploader][:5]:
            words = tokens(title)
            found, got = named_spans(counted, title, words, own_by_uploader[uploader])
            want_found, want = named_spans(without, title, words, NO_UPLOADER)
            np.testing.assert_array_equal(got.features, want.features)
            odds = np.random.default_rng(0).normal(size=(len(found), 2)).astype(np.float32)
            composed = compositions(counted, words, found, got, odds, own_by_uploader[uploader])
            want_composed = compositions(without, words, want_found, want, odds, NO_UPLOADER)
            order = np.argsort(composed.names)
            want_order = np.argsort(want_composed.names)
            assert sorted(composed.names) == sorted(want_composed.names)
            np.testing.assert_allclose(composed.features[order], want_composed.features[want_order], rtol=1e-5)


def test_a_tag_of_the_own_uploader_only_is_unknown_to_its_videos() -> None:
    counted, own_by_uploader = count(labelled_videos(*mixed()))
    tag = hashed(["own7"])
    assert counted.tables["tag"].of(tag, NO_UPLOADER.tables["tag"]).tolist() == [1.0]
    assert counted.tables["tag"].of(tag, own_by_uploader["u7"].tables["tag"]).tolist() == [0.0]
    assert counted.tables["tag"].of(tag, own_by_uploader["u8"].tables["tag"]).tolist() == [1.0]


def test_an_uploader_counts_once() -> None:
    titles, tags, _ = mixed()
    once, _ = count(labelled_videos(titles, tags, ["one"] * len(titles)))
    assert {int(counts.uploaders.max(initial=1)) for counts in once.tables.values()} == {1}
    assert once.templates == ()


def test_counts_equal_the_direct_definition() -> None:
    titles = ["Red Cat - new", "red cat, old", "red dog", "blue"]
    tags = [["red cat"], ["Red Cat", "old cat song"], ["red cat"], ["blue", "red cat food"]]
    counted, _ = count(labelled_videos(titles, tags, ["a", "b", "b", "c"]))

    def uploaders(table: str, key: str) -> float:
        return float(counted.tables[table].of(hashed([key]), NO_UPLOADER.tables[table])[0])

    assert uploaders("tag", "red cat") == 2  # a, b
    assert uploaders("title", "red") == 2
    assert uploaders("both", "red cat") == 2
    assert uploaders("begin", "red") == uploaders("end", "cat") == uploaders("join", "red cat") == 2
    assert uploaders("part", "cat") == 3
    assert uploaders("title", "dog") == 0  # one uploader alone is not kept
    assert uploaders("tag", "old cat song") == 1  # but tags are


def test_videos_without_words_or_tags_are_left_out() -> None:
    videos = labelled_videos(["a b", "🔥", "c", ""], [["x"], ["x"], [" "], ["x"]], ["u"] * 4)
    assert [video.text for video in videos] == ["a b"]
