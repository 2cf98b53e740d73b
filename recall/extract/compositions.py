"""Composed names: the union of two probable spans, or one span with the words of a template."""

import numpy as np
from numpy.typing import NDArray

from recall.extract.counting import Counted
from recall.extract.counts import Own, hashed
from recall.extract.phrases import PHRASE, Names
from recall.extract.spans import Span, Token
from recall.extract.templates import cues_of
from tagging.types import FloatRows

BASES = 6  # spans of a title used for compositions
TRIED = 30  # templates tried per title


def compositions(
    counted: Counted, words: list[Token], found: list[Span], simple: Names, odds: FloatRows, own: Own
) -> Names:
    """Compose names from the spans most likely to be part of one; odds: (n, 2) of the first network."""
    lifts = counted.cues.lifts(hashed(cues_of(words)), own)  # (T, 4)
    tried = np.argsort(-(lifts[:, 0] + 0.5 * lifts[:, 1]), kind="stable")[:TRIED].tolist()
    bases = np.argsort(-odds[:, 1], kind="stable")[:BASES].tolist()
    rows: list[tuple[int, int, int]] = []  # base, another base or -1, template or -1
    names: list[str] = []
    parts: list[tuple[str, str, str]] = []  # keys
    positions: list[tuple[int, int]] = []
    for base in bases:
        left = found[base]
        for other in bases:
            right = found[other]
            apart = left.last < right.first or right.last <= left.first
            if apart and simple.features[base, 0] == simple.features[other, 0]:  # both accented or both plain
                rows.append((base, other, -1))
                names.append(f"{simple.names[base]} {simple.names[other]}")
                parts.append(("", left.key, right.key))
                positions.append((min(left.first, right.first), max(left.last, right.last)))
        for template in tried:
            rows.append((base, -1, template))
            names.append(counted.templates[template].around(simple.names[base]))
            parts.append((counted.template_keys[template][0], left.key, counted.template_keys[template][1]))
            positions.append((left.first, left.last))
    keys = [" ".join(filter(None, part)) for part in parts]
    if not rows:
        return Names([], [], [], np.zeros((0, 0), np.float32))
    base_rows, other_rows, template_rows = np.array(rows).T
    first = np.array([span.first for span in found])
    is_union = (other_rows >= 0)[:, None]
    lifted = lifts[template_rows] if len(lifts) else np.zeros((len(rows), 4), np.float32)
    united = np.column_stack(
        [odds[other_rows], simple.features[other_rows, :PHRASE], first[other_rows] < first[base_rows]]
    )
    features = np.column_stack(
        [
            odds[base_rows],
            np.argsort(np.argsort(-odds[:, 1], kind="stable"))[base_rows],  # its rank
            simple.features[base_rows, :PHRASE],
            _joint_features(counted, words, parts, keys, own),
            np.where(is_union, 0.0, lifted),
            np.where(is_union, united, 0.0),
            is_union,
        ]
    )
    return Names(names, keys, positions, features.astype(np.float32))


def _joint_features(
    counted: Counted, words: list[Token], parts: list[tuple[str, str, str]], keys: list[str], own: Own
) -> NDArray[np.float64]:
    """(n, 10) features of the words added to a base span, and of both together."""
    in_title = {word.key for word in words}
    added = [f"{prefix} {suffix}".split() for prefix, _, suffix in parts]
    joints = [
        f"{base.rsplit(' ', 1)[-1]} {suffix.split(' ', 1)[0]}"
        if suffix
        else f"{prefix.rsplit(' ', 1)[-1]} {base.split(' ', 1)[0]}"
        for prefix, base, suffix in parts
    ]
    whole, put, joint = hashed(keys), hashed(map(" ".join, added)), hashed(joints)
    lookups = (("tag", whole), ("part", whole), ("tag", put), ("part", put), ("tag", joint), ("part", joint))
    counts = [np.log1p(counted.tables[table].of(which, own.tables[table])) for table, which in lookups]
    plain = [
        (
            bool(prefix),
            len(more),
            sum(word in in_title for word in more) / len(more),
            any(word.isdecimal() for word in more),
        )
        for (prefix, _, _), more in zip(parts, added, strict=True)
    ]
    return np.column_stack([*counts, np.array(plain, np.float64)])
