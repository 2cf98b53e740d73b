"""Download of encoder weights (`videotag models fetch`).

The only module that downloads weights; weights.py describes the references and finds what is already on this machine.
torch and the model libraries are imported by the functions that need them, as importing them takes seconds.
"""

import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tagging.config.encoders import (
    EfficientNetLiteConfig,
    EncodersConfig,
    MultilingualE5Config,
    OpenClipConfig,
    SentenceTransformersConfig,
    VggishConfig,
)
from tagging.config.rank import BertConfig
from tagging.errors import MissingPackageError, MissingWeightsError, VideotagError
from tagging.features.reader_weights import PP_OCR_V6, WHISPER_PATTERNS, pp_ocr_files, whisper_files
from tagging.features.releases import (
    CLIP_CONFIG,
    CLIP_WEIGHTS,
    hub_candidates,
    open_clip_tag,
    vggish_release,
    vggish_url,
)
from tagging.features.weights import (
    OTHER_RUNTIMES,
    bert_folder,
    clip_source,
    e5_file,
    efficientnet_lite_file,
    hub_name,
    text_folder,
    vggish_file,
)


def reason_of(error: Exception) -> str:
    """Return a library's error message in one line."""
    if isinstance(error, pickle.UnpicklingError):  # the message of torch recommends an unsafe load
        return "not a file of tensors"
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def fetch(config: EncodersConfig, bert: BertConfig | None, report: Callable[[str], None]) -> None:
    """Download the configured weights that are missing, reporting each step to `report`.

    bert: the ranker's initial weights; needed for training only

    Raises MissingWeightsError if a download fails, and for paths and packages, which cannot be downloaded.
    """
    if isinstance(config.text, SentenceTransformersConfig):
        text = config.text
        _fetch_one(text.weights, lambda: text_folder(text), lambda: _fetch_folder(text.weights), report)
    if isinstance(config.text, MultilingualE5Config):
        e5 = config.text
        _fetch_one(f"multilingual-e5 {e5.weights}", lambda: e5_file(e5), lambda: False, report)
    if bert is not None:
        _fetch_one(bert.weights, lambda: bert_folder(bert), lambda: _fetch_folder(bert.weights), report)
    if isinstance(config.vision, OpenClipConfig):
        vision = config.vision
        name = f"{vision.model} {vision.weights}".strip()
        _fetch_one(name, lambda: clip_source(vision).path, lambda: _fetch_clip(vision), report)
    if isinstance(config.vision, EfficientNetLiteConfig):
        lite = config.vision
        name = f"EfficientNet-{lite.variant} {lite.weights}"
        _fetch_one(name, lambda: efficientnet_lite_file(lite), lambda: False, report)
    if isinstance(config.audio, VggishConfig):
        audio = config.audio
        _fetch_one(f"VGGish {audio.weights}", lambda: vggish_file(audio), lambda: _fetch_vggish(audio), report)
    _fetch_readers(config, report)


def _fetch_readers(config: EncodersConfig, report: Callable[[str], None]) -> None:
    """Download the readers' weights; a reader whose packages are missing is reported, as it is no error elsewhere."""
    speech, screen = config.speech, config.screen
    if speech is not None:
        name = f"Whisper {speech.weights}"
        download = partial(_fetch_files, speech.weights, WHISPER_PATTERNS)
        with _reported_if_missing(name, report):
            _fetch_one(name, lambda: whisper_files(speech)["model.bin"][0].parent, download, report)
    if screen is not None:
        name = f"PP-OCR {screen.weights}"
        download = partial(_fetch_files, screen.weights, tuple(PP_OCR_V6))
        with _reported_if_missing(name, report):
            _fetch_one(name, lambda: pp_ocr_files(screen)["det.onnx"].parent, download, report)


@contextmanager
def _reported_if_missing(name: str, report: Callable[[str], None]) -> Iterator[None]:
    try:
        yield
    except MissingPackageError as error:
        report(f"{name}: not used, {error.message}: {error.hint}")


def _fetch_one(
    name: str, find: Callable[[], Path], download: Callable[[], bool], report: Callable[[str], None]
) -> None:
    try:
        report(f"{name}: already at {find()}")
        return
    except MissingWeightsError as missing:
        report(f"{name}: fetching")
        try:
            if not download():
                raise missing
        except VideotagError:
            raise
        except Exception as error:  # the hub changed its HTTP library, and thus its errors, between versions
            raise MissingWeightsError(
                f"cannot fetch {name}: {reason_of(error)}", "check the name and the network"
            ) from error
    report(f"{name}: now at {find()}")


def _fetch_folder(weights: str) -> bool:
    name = hub_name(weights)
    if name is None:
        return False
    from huggingface_hub import snapshot_download

    doubled = ["*.bin"] if any(file.endswith(".safetensors") for file in _hub_listing(name)) else []
    snapshot_download(name, ignore_patterns=[*OTHER_RUNTIMES, *doubled])
    return True


def _fetch_files(weights: str, patterns: Sequence[str]) -> bool:
    name = hub_name(weights)
    if name is None or weights == "packaged":
        return False
    from huggingface_hub import snapshot_download

    snapshot_download(name, allow_patterns=list(patterns))
    return True


def _fetch_clip(config: OpenClipConfig) -> bool:
    from huggingface_hub import hf_hub_download

    if tag := open_clip_tag(config.model, config.weights):
        repository, wanted = hub_candidates(tag)
        others: list[str] = []
    elif name := hub_name(config.model.removeprefix("hf-hub:") if not config.weights else config.weights):
        repository, wanted, others = name, CLIP_WEIGHTS, [CLIP_CONFIG]
    else:
        return False
    there = _hub_listing(repository)
    for file in [*others, *[name for name in wanted if name in there][:1]]:
        hf_hub_download(repository, file)
    return True


def _fetch_vggish(config: VggishConfig) -> bool:
    if config.weights != "release":
        return False
    from torch.hub import download_url_to_file

    target = vggish_release()
    target.parent.mkdir(parents=True, exist_ok=True)
    download_url_to_file(vggish_url(), str(target), progress=sys.stderr.isatty())
    return True


def _hub_listing(repository: str) -> list[str]:
    from huggingface_hub import HfApi

    # model_info fails at once without a network; list_repo_files tries for 23 s
    return [file.rfilename for file in HfApi().model_info(repository).siblings or []]
