"""The README's promises, kept: its first command's last step, and the examples of the command line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    return [block.strip() for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)]


def test_the_readme_has_exactly_two_commands() -> None:
    setup, tests = commands()
    assert "\n" not in setup
    assert setup.endswith(".venv/bin/videotag quickstart")
    assert tests == ".venv/bin/pytest"


def test_every_videotag_command_of_the_readme_is_one_there_is() -> None:
    lines = re.findall(r"^\$ (?:\.venv/bin/)?videotag (.*)$", README, re.MULTILINE)
    assert len(lines) >= 5
    for line in lines:
        words = line.split()
        usage = subprocess.run([BIN / "videotag", words[0], "--help"], capture_output=True, text=True, check=True)
        for option in (word for word in words if word.startswith("--")):
            assert option in usage.stdout, f"{option} of `videotag {line}`"


@pytest.mark.slow
def test_quickstart_ends_with_tags_that_name_what_each_modality_carries(tmp_path: Path) -> None:
    environment = {**os.environ, "VIDEOTAG_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}

    def videotag(*args: str) -> dict[str, object]:
        command = [str(BIN / "videotag"), *args, "--format", "json"]
        result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert result.returncode == 0, result.stderr
        assert "Traceback" not in result.stderr
        return dict(json.loads(result.stdout))

    first = videotag("quickstart")
    answer = first["answer"]
    assert isinstance(answer, dict)
    assert answer["modalities"] == ["text", "frames", "audio"]
    true_tags = first["true_tags"]
    assert isinstance(true_tags, list)
    subject, scene, sound = true_tags[0], true_tags[-2], true_tags[-1]
    assert {subject, scene, sound} <= {tag["name"] for tag in answer["tags"]}
    assert all(tag["evidence"] for tag in answer["tags"])

    # What it left is the default bundle, and a second run replaces it.
    again = videotag("tag", "--title", "Seeds to sow before spring", "--max-tags", "3")
    tags = again["tags"]
    assert isinstance(tags, list)
    assert "gardening" in [tag["name"] for tag in tags]
    assert videotag("quickstart")["recall"] == first["recall"]
