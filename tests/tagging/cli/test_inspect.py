"""The `videotag inspect` command: what an editor reads, JSON, the page, and bad input."""

import json
import os
from pathlib import Path

import pytest

from tests.support.cli import error_lines, run


@pytest.fixture(scope="module")
def clip(unseen_corpus: Path) -> Path:
    return min(unseen_corpus.parent.glob("*.mp4"))


def test_the_help_has_examples() -> None:
    result = run("inspect", "--help")
    assert result.returncode == 0
    assert "videotag inspect clip.mp4" in result.stdout


def test_a_clip_is_explained_from_what_was_looked_at_to_each_question(tiny_starter: Path, clip: Path) -> None:
    args = (clip, "--title", "My dog", "--bundle", tiny_starter)
    result = run("inspect", *args, "--why", "dog", "--why", "ice hockey", "--why", "qqq")
    assert result.returncode == 0, result.stderr
    text = result.stdout
    assert text.startswith("\nMy dog\n")
    assert "frames: 16 frames" in text
    assert "What each channel proposed" in text
    assert "Why “dog”?" in text
    assert "Why not “ice hockey”?" in text
    assert "Not proposed. No channel proposed it." in text
    assert "Why not “qqq”?" in text
    assert "No tag of the catalog is spelt “qqq”" in text
    tagged = json.loads(run("tag", *args, "--format", "json").stdout)
    answered = text.partition("answered\n")[2].partition("\nWhat each channel")[0]
    assert all(tag["name"] in answered for tag in tagged["tags"])


def test_json_has_the_whole_value_and_the_taggers_answer(tiny_starter: Path, clip: Path) -> None:
    args = (clip, "--title", "My dog", "--bundle", tiny_starter, "--max-tags", 3)
    value = json.loads(run("inspect", *args, "--why", "dog", "--format", "json").stdout)
    tagged = json.loads(run("tag", *args, "--format", "json").stdout)
    assert set(value) == {"explanation", "questions"}
    answered = [tag for tag in value["explanation"]["tags"] if tag["outcome"] == "answered"]
    assert [(tag["name"], round(tag["confidence"], 4)) for tag in answered] == [
        (tag["name"], tag["confidence"]) for tag in tagged["tags"]
    ]
    assert value["explanation"]["max_tags"] == 3
    [question] = value["questions"]
    assert {ablation["kind"] for ablation in question["ablations"]} == {"modality", "channel"}


def test_a_title_alone_is_explained_without_media(tiny_starter: Path) -> None:
    result = run("inspect", "--title", "Ice hockey", "--bundle", tiny_starter)
    assert result.returncode == 0, result.stderr
    assert "text: title" in result.stdout
    assert "frames:" not in result.stdout
    assert "Nothing to read for" in result.stdout


def test_the_page_has_the_media_and_questions_about_every_answered_tag(
    tiny_starter: Path, clip: Path, tmp_path: Path
) -> None:
    page = tmp_path / "why.html"
    args = (clip, "--title", "My dog </script>", "--bundle", tiny_starter)
    result = run("inspect", *args, "--why", "ice hockey", "--html", page, "--format", "json")
    assert result.returncode == 0, result.stderr
    value = json.loads(result.stdout)
    assert [question["query"] for question in value["questions"]] == ["ice hockey"]
    html = page.read_text(encoding="utf-8")
    data = json.loads(html.partition('id="data">')[2].partition("</script>")[0])
    answered = [tag["name"] for tag in value["explanation"]["tags"] if tag["outcome"] == "answered"]
    assert answered
    assert [question["query"] for question in data["questions"]] == ["ice hockey", *answered]
    assert data["frames"]
    assert data["spectrogram"]
    assert [path.name for path in tmp_path.iterdir()] == ["why.html"]


def test_the_page_replaces_an_earlier_one_and_a_failure_leaves_it(tiny_starter: Path, tmp_path: Path) -> None:
    page = tmp_path / "why.html"
    page.write_text("earlier")
    missing = run("inspect", tmp_path / "missing.mp4", "--bundle", tiny_starter, "--html", page)
    assert error_lines(missing)[0] == f"error: no file at {tmp_path / 'missing.mp4'}"
    assert page.read_text() == "earlier"
    assert run("inspect", "--title", "Ice hockey", "--bundle", tiny_starter, "--html", page).returncode == 0
    assert page.read_text(encoding="utf-8").startswith("<!")
    assert [path.name for path in tmp_path.iterdir()] == ["why.html"]


def test_a_page_that_cannot_be_written_is_reported_before_anything_is_loaded(tmp_path: Path) -> None:
    result = run("inspect", "--title", "x", "--bundle", tmp_path / "none", "--html", tmp_path)
    assert error_lines(result) == [f"error: {tmp_path} is a folder", "hint: name a file"]


@pytest.mark.parametrize("args", [(), ("--title", " "), ("",)])
def test_a_video_without_anything_is_one_error(args: tuple[str, ...]) -> None:
    assert error_lines(run("inspect", *args)) == [
        "error: nothing to tag",
        "hint: give a video, a --title or a --description",
    ]


def test_a_title_that_is_not_utf8_is_one_error() -> None:
    broken = os.fsdecode(b"caf\xe9")
    assert error_lines(run("inspect", "--title", broken)) == ["error: the title or description is not UTF-8 text"]


def test_a_question_that_is_not_utf8_is_one_error() -> None:
    broken = os.fsdecode(b"caf\xe9")
    [error] = error_lines(run("inspect", "--title", "x", "--why", broken))
    assert error == "error: a tag of --why is not UTF-8 text"


@pytest.mark.parametrize("blank", ["", " \t", "\u200b"])
def test_a_question_without_a_visible_character_is_one_error(blank: str) -> None:
    [error, _] = error_lines(run("inspect", "--title", "x", "--why", blank))
    assert error == "error: a tag of --why is empty"


def test_hostile_texts_do_not_reach_the_terminal(tiny_starter: Path) -> None:
    hostile = "Ice hockey \x1b[31m\u202e <script>alert(1)</script> [bold]"
    result = run("inspect", "--title", hostile, "--bundle", tiny_starter, "--why", hostile)
    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout
    assert "[bold]" in result.stdout


def test_a_precision_that_the_bundle_cannot_guarantee_is_one_error(tiny_starter: Path) -> None:
    lines = error_lines(run("inspect", "--title", "x", "--bundle", tiny_starter, "--precision", 0.9))
    assert "no held-out videos" in lines[0]


@pytest.mark.parametrize("option", [("--max-tags", "0"), ("--precision", "2"), ("--format", "xml"), ("--why",)])
def test_wrong_usage_exits_with_code_two(option: tuple[str, ...]) -> None:
    assert run("inspect", "--title", "x", *option).returncode == 2
