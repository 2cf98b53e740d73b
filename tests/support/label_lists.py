"""Small label lists in the forms of the public ones."""

import csv
import gzip
import io
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from tagging.bundle.manifest import BUNDLE
from tagging.tools.starter.build import ClassTables

YOUTUBE8M = [
    # Name, TrainVideoCount, Vertical1, WikiDescription
    ("Dog", 900, "Pets & Animals", "The dog is a pet. A dog barks; dogs were wolves. A rust brown dog is rare."),
    ("Ice hockey", 300, "Sports", "Ice hockey is a sport; ice melts, ice cracks, ice hockey is played on ice."),
    ("Hockey", 200, "Sports", "In hockey two teams play; iron can rust on ice."),
    ("Cadillac", 150, "Autos & Vehicles", "Cadillac is a division of the car maker General Motors; cars rust."),
    ("Rust (video game)", 400, "Games", "Rust is a survival video game developed by Facepunch."),
    ("Kawasaki motorcycles", 50, "Autos & Vehicles", "Motorcycles of the company Kawasaki."),
    ("Battlefield 3", 60, "Games", "Battlefield 3 is a first-person shooter."),
    ("IPhone", 70, "Internet & Telecom", "iPhone is a line of smartphones of high performance."),
    ("Performance art", 80, "Arts & Entertainment", "A performance presented to an audience. performance, performance"),
    ("Egg as food", 20, "Food & Drink", "An egg is eaten; eggs are laid on ice in performance."),
    ("", 10, "(Unknown)", ""),
]


def without_extractor(starter: Path, out: Path) -> None:
    """Write a copy of a starter bundle that extracts nothing."""
    shutil.copytree(starter, out)
    manifest = BUNDLE.read(out)
    shutil.rmtree(out / "extract")
    (out / "manifest.json").unlink()
    BUNDLE.seal(out, manifest.model_copy(update={"extractor": None}))


def write_label_lists(folder: Path) -> Path:
    for name in ("youtube8m", "audioset", "vggsound", "label_lists"):
        (folder / name).mkdir()
    columns = ["Name", "TrainVideoCount", "Vertical1", "WikiDescription"]
    _zip(folder / "youtube8m/vocabulary.csv.gz", _csv([columns, *YOUTUBE8M]))
    ontology = [
        {"name": "Human sounds", "restrictions": ["abstract"]},
        {"name": "Chicken, rooster", "restrictions": []},
        {"name": "Thump, thud", "restrictions": []},
        {"name": "Keyboard (musical)", "restrictions": []},
    ]
    _zip(folder / "audioset/ontology.json.gz", json.dumps(ontology))
    _zip(folder / "audioset/class_labels_indices.csv.gz", _csv([["0", "/m/0", "Dog"], ["1", "/m/1", "Piano"]]))
    (folder / "vggsound/class_counts.csv").write_text('"pigeon, dove cooing",9,animals\n')
    hvu = {"object": ["dogs", "audi_r8", "sports_car"], "action": ["fencing_sport_", "walking_dog"], "scene": ["beach"]}
    (folder / "label_lists/hvu_tags.json").write_text(json.dumps(hvu))
    for name, labels in {
        "kinetics700": ["playing piano", "throwing ball (not baseball or American football)"],
        "kinetics600": ["playing piano"],
        "kinetics400": [],
        "ucf101": ["IceDancing"],
        "hmdb51": ["brush_hair"],
        "activitynet": ["Beach soccer"],
        "moments_in_time": ["adult+female+singing", "putting"],
        "multi_moments_in_time": [],
    }.items():
        (folder / f"label_lists/{name}.txt").write_text("".join(f"{label}\n" for label in labels))
    categories = {"items": [{"snippet": {"title": "Film & Animation"}}]}
    (folder / "youtube_categories_US.json").write_text(json.dumps(categories))
    return folder


def _csv(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _zip(path: Path, text: str) -> None:
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        file.write(text)


def tiny_classes(folder: Path) -> ClassTables:
    """The tables of the tiny encoders' classes, which `tiny_starter` writes next to its bundle."""
    return ClassTables(seen=(folder / "classes_vision.csv",), heard=(folder / "classes_audio.csv",))
