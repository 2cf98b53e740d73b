"""Alias proposals: separate tags of the catalog that are used as spellings of one tag, with evidence.

None is applied without a decision: `AliasRule` accepts some automatically, an editor decides on the others
(`tagging.maintenance.alias_table`), and `build_catalog` merges the accepted ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagging.ragged import Ragged
from tagging.tags.catalog import TagCatalog
from tagging.tags.graph import TagGraph
from tagging.tags.spelling import Difference, find_pairs, reduced_spelling
from tagging.text.normalise import normalise


@dataclass(frozen=True, slots=True)
class Proposal:
    """A tag, a possible alias of it, and the evidence."""

    tag: str  # the one with more uploaders, or at a tie with more videos
    alias: str
    differences: tuple[Difference, ...]  # removing all of them makes the two equal
    letters: int  # letters and digits of that common form
    tag_videos: int
    alias_videos: int
    tag_uploaders: int
    alias_uploaders: int
    together: int  # videos with both
    similarity: float  # Jaccard of the tags that co-occur with each, in [0, 1]
    tag_title: str  # title of a video with it and preferably without the other
    alias_title: str


@dataclass(frozen=True, slots=True)
class AliasNeed:
    """The fewest letters at which a difference may be ignored; None: never."""

    met: int | None  # if a video has both spellings
    apart: int | None  # if no video has both


@dataclass(frozen=True, slots=True)
class AliasRule:
    """Accepts proposals without an editor if every difference may be ignored.

    The defaults come from judging proposals on YouTube's trending videos by eye: short spellings collide ("ka", "k.a";
    "more", "moře"), a space may separate two words ("az rap", "azrap"), and a plural may be a name. Diacritics are left
    to an editor: ignored from six letters on, 39 of 40 new proposals were right ("militar" is not "Militär"), and
    0.98 is required.
    """

    hashtag: AliasNeed = AliasNeed(met=4, apart=4)
    hyphen: AliasNeed = AliasNeed(met=2, apart=2)
    punctuation: AliasNeed = AliasNeed(met=6, apart=6)
    diacritics: AliasNeed = AliasNeed(met=None, apart=None)
    plural: AliasNeed = AliasNeed(met=None, apart=None)
    spacing: AliasNeed = AliasNeed(met=6, apart=10)

    def accepts(self, proposal: Proposal) -> bool:
        needs: list[AliasNeed] = [getattr(self, difference) for difference in proposal.differences]
        least = [need.met if proposal.together else need.apart for need in needs]
        return all(letters is not None and proposal.letters >= letters for letters in least)


def propose(
    catalog: TagCatalog, tags: Ragged, uploaders: NDArray[np.integer], titles: Sequence[str], graph: TagGraph
) -> list[Proposal]:
    """Propose aliases among the catalog's tags with evidence from V labelled videos, the most used tags first.

    uploaders: (V,) equal for videos of one uploader; titles: V; graph: of the same videos.
    """
    videos = _videos_of_tags(tags, len(catalog))
    users = _uploaders_of_tags(tags, len(catalog), uploaders)
    order = np.lexsort((-catalog.counts, -users))  # uploaders first: one channel's "News;" may be on hundreds of videos
    found: list[Proposal] = []
    for first, second, differences in find_pairs([catalog.names[row] for row in order]):
        tag, alias = int(order[first]), int(order[second])
        of_tag, of_alias = videos.at(tag), videos.at(alias)
        neighbours, alias_neighbours = graph.neighbours(tag), graph.neighbours(alias)
        found.append(
            Proposal(
                tag=catalog.names[tag],
                alias=catalog.names[alias],
                differences=differences,
                letters=sum(char.isalnum() for char in reduced_spelling(normalise(catalog.names[tag]), differences)),
                tag_videos=len(of_tag),
                alias_videos=len(of_alias),
                tag_uploaders=int(users[tag]),
                alias_uploaders=int(users[alias]),
                together=int(neighbours.videos[neighbours.rows == alias].sum()),
                similarity=_jaccard(neighbours.rows, alias_neighbours.rows, alias),
                tag_title=_title(titles, of_tag, of_alias),
                alias_title=_title(titles, of_alias, of_tag),
            )
        )
    return found


def _videos_of_tags(tags: Ragged, count: int) -> Ragged:
    """Return the transpose: the videos of each tag, ascending."""
    order = np.argsort(tags.values, kind="stable")
    videos = np.repeat(np.arange(len(tags)), np.diff(tags.starts))[order]
    return Ragged(np.searchsorted(tags.values[order], np.arange(count + 1)), videos)


def _uploaders_of_tags(tags: Ragged, count: int, uploaders: NDArray[np.integer]) -> NDArray[np.int64]:
    """(count,) the number of uploaders of each tag."""
    names, owners = np.unique(uploaders, return_inverse=True)
    used = np.unique(tags.values * len(names) + np.repeat(owners, np.diff(tags.starts)))
    return np.bincount(used // max(len(names), 1), minlength=count)


def _jaccard(neighbours: NDArray[np.integer], alias_neighbours: NDArray[np.integer], alias: int) -> float:
    """The Jaccard similarity of the tags next to the two in the graph, without themselves; 0 if there are none."""
    both = len(np.intersect1d(neighbours, alias_neighbours, assume_unique=True))
    joined = int((neighbours == alias).any())  # then each is a neighbour of the other
    either = len(neighbours) + len(alias_neighbours) - 2 * joined - both
    return both / either if either else 0.0


def _title(titles: Sequence[str], videos: NDArray[np.int64], others: NDArray[np.int64]) -> str:
    alone = np.setdiff1d(videos, others, assume_unique=True)
    return titles[int(alone[0] if len(alone) else videos[0])] if len(videos) else ""
