"""Calibration of the name sources: proposals, reviews and fitted thresholds."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tagging.bundle.manifest import BUNDLE
from tagging.config.recall import NamesConfig, StrengthConfig
from tagging.errors import InvalidManifestError, MediaNotFoundError
from tagging.progress import Silent
from tagging.tools.starter.calibrate import ReviewedProposals, calibrated, reviewed_clips, tagged_titles
from tagging.tools.starter.clips import name_clips, read_labels
from tagging.tools.starter.propose import COLUMNS, Proposal, propose, write_proposals
from tests.support.tools import run_tools


@pytest.fixture(scope="module")
def proposed(tiny_starter: Path, unseen_corpus: Path) -> list[Proposal]:
    return propose(unseen_corpus.parent, tiny_starter, Silent())


def test_every_clip_has_its_strongest_names_without_a_threshold(proposed: list[Proposal]) -> None:
    assert len({proposal.file for proposal in proposed}) == 8
    seen = [row for row in proposed if row.modality == "seen" and row.file == proposed[0].file]
    assert [row.rank for row in seen] == list(range(1, len(seen) + 1))
    assert [row.strength for row in seen] == sorted((row.strength for row in seen), reverse=True)
    assert {row.tag for row in seen} >= {"beagle", "tabby", "vehicle"}  # improbable ones, too
    assert seen[0].tag in ("animal", "dog", "beagle")
    assert seen[0].where.startswith("frame ")


def test_a_folder_without_clips_is_an_error(tiny_starter: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaNotFoundError, match="no clips in"):
        propose(tmp_path, tiny_starter, Silent())


def test_reviews_are_joined_with_current_strengths(tmp_path: Path, proposed: list[Proposal]) -> None:
    write_proposals(proposed, tmp_path / "p.csv")
    with (tmp_path / "p.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    for number, row in enumerate(rows):
        row["right"] = "1" if row["tag"] in ("dog", "animal") else "0" if row["tag"] != "car" else ""
        row["part"] = "tune" if number % 2 else "test"
    with (tmp_path / "j.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows([*rows, {**rows[0], "tag": "gone", "right": "1"}])
    found = reviewed_clips(tmp_path / "j.csv", proposed)
    want = [row for row in proposed if row.modality == "seen" and row.tag != "car"]
    assert found["seen"].strengths.tolist() == pytest.approx([row.strength for row in want])
    assert found["seen"].right.tolist() == [row.tag in ("dog", "animal") for row in want]
    assert set(found["seen"].parts) == {"tune", "test"}
    assert found["seen"].videos == {"test": 8, "tune": 8}


def test_reviews_of_names_in_passages_know_proper_names_and_sources_without_reviews_are_absent(tmp_path: Path) -> None:
    reviews = tmp_path / "j.csv"
    lines = [
        "file,modality,tag,right,part",
        "a.mp4,shown,BMW,1,tune",
        "a.mp4,shown,road,0,tune",
        "a.mp4,seen,BMW,,tune",
    ]
    reviews.write_text("\n".join(lines), encoding="utf-8")
    proposed = [Proposal("a.mp4", "shown", 1, tag, strength, "0 s") for tag, strength in (("BMW", 0.5), ("road", 0.25))]
    found = reviewed_clips(reviews, proposed)
    assert set(found) == {"shown"}
    assert found["shown"].is_proper.tolist() == [True, False]
    assert found["shown"].right.tolist() == [True, False]
    assert found["shown"].strengths.tolist() == [0.5, 0.25]


def test_a_picture_is_a_clip_of_one_frame(tiny_starter: Path, tmp_path: Path) -> None:
    Image.new("RGB", (64, 36), (200, 30, 30)).save(tmp_path / "still.jpg")
    (tmp_path / "half.jpg").write_bytes((tmp_path / "still.jpg").read_bytes()[:200])
    rows = propose(tmp_path, tiny_starter, Silent())
    assert {(row.file, row.modality, row.where) for row in rows} == {("still.jpg", "seen", "frame 1 of 1")}


def test_clips_are_listed_with_their_labels_and_tags(tiny_starter: Path, unseen_corpus: Path, tmp_path: Path) -> None:
    files = sorted(path.name for path in unseen_corpus.parent.glob("test-*.mp4"))[:2]
    labels = tmp_path / "labels.csv"
    lines = [
        "file,label,caption",
        f"{files[0]},no_such_word,",
        f"{files[1]},,An animal runs",
        "gone.mp4,dog,",
        "x.mp4,,",
    ]
    labels.write_text("\n".join(lines), encoding="utf-8")
    captions = read_labels(labels)
    assert captions == {files[0]: "no such word", files[1]: "An animal runs", "gone.mp4": "dog"}
    limited = name_clips(unseen_corpus.parent, captions, tiny_starter, False, Silent())
    free = name_clips(unseen_corpus.parent, captions, tiny_starter, True, Silent())
    assert [clip.file for clip in limited] == [clip.file for clip in free] == files  # "gone" cannot be read
    assert all(set(clip.tags) <= set(other.tags) for clip, other in zip(limited, free, strict=True))
    with pytest.raises(MediaNotFoundError, match="no clip of the labels"):
        name_clips(tmp_path, captions, tiny_starter, False, Silent())
    assert not free[0].agrees
    assert free[1].agrees == ("animal" in " ".join(free[1].tags))


def test_tables_with_missing_columns_are_errors(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("file,label\na.mp4,dog\n", encoding="utf-8")
    with pytest.raises(InvalidManifestError, match="no column caption"):
        read_labels(table)
    with pytest.raises(InvalidManifestError, match="no column modality, part, right, tag"):
        reviewed_clips(table, [])


def test_a_title_tag_is_right_if_the_creator_used_it(tmp_path: Path, tiny_starter: Path) -> None:
    videos = [
        {
            "video_id": "a",
            "title": "Ice hockey and a dog",
            "tags": ["best of ice hockey", "winter"],
            "uploader_id": "u",
        },
        {"video_id": "b", "title": "Dogs", "description": "hockey", "tags": ["dog"], "uploader_id": "w"},
        {"video_id": "c", "title": "Мой dog 猫", "tags": ["dog"], "uploader_id": "x"},
        {"video_id": "d", "title": "dog"},
    ]
    path = tmp_path / "m.jsonl"
    path.write_text("".join(json.dumps(video) + "\n" for video in videos), encoding="utf-8")
    found = tagged_titles(path, {}, tiny_starter, ["literal", "described"])
    assert set(found) == {"literal", "described"}
    assert found["literal"].right.tolist() == [True, False, True, True]
    assert found["described"].right.tolist() == [False]
    assert sum(found["literal"].videos.values()) == 3


def reviewed(strengths: list[float], right: list[bool]) -> ReviewedProposals:
    parts = np.where(np.arange(len(right)) % 2 == 0, "tune", "stills")
    return ReviewedProposals(
        np.array(strengths, np.float32),
        np.array(right, np.bool_),
        parts,
        {"tune": 10, "stills": 10},
        np.zeros(len(right), np.bool_),
    )


def test_a_source_is_fitted_on_one_half_and_reported_on_the_other(tiny_starter: Path) -> None:
    strengths = np.linspace(0, 1, 200).tolist()
    truth = [s > 0.5 for s in strengths]
    truth[-1] = False  # in the half of the report
    before = NamesConfig(heard=StrengthConfig(slope=1, intercept=0, least=0), seen=None)
    names, [seen, heard] = calibrated(
        before, {"seen": reviewed(strengths, truth), "heard": reviewed(strengths, [False] * 200)}, tiny_starter, 0.9
    )
    assert names.heard is None
    assert heard.least is None
    assert names.seen is not None
    assert seen.least == names.seen.least
    tuned, stills = seen.parts["tune"], seen.parts["stills"]
    assert tuned.precision is not None
    assert tuned.precision >= 0.9
    shown = [t for s, t in list(zip(strengths, truth, strict=True))[1::2] if s >= names.seen.least]
    assert stills.precision == pytest.approx(np.mean(shown), abs=1e-3)
    assert stills.shown == len(shown)
    assert stills.shown_a_video == pytest.approx(len(shown) / 10)
    assert heard.parts == {}
    entries = BUNDLE.read(tiny_starter).encoders
    assert names.fitted_for == {name: entries[name].fingerprint for name in ("frames", "audio")}


def test_commands_have_help_and_known_errors_are_one_line(
    tmp_path: Path, tiny_starter: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def starter(*args: object, code: int = 0) -> str:
        """Run a command, and return what it prints: to stderr if it fails."""
        capfd.readouterr()
        run_tools("starter", *args, code=code)
        printed = capfd.readouterr()
        return printed.err if code else printed.out

    for command in ("build", "propose", "calibrate"):
        assert "--out" in starter(command, "--help")
    wrong = starter("propose", tmp_path, "--out", tmp_path / "p.csv", "--bundle", tmp_path, code=1)
    assert wrong.startswith("error: ")
    assert "Traceback" not in wrong
    judged, out = tmp_path / "j.csv", tmp_path / "c.json"
    incomplete = starter("calibrate", "--judged", judged, "--bundle", tiny_starter, "--out", out, code=1)
    assert "--clips" in incomplete
    assert not out.exists()
