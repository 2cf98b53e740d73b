"""Encoders over a batch of videos: rows of all of them go through each model together."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tagging.features.base import TellsClasses, mean_pool
from tagging.features.factory import Encoders
from tagging.media.read_ahead import ReadVideo
from tagging.types import Modality, ModalityFeatures, VideoEmbeddings, VideoRef

Rows = NDArray[np.float32]


def encode_videos(encoders: Encoders, videos: Sequence[ReadVideo]) -> list[ModalityFeatures]:
    """Features of each video with the warnings it has gathered so far; a modality that is missing stays None."""
    features = [ModalityFeatures(warnings=video.warnings + _unseen(encoders, video)) for video in videos]
    text, frames, audio = encoders.text, encoders.frames, encoders.audio

    if text is not None:
        places = [place for place, video in enumerate(videos) if video.video.text]
        texts = [videos[place].video.text for place in places]
        for place, row, count in zip(places, text.encode(texts), text.token_counts(texts), strict=True):
            cut = cut_text_warning(int(count), text.max_tokens)
            features[place] = replace(features[place], text=row, warnings=features[place].warnings + cut)

    if frames is not None:
        seen = {p: frames.prepare(v.media.frames) for p, v in enumerate(videos) if v.media and v.media.frames}
        for place, tokens in _together(seen, frames.encode).items():
            features[place] = replace(features[place], frames=tokens)

    if audio is not None:
        heard = {p: audio.prepare(v.media.sound) for p, v in enumerate(videos) if v.media and v.media.sound}
        for place in [place for place, examples in heard.items() if not len(examples)]:
            del heard[place]
            short = ("the sound is shorter than 0.96 s and was not used",)
            features[place] = replace(features[place], warnings=features[place].warnings + short)
        for place, tokens in _together(heard, audio.encode).items():
            features[place] = replace(features[place], audio=tokens)
    return features


def embed(encoders: Encoders, video: VideoRef, features: ModalityFeatures) -> VideoEmbeddings:
    """Pool one unit row per present modality, with the encoder's class probabilities."""
    rows: dict[str, Rows] = {}
    beliefs: dict[Modality, Rows] = {}
    if features.text is not None:
        rows["text"] = features.text
    if features.frames is not None:
        rows["frames"] = mean_pool(features.frames)
        if isinstance(encoders.frames, TellsClasses):
            beliefs["frames"] = encoders.frames.beliefs(features.frames)
    if features.audio is not None:
        rows["audio"] = mean_pool(features.audio)
        if isinstance(encoders.audio, TellsClasses):
            beliefs["audio"] = encoders.audio.beliefs(features.audio)
    return VideoEmbeddings(rows, features.warnings, beliefs, video.title, video.description, video.uploader_id)


def cut_text_warning(tokens: int, max_tokens: int) -> tuple[str, ...]:
    return (f"only the first {max_tokens} of the text's {tokens} tokens were read",) if tokens > max_tokens else ()


def _unseen(encoders: Encoders, video: ReadVideo) -> tuple[str, ...]:
    """Return warnings that name the modalities present that no encoder reads."""
    unseen = []
    has_media = video.video.uri is not None
    if has_media and encoders.frames is None:
        unseen.append("picture")
    if has_media and encoders.audio is None:
        unseen.append("sound")
    if video.video.text and encoders.text is None:
        unseen.append("text")
    return (f"not looked at, the bundle has no encoder for it: {' and '.join(unseen)}",) if unseen else ()


def _together(inputs: dict[int, Rows], encode: Callable[[Rows], Rows]) -> dict[int, Rows]:
    """One call for the rows of all videos, handed back to each."""
    if not inputs:
        return {}
    tokens = encode(np.concatenate(list(inputs.values())))
    ends = np.cumsum([len(rows) for rows in inputs.values()])[:-1]
    return dict(zip(inputs, np.split(tokens, ends), strict=True))
