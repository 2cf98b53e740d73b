"""Model contract of the Triton repository: names, tensors, limits, and how a version is found by its fingerprint.

The exporter (`tagging/triton`) writes models of these specifications, and the clients call them:

    text            ids, mask               -> row
    frames          pixels                  -> tokens
    audio           examples                -> tokens
    recall_video    ngrams, views, present  -> hidden, attention
    rank_video      tokens and their masks  -> row
    rank_tags       text, text_mask, graph  -> row
    screen_detect   pixels                  -> text
    screen_read     pixels, width           -> signs, probabilities
    speech          features                -> encoding, languages
                    encoding, prompt, …     -> tokens, score, no_speech

Tokenising, decoding, resizing and log-mel are CPU work and stay in the caller, and so do the class probabilities of
tokens: one small matrix product, which is also needed for stored tokens. Arithmetic on tensors is in the graph:
normalisation of pixels and log-mel, pooling, unit length, the most probable sign. Encoders without weights
(`hashed-ngrams`, `frame-statistics`, `sound-statistics`) have no model.

A model has one version for each of its contents. The parameters of its configuration state the fingerprint of every
version, so a caller finds the version that its bundle was made with, whichever bundles are in the repository.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tagging.types import AnyModality

DataType = Literal["UINT8", "INT32", "BOOL", "FP32"]  # Triton's names

TEXT = "text"
FRAMES = "frames"
AUDIO = "audio"
RECALL_VIDEO = "recall_video"
RANK_VIDEO = "rank_video"
RANK_TAGS = "rank_tags"
SCREEN_DETECT = "screen_detect"
SCREEN_READ = "screen_read"
SPEECH = "speech"

ANY = -1  # a dimension that differs between calls

# A request may have at most so many rows; a caller splits what is longer.
MAX_ROWS: Mapping[str, int] = {
    TEXT: 64,
    FRAMES: 64,
    AUDIO: 256,
    RECALL_VIDEO: 256,
    RANK_VIDEO: 64,
    RANK_TAGS: 256,
    SCREEN_DETECT: 8,
    SCREEN_READ: 24,
    SPEECH: 8,
}

# Triton batches requests whose tensors have equal shapes but for their rows, so texts are padded to a multiple of this.
TOKENS_MULTIPLE = 16

# For dimensions ANY that are no numbers of tokens: the sizes in frequent requests (a picture of 16:9, short lines, half
# a minute of speech), and a small size for probes.
FREQUENT_SIZES: Mapping[tuple[str, str], tuple[int, ...]] = {  # by model and tensor
    (SCREEN_DETECT, "pixels"): (416, 736),
    (SCREEN_READ, "pixels"): (320,),
    (SPEECH, "features"): (3000,),
}
SMALL_SIZES: Mapping[str, int] = {SCREEN_DETECT: 32, SCREEN_READ: 32, SPEECH: 32}

SLOW = (SCREEN_DETECT, SCREEN_READ, SPEECH)  # on a CPU one request may take many seconds

# Keys of the parameters of a model's configuration.
FINGERPRINT_PREFIX = "fingerprint."  # and the number of the version
COMPUTE_TYPE = "compute_type"


@dataclass(frozen=True, slots=True)
class Tensor:
    name: str
    dtype: DataType
    shape: tuple[int, ...]  # without the rows, which come first

    def __post_init__(self) -> None:
        if not all(size > 0 or size == ANY for size in self.shape):
            raise ValueError(f"{self.name} of shape {self.shape}")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Signature of one model."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def max_rows(self) -> int:
        return MAX_ROWS[self.name]

    def frequent_shape(self, tensor: Tensor) -> tuple[int, ...]:
        """Return the shape that one row of an input often has, to warm the model up."""
        sizes = iter(FREQUENT_SIZES.get((self.name, tensor.name), ()))
        return tuple(next(sizes, TOKENS_MULTIPLE) if size == ANY else size for size in tensor.shape)

    def small_shape(self, tensor: Tensor) -> tuple[int, ...]:
        """Return a shape that one row of an input may have, with which the model takes little time."""
        small = SMALL_SIZES.get(self.name, TOKENS_MULTIPLE)
        return tuple(small if size == ANY else size for size in tensor.shape)


def text_model(dim: int) -> ModelSpec:
    """(B, T) ids of tokens, with the special ones, and (B, T) mask, True where there is a token -> (B, D) unit rows.

    At least one token per row. The number of an id that is masked out does not matter, but it must be a token's.
    """
    inputs = (Tensor("ids", "INT32", (ANY,)), Tensor("mask", "BOOL", (ANY,)))
    return ModelSpec(TEXT, inputs, (Tensor("row", "FP32", (dim,)),))


def frames_model(height: int, width: int, dim: int) -> ModelSpec:
    """(B, H, W, 3) RGB pictures of the encoder's own size -> (B, D) tokens, as the encoder's `encode` returns them."""
    return ModelSpec(FRAMES, (Tensor("pixels", "UINT8", (height, width, 3)),), (Tensor("tokens", "FP32", (dim,)),))


def audio_model(dim: int) -> ModelSpec:
    """(B, 96, 64) natural log-mel examples (tagging/features/log_mel.py) -> (B, D) tokens."""
    return ModelSpec(AUDIO, (Tensor("examples", "FP32", (96, 64)),), (Tensor("tokens", "FP32", (dim,)),))


def recall_video_model(width: int, views: Mapping[str, int]) -> ModelSpec:
    """The video tower of the recall model: sums of n-gram vectors and dense views -> encoding and attention.

    width: D of the tower; views: name -> width of each dense view, in the order of the tower

    Input `ngrams` is (B, D), each dense view (B, width) under its name, zeros where missing. `present` is
    (B, 1 + views), True where the video has the view, n-grams first; at least one per row. Output `hidden` is (B, D),
    `attention` (B, 1 + views).
    """
    inputs = (
        Tensor("ngrams", "FP32", (width,)),
        *(Tensor(view, "FP32", (dim,)) for view, dim in views.items()),
        Tensor("present", "BOOL", (1 + len(views),)),
    )
    return ModelSpec(
        RECALL_VIDEO, inputs, (Tensor("hidden", "FP32", (width,)), Tensor("attention", "FP32", (1 + len(views),)))
    )


def rank_video_model(text: int, media: Mapping[AnyModality, int], width: int) -> ModelSpec:
    """The video tower of the ranker: padded tokens (rank/padding.py) -> (B, D) unit rows, zeros without any token.

    text: width of the text states (rank/texts.py); media: width of the tokens of each other modality, in the order of
    the tower; width: D

    For each of them an input of (B, T, its width) under its name, with zeros after the end, and the mask (B, T), True
    where there is a token, under its name and `_mask`. T is at least 1 and differs between modalities.
    """
    inputs = (*_padded("text", text), *(tensor for name, dim in media.items() for tensor in _padded(name, dim)))
    return ModelSpec(RANK_VIDEO, inputs, (Tensor("row", "FP32", (width,)),))


def rank_tags_model(text: int, graph: int, width: int) -> ModelSpec:
    """The tag tower of the ranker: padded text states of the name, and (B, G) graph embeddings -> (B, D) unit rows.

    text, width: as those of the video tower; graph: G, zeros for a tag without one; 0: there is no such input
    """
    inputs = (*_padded("text", text), *((Tensor("graph", "FP32", (graph,)),) if graph else ()))
    return ModelSpec(RANK_TAGS, inputs, (Tensor("row", "FP32", (width,)),))


def screen_detect_model() -> ModelSpec:
    """(B, 3, H, W) pictures in BGR, H and W multiples of 32 -> (B, 1, H, W) probability that a pixel is of text."""
    return ModelSpec(
        SCREEN_DETECT, (Tensor("pixels", "UINT8", (3, ANY, ANY)),), (Tensor("text", "FP32", (1, ANY, ANY)),)
    )


def screen_read_model() -> ModelSpec:
    """Lines of text: (B, 3, 48, W) pixels in BGR and their (B, 1) widths, beyond which they are padding.

    Returns for each of T steps from left to right the most probable sign (B, T), 0 for none, and its probability. The
    other signs stay on the server: their probabilities are thousands of times as many, 3 MB for a short line.
    """
    inputs = (Tensor("pixels", "UINT8", (3, 48, ANY)), Tensor("width", "INT32", (1,)))
    return ModelSpec(SCREEN_READ, inputs, (Tensor("signs", "INT32", (ANY,)), Tensor("probabilities", "FP32", (ANY,))))


def speech_model(mels: int, width: int, languages: int) -> ModelSpec:
    """Whisper with greedy decoding: spectrograms (B, mels, T) -> encodings (B, T / 2, D) -> the tokens of each.

    mels: bands; width: D of an encoding; languages: L that it knows; 0: English only

    A spectrogram is of half a minute: T is 3000. Every row asks one of two questions. With a `length` (B, 1) of 0 it
    asks for the `encoding` of its `features`, and gets `languages` (B, L), too, the probabilities in the alphabetical
    order of the languages' tokens. Otherwise it asks for tokens of its `encoding`, which such an answer had, after its
    `prompt` (B, P), at most `length` with the prompt, without those in `suppressed` (B, S): `tokens` is (B, N), -1
    after the end, `score` (B, 1) the mean of their log probabilities in nats, and `no_speech` (B, 1) the probability
    that there is no speech. Inputs of the other question may have any values and lengths, and outputs that a row does
    not ask for are 0, tokens -1.
    """
    inputs = (
        Tensor("features", "FP32", (mels, ANY)),
        Tensor("encoding", "FP32", (ANY, width)),
        *(Tensor(name, "INT32", (ANY,)) for name in ("prompt", "suppressed")),
        Tensor("length", "INT32", (1,)),
    )
    outputs = (
        Tensor("encoding", "FP32", (ANY, width)),
        Tensor("tokens", "INT32", (ANY,)),
        *(Tensor(name, "FP32", (1,)) for name in ("score", "no_speech")),
        *((Tensor("languages", "FP32", (languages,)),) if languages else ()),
    )
    return ModelSpec(SPEECH, inputs, outputs)


def _padded(name: str, dim: int) -> tuple[Tensor, Tensor]:
    return Tensor(name, "FP32", (ANY, dim)), Tensor(f"{name}_mask", "BOOL", (ANY,))


def fingerprint_parameters(fingerprints: Mapping[int, str]) -> dict[str, str]:
    """Return the parameters of a model's configuration for the fingerprint of each version.

    For an encoder it is the encoder's; for towers that of the bundle's file of their weights
    (BundleManifest.weights_fingerprint).
    """
    return {f"{FINGERPRINT_PREFIX}{version}": fingerprint for version, fingerprint in fingerprints.items()}


def versions_by_fingerprint(parameters: Mapping[str, str]) -> dict[str, int]:
    """Return the version of each fingerprint, from the parameters of a model's configuration."""
    return {
        fingerprint: int(key.removeprefix(FINGERPRINT_PREFIX))
        for key, fingerprint in parameters.items()
        if key.startswith(FINGERPRINT_PREFIX)
    }
