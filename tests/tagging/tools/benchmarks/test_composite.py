"""The composite set: each tag in one modality, no source shared by training and test clips."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tagging.config.media import MediaConfig
from tagging.errors import ArtifactNotFoundError, InvalidManifestError, OutputExistsError
from tagging.manifests.read import read_labelled
from tagging.media.decode import decode
from tagging.progress import Silent
from tagging.tools.benchmarks.composite import write_composite
from tagging.tools.benchmarks.composite_clip import FPS, HEIGHT, WIDTH, moving_crop, repeated, write_clip
from tagging.tools.benchmarks.composite_plan import ClipPlan, plan_clips
from tagging.tools.benchmarks.composite_score import composite_score
from tagging.tools.benchmarks.folder import BenchmarkFolder
from tagging.tools.benchmarks.sources import VAGUE, plain, read_pictures, read_sounds, read_talks
from tagging.tools.distillation import pictures, sounds
from tagging.types import SAMPLE_RATE_HZ
from tests.support.benchmark_data import write_parquet, write_predictions_file, write_sources
from tests.support.tools import run_tools


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def composite(data: Path, tmp_path_factory: pytest.TempPathFactory) -> BenchmarkFolder:
    out = tmp_path_factory.mktemp("composite")
    write_composite(data, out, 15, 7, Silent())
    return BenchmarkFolder(out)


def plans(data: Path, clips: int = 60, seed: int = 7) -> list[ClipPlan]:
    return plan_clips(read_talks(data), read_pictures(data), read_sounds(data), clips, seed)


def contents(clips: list[ClipPlan]) -> list[tuple[Any, ...]]:
    return [(p.video_id, p.talk.name, p.picture.name, p.sound.name, p.seconds, p.seed) for p in clips]


def test_the_holdout_of_sounds_and_pictures_is_that_of_the_distillation(data: Path) -> None:
    want = {sound.name: sound.held_out for sound in sounds.read_sounds(data) if sound.label not in VAGUE}
    assert {sound.name: sound.held_out for sound in read_sounds(data)} == want
    assert len(set(want.values())) == 2
    stills = {f"{still.source}/{still.name}": still.held_out for still in pictures.read_stills(data)}
    found = {picture.name: picture.held_out for picture in read_pictures(data)}
    assert found
    assert found.items() <= stills.items()


def test_every_tag_of_a_clip_is_carried_by_exactly_one_modality(data: Path) -> None:
    for plan in plans(data):
        text = plain(f"{plan.talk.title}\n{plan.talk.description}")
        assert all(plain(tag) in text for tag in plan.talk.tags)
        assert not plan.picture.related & plan.sound.related
        for source in (plan.picture, plan.sound):
            assert plain(source.tags[0]) in source.related
            assert not any(word in text for word in source.related)
        tags = [tag for tag, _ in plan.carried]
        assert len(tags) == len({plain(tag) for tag in tags})


def test_talks_about_pianos_are_never_combined_with_piano_sounds(data: Path) -> None:
    clips = plans(data)
    assert {plan.sound.tags[0] for plan in clips} >= {"piano", "rain"}
    assert not [plan for plan in clips if "pianos" in plan.talk.title and plan.sound.tags == ("piano",)]


def test_training_and_test_clips_share_no_source(data: Path) -> None:
    clips = plans(data)
    train, test = ([p for p in clips if p.split == name] for name in ("train", "test"))
    assert train
    assert test
    for source in ("talk", "picture", "sound"):
        of_train, of_test = ([getattr(plan, source) for plan in part] for part in (train, test))
        names = [s.name for s in [*of_train, *of_test]]
        assert len(names) == len(set(names))
        assert not any(s.held_out for s in of_train)
        assert all(s.held_out for s in of_test)
    assert not {plan.talk.title for plan in train} & {plan.talk.title for plan in test}
    assert {tag for plan in test for tag, _ in plan.carried} <= {tag for plan in train for tag, _ in plan.carried}


def test_tags_that_do_not_occur_in_the_text_are_left_out(data: Path) -> None:
    assert not [talk for talk in read_talks(data) if "global issues" in talk.tags]


def test_equal_seeds_give_equal_plans(data: Path) -> None:
    assert contents(plans(data)) == contents(plans(data))
    assert contents(plans(data)) != contents(plans(data, seed=8))


def test_rare_labels_are_used_as_early_as_common_ones(data: Path) -> None:
    first = [plan.picture.tags[0] for plan in plans(data, 8) if plan.split == "train"]
    assert len(first) == len(set(first))


def test_a_decoded_clip_matches_its_frames_and_sound(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    picture = np.repeat(np.repeat(rng.integers(0, 256, (6, 8, 3), np.uint8), 20, 0), 20, 1)
    frames = moving_crop(picture, 4 * FPS, rng)
    assert frames.shape == (4 * FPS, HEIGHT, WIDTH, 3)
    tone = (0.5 * np.sin(np.arange(5000) / SAMPLE_RATE_HZ * 2 * np.pi * 440)).astype(np.float32)
    samples = repeated(tone, 4.0)
    write_clip(tmp_path / "c.mp4", frames, samples)
    media = decode(tmp_path / "c.mp4", MediaConfig())
    assert media.frames is not None
    assert media.sound is not None
    assert media.duration_s == pytest.approx(4.0, abs=0.2)
    seen = media.frames.pixels[0].astype(float)
    assert np.abs(seen - frames[0]).mean() < 12  # of 255, lost by compression
    spectrum = np.abs(np.fft.rfft(media.sound.samples))
    loudest_hz = np.argmax(spectrum) * SAMPLE_RATE_HZ / len(media.sound.samples)
    assert loudest_hz == pytest.approx(440, abs=5)


@pytest.mark.parametrize("shape", [(32, 32), (112, 300), (300, 112), (1, 1)])
def test_a_moving_crop_stays_inside_any_picture(shape: tuple[int, int]) -> None:
    frames = moving_crop(np.full((*shape, 3), 9, np.uint8), 5, np.random.default_rng(1))
    assert frames.shape == (5, HEIGHT, WIDTH, 3)
    assert (frames == 9).all()


def test_the_folder_holds_manifests_and_clips(composite: BenchmarkFolder) -> None:
    whole = pq.read_table(composite.table("manifest")).to_pylist()
    parts = [row for name in ("train", "test") for row in pq.read_table(composite.table(name)).to_pylist()]
    assert parts == whole
    assert composite.tests() == ["test"]
    for row in whole:
        assert len(row["tags"]) == len(row["carried_by"])
        assert set(row["carried_by"]) == {"text", "frames", "audio"}
        assert (composite.root / row["uri"]).is_file()
    read = list(read_labelled([composite.table("manifest")], {}))
    assert [video.split for video in read] == [row["split"] for row in whole]
    made = json.loads((composite.root / "sources.json").read_text())
    assert [clip["video_id"] for clip in made["clips"]] == [row["video_id"] for row in whole]


def test_a_resumed_run_writes_the_same_bytes(composite: BenchmarkFolder, data: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(composite.root, again)
    clips = sorted((again / "clips").iterdir())
    for path in clips[::3]:
        path.unlink()
    report = write_composite(data, again, 15, 7, Silent())
    assert report["clips_written"] == len(clips[::3])
    for path in clips:
        assert path.read_bytes() == (composite.root / "clips" / path.name).read_bytes()


def test_a_folder_with_clips_of_another_plan_is_rejected(composite: BenchmarkFolder, data: Path) -> None:
    with pytest.raises(OutputExistsError):
        write_composite(data, composite.root, 15, 8, Silent())


def test_missing_sources_are_a_one_line_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_tools("benchmarks", "composite", "--data", str(tmp_path), "--out", str(tmp_path / "out"), code=1)
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "out").exists()


def test_each_channel_is_scored_per_carrying_modality(tmp_path: Path) -> None:
    folder = BenchmarkFolder(tmp_path)
    carried = ["text", "frames", "audio"]
    rows = [{"video_id": v, "tags": ["Data", "apple", "rain"], "carried_by": carried} for v in ("a", "b")]
    for name in ("train", "test"):
        write_parquet(folder.table(name), rows)
    filler = [f"no {n}" for n in range(10)]
    write_predictions_file(folder.predictions("test") / "union.jsonl", [("a", ["data", *filler, "APPLE"]), ("b", [])])
    write_predictions_file(folder.predictions("test") / "audio.jsonl", [("b", [{"name": "rain", "confidence": 0.2}])])
    found = {(row["system"], row["carried_by"]): row for row in composite_score(folder)}
    depths = ("found in 5", "found in 20", "found in 200")
    assert {key: [row[depth] for depth in depths] for key, row in found.items()} == {
        ("audio", "text"): [0, 0, 0],
        ("audio", "frames"): [0, 0, 0],
        ("audio", "audio"): [0.5, 0.5, 0.5],
        ("union", "text"): [0.5, 0.5, 0.5],
        ("union", "frames"): [0, 0.5, 0.5],
        ("union", "audio"): [0, 0, 0],
    }
    assert {row["tags"] for row in found.values()} == {2}
    write_predictions_file(folder.predictions("test") / "other.jsonl", [("z", [])])
    with pytest.raises(InvalidManifestError, match="'z' is not a test clip"):
        composite_score(folder)


def test_a_folder_without_a_composite_set_is_an_error(tmp_path: Path, composite: BenchmarkFolder) -> None:
    folder = BenchmarkFolder(tmp_path)
    with pytest.raises(ArtifactNotFoundError):
        composite_score(folder)
    for name in ("train", "test"):
        write_parquet(folder.table(name), [{"video_id": "a", "tags": ["x"]}])
    write_predictions_file(folder.predictions("test") / "p.jsonl", [("a", [])])
    with pytest.raises(InvalidManifestError, match="not a composite set"):
        composite_score(folder)
    with pytest.raises(ArtifactNotFoundError, match="no predictions"):
        composite_score(composite)
