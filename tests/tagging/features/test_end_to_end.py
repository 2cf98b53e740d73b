"""The product on its production encoders, with tiny checkpoints instead of the large ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import run, run_program
from tests.support.configs import UNREAD_TOML


@pytest.mark.slow
def test_a_config_points_every_modality_to_a_local_checkpoint(
    tmp_path: Path, corpus: Path, unseen_corpus: Path, tiny_text: Path, tiny_clip: Path, vggish_weights: Path
) -> None:
    config = tmp_path / "encoders.toml"
    config.write_text(
        f'[encoders.text]\nbackend = "sentence-transformers"\nweights = "{tiny_text}"\n'
        f'[encoders.vision]\nbackend = "open-clip"\nmodel = "tiny"\nweights = "{tiny_clip}"\n'
        f'[encoders.audio]\nbackend = "torchvggish"\nweights = "{vggish_weights}"\n' + UNREAD_TOML
    )
    bundle = tmp_path / "bundle"
    features = ["--features", tmp_path / "features"]
    trained = run("train", "--manifest", corpus, "--out", bundle, "--config", config, *features)
    assert trained.returncode == 0, trained.stderr
    channels = json.loads((bundle / "manifest.json").read_text())["channels"]
    assert {name: (entry["dim"], entry["count"]) for name, entry in channels.items()} == {
        "text": (32, 60),
        "video": (32, 24),
        "audio": (128, 24),
    }

    clip = next(unseen_corpus.parent.glob("test-*.mp4"))
    tagged = run("tag", clip, "--title", "A cat", "--bundle", bundle, "--format", "json")
    assert tagged.returncode == 0, tagged.stderr
    answer: dict[str, Any] = json.loads(tagged.stdout)
    assert answer["modalities"] == ["text", "frames", "audio"]
    assert answer["tags"]

    # The same bundle with other weights under the same name is refused.
    (tiny_clip / "open_clip_model.safetensors").rename(tmp_path / "kept")
    try:
        missing = run("tag", clip, "--bundle", bundle)
        (tiny_clip / "open_clip_model.safetensors").write_bytes(b"junk")
        damaged = run("tag", clip, "--bundle", bundle)
    finally:
        (tmp_path / "kept").replace(tiny_clip / "open_clip_model.safetensors")
    assert missing.returncode == damaged.returncode == 1
    assert "no complete open_clip model" in missing.stderr
    assert "no checkpoint" in damaged.stderr


def test_the_production_profile_without_weights_names_the_command_that_fetches_them(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("VIDEOTAG_HOME", str(tmp_path))
    result = run_program("train", "--manifest", corpus, "--out", tmp_path / "b", "--profile", "production")
    assert result.returncode == 1
    assert "is not in the local hub cache" in result.stderr
    assert "videotag models fetch" in result.stderr
    assert not (tmp_path / "b").exists()


def test_a_fetch_without_a_network_fails_with_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # no server listens there
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    result = run_program("models", "fetch")
    assert result.returncode == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "cannot fetch" in errors[0]
    assert "Traceback" not in result.stderr
