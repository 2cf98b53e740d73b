"""`python -m tagging.tools.distillation`: how the two encoders in the package are trained and measured."""

import argparse
import csv
import logging
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from tagging.cli.console import print_table, progress
from tagging.cli.module import at_least_one, run
from tagging.config.profiles import load_config
from tagging.features.base import TextEncoder

MODELS = Path(__file__).parents[2] / "models"


def main(arguments: Sequence[str] | None = None) -> None:
    run(_parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tagging.tools.distillation", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, command, what in (
        ("vision", _vision, "train the vision encoder"),
        ("audio", _audio, "train the audio encoder"),
    ):
        one = commands.add_parser(name, help=what)
        one.add_argument("--data", type=Path, required=True, metavar="DIR", help="pictures, sounds, clips and teachers")
        one.add_argument("--work", type=Path, required=True, metavar="DIR", help="for crops and checkpoints; kept")
        one.add_argument("--out", type=Path, default=MODELS / name / "model.safetensors", metavar="FILE")
        one.add_argument("--epochs", type=float, metavar="N", help="over the crops")
        one.add_argument("--processes", type=at_least_one, default=2, metavar="N", help="that ask the teachers")
        one.set_defaults(run=command)
    one = commands.add_parser("curves", help="train the vision encoder with fewer pictures and at half the width")
    one.add_argument("--data", type=Path, required=True, metavar="DIR")
    one.add_argument("--work", type=Path, required=True, metavar="DIR", help="of the vision training, with its crops")
    one.add_argument("--epochs", type=float, metavar="N", help="over the crops, in each training")
    one.add_argument("--processes", type=at_least_one, default=2, metavar="N", help="that ask the teacher")
    one.set_defaults(run=_curves)
    one = commands.add_parser("measure", help="print every table of the model cards")
    one.add_argument("--data", type=Path, required=True, metavar="DIR")
    one.add_argument("--work", type=Path, required=True, metavar="DIR")
    one.add_argument("--models", type=Path, default=MODELS, metavar="DIR")
    one.set_defaults(run=_measure)
    return parser


def _vision(asked: argparse.Namespace) -> None:
    from tagging.tools.distillation import picture_crops, vision
    from tagging.tools.distillation.classes import anchors, vision_classes
    from tagging.tools.distillation.export import write
    from tagging.tools.distillation.pictures import read_pictures

    text, device = _text(), _device()
    config = vision.VisionTraining()
    config = config if asked.epochs is None else replace(config, epochs=asked.epochs)
    pictures, classes = read_pictures(asked.data), vision_classes()
    picture_crops.extract(pictures, asked.data, asked.work, config.seed, asked.processes, progress())
    crops = picture_crops.load(asked.work)
    network = vision.train(crops, pictures, classes, _thumbnail_words(), config, asked.work, device, progress())
    write(network, "vision", classes, anchors(classes, text), text.fingerprint, asked.out)


def _curves(asked: argparse.Namespace) -> None:
    from tagging.tools.distillation import curves, picture_crops, vision
    from tagging.tools.distillation.classes import vision_classes
    from tagging.tools.distillation.pictures import read_pictures

    config = vision.VisionTraining()
    config = config if asked.epochs is None else replace(config, epochs=asked.epochs)
    pictures, classes = read_pictures(asked.data), vision_classes()
    picture_crops.extract(pictures, asked.data, asked.work, config.seed, asked.processes, progress())
    crops, words = picture_crops.load(asked.work), _thumbnail_words()
    print_table(curves.curves(crops, pictures, classes, words, asked.work, _device(), progress(), config), "curves")


def _audio(asked: argparse.Namespace) -> None:
    from tagging.tools.distillation import audio, sound_crops
    from tagging.tools.distillation.classes import anchors, audio_classes
    from tagging.tools.distillation.export import write
    from tagging.tools.distillation.sounds import read_sounds

    text, device = _text(), _device()
    config = audio.AudioTraining()
    config = config if asked.epochs is None else replace(config, epochs=asked.epochs)
    sounds, classes = read_sounds(asked.data), audio_classes()
    sound_crops.extract(sounds, asked.data, asked.work, config.seed, asked.processes, progress())
    crops = sound_crops.load(asked.work)
    network = audio.train(crops, sounds, classes, config, asked.work, device, progress())
    write(network, "audio", classes, anchors(classes, text), text.fingerprint, asked.out)


def _measure(asked: argparse.Namespace) -> None:
    from tagging.tools.distillation import measure

    text = _text()
    asked.work.mkdir(parents=True, exist_ok=True)
    vision, audio = (asked.models / name / "model.safetensors" for name in ("vision", "audio"))
    cells = measure.measure_vision(asked.data, vision, text, asked.work)
    cells += measure.measure_audio(asked.data, audio, text, asked.work)
    cells += measure.measure_speed(vision, audio)
    for table, rows in measure.tables(cells).items():
        print_table(rows, table)


def _thumbnail_words() -> dict[str, list[str]]:
    text = (files(__package__) / "thumbnail_words.csv").read_text(encoding="utf-8")
    return {row["file"]: row["words"].split(";") for row in csv.DictReader(text.splitlines())}


def _text() -> TextEncoder:
    """The offline profile's text encoder, in whose space the classes' names lie."""
    from tagging.features.factory import load_encoders

    encoders = load_config("offline").encoders.model_copy(update={"vision": None, "audio": None})
    text = load_encoders(encoders).text
    assert text is not None
    return text


def _device() -> str:
    import torch

    logging.getLogger(__name__).info("threads: %d", torch.get_num_threads())
    return "cuda" if torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    main()
