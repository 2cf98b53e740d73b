from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from tagging.ragged import Ragged
from tagging.topics.cohesion import cohesive_tags
from tagging.topics.content import ContentRows

VIDEOS, SUBJECTS = 400, 8
APPEAL, CAMPAIGN, RARE, WIDE = range(SUBJECTS, SUBJECTS + 4)


def content_of(rows: NDArray[np.float32]) -> ContentRows:
    return ContentRows({"text": rows}, np.asarray(rows.any(axis=1)).reshape(-1, 1))


def videos_of(looks: float) -> tuple[Ragged, NDArray[np.int64], ContentRows]:
    """Return tags, their counts and content of videos with a subject each, a tag of it, and tags of no subject.

    looks: how strongly the content shows the subject
    """
    generator = np.random.default_rng(1)
    subjects = np.arange(VIDEOS) % SUBJECTS
    lists = [[int(subject)] for subject in subjects]
    for video in generator.permutation(VIDEOS)[:150].tolist():
        lists[video].append(APPEAL)
    for video in np.flatnonzero(subjects == 3)[:12].tolist():
        lists[video].append(CAMPAIGN)
    for video in (0, 5):
        lists[video].append(RARE)
    for video in np.flatnonzero(subjects < 4).tolist():
        lists[video].append(WIDE)
    rows = generator.standard_normal((VIDEOS, 32)) + looks * 6 * np.eye(32)[subjects] + 5
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    counts = np.bincount(np.concatenate(lists), minlength=WIDE + 1)
    return Ragged.of([sorted(tags) for tags in lists]), counts, content_of(rows)


def left_out(tags: Ragged, counts: NDArray[np.int64], content: ContentRows, least: float = 0.15) -> list[int]:
    found: list[int] = np.flatnonzero(~cohesive_tags(tags, counts, content, least, np.random.default_rng(2))).tolist()
    return found


def test_a_tag_on_videos_of_all_subjects_is_left_out_and_one_of_a_few_subjects_is_not() -> None:
    assert left_out(*videos_of(looks=1.0)) == [APPEAL]


def test_a_tag_is_kept_for_the_other_tags_of_its_videos_where_content_does_not_show_it() -> None:
    assert set(left_out(*videos_of(looks=0.0))) <= {APPEAL}


def test_every_tag_is_kept_with_a_share_of_zero() -> None:
    assert left_out(*videos_of(looks=1.0), least=0.0) == []


def test_tags_of_a_pool_without_content_are_judged_by_the_other_tags() -> None:
    tags, counts, _ = videos_of(looks=1.0)
    blind = ContentRows({}, np.zeros((VIDEOS, 0), np.bool_))
    dark = content_of(np.zeros((VIDEOS, 32), np.float32))
    assert left_out(tags, counts, blind) == left_out(tags, counts, dark)
    assert SUBJECTS - 1 not in left_out(tags, counts, blind)


def test_tags_of_videos_that_are_all_alike_are_kept() -> None:
    tags, counts, content = videos_of(looks=1.0)
    same = content_of(np.repeat(content.values["text"][:1], VIDEOS, axis=0))
    assert 0 not in left_out(tags, counts, same)


def test_the_decision_is_that_of_the_cosines_of_all_pairs() -> None:
    """The rule by loops over all pairs, with the rows of the pool itself in place of drawn pairs."""
    tags, counts, content = videos_of(looks=0.3)
    rows = content.values["text"].astype(np.float64)
    rows -= rows.mean(axis=0)
    has = np.array([np.isin(np.arange(len(counts)), tags.at(video)) for video in range(VIDEOS)])

    def view_of_content(tag: int) -> NDArray[np.float64]:
        return rows

    def view_of_other_tags(tag: int) -> NDArray[np.float64]:
        return np.asarray(has * (np.arange(len(counts)) != tag) * np.log(VIDEOS / counts))

    def cosines(values: NDArray[np.float64], videos: NDArray[np.int64]) -> NDArray[np.float64]:
        lengths = np.linalg.norm(values, axis=1)
        known = [video for video in videos.tolist() if lengths[video] > 0]
        return np.array([values[a] @ values[b] / lengths[a] / lengths[b] for a, b in combinations(known, 2)])

    judged = [tag for tag in range(len(counts)) if counts[tag] >= 5]
    members = {tag: np.array([v for v in range(VIDEOS) if tag in tags.at(v)]) for tag in judged}
    shares, errors = [], []
    for view in (view_of_content, view_of_other_tags):
        pool = cosines(view(-1), np.arange(VIDEOS))
        found = {tag: cosines(view(tag), members[tag]) for tag in judged}
        cohesion = np.array([found[tag].mean() - pool.mean() if len(found[tag]) else np.nan for tag in judged])
        sizes = np.array([len(found[tag]) or np.nan for tag in judged])
        usual = np.nanmean(cohesion)
        shares.append(cohesion / usual)
        errors.append(pool.std() / np.sqrt(sizes) / usual)
    known = (~np.isnan(shares)).sum(axis=0)
    highest = (np.nansum(shares, axis=0) + 1.645 * np.sqrt(np.nansum(np.square(errors), axis=0))) / known
    for least in (0.05, 0.15, 0.5, 1.0):
        clear = np.abs(highest - least) > 0.02  # drawn pairs differ a little from all pairs
        want = [tag for tag, value, sure in zip(judged, highest, clear, strict=True) if sure and value < least]
        got = [tag for tag in left_out(tags, counts, content, least) if clear[judged.index(tag)]]
        assert got == want, least
    assert highest[judged.index(APPEAL)] == pytest.approx(min(highest))
