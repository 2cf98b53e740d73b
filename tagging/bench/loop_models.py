"""Production-size encoders of random weights as files that a user's loop and videotag both load, and bundles of them.

The time of a network does not depend on its weights. The text encoder has the shape of MiniLM-L6 (Wang et al. 2020),
the frame encoder is an open_clip architecture, the sound encoder is VGGish.
"""

from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import numpy as np
import torch

from tagging.config.encoders import (
    EncodersConfig,
    OpenClipConfig,
    RuntimeName,
    SentenceTransformersConfig,
    VggishConfig,
)
from tagging.config.rank import RankConfig
from tagging.config.recall import NamesConfig, RecallConfig
from tagging.config.root import Config
from tagging.errors import MissingPackageError
from tagging.features.torchvision_compat import repair_torchvision
from tagging.progress import Silent
from tagging.quickstart.corpus import plan_training, write_corpus
from tagging.store.features import FeatureStore
from tagging.training.run import train

VOCABULARY, WIDTH, LAYERS, HEADS, INNER = 30_522, 384, 6, 12, 1_536  # of MiniLM-L6
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LABELLED = 400  # videos that both sides search


@dataclass(frozen=True, slots=True)
class LoopModels:
    """The files of the encoders, the labelled titles, and a folder with the bundles trained on them."""

    text: Path  # folder of sentence-transformers
    architecture: str  # of open_clip
    frames: Path  # its state dict
    audio: Path  # VGGish's state dict
    labelled: Path  # manifest
    bundles: Path  # runtime -> a bundle, in the precision that is fastest on this processor

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> "LoopModels":
        """Return the models whose fields were written as text."""
        architecture = fields["architecture"]
        paths = {name: Path(value) for name, value in fields.items() if name != "architecture"}
        return cls(architecture=architecture, **paths)


def write_models(folder: Path, architecture: str, seed: int, runtimes: Sequence[RuntimeName]) -> LoopModels:
    """Write the models, and a bundle for each runtime, into a new folder.

    Raises MissingPackageError without the extras clip and vggish.
    """
    models = LoopModels(
        text=folder / "text",
        architecture=architecture,
        frames=folder / "frames.pt",
        audio=folder / "audio.pt",
        labelled=folder / "labelled" / "manifest.jsonl",
        bundles=folder / "bundles",
    )
    folder.mkdir()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _write_pictures_and_sound(models)
        with redirect_stderr(StringIO()):  # progress bars of saving
            _write_text(models.text)
    rng = np.random.default_rng(seed)
    write_corpus(plan_training(LABELLED, 0, rng), models.labelled.parent, rng, Silent())
    for runtime in runtimes:
        _train(models, runtime, folder / "features")
    return models


def _write_pictures_and_sound(models: LoopModels) -> None:
    try:
        repair_torchvision()
        import open_clip
        from torchvggish.torchvggish import _vgg
    except ImportError as error:
        raise MissingPackageError(
            f"the loop needs {error.name}", 'install it with: pip install "videotag[clip,vggish]"'
        ) from error
    torch.save(open_clip.CLIP(**open_clip.get_model_config(models.architecture)).state_dict(), models.frames)
    torch.save(_vgg(postprocess=False).state_dict(), models.audio)


def _write_text(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules.transformer import Transformer
    from sentence_transformers.sentence_transformer.modules.pooling import Pooling
    from transformers import BertConfig, BertModel, BertTokenizer

    bert = folder.with_name("bert")
    bert.mkdir()
    (bert / "vocab.txt").write_text("\n".join(_vocabulary()) + "\n", encoding="utf-8")
    BertTokenizer(vocab=str(bert / "vocab.txt")).save_pretrained(bert)
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
    )
    BertModel(config).save_pretrained(bert)
    SentenceTransformer(modules=[Transformer(str(bert)), Pooling(WIDTH)]).save(str(folder))


def _vocabulary() -> list[str]:
    """Return the special tokens, letters, and made-up words and word pieces."""
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1) if not chr(code).isupper()]
    pieces = [*letters, *(f"##{letter}" for letter in letters)]
    made_up = (f"word{number}" for number in range(VOCABULARY))
    return [*SPECIAL, *pieces, *made_up][:VOCABULARY]


def _train(models: LoopModels, runtime: RuntimeName, features: Path) -> None:
    encoders = EncodersConfig(
        device="cpu",
        runtime=runtime,
        text=SentenceTransformersConfig(weights=str(models.text)),
        vision=OpenClipConfig(backend="open-clip", model=models.architecture, weights=str(models.frames)),
        audio=VggishConfig(backend="torchvggish", weights=str(models.audio)),
    )
    recall = RecallConfig(names=NamesConfig(), learnt=None)  # neighbours vote, as in the loop
    config = Config(profile="bench", encoders=encoders, recall=recall, rank=RankConfig(ranker=None))
    store, created = FeatureStore(features), datetime(2026, 1, 1, tzinfo=UTC)
    train([models.labelled], {}, models.bundles / runtime, config, store, Silent(), created=created)
