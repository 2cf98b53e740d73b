"""The command line: output, errors and exit codes; the installed program where a process matters."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tagging.cli import options
from tagging.cli.tag import printable_id
from tagging.config.profiles import PROFILES
from tagging.config.root import Config
from tagging.quickstart.corpus import PlannedVideo
from tests.support.cli import VIDEOTAG, error_lines, run, run_program
from tests.support.configs import TEXT_ONLY_TOML, TINY_TOML


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["train"],
        ["evaluate"],
        ["tag"],
        ["inspect"],
        ["batch"],
        ["quickstart"],
        ["models", "fetch"],
        ["labelled", "add"],
        ["labelled", "remove"],
        ["labelled", "fold"],
        ["serve"],
        ["feedback", "export"],
        ["feedback", "import"],
        ["review"],
        ["bench"],
    ],
)
def test_the_help_of_every_command_has_examples(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.returncode == 0
    if command:
        assert "Examples" in result.stdout
        assert f"videotag {' '.join(command)}" in result.stdout


def test_help_is_printed_without_the_libraries_of_the_commands() -> None:
    heavy = {"asyncio", "numpy", "pandas", "pyarrow", "pydantic", "scipy", "torch"}
    code = (
        "import sys\n"
        "from tagging.cli.main import app\n"
        "try: app(['--help'])\n"
        f"except SystemExit: print('imported:', {heavy!r} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "inspect" in done.stdout
    assert done.stdout.endswith("imported: set()\n")


def test_the_help_names_the_profiles() -> None:
    assert tuple(PROFILES) == options.PROFILES


@pytest.mark.parametrize(
    "args", [["fly"], ["train"], ["tag", "--max-tags", "0"], ["tag", "--format", "xml"], ["tag", "a", "b"]]
)
def test_invalid_usage_exits_with_code_two(args: list[str]) -> None:
    assert run(*args).returncode == 2


def test_tag_prints_json_of_the_documented_form(
    tiny_bundle: Path, unseen_corpus: Path, unseen_plans: list[PlannedVideo]
) -> None:
    plan = unseen_plans[0]
    clip = unseen_corpus.parent / f"{plan.video_id}.mp4"
    args = ("tag", clip, "--title", plan.title, "--bundle", tiny_bundle, "--max-tags", 4)
    result = run_program(*args, "--format", "json")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["modalities"] == ["text", "frames", "audio"]
    assert 1 <= len(answer["tags"]) <= 4
    assert set(answer["tags"][0]) == {"name", "confidence", "id", "is_new", "channels", "evidence", "spans"}
    assert plan.scene in [tag["name"] for tag in answer["tags"]]
    assert isinstance(answer["warnings"], list)

    table = run(*args)
    assert table.returncode == 0
    for tag in answer["tags"]:
        assert tag["name"] in table.stdout
    assert "looked at: text, frames, audio" in table.stdout


def test_tag_prints_text_frame_and_time_as_evidence(tiny_starter: Path, unseen_corpus: Path) -> None:
    clip = next(unseen_corpus.parent.glob("*.mp4"))
    args = ("tag", clip, "--title", "Ice hockey", "--bundle", tiny_starter, "--max-tags", 20)
    answer = json.loads(run(*args, "--format", "json").stdout)
    evidence = {tag["name"]: tag["evidence"] for tag in answer["tags"]}
    [words] = evidence["ice hockey"]
    assert set(words) == {"channel", "kind", "similarity", "text"}
    assert {tuple(piece) for piece in evidence["dog"]} == {
        ("channel", "kind", "similarity", "frame", "frames", "start_s", "end_s"),
        ("channel", "kind", "similarity", "start_s", "end_s"),
    }
    table = run(*args).stdout
    assert '"Ice hockey" (written ' in table
    assert "(frames)" in table
    assert " of 16 (seen " in table
    assert " s (heard " in table


def test_without_a_bundle_the_starter_is_used(tmp_path: Path) -> None:
    result = run("tag", "--title", "My golden retriever puppy", "--format", "json", home=tmp_path)
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert {"golden retriever", "puppy"} <= {tag["name"] for tag in answer["tags"]}
    assert list(tmp_path.iterdir()) == []  # no file was created


@pytest.mark.slow
@pytest.mark.parametrize("command", ["tag", "inspect", "review", "evaluate", "batch"])
def test_every_command_that_encodes_with_a_bundle_uses_the_runtime_that_is_chosen(
    command: str, tiny_bundle: Path, unseen_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    inputs: dict[str, tuple[object, ...]] = {
        "tag": ("--title", "a dog"),
        "inspect": ("--title", "a dog"),
        "review": (unseen_corpus, "--no-browser", "--out", tmp_path / "feedback.jsonl"),
        "evaluate": ("--manifest", unseen_corpus),
        "batch": (unseen_corpus, "--out", tmp_path / "out"),
    }
    result = run(command, *inputs[command], "--bundle", tiny_bundle, "--runtime", "openvino", home=tmp_path)
    assert "the package openvino is not installed" in error_lines(result)[0]


def test_train_evaluate_and_batch_work_together(
    tmp_path: Path, corpus: Path, unseen_corpus: Path, tiny_config: Config
) -> None:
    toml = tmp_path / "tiny.toml"
    toml.write_text(TINY_TOML)
    bundle = tmp_path / "bundle"
    trained = run("train", "--manifest", corpus, "--out", bundle, "--config", toml, "--format", "json", home=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout)["counts"]["videos"] == 60

    evaluated = run("evaluate", "--bundle", bundle, "--manifest", unseen_corpus, "--format", "json", home=tmp_path)
    assert evaluated.returncode == 0, evaluated.stderr
    assert {"recall", "ranking", "systems"} <= set(json.loads(evaluated.stdout))

    tagged = run("batch", unseen_corpus, "--out", tmp_path / "out", "--bundle", bundle, home=tmp_path)
    assert tagged.returncode == 0, tagged.stderr
    assert pq.read_table(tmp_path / "out/tagged/part-00000.parquet").num_rows == 8


def test_a_user_error_is_one_line_and_a_hint(tmp_path: Path, corpus: Path, tiny_bundle: Path) -> None:
    error, hint = error_lines(run_program("tag", "--title", "x", "--bundle", tmp_path))
    assert "is not a bundle" in error
    assert "videotag train" in hint
    assert error_lines(run("tag")) == [
        "error: nothing to tag",
        "hint: give a video, a --title or a --description",
    ]
    assert "no file" in error_lines(run("tag", tmp_path / "none.mp4", "--bundle", tiny_bundle))[0].lower()
    assert (
        "unknown profile 'laptop'"
        in error_lines(run("train", "--profile", "laptop", "--manifest", corpus, "--out", tmp_path / "b"))[0]
    )
    assert "exists" in error_lines(run("train", "--manifest", corpus, "--out", tiny_bundle))[0]
    assert not (tmp_path / "b").exists()

    damaged = Path(shutil.copytree(tiny_bundle, tmp_path / "damaged"))
    (damaged / "catalog.parquet").write_bytes(b"x")
    assert "catalog.parquet differs" in error_lines(run("tag", "--title", "x", "--bundle", damaged))[0]


def test_existing_files_are_never_overwritten(tmp_path: Path, tiny_bundle: Path, unseen_corpus: Path) -> None:
    (tmp_path / "mine" / "test").mkdir(parents=True)
    (tmp_path / "mine" / "test" / "precious.txt").write_text("precious")
    assert "no quickstart made" in error_lines(run("quickstart", "--out", tmp_path / "mine"))[0]
    assert (tmp_path / "mine" / "test" / "precious.txt").read_text() == "precious"
    lines = error_lines(run("quickstart", "--out", tmp_path / "mine" / "test" / "precious.txt"))
    assert lines[1] == "hint: name a folder, new or of earlier runs"

    manifest = Path(shutil.copy(unseen_corpus, tmp_path / "m.jsonl"))
    content = manifest.read_bytes()
    assert (
        "exists; a folder is never written over"
        in error_lines(run("evaluate", "--bundle", tiny_bundle, "--manifest", manifest, "--predictions", manifest))[0]
    )
    earlier = tmp_path / "p.jsonl"
    earlier.write_text("earlier")
    error_lines(run("evaluate", "--bundle", tmp_path / "none", "--manifest", manifest, "--predictions", earlier))
    assert (manifest.read_bytes(), earlier.read_text()) == (content, "earlier")


def test_an_unwritable_output_is_reported_before_any_work(tmp_path: Path) -> None:
    """The error comes before that of the missing manifest."""
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("precious")
    evaluated = ("evaluate", "--manifest", tmp_path / "none.jsonl", "--figure")
    trained = ("train", "--manifest", tmp_path / "none.jsonl", "--out", tmp_path / "b", "--checkpoint")
    audited = ("ablate", "false-negatives", "--manifest", tmp_path / "none.jsonl", "--out")
    for command in (evaluated, trained, audited):
        [error, hint] = error_lines(run(*command, tmp_path / "file" / "out.png"))
        assert error.endswith("file is no folder")
        assert hint == "hint: choose another place"
    for command in (evaluated, trained):
        assert "is a folder" in error_lines(run(*command, tmp_path / "folder.png"))[0]
    [error, hint] = error_lines(run(*evaluated, tmp_path / "file"))
    assert "does not end in .png" in error
    assert (tmp_path / "file").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_batch_reports_it_and_keeps_its_rows(
    tmp_path: Path, tiny_bundle: Path, number: signal.Signals
) -> None:
    fifo = tmp_path / "m.jsonl"  # a manifest that never ends
    os.mkfifo(fifo)
    command = [str(VIDEOTAG), "batch", str(fifo), "--out", str(tmp_path / "out"), "--bundle", str(tiny_bundle)]
    batch = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with fifo.open("w") as lines:
        # More rows than two shards and the buffers of the pipe and the reader hold: once all are written, the first
        # shard has been tagged.
        lines.writelines(f'{{"video_id": "v{n}", "title": "Cat {n}"}}\n' for n in range(9000))
        lines.flush()
        batch.send_signal(number)
        _, stderr = batch.communicate(timeout=60)
    assert batch.returncode == 128 + number
    assert "stopped" in stderr
    assert "Traceback" not in stderr
    rows = [
        row
        for part in (tmp_path / "out/tagged").glob("*.parquet")
        for row in pq.read_table(part)["video_id"].to_pylist()
    ]
    assert len(set(rows)) == len(rows) > 0


def test_a_bundle_without_media_encoders_warns_about_unused_modalities(tmp_path: Path, unseen_corpus: Path) -> None:
    toml = tmp_path / "text.toml"
    toml.write_text(TEXT_ONLY_TOML)
    manifest = tmp_path / "m.jsonl"
    manifest.write_text('{"video_id": "a", "title": "cats and dogs", "tags": ["pets"]}\n')
    trained = run("train", "--manifest", manifest, "--out", tmp_path / "b", "--config", toml, home=tmp_path)
    assert trained.returncode == 0, trained.stderr
    clip = next(unseen_corpus.parent.glob("*.mp4"))
    with_title = run("tag", clip, "--title", "cats and dogs", "--bundle", tmp_path / "b", "--format", "json")
    answer = json.loads(with_title.stdout)
    assert answer["modalities"] == ["text"]
    assert answer["warnings"] == ["not looked at, the bundle has no encoder for it: picture and sound"]
    assert "picture and sound" in error_lines(run("tag", clip, "--bundle", tmp_path / "b"))[0]


def test_a_batch_that_could_tag_no_row_writes_the_dead_letters_and_fails(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"video_id,title\na,caf\xe9\nb\n")
    batch = ("batch", tmp_path / "m.csv", "--out", tmp_path / "out", "--bundle", tiny_bundle)
    for _ in range(2):
        result = run(*batch, home=tmp_path)
        assert result.returncode == 1
        assert "error: no row could be tagged\nhint: " in result.stderr
        assert sum(pq.read_metadata(part).num_rows for part in (tmp_path / "out/dead_letters").iterdir()) == 2
    (tmp_path / "m.csv").write_text("video_id,title\na,café\nb\n", encoding="utf-8")
    assert run(*batch, home=tmp_path).returncode == 0


def test_the_printed_id_of_a_url_has_no_password() -> None:
    assert printable_id("https://me:secret@host/a.mp4") == "https://***@host/a.mp4"
    assert printable_id(os.fsdecode(b"/caf\xe9.mp4")) == "/caf\ufffd.mp4"
    assert printable_id(None) == ""
