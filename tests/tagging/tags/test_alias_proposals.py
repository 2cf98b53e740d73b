from dataclasses import fields, replace

import numpy as np
import pytest

from tagging.tags.alias_proposals import AliasNeed, AliasRule, Proposal, propose
from tagging.tags.catalog import build_catalog
from tagging.tags.graph import build_graph
from tagging.tags.spelling import DIFFERENCES, Difference

ANY = Proposal("a", "b", ("spacing",), 9, 5, 2, 3, 1, 0, 0.5, "one", "other")


def proposals(videos: list[tuple[str, str, list[str]]]) -> list[Proposal]:
    """Return the proposals for videos of (uploader, title, tags)."""
    catalog, tags = build_catalog([video_tags for _, _, video_tags in videos])
    uploaders = np.unique([uploader for uploader, _, _ in videos], return_inverse=True)[1]
    graph = build_graph(tags, len(catalog), uploaders)
    return propose(catalog, tags, uploaders, [title for _, title, _ in videos], graph)


def test_a_proposal_has_the_counts_of_the_videos() -> None:
    found = proposals(
        [
            ("ann", "first", ["Mario Bros", "game", "fun"]),
            ("ann", "second", ["mario bros", "mariobros", "game"]),
            ("bob", "third", ["mario bros", "nes"]),
            ("cid", "fourth", ["MarioBros", "game", "nes", "retro"]),
        ]
    )
    assert found == [
        Proposal(
            tag="mario bros",
            alias="MarioBros",
            differences=("spacing",),
            letters=9,
            tag_videos=3,
            alias_videos=2,
            tag_uploaders=2,
            alias_uploaders=2,
            together=1,
            similarity=2 / 4,  # game and nes, of game, fun, nes and retro
            tag_title="first",
            alias_title="fourth",
        )
    ]


def test_the_spelling_of_more_uploaders_is_kept_even_if_the_other_is_more_frequent() -> None:
    videos = [("one", str(n), ["Nuevo Álbum"]) for n in range(9)] + [
        (uploader, uploader, ["nuevo album"]) for uploader in "abc"
    ]
    [found] = proposals(videos)
    assert (found.tag, found.alias) == ("nuevo album", "Nuevo Álbum")
    assert (found.tag_videos, found.alias_videos) == (3, 9)
    assert (found.tag_uploaders, found.alias_uploaders) == (3, 1)


def test_spellings_that_always_occur_together_have_a_video_with_both_as_example() -> None:
    [proposal] = proposals([("ann", "only", ["lo-fi", "lo fi"])])
    assert (proposal.tag_title, proposal.alias_title) == ("only", "only")
    assert (proposal.together, proposal.similarity) == (1, 0.0)


def test_proposals_need_no_videos() -> None:
    assert proposals([]) == []
    [proposal] = propose(
        build_catalog([["lo-fi"], ["lo fi"]])[0],
        tags := build_catalog([])[1],
        np.zeros(0, np.int64),
        [],
        build_graph(tags, 2),
    )
    assert (proposal.tag_videos, proposal.alias_videos, proposal.tag_title, proposal.together) == (0, 0, "", 0)


@pytest.mark.parametrize(
    ("differences", "letters", "together", "accepted"),
    [
        (("hashtag",), 5, 0, True),
        (("hashtag",), 2, 0, False),
        (("hyphen",), 4, 0, True),
        (("punctuation",), 2, 9, False),  # "us" and "u.s."
        (("diacritics",), 4, 9, False),
        (("diacritics",), 10, 9, False),  # "militar" and "militär"
        (("spacing",), 7, 0, False),  # "now here" and "nowhere"
        (("spacing",), 9, 1, True),
        (("spacing",), 14, 0, True),
        (("plural",), 20, 50, False),
        (("hashtag", "spacing"), 7, 0, False),  # every difference has to be safe
        (("hashtag", "spacing"), 12, 0, True),
        (("hyphen", "plural"), 20, 5, False),
    ],
)
def test_the_rule_accepts_safe_proposals(
    differences: tuple[Difference, ...], letters: int, together: int, accepted: bool
) -> None:
    proposal = replace(ANY, differences=differences, letters=letters, together=together)
    assert AliasRule().accepts(proposal) is accepted


def test_the_rule_can_be_made_stricter_or_more_permissive() -> None:
    plural = replace(ANY, differences=("plural",), letters=9, together=3)
    assert AliasRule(plural=AliasNeed(met=9, apart=None)).accepts(plural)
    assert not AliasRule(plural=AliasNeed(met=10, apart=None)).accepts(plural)
    assert not AliasRule(plural=AliasNeed(met=9, apart=None)).accepts(replace(plural, together=0))


def test_the_rule_covers_every_kind_of_difference() -> None:
    assert tuple(field.name for field in fields(AliasRule)) == DIFFERENCES
