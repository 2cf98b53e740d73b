"""`videotag inspect --server`: the views are the same, stored answers have ids, each error is one line."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tagging.cli.inspect_remotely import media_to_show
from tests.support.cli import Completed, error_lines, run
from tests.support.service import Client

pytestmark = pytest.mark.anyio


async def inspect(client: Client, *args: object) -> Completed:
    """Run the command in a thread: it blocks, and the service needs the event loop."""
    return await asyncio.to_thread(run, "inspect", *args, "--server", f"127.0.0.1:{client.port}")


async def here(*args: object) -> Completed:
    return await asyncio.to_thread(run, "inspect", *args)


async def test_the_terminal_shows_the_same_with_and_without_a_server(
    shared_client: Client, unseen_corpus: Path
) -> None:
    clip = min(unseen_corpus.parent.glob("*.mp4"))
    for args in ((clip, "--title", "My dog"), ("--title", "Ice hockey", "--description", "two\nlines")):
        command = (*args, "--why", "dog", "--why", "ice hockey", "--why", "qqq", "--max-tags", "3")
        remote, local = await inspect(shared_client, *command), await here(*command, "--bundle", shared_client.bundle)
        assert (remote.returncode, remote.stderr) == (0, "")
        assert "Why not “qqq”?" in remote.stdout
        assert remote.stdout == local.stdout


async def test_json_has_the_same_keys_and_names_with_and_without_a_server(
    shared_client: Client, unseen_corpus: Path
) -> None:
    args = (min(unseen_corpus.parent.glob("*.mp4")), "--title", "My dog", "--why", "dog", "--format", "json")
    remote, local = await inspect(shared_client, *args), await here(*args, "--bundle", shared_client.bundle)
    digits = re.compile(r"(\d\.\d{4})\d+(e-\d+)?")  # times are sent in microseconds
    assert digits.sub(r"\1", remote.stdout) == digits.sub(r"\1", local.stdout)


async def test_a_stored_answer_is_shown_by_its_id(shared_client: Client) -> None:
    await shared_client.tag("clip-17", "How to train a dog")
    result = await inspect(shared_client, "clip-17", "--why", "dog")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("\nHow to train a dog\n")
    assert "Why “dog”?" in result.stdout


async def test_the_page_has_questions_about_every_answered_tag(
    shared_client: Client, unseen_corpus: Path, tmp_path: Path
) -> None:
    page, clip = tmp_path / "why.html", min(unseen_corpus.parent.glob("*.mp4"))
    args = (clip, "--title", "My dog", "--why", "ice hockey", "--html", page, "--format", "json")
    result = await inspect(shared_client, *args)
    assert result.returncode == 0, result.stderr
    value = json.loads(result.stdout)
    assert [question["query"] for question in value["questions"]] == ["ice hockey"]
    data = json.loads(page.read_text(encoding="utf-8").partition('id="data">')[2].partition("</script>")[0])
    answered = [tag["name"] for tag in value["explanation"]["tags"] if tag["outcome"] == "answered"]
    assert answered
    assert [question["query"] for question in data["questions"]] == ["ice hockey", *answered]
    assert data["frames"]
    assert data["spectrogram"]


def test_a_file_that_cannot_be_decoded_here_leaves_the_page_without_frames(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "clip.mp4").write_text("no video")
    assert media_to_show(str(tmp_path / "clip.mp4")) is None
    assert "the page has no frames and no sound: " in caplog.text
    assert media_to_show("https://example.com/clip.mp4") is None


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("never-tagged",), "no answer is stored for the video 'never-tagged'"),
        (("absent.mp4", "--title", "a"), "cannot read absent.mp4"),
        (("file:///etc/passwd",), "/etc/passwd"),
        (("x" * 5000,), "video_id: 5000 characters, expected at most 256"),
        ((), "nothing to tag"),
        (("--title", "a", "--why", " "), "a tag of --why is empty"),
        (("--title", "a", "--why", "x" * 201), "why[0]: 201 characters, expected at most 200"),
        (("--title", "a", "--tls-ca", "absent.pem"), "cannot read absent.pem"),
        (("--title", "a", "--token", "a b\n"), "the token is empty or has characters that no token has"),
    ],
)
async def test_each_error_is_one_line(shared_client: Client, args: tuple[Any, ...], error: str) -> None:
    lines = error_lines(await inspect(shared_client, *args))
    assert lines[0].startswith("error: ")
    assert error in lines[0]


@pytest.mark.parametrize(
    "args",
    [
        ("--title", "a", "--bundle", "b"),
        ("--title", "a", "--runtime", "openvino"),
        ("clip-17", "--max-tags", "3"),
    ],
)
async def test_options_that_do_not_apply_are_wrong_usage(shared_client: Client, args: tuple[str, ...]) -> None:
    assert (await inspect(shared_client, *args)).returncode == 2


async def test_a_service_that_is_away_is_one_line() -> None:
    lines = error_lines(await here("--title", "a", "--server", "127.0.0.1:1"))
    assert lines[0].startswith("error: no service answers at 127.0.0.1:1")
