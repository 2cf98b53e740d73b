"""Commands of `python -m tagging.tools distillation`: training and measuring the two encoders in the package."""

import csv
import logging
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from tagging.cli.console import print_table, progress
from tagging.config.profiles import load_config
from tagging.features.base import TextEncoder
from tagging.tools.options import Work

MODELS = Path(__file__).parents[2] / "models"

app = typer.Typer(help="Train and measure the encoders of the offline profile.", no_args_is_help=True)

Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="Pictures, sounds, clips and teachers.")]
Epochs = Annotated[float | None, typer.Option("--epochs", metavar="N", help="Passes over the crops.")]
Processes = Annotated[int, typer.Option("--processes", min=1, metavar="N", help="Processes that run the teachers.")]


@app.command("vision")
def vision_command(
    data: Data,
    work: Work,
    out: Annotated[Path, typer.Option("--out", metavar="FILE")] = MODELS / "vision" / "model.safetensors",
    epochs: Epochs = None,
    processes: Processes = 2,
) -> None:
    """Train the vision encoder."""
    from tagging.tools.distillation import picture_crops, vision
    from tagging.tools.distillation.classes import anchors, vision_classes
    from tagging.tools.distillation.export import write
    from tagging.tools.distillation.pictures import read_pictures

    text, device = _text(), _device()
    config = vision.VisionTraining()
    config = config if epochs is None else replace(config, epochs=epochs)
    pictures, classes = read_pictures(data), vision_classes()
    picture_crops.extract(pictures, data, work, config.seed, processes, progress())
    data_set = vision.VisionData(picture_crops.load(work), pictures, classes, _thumbnail_words())
    network = vision.train(data_set, config, work, device, progress())
    write(network, "vision", classes, anchors(classes, text), text.fingerprint, out)


@app.command("audio")
def audio_command(
    data: Data,
    work: Work,
    out: Annotated[Path, typer.Option("--out", metavar="FILE")] = MODELS / "audio" / "model.safetensors",
    epochs: Epochs = None,
    processes: Processes = 2,
) -> None:
    """Train the audio encoder."""
    from tagging.tools.distillation import audio, sound_crops
    from tagging.tools.distillation.classes import anchors, audio_classes
    from tagging.tools.distillation.export import write
    from tagging.tools.distillation.sounds import read_sounds

    text, device = _text(), _device()
    config = audio.AudioTraining()
    config = config if epochs is None else replace(config, epochs=epochs)
    sounds, classes = read_sounds(data), audio_classes()
    sound_crops.extract(sounds, data, work, config.seed, processes, progress())
    crops = sound_crops.load(work)
    network = audio.train(crops, sounds, classes, config, work, device, progress())
    write(network, "audio", classes, anchors(classes, text), text.fingerprint, out)


@app.command("words")
def words_command(
    data: Data,
    out: Annotated[Path, typer.Option("--out", metavar="FILE")] = MODELS / "frame_words" / "model.safetensors",
) -> None:
    """Fit the words that EfficientNet-Lite2 proposes beside the classes of ImageNet."""
    from tagging.config.encoders import EfficientNetLiteConfig
    from tagging.features.efficientnet_lite import EfficientNetLiteEncoder
    from tagging.features.frame_words import read_classes
    from tagging.features.weights import efficientnet_lite_file
    from tagging.tools.distillation import frame_words
    from tagging.tools.distillation.pictures import read_stills

    config = EfficientNetLiteConfig(backend="efficientnet-lite")
    encoder = EfficientNetLiteEncoder(efficientnet_lite_file(config), config, _device())
    labels = _thumbnail_words()
    pictures = [
        picture
        for picture in read_stills(data)
        if picture.source == "thumbnails" and picture.name in labels and not picture.held_out
    ]
    tokens = frame_words.encode_pictures(encoder, pictures, progress())
    of_pictures = [labels[picture.name] for picture in pictures]
    weights, biases = frame_words.fit_words(tokens, of_pictures, read_classes("frame_words.csv")[0])
    frame_words.write_words(weights, biases, out)


@app.command("curves")
def curves_command(data: Data, work: Work, epochs: Epochs = None, processes: Processes = 2) -> None:
    """Train the vision encoder on fewer pictures and at half the width; reuses the crops of `vision`."""
    from tagging.tools.distillation import curves, picture_crops, vision
    from tagging.tools.distillation.classes import vision_classes
    from tagging.tools.distillation.pictures import read_pictures

    config = vision.VisionTraining()
    config = config if epochs is None else replace(config, epochs=epochs)
    pictures, classes = read_pictures(data), vision_classes()
    picture_crops.extract(pictures, data, work, config.seed, processes, progress())
    data_set = vision.VisionData(picture_crops.load(work), pictures, classes, _thumbnail_words())
    print_table(curves.curves(data_set, config, work, _device(), progress()), "curves")


@app.command("measure")
def measure_command(
    data: Data, work: Work, models: Annotated[Path, typer.Option("--models", metavar="DIR")] = MODELS
) -> None:
    """Print every table of the model cards."""
    from tagging.tools.distillation import measure

    text = _text()
    work.mkdir(parents=True, exist_ok=True)
    vision, audio = (models / name / "model.safetensors" for name in ("vision", "audio"))
    cells = measure.measure_vision(data, vision, text, work)
    cells += measure.measure_audio(data, audio, text, work)
    cells += measure.measure_speed(vision, audio)
    for table, rows in measure.tables(cells).items():
        print_table(rows, table)


def _thumbnail_words() -> dict[str, list[str]]:
    text = (files(__package__) / "thumbnail_words.csv").read_text(encoding="utf-8")
    return {row["file"]: row["words"].split(";") for row in csv.DictReader(text.splitlines())}


def _text() -> TextEncoder:
    """Return the text encoder of the offline profile, which embeds the class names."""
    from tagging.features.factory import load_encoders

    encoders = load_config("offline").encoders.model_copy(update={"vision": None, "audio": None})
    text = load_encoders(encoders).text
    assert text is not None
    return text


def _device() -> str:
    import torch

    logging.getLogger(__name__).info("threads: %d", torch.get_num_threads())
    return "cuda" if torch.cuda.is_available() else "cpu"
