"""The terminal view of explanations that were written by hand."""

from dataclasses import replace

from tagging.inspection.explanation import Inspection
from tagging.inspection.section import Section
from tagging.inspection.terminal import sections
from tests.support.explanations import beach_explanation, beach_questions, many_tags, title_explanation, trace


def view(inspection: Inspection) -> dict[str, Section]:
    """Return the sections by title."""
    return {section.title: section for section in sections(inspection)}


BEACH = view(Inspection(beach_explanation(), beach_questions()))


def test_it_begins_with_the_title_and_what_was_looked_at() -> None:
    first = BEACH["A dog at the beach"].lines
    assert first[0].startswith("Looked at, 0:12 long, with the bundle starter-1")
    assert "  frames: 8 frames" in first
    assert "  audio: 0:12 of sound" in first
    assert '  said: "come on, boy, fetch it" at 0:01, "what a good dog" at 0:06' in first
    assert '  on the screen: "BEACH CLUB" at 0:09' in first
    assert "  warning: the sound was cut after 10 minutes" in first


def test_tags_are_listed_by_rank_with_the_best_evidence_of_each_channel() -> None:
    section = BEACH["1 tag answered"]
    assert [row["tag"] for row in section.rows] == ["dog", "beach", "puppy", "sea"]
    dog = section.rows[0]
    assert dog["outcome"] == "answered"
    assert '"dog" said at 0:06 (spoken)' in dog["because of"]
    assert 'labelled video "Puppy runs into the sea" (text)' in dog["because of"]
    assert "0:03-0:07 (frames)" in dog["when"]
    assert dog["moved by"] == "likely +3.0  cosine +0.5"
    assert all(row.keys() == dog.keys() for row in section.rows)
    assert (
        section.lines[0] == "51 tags proposed, the 4 most probable ranked, confidence of 0.50 or more needed, at most "
        "5 tags answered."
    )


def test_channels_show_their_best_proposals_and_nearest_labelled_videos() -> None:
    section = BEACH["What each channel proposed"]
    assert section.lines == ("Nothing to read for audio.",)
    text = next(row for row in section.rows if row["channel"] == "text")
    assert text["tags"] == "40"
    assert text["the best"] == "dog 0.55, wolf 0.02"
    assert text["nearest labelled videos"] == '"Puppy runs into the sea" 0.88, "Sunset" 0.61'


def test_a_question_lists_what_changes_it_the_largest_change_first() -> None:
    section = BEACH["Why not “beach”?"]
    assert section.lines[0] == "Confidence too low. Its confidence of 0.44 is below the least of 0.50."
    assert section.lines[1] == "0.06 more would have been enough."
    assert [(row["without"], row["confidence"], row["outcome"]) for row in section.rows] == [
        ('the labelled video "Puppy runs into the sea"', "not ranked", "not proposed"),
        ("title and description", "0.12", "confidence too low"),
        ("the channel shown", "0.51", "answered"),
    ]


def test_inputs_without_which_nothing_changes_are_named_in_a_sentence() -> None:
    [beach, _] = beach_questions()
    same = tuple(replace(ablation, confidence=0.441, outcome=beach.outcome) for ablation in beach.ablations)
    section = view(Inspection(beach_explanation(), (replace(beach, ablations=same),)))["Why not “beach”?"]
    assert section.rows == ()
    assert section.lines[-1] == (
        "Nothing changes without one of these alone: title and description, the channel shown, "
        'the labelled video "Puppy runs into the sea".'
    )


def test_a_text_that_is_no_tag_has_a_section_of_its_own() -> None:
    assert BEACH["Why not “zebra”?"].lines == ("Unknown. No tag is spelt zebra.", "Add the tag to the catalog.")


def test_only_the_next_candidates_follow_the_answered_ones() -> None:
    section = view(Inspection(title_explanation("t", many_tags(300)), ()))["3 tags answered"]
    assert [row["tag"] for row in section.rows] == [f"tag {rank}" for rank in range(1, 9)]


def test_an_answer_without_tags_and_a_precision_that_nothing_reaches_are_said() -> None:
    explanation = replace(title_explanation("t", (trace("x", "below_confidence", 0.2, 1, {}),)), min_confidence=2.0)
    section = view(Inspection(explanation, ()))["No tag answered"]
    assert "no confidence reaches the target precision" in section.lines[0]


def test_long_titles_are_one_short_line() -> None:
    [first, *_] = sections(Inspection(title_explanation("a\nb " * 500), ()))
    assert len(first.title) <= 61
    assert "\n" not in first.title
