"""Candidates for new videos, against brute force."""

from pathlib import Path

import numpy as np
import pytest

from tagging.errors import InvalidManifestError
from tagging.progress import Silent
from tagging.ragged import Ragged
from tagging.recommendation.two_towers.candidates import Candidates, find_candidates
from tagging.store.features import FeatureStore
from tagging.types import FloatRows
from tests.support.corpora import write_rows
from tests.support.watching import GROUPS


def unit(rows: int, seed: int) -> FloatRows:
    values = np.random.default_rng(seed).standard_normal((rows, 6))
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), np.float32)


def test_candidates_are_the_nearest_that_were_not_watched() -> None:
    users, videos = unit(7, 1), unit(9, 2)
    users[3], videos[4] = 0, 0
    watched = [[0, 1], [], [8], [2], [], list(range(9)), [5]]
    found = Candidates([f"u{n}" for n in range(7)], users, [f"v{n}" for n in range(9)], videos, Ragged.of(watched))
    by_user, by_video = found.of_users(3), found.of_videos(3)
    cosines = users @ videos.T
    for user in range(7):
        left = [] if user == 3 else [video for video in range(9) if video != 4 and video not in watched[user]]
        best = sorted(left, key=lambda video: -cosines[user, video])[:3]
        assert [candidate.id for candidate in by_user[f"u{user}"]] == [f"v{video}" for video in best]
        np.testing.assert_allclose([c.score for c in by_user[f"u{user}"]], cosines[user, best], atol=1e-5)
    for video in range(9):
        left = [] if video == 4 else [user for user in range(7) if user != 3 and video not in watched[user]]
        best = sorted(left, key=lambda user: -cosines[user, video])[:3]
        assert [candidate.id for candidate in by_video[f"v{video}"]] == [f"u{user}" for user in best]


def test_a_new_video_goes_to_users_whose_next_group_is_its_own(trained: Path, tmp_path: Path) -> None:
    new = [{"video_id": f"new {group}", "title": "clip", "tags": [f"group {group}"]} for group in range(GROUPS)]
    rows = [
        {"user_id": group, "videos": [f"v{group}", f"v{(group + 1) % GROUPS}", f"v{(group + 2) % GROUPS}"]}
        for group in range(GROUPS)
    ]
    found = find_candidates(
        trained,
        [write_rows(tmp_path / "new.jsonl", new)],
        {},
        write_rows(tmp_path / "watched.jsonl", rows),
        FeatureStore(tmp_path / "f"),
        Silent(),
    )
    by_user = found.of_users(1)
    assert {user: best[0].id for user, best in by_user.items()} == {
        str(group): f"new {(group + 3) % GROUPS}" for group in range(GROUPS)
    }


def test_a_video_of_the_training_is_not_new(trained: Path, tmp_path: Path) -> None:
    manifest = write_rows(tmp_path / "new.jsonl", [{"video_id": "v3", "title": "clip"}])
    watched = write_rows(tmp_path / "watched.jsonl", [{"user_id": 1, "videos": ["v1"]}])
    with pytest.raises(InvalidManifestError, match="'v3' is in"):
        find_candidates(trained, [manifest], {}, watched, FeatureStore(tmp_path / "f"), Silent())


def test_new_videos_of_which_nothing_is_known_are_named(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tags = {"new": ["group 1"], "bare": [], "rare": ["unheard"]}
    rows = [{"video_id": video_id, "tags": names} for video_id, names in tags.items()]
    manifest = write_rows(tmp_path / "new.jsonl", rows)
    watched = write_rows(tmp_path / "watched.jsonl", [{"user_id": 1, "videos": ["v1"]}])
    found = find_candidates(trained, [manifest], {}, watched, FeatureStore(tmp_path / "f"), Silent())
    assert [candidate.id for candidate in found.of_users(10)["1"]] == ["new"]
    [record] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.getMessage() == "cannot be recommended, as nothing is known of them: bare, rare"


def test_many_candidates_take_no_more_memory_than_there_are_videos() -> None:
    found = Candidates(["u"], unit(1, 1), ["a", "b"], unit(2, 2), Ragged.of([[]]))
    assert len(found.of_users(10**12)["u"]) == 2
