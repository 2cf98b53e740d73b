"""Counting over labelled titles: tables of phrases and words, templates and their cues."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recall.extract.counts import NO_ROWS, TABLES, Counts, Keys, Own, counts_of, hashed, least_of, look_up
from recall.extract.spans import CHARACTERS_READ, Token, key_of, spans, tokens
from recall.extract.templates import Cues, Template, cue_counts, cues_of, taken_apart
from tagging.text.characters import plain_text
from tagging.text.normalise import normalise

TEMPLATES = 3000
TEMPLATE_UPLOADERS = 5  # at least


@dataclass(frozen=True, slots=True, eq=False)
class Video:
    """A labelled video as training data of extraction."""

    text: str
    tags: frozenset[str]  # normalised
    uploader: str

    @property
    def tag_keys(self) -> set[str]:
        return {key for key in map(key_of, self.tags) if key}


class Counted:
    """All counts over the labelled videos."""

    def __init__(self, tables: Mapping[str, Counts], templates: Sequence[Template], cues: Cues) -> None:
        self.tables = tables
        self.templates = tuple(templates)
        self.cues = cues
        self.template_keys = [template.key for template in templates]

    def known(self, keys: Sequence[str], own: Own) -> NDArray[np.bool_]:
        """(n,) True: an uploader other than the excluded one has the tag."""
        return self.tables["tag"].of(hashed(keys), own.tables["tag"]) > 0


def labelled_videos(
    titles: Sequence[str], tags_per_video: Sequence[Sequence[str]], uploaders: Sequence[str]
) -> list[Video]:
    """The videos that have words and tags."""
    if not len(titles) == len(tags_per_video) == len(uploaders):
        raise ValueError(f"{len(titles)} titles, tags of {len(tags_per_video)} videos, {len(uploaders)} uploaders")
    videos = []
    for title, tags, uploader in zip(titles, tags_per_video, uploaders, strict=True):
        text = plain_text(readable(title, ""))
        words, forms = tokens(text), frozenset(map(normalise, tags)) - {""}
        if words and forms:
            videos.append(Video(text, forms, uploader))
    return videos


def readable(title: str, description: str) -> str:
    """The title, or the first line of the description; lone surrogates, which no file can hold, are replaced."""
    text = title.strip() or next(filter(None, map(str.strip, description[:CHARACTERS_READ].splitlines())), "")
    return text[:CHARACTERS_READ].encode("utf-8", "replace").decode("utf-8")


def count(videos: Sequence[Video]) -> tuple[Counted, dict[str, Own]]:
    """Return all counts, and each uploader's own contribution to them."""
    by_uploader: dict[str, list[Video]] = defaultdict(list)
    for video in videos:
        by_uploader[video.uploader].append(video)
    owned: dict[str, dict[str, Keys]] = {}
    used: dict[str, list[tuple[Keys, set[Template]]]] = {}
    users: Counter[Template] = Counter()
    for uploader, theirs in by_uploader.items():
        seen: dict[str, set[str]] = {table: set() for table in TABLES}
        used[uploader] = []
        for video in theirs:
            words = tokens(video.text)
            _add(video, words, seen)
            used[uploader].append(
                (hashed(cues_of(words)), {template for template, _ in taken_apart(video.tags, words)})
            )
        owned[uploader] = {table: np.unique(hashed(keys)) for table, keys in seen.items()}
        users.update({template for _, templates in used[uploader] for template in templates})
    tables = {table: counts_of((own[table] for own in owned.values()), least_of(table)) for table in TABLES}
    ranked = sorted(users.items(), key=lambda item: (-item[1], item[0].prefix, item[0].suffix))
    templates = [template for template, count in ranked[:TEMPLATES] if count >= TEMPLATE_UPLOADERS]

    row_of = {template: row for row, template in enumerate(templates)}
    own_cues = {uploader: np.unique(np.concatenate([keys for keys, _ in u])) for uploader, u in used.items()}
    cues = counts_of(own_cues.values(), least_of("cues"))
    own_by_uploader: dict[str, Own] = {}
    for uploader, uses in used.items():
        rows, pairs = [NO_ROWS], [NO_ROWS]
        for keys, used_templates in uses:
            rows.append(np.array([row_of[template] for template in used_templates if template in row_of], np.int64))
            positions, found = look_up(cues.keys, keys)
            pairs.append((positions[found][:, None] * len(templates) + rows[-1]).ravel())
        contribution = [np.unique(np.concatenate(parts)) for parts in (rows, pairs)]
        own_by_uploader[uploader] = Own(owned[uploader], own_cues[uploader], *contribution)
    return Counted(
        tables, templates, cue_counts(cues, [users[template] for template in templates], own_by_uploader)
    ), own_by_uploader


def _add(video: Video, words: list[Token], seen: Mapping[str, set[str]]) -> None:
    """Add the keys of one video to the sets of its uploader."""
    keys = [word.key for word in words]
    tags = video.tag_keys
    seen["tag"] |= tags
    for tag in tags:
        parts = tag.split(" ")
        runs = ((i, j) for i in range(len(parts)) for j in range(i + 1, min(len(parts), i + 5) + 1))
        seen["part"].update(" ".join(parts[i:j]) for i, j in runs if j - i < len(parts))
    for span in spans(video.text, words):
        seen["title"].add(span.key)
        if span.key not in tags:
            continue
        first, last = span.first, span.last
        seen["both"].add(span.key)
        seen["begin"].add(keys[first])
        seen["end"].add(keys[last - 1])
        seen["inside"].update(keys[first:last])
        seen["join"].update(f"{keys[at - 1]} {keys[at]}" for at in range(first + 1, last))
        if first:
            seen["before"].add(keys[first - 1])
            seen["cut"].add(f"{keys[first - 1]} {keys[first]}")
        if last < len(keys):
            seen["after"].add(keys[last])
            seen["cut"].add(f"{keys[last - 1]} {keys[last]}")
