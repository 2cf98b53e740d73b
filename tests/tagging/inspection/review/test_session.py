"""Review session: decisions, undo, resume, limits, and what is refused."""

from pathlib import Path

import pytest

from tagging.errors import ConflictError, InvalidManifestError, InvalidRequestError
from tagging.inspection.review.feedback_lines import read_feedback
from tagging.inspection.review.session import MAX_NAME, ReviewSession
from tagging.tags.catalog import tag_id
from tests.support.polling import wait_until
from tests.support.reviews import TableTagger, catalog, opened_turn, reviewing, videos

ANSWER = {"dog": 0.9, "cat": 0.55, "sea": 0.4, "a new one": 0.3}


def tagger(count: int = 3) -> TableTagger:
    return TableTagger({f"v{at}": ANSWER for at in range(count)})


def key(name: str) -> str:
    tags = catalog()
    return tags.ids[tags.names.index(name)] if name in tags.names else f"id-{name}"


def verdicts(session: ReviewSession) -> dict[str, str]:
    return {made["name"]: made["verdict"] for made in session.state()["decisions"]}


def test_decisions_become_feedback_with_the_names_that_were_shown(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    with reviewing(path, videos(3), tagger()) as session:
        turn = opened_turn(session)
        session.decide(turn, key("dog"), "accepted")
        session.decide(turn, key("cat"), "rejected")
        session.decide(turn, key("a new one"), "accepted")
        session.decide(turn, key("sea"), "accepted")
        session.decide(turn, key("sea"), None)
        session.add(turn, "GUITAR  hero")
        session.add(turn, "  fnord   quux ")
        session.confirm(turn)
        summary = session.summary()
    assert (summary.videos, summary.accepted, summary.rejected, summary.added, summary.in_file) == (1, 2, 1, 2, 1)
    [written] = read_feedback(path)
    accepted, rejected, added = (written.draft.of_verdict(verdict) for verdict in ("accepted", "rejected", "added"))
    assert [made.tag.name for made in accepted] == ["dog", "a new one"]
    assert [(made.tag.tag_id, made.tag.name) for made in rejected] == [(key("cat"), "cat")]
    assert [(made.tag.tag_id, made.tag.name) for made in added] == [
        (key("Guitar Hero"), "Guitar Hero"),
        (None, "fnord quux"),
    ]


def test_the_page_gets_answered_tags_evidence_and_spans(tmp_path: Path) -> None:
    with reviewing(tmp_path / "f.jsonl", videos(1), tagger()) as session:
        turn = opened_turn(session)
        video = session.video()
        assert (video["turn"], video["video_id"], video["frames"]) == (turn, "v0", [])
        assert [(tag["name"], tag["is_answered"]) for tag in video["tags"]] == [
            ("dog", True),
            ("cat", True),
            ("sea", False),
            ("a new one", False),
        ]
        assert video["tags"][0]["evidence"][1]["start_s"] == 4.5
        assert video["tags"][0]["spans"][0]["end_s"] == 7.5


def test_an_added_tag_that_is_shown_is_accepted_and_added_ones_can_be_withdrawn(tmp_path: Path) -> None:
    with reviewing(tmp_path / "f.jsonl", videos(1), tagger()) as session:
        turn = opened_turn(session)
        session.add(turn, "Puppy")
        session.add(turn, "A NEW ONE")
        session.add(turn, "beach")
        assert verdicts(session) == {"dog": "accepted", "a new one": "accepted", "beach": "added"}
        session.decide(turn, key("beach"), None)
        assert "beach" not in verdicts(session)
        session.decide(turn, key("beach"), "accepted")
        assert verdicts(session)["beach"] == "added"
        session.decide(turn, key("beach"), "rejected")
        assert "beach" not in verdicts(session)


def test_undo_goes_through_decisions_and_then_through_videos(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    with reviewing(path, videos(3), tagger()) as session:
        turn = opened_turn(session)
        first = session.video()["video_id"]
        session.decide(turn, key("dog"), "accepted")
        session.decide(turn, key("dog"), "rejected")
        session.undo(turn)
        assert verdicts(session) == {"dog": "accepted"}
        session.confirm(turn)
        turn = opened_turn(session)
        second = session.video()["video_id"]
        session.decide(turn, key("cat"), "rejected")
        session.undo(turn)
        assert verdicts(session) == {}
        session.undo(turn)
        turn = opened_turn(session)
        assert session.video()["video_id"] == first
        assert verdicts(session) == {"dog": "accepted"}
        assert path.read_bytes() == b""
        session.undo(turn)
        with pytest.raises(InvalidRequestError, match="nothing to undo"):
            session.undo(turn)
        session.confirm(turn)
        shown = {first}
        while session.state()["status"] != "done":
            turn = opened_turn(session)
            shown.add(session.video()["video_id"])
            session.confirm(turn)
    assert shown == {"v0", "v1", "v2"}
    assert second in shown


def test_a_killed_review_continues_with_its_open_video(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    with reviewing(path, videos(3), tagger()) as session:
        session.confirm(opened_turn(session))
        turn = opened_turn(session)
        session.decide(turn, key("cat"), "accepted")
        video = session.video()["video_id"]
    with reviewing(path, videos(3), tagger()) as session:
        turn = opened_turn(session)
        assert session.video()["video_id"] == video
        assert verdicts(session) == {"cat": "accepted"}
        assert (session.state()["confirmed"], session.state()["in_file"]) == (0, 1)
        session.confirm(turn)
        session.confirm(opened_turn(session))
        wait_until(lambda: session.state()["status"] == "done")
        assert session.summary().videos == 2
    assert len({reviewed.video.video_id for reviewed in read_feedback(path)}) == 3


def test_undo_reaches_the_videos_of_an_earlier_review(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    with reviewing(path, videos(2), tagger()) as session:
        turn = opened_turn(session)
        session.decide(turn, key("dog"), "accepted")
        session.confirm(turn)
    with reviewing(path, videos(2), tagger()) as session:
        session.undo(opened_turn(session))
        opened_turn(session)
        assert verdicts(session) == {"dog": "accepted"}
        assert session.summary().videos == 0
        assert session.state()["confirmed"] == 0
        session.confirm(session.state()["turn"])
        assert session.summary().videos == 1


def test_a_draft_of_another_manifest_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    with reviewing(path, videos(1), tagger()) as session:
        session.decide(opened_turn(session), key("dog"), "accepted")
    others = [video for video in videos(3) if video.video_id != "v0"]
    with pytest.raises(InvalidManifestError, match="open video"), reviewing(path, others, tagger()):
        pass
    with reviewing(path, videos(1), tagger()) as session:
        opened_turn(session)
        assert verdicts(session) == {"dog": "accepted"}


def test_the_limit_ends_the_review_and_undo_continues_it(tmp_path: Path) -> None:
    with reviewing(tmp_path / "f.jsonl", videos(3), tagger(), limit=1) as session:
        session.confirm(opened_turn(session))
        state = session.state()
        assert (state["status"], state["confirmed"], state["can_undo"]) == ("limit", 1, True)
        session.undo(state["turn"])
        session.confirm(opened_turn(session))
        assert session.state()["status"] == "limit"


def test_key_strokes_about_another_video_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    with reviewing(path, videos(3), tagger()) as session:
        turn = opened_turn(session)
        session.confirm(turn)
        opened_turn(session)
        for stale in (turn, turn + 7, -1):
            with pytest.raises(ConflictError):
                session.confirm(stale)
            with pytest.raises(ConflictError):
                session.decide(stale, key("dog"), "accepted")
            with pytest.raises(ConflictError):
                session.undo(stale)
        assert verdicts(session) == {}
    assert len(list(read_feedback(path))) == 1


@pytest.mark.parametrize("name", ["", "  ", "\u200b", "x" * (MAX_NAME + 1), "half \ud83d"])
def test_a_name_that_is_no_tag_is_refused(tmp_path: Path, name: str) -> None:
    with reviewing(tmp_path / "f.jsonl", videos(1), tagger()) as session:
        turn = opened_turn(session)
        with pytest.raises(InvalidRequestError, match="visible characters"):
            session.add(turn, name)
        with pytest.raises(InvalidRequestError, match="no such tag"):
            session.decide(turn, "unknown", "accepted")
        assert verdicts(session) == {}


def test_suggestions_and_new_tags(tmp_path: Path) -> None:
    with reviewing(tmp_path / "f.jsonl", videos(1), tagger()) as session:
        assert session.suggest("Guit") == {"tags": [{"name": "guitar"}, {"name": "Guitar Hero"}], "is_new": True}
        assert session.suggest("GUITAR")["is_new"] is False
        assert session.suggest("  ") == {"tags": [], "is_new": False}


def test_new_tags_keep_one_key_in_every_spelling(tmp_path: Path) -> None:
    with reviewing(tmp_path / "f.jsonl", videos(1), tagger()) as session:
        turn = opened_turn(session)
        session.add(turn, "Fnord Quux")
        session.add(turn, "fnord  QUUX")
        [made] = session.state()["decisions"]
        assert made["key"] == tag_id("fnord quux")


def test_without_a_readable_video_the_review_is_done(tmp_path: Path) -> None:
    with reviewing(tmp_path / "f.jsonl", videos(2), TableTagger({})) as session:
        wait_until(lambda: session.state()["status"] == "done")
        assert session.state()["unreadable"] == 2
        assert session.video() == {}
