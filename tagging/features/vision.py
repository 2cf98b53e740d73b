"""CLIP image encoder through open_clip (Radford et al. 2021; Cherti et al. 2023)."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tagging.errors import ArtifactMismatchError, InvalidConfigError, MissingPackageError
from tagging.features.environment import environment_left_alone
from tagging.features.fetch_weights import reason_of
from tagging.features.torchvision_compat import repair_torchvision
from tagging.features.weights import ClipSource, clip_folder_files, fingerprint
from tagging.types import Frames


class OpenClipEncoder:
    """A FrameEncoder over any open_clip model; it reads local files only and keeps only the image tower.

    Raises MissingPackageError without open_clip, InvalidConfigError for an unknown architecture and for one whose
    text tower needs the hub, ArtifactMismatchError for files that are no checkpoint of the architecture.
    """

    def __init__(self, source: ClipSource, batch_size: int, device: str = "cpu") -> None:
        repair_torchvision()
        try:
            with environment_left_alone():
                import open_clip
                from open_clip.transform import PreprocessCfg, image_transform_v2
        except ImportError as error:
            raise MissingPackageError(
                f"open_clip cannot be imported: {error}", "pip install 'videotag[clip]'"
            ) from error

        name = source.architecture or f"local-dir:{source.path}"
        with _root_logger_left_alone(), torch.random.fork_rng(devices=[]):  # random weights are created before loading
            model_config = _model_config(open_clip, name)
            try:
                clip = open_clip.create_model(
                    name,
                    pretrained=str(source.path) if source.architecture else None,
                    force_preprocess_cfg=dict(source.tag),
                    # The built-in ViT-B-32 has GELU; OpenAI's and other tags of it were trained with QuickGELU.
                    force_quick_gelu=bool(source.tag.get("quick_gelu")),
                )
            except Exception as error:  # KeyError, AssertionError, EOFError, StopIteration and more on other files
                raise ArtifactMismatchError(f"{source.path} is no checkpoint of {name}: {reason_of(error)}") from error
        self.preprocessing = preprocessing = clip.visual.preprocess_cfg
        self.dim = int(model_config["embed_dim"])
        self._transform = image_transform_v2(PreprocessCfg(**preprocessing), is_train=False)
        self.pictures = UnscaledPictures(self._transform.transforms)
        self.visual = clip.visual.eval().requires_grad_(False).to(device)
        self.batch_size = batch_size
        self._device = device
        files = {"weights": source.path} if source.architecture else clip_folder_files(source.path)
        settings = {"model": model_config, "preprocessing": preprocessing, "tag": dict(source.tag), "version": 1}
        self.fingerprint = fingerprint("open-clip", settings, files)

    def prepare(self, frames: Frames) -> NDArray[np.float32]:
        """T pictures -> (T, 3, height, width), by the library's own transform on PIL images."""
        from PIL import Image

        return np.stack([self._transform(Image.fromarray(picture)).numpy() for picture in frames.pixels])

    def encode(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, 3, height, width) -> (B, D) unit rows, equal to encode_image(normalize=True)."""
        rows = np.empty((len(inputs), self.dim), np.float32)
        with torch.inference_mode():
            for start in range(0, len(inputs), self.batch_size):
                batch = torch.from_numpy(np.ascontiguousarray(inputs[start : start + self.batch_size]))
                features = self.visual(batch.to(self._device))
                pooled = features[0] if isinstance(features, tuple) else features  # CoCa also returns its tokens
                unit = torch.nn.functional.normalize(pooled, dim=-1)
                rows[start : start + len(batch)] = unit.cpu().numpy()
        return rows


class UnscaledPictures:
    """The part of open_clip's transform before the pixels become floats, for networks that normalise by themselves."""

    def __init__(self, transforms: Sequence[Any]) -> None:
        """transforms: those of an evaluation transform; the last two are ToTensor and Normalize"""
        self._transforms = transforms[:-2]

    def __call__(self, frames: Frames) -> NDArray[np.uint8]:
        """T pictures -> (T, height, width, 3)"""
        from PIL import Image

        pictures = []
        for pixels in frames.pixels:
            picture: Any = Image.fromarray(pixels)
            for transform in self._transforms:
                picture = transform(picture)
            pictures.append(np.asarray(picture))
        return np.stack(pictures)


def _model_config(open_clip: Any, name: str) -> dict[str, Any]:
    try:
        config = open_clip.get_model_config(name)
    except (OSError, ValueError, AttributeError) as error:  # the last if the JSON is no object
        raise ArtifactMismatchError(f"{name} has no readable open_clip_config.json: {error}") from error
    if config is None:
        raise InvalidConfigError(f"open_clip knows no architecture {name!r}", "see open_clip.list_models()")
    if not isinstance(config, dict) or not {"embed_dim", "vision_cfg", "text_cfg"} <= config.keys():
        raise ArtifactMismatchError(f"{name} describes no open_clip model")
    if "hf_model_name" in config["text_cfg"]:  # building it requests the description of that tower from the hub
        raise InvalidConfigError(f"{name} needs the hub for its text tower {config['text_cfg']['hf_model_name']}")
    return config


@contextmanager
def _root_logger_left_alone() -> Iterator[None]:
    """Silence open_clip's logging through the root logger, which would add a handler to it."""
    root = logging.getLogger()
    handler = logging.NullHandler()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
