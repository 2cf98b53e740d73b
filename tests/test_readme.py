"""The README: its set-up command's last step, and the examples of the command line and of Python."""

import json
import re
import shlex
from pathlib import Path

import pytest

from tagging.quickstart import run as quickstart
from tests.support.cli import run
from tests.support.paths import REPOSITORY

ROOT = REPOSITORY
GROUPS = {"ablate", "bundles", "feedback", "labelled", "models", "recommend", "results", "service", "tags", "topics"}
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    return [block.strip() for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)]


def test_the_readme_has_exactly_two_commands() -> None:
    setup, tests = commands()
    assert "\n" not in setup
    assert setup.endswith(".venv/bin/videotag quickstart")
    assert tests == ".venv/bin/pytest -n auto"


def test_every_videotag_command_of_the_readme_is_one_there_is() -> None:
    lines = re.findall(r"^\$ (?:\.venv/bin/)?videotag (.*)$", README, re.MULTILINE)
    assert len(lines) >= 5
    for line in lines:
        words = line.split()
        command = words[:2] if words[0] in GROUPS else words[:1]
        usage = run(*command, "--help")
        assert usage.returncode == 0, usage.stderr
        for option in (word for word in words if word.startswith("--")):
            assert option in usage.stdout, f"{option} of `videotag {line}`"


@pytest.mark.slow
def test_quickstart_ends_with_tags_that_name_what_each_modality_carries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # nothing is downloaded
    # A smaller corpus than the command's, which CI runs before the tests; the example's subject has neighbours in it.
    for name, value in {"SEED": 6, "VIDEOS": 80, "CLIPS": 36, "TEST_CLIPS": 1}.items():
        monkeypatch.setattr(quickstart, name, value)

    def videotag(*args: str) -> dict[str, object]:
        result = run(*args, "--format", "json", home=tmp_path)
        assert result.returncode == 0, result.stderr
        assert "Traceback" not in result.stderr
        return dict(json.loads(result.stdout))

    earlier = tmp_path / "quickstart"  # made by a quickstart before, as its marker says
    earlier.mkdir()
    (earlier / quickstart.MARKER).touch()
    (earlier / "stale.txt").touch()
    first = videotag("quickstart")
    assert not (earlier / "stale.txt").exists()  # it was replaced
    answer = first["answer"]
    assert isinstance(answer, dict)
    assert answer["modalities"] == ["text", "frames", "audio"]
    true_tags = first["true_tags"]
    assert isinstance(true_tags, list)
    subject, scene, sound = true_tags[0], true_tags[-2], true_tags[-1]
    assert {subject, scene, sound} <= {tag["name"] for tag in answer["tags"]}
    assert all(tag["evidence"] for tag in answer["tags"])

    # The starter bundle spoke first, and is still the default; what was learnt knows more of these titles.
    before = first["before"]
    assert isinstance(before, dict)
    assert before["modalities"] == ["text", "frames", "audio"]
    title = ("tag", "--title", "Seeds to sow before spring", "--max-tags", "3")
    learnt, default = videotag(*title, "--bundle", str(first["bundle"])), videotag(*title)
    assert isinstance(learnt["tags"], list)
    assert "gardening" in [tag["name"] for tag in learnt["tags"]]
    assert default["bundle"] == before["bundle"] != learnt["bundle"]


def test_the_example_of_the_readme_is_what_the_starter_bundle_says() -> None:
    [block] = re.findall(r"```console\n\$ \.venv/bin/(videotag tag .*?)```", README, re.DOTALL)
    command, *shown = block.strip().splitlines()
    result = run(*shlex.split(command)[1:])
    assert result.returncode == 0, result.stderr
    names = [re.split(r"\s{2,}", line)[0] for line in result.stdout.splitlines()]
    assert names == [re.split(r"\s{2,}", line)[0] for line in shown]


def test_the_python_quick_start_prints_the_tags_of_the_command_line_example(
    capsys: pytest.CaptureFixture[str],
) -> None:
    [example] = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "load_tagger" in block]
    assert len(example.strip().splitlines()) <= 10
    exec(example, {"__name__": "__main__"})
    assert capsys.readouterr().out.splitlines() == ["0.28  golden retriever", "0.28  puppy"]
