"""Evaluation of the two encoders on held-out pictures and sounds, compared with their teachers and baselines.

Four tables: accuracy of a linear classifier on the embedding (linear probe); how often the name of a label is among the
nearest of all class names to the embedding (text space); agreement of encoder and teacher on real thumbnails; pictures
and sounds encoded per second by one core.
"""

import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tagging.features.base import FrameEncoder, TextEncoder, mean_pool
from tagging.features.log_mel import EXAMPLE_SAMPLES, log_mel
from tagging.features.statistics import FrameStatisticsEncoder, SoundStatisticsEncoder
from tagging.features.torchvision_compat import repair_torchvision
from tagging.features.trained import TrainedFrameEncoder, TrainedSoundEncoder, mean_names, whole
from tagging.tools.distillation.classes import anchors, audio_classes, vision_classes
from tagging.tools.distillation.export import write_untrained
from tagging.tools.distillation.pictures import LABELLED, Picture, read_stills
from tagging.tools.distillation.sounds import read_sounds
from tagging.tools.distillation.teachers import CLASSES, SIDE, Mn04, MobileNet
from tagging.tools.distillation.vision import label_key
from tagging.types import Frames, Sound

Rows = NDArray[np.float32]
PROBED_SOUNDS = 8  # fewest training sounds of a label in the linear probe
_PENALTIES = (0.01, 0.1, 1.0)


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of a table."""

    table: str
    row: str  # the system
    column: str  # the data set
    value: float
    count: int  # number of items that the value is the mean of


def tables(cells: Sequence[Cell]) -> dict[str, list[dict[str, str | float]]]:
    """Return each table as rows with a column per data set; "" for a row without a value there."""
    found: dict[str, dict[str, dict[str, str | float]]] = {}
    for table in dict.fromkeys(cell.table for cell in cells):
        of_table = [cell for cell in cells if cell.table == table]
        columns = dict.fromkeys(f"{cell.column} ({cell.count})" for cell in of_table)
        rows: dict[str, dict[str, str | float]] = {
            cell.row: {"": cell.row, **dict.fromkeys(columns, "")} for cell in of_table
        }
        for cell in of_table:
            rows[cell.row][f"{cell.column} ({cell.count})"] = cell.value
        found[table] = rows
    return {table: list(rows.values()) for table, rows in found.items()}


@dataclass(frozen=True, slots=True)
class Split:
    """Training and test rows of a linear probe."""

    train: NDArray[np.bool_]
    test: NDArray[np.bool_]


def measure_vision(data: Path, file: Path, text: TextEncoder, work: Path) -> list[Cell]:
    """Return all tables of the vision encoder; the file of an untrained network is written to `work`."""
    classes = vision_classes()
    class_vectors = anchors(classes, text)
    write_untrained("vision", classes, class_vectors, text.fingerprint, work / "untrained-vision.safetensors")
    ours = TrainedFrameEncoder(file, 64)
    untrained = TrainedFrameEncoder(work / "untrained-vision.safetensors", 64)
    pictures = [p for p in read_stills(data) if p.label or (p.source == "thumbnails" and p.held_out)]
    teacher = MobileNet(data / "encoders" / "teachers")
    outputs = [teacher.predict(whole(picture.pixels(), SIDE)) for picture in pictures]
    probabilities = np.stack([output[0] for output in outputs])
    tokens = {
        "ours": _encoded(ours, pictures),
        "teacher": np.stack([output[1] for output in outputs]),
        "random weights": _encoded(untrained, pictures),
        "colour histogram": _encoded(FrameStatisticsEncoder(), pictures),
    }
    vectors = {
        "ours": mean_names(ours.beliefs(tokens["ours"]), class_vectors),
        "teacher": mean_names(probabilities, class_vectors[:CLASSES]),
        "random weights": mean_names(untrained.beliefs(tokens["random weights"]), class_vectors),
    }
    class_names = sorted(set(classes.names))
    names = text.encode(class_names)
    sources = np.array([p.source for p in pictures])
    held_out = np.array([p.held_out for p in pictures])
    labels = np.array([p.label for p in pictures])
    cells: list[Cell] = []
    for source in LABELLED:
        split = Split((sources == source) & ~held_out, (sources == source) & held_out)
        if source != "imagenet_sample":  # one picture per class: nothing to train a probe on
            cells += _probe(tokens, labels, split, source)
        class_columns = [
            class_names.index(classes.names[classes.rows[label_key(pictures[row])]])
            for row in np.flatnonzero(split.test)
        ]
        cells += _text_space(vectors, split.test, names, np.array(class_columns), source)
    seen = sources == "thumbnails"
    believed = {"ours": ours.beliefs(tokens["ours"]), "random weights": untrained.beliefs(tokens["random weights"])}
    for name, belief in believed.items():
        cells += _agreement(
            name,
            "thumbnails",
            belief[seen, :CLASSES],
            probabilities[seen],
            vectors[name][seen],
            vectors["teacher"][seen],
        )
    return cells


def _mean_names(
    encoder: TrainedSoundEncoder, encoded: Sequence[NDArray[np.float32]], class_vectors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the mean name vector of each sound, (sounds, D)."""
    return np.stack([mean_names(encoder.beliefs(rows), class_vectors).mean(axis=0) for rows in encoded])


def measure_audio(data: Path, file: Path, text: TextEncoder, work: Path) -> list[Cell]:
    """Return all tables of the audio encoder; the teacher gets the sounds before their reduction to 16 kHz."""
    classes = audio_classes()
    class_vectors = anchors(classes, text)
    write_untrained("audio", classes, class_vectors, text.fingerprint, work / "untrained-audio.safetensors")
    ours = TrainedSoundEncoder(file, 64)
    untrained = TrainedSoundEncoder(work / "untrained-audio.safetensors", 64)
    sounds = [s for s in read_sounds(data) if s.label]
    examples = [log_mel(Sound(_at_least_one_example(s.samples))) for s in sounds]
    encoded = {
        "ours": [ours.encode(example) for example in examples],
        "random weights": [untrained.encode(example) for example in examples],
    }
    probabilities = np.stack([s.probabilities for s in sounds if s.probabilities is not None])
    plain = SoundStatisticsEncoder()
    tokens = {
        "ours": np.stack([mean_pool(rows) for rows in encoded["ours"]]),
        "teacher": np.stack([s.features for s in sounds if s.features is not None]),
        "random weights": np.stack([mean_pool(rows) for rows in encoded["random weights"]]),
        "log-mel statistics": np.stack([mean_pool(plain.encode(example)) for example in examples]),
    }
    vectors = {
        "ours": _mean_names(ours, encoded["ours"], class_vectors),
        "teacher": mean_names(probabilities, class_vectors[: Mn04.classes]),
        "random weights": _mean_names(untrained, encoded["random weights"], class_vectors),
    }
    held_out = np.array([s.held_out for s in sounds])
    labels = np.array([s.label for s in sounds])
    train, test = Counter(labels[~held_out].tolist()), Counter(labels[held_out].tolist())
    probed = np.array([train[label] >= PROBED_SOUNDS and test[label] > 0 for label in labels.tolist()])
    class_names = sorted(set(classes.names))
    class_columns = np.array(
        [class_names.index(classes.names[classes.rows[f"sounds:{label}"]]) for label in labels[held_out].tolist()]
    )
    cells = _probe(tokens, labels, Split(probed & ~held_out, probed & held_out), "sounds")
    cells += _text_space(vectors, held_out, text.encode(class_names), class_columns, "sounds")
    for name, encoder in (("ours", ours), ("random weights", untrained)):
        belief = np.stack([encoder.beliefs(rows).mean(axis=0)[: Mn04.classes] for rows in encoded[name]])
        cells += _agreement(
            name,
            "sounds",
            belief[held_out],
            probabilities[held_out],
            vectors[name][held_out],
            vectors["teacher"][held_out],
        )
    return cells


def measure_speed(vision: Path, audio: Path, repeats: int = 5) -> list[Cell]:
    """Measure pictures and 0.96 s examples per second on one core, against open_clip's ViT-B-32 and VGGish.

    Both references have random weights. The result is the median of `repeats` rounds in which all four take turns, 32
    inputs at once.
    """
    repair_torchvision()
    import open_clip
    from torchvggish.torchvggish import _vgg

    clip = open_clip.create_model("ViT-B-32", pretrained=None).visual.eval()
    vggish = _vgg(postprocess=False).eval()
    ours_vision, ours_audio = TrainedFrameEncoder(vision, 32), TrainedSoundEncoder(audio, 32)
    rng = np.random.default_rng(7)
    small = rng.standard_normal((32, 3, 112, 112), np.float32)
    large = torch.from_numpy(rng.standard_normal((32, 3, 224, 224), np.float32))
    mel = rng.standard_normal((32, 96, 64), np.float32)
    runs: dict[str, Callable[[], object]] = {
        "vision, ours": lambda: ours_vision.encode(small),
        "vision, open_clip ViT-B-32": lambda: clip(large),
        "audio, ours": lambda: ours_audio.encode(mel),
        "audio, VGGish": lambda: vggish(torch.from_numpy(mel)[:, None]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for round_number in range(repeats + 1):
                for name, run in runs.items():
                    start = time.perf_counter()
                    run()
                    if round_number:  # the first round warms up
                        seconds[name].append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return [
        Cell("throughput", name, "inputs a second", 32 / float(np.median(s)), repeats) for name, s in seconds.items()
    ]


def _encoded(encoder: FrameEncoder, pictures: Sequence[Picture]) -> Rows:
    """Return (n, D) unit rows, as recall gets them."""
    parts = []
    for start in range(0, len(pictures), 64):
        inputs = [encoder.prepare(Frames(p.pixels()[None], np.zeros(1))) for p in pictures[start : start + 64]]
        parts.append(encoder.encode(np.concatenate(inputs)))
    return np.concatenate(parts)


def _at_least_one_example(samples: Rows) -> Rows:
    return np.pad(samples, (0, max(0, EXAMPLE_SAMPLES - len(samples))))


def _probe(tokens: Mapping[str, Rows], labels: NDArray[np.str_], split: Split, source: str) -> list[Cell]:
    """Fit a multinomial logistic regression; its penalty is chosen on a quarter of the training rows."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, ShuffleSplit
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    inner = ShuffleSplit(1, test_size=0.25, random_state=7)
    cells = []
    for name, rows in tokens.items():
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        learner = make_pipeline(StandardScaler(), LogisticRegression(max_iter=100, tol=1e-3))
        search = GridSearchCV(learner, {"logisticregression__C": _PENALTIES}, cv=inner)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about rare labels, and fits that stop early
            search.fit(unit[split.train], labels[split.train])
        right = float(search.score(unit[split.test], labels[split.test]))
        cells.append(Cell("linear probe", name, source, right, int(split.test.sum())))
    return cells


def _text_space(
    vectors: Mapping[str, Rows], test: NDArray[np.bool_], names: Rows, class_columns: NDArray[np.int64], source: str
) -> list[Cell]:
    """Return the shares of rows whose class name is the nearest, or among the ten nearest, of all class names."""
    cells = []
    for name, rows in vectors.items():
        scores = rows[test] @ names.T
        rank = (scores > scores[np.arange(len(class_columns)), class_columns][:, None]).sum(axis=1)
        cells += [
            Cell(f"text space, top {top}", name, source, float((rank < top).mean()), len(class_columns))
            for top in (1, 10)
        ]
    return cells


def _agreement(
    name: str, source: str, ours: Rows, teacher: Rows, our_vectors: Rows, teacher_vectors: Rows
) -> list[Cell]:
    best = teacher.argmax(axis=1)
    top5 = np.argsort(-ours, axis=1)[:, :5]
    cosine = (our_vectors * teacher_vectors).sum(axis=1) / (
        np.linalg.norm(our_vectors, axis=1) * np.linalg.norm(teacher_vectors, axis=1)
    )
    values = {
        "the teacher's first class is ours": float((top5[:, 0] == best).mean()),
        "the teacher's first class is in our five": float((top5 == best[:, None]).any(axis=1).mean()),
        "cosine of the name vectors": float(cosine.mean()),
    }
    return [Cell(f"agreement on {source}", name, column, value, len(best)) for column, value in values.items()]
