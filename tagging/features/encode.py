"""Batched encoding: the rows of all videos of a batch together, cut into batches of each encoder, side by side."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagging.features.base import ClassPredictor, FrameEncoder, SoundEncoder, mean_pool
from tagging.features.factory import Encoders
from tagging.features.passages import passages_row
from tagging.features.read import read_passages
from tagging.features.side_by_side import Pieces
from tagging.media.read_ahead import ReadVideo
from tagging.types import PASSAGE_SOURCES, FloatRows, MediaSample, Modality, ModalityFeatures, VideoEmbeddings, VideoRef


def encode_videos(encoders: Encoders, videos: Sequence[ReadVideo]) -> list[ModalityFeatures]:
    """Return the features of each video and all warnings so far; a missing modality is None."""
    features = [ModalityFeatures(warnings=video.warnings + _unseen(encoders, video)) for video in videos]
    text, frames, audio = encoders.text, encoders.frames, encoders.audio

    if text is not None:
        with_text = [index for index, video in enumerate(videos) if video.video.text]
        texts = [videos[index].video.text for index in with_text]
        for index, row, count in zip(with_text, text.encode(texts), text.token_counts(texts), strict=True):
            cut = cut_text_warning(int(count), text.max_tokens)
            features[index] = replace(features[index], text=row, warnings=features[index].warnings + cut)

    media = {index: video.media for index, video in enumerate(videos) if video.media is not None}
    with Pieces() as pieces:
        # The longest first: reading speech, then text on the screen.
        readings = {
            (index, source): pieces.start(read_passages, encoders, sample, source)
            for source in PASSAGE_SOURCES
            for index, sample in media.items()
        }
        seen, heard = _Tokens(), _Tokens()
        if frames is not None:
            pictures = {index: frames.prepare(sample.frames) for index, sample in media.items() if sample.frames}
            seen = _Tokens.start(pieces, pictures, frames)
        if audio is not None:
            examples = {index: audio.prepare(sample.sound) for index, sample in media.items() if sample.sound}
            for index in [index for index, rows in examples.items() if not len(rows)]:
                del examples[index]
                short = ("the sound is shorter than 0.96 s and was not used",)
                features[index] = replace(features[index], warnings=features[index].warnings + short)
            heard = _Tokens.start(pieces, examples, audio)

        for index, tokens in seen.of_videos().items():
            features[index] = replace(features[index], frames=tokens, frame_spans=_frame_spans(media[index]))
        for index, tokens in heard.of_videos().items():
            features[index] = replace(features[index], audio=tokens)
        for index in media:
            speech, speech_warnings = readings[index, "speech"].result()
            screen, screen_warnings = readings[index, "screen"].result()
            warnings = features[index].warnings + speech_warnings + screen_warnings
            features[index] = replace(features[index], speech=speech, screen=screen, warnings=warnings)
    return features


def embed(encoders: Encoders, video: VideoRef, features: ModalityFeatures) -> VideoEmbeddings:
    """Pool one unit row per present modality, with the encoder's class probabilities.

    The row of passages is the text encoder's.
    """
    rows: dict[str, FloatRows] = {}
    beliefs: dict[Modality, FloatRows] = {}
    if features.text is not None:
        rows["text"] = features.text
    if features.frames is not None:
        rows["frames"] = mean_pool(features.frames)
        if isinstance(encoders.frames, ClassPredictor):
            beliefs["frames"] = encoders.frames.beliefs(features.frames)
    if features.audio is not None:
        rows["audio"] = mean_pool(features.audio)
        if isinstance(encoders.audio, ClassPredictor):
            beliefs["audio"] = encoders.audio.beliefs(features.audio)
    readings = {"speech": features.speech, "screen": features.screen}
    passages = {
        source: reading.passages
        for source in PASSAGE_SOURCES
        if (reading := readings[source]) is not None and reading.passages
    }
    if encoders.text is not None:
        rows |= {source: passages_row(found, encoders.text) for source, found in passages.items()}
    return VideoEmbeddings(
        rows,
        features.warnings,
        beliefs,
        video.title,
        video.description,
        video.uploader_id,
        passages,
        features.frame_spans,
    )


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


def _frame_spans(media: MediaSample | None) -> NDArray[np.float64] | None:
    """Return start and end (T, 2) in seconds of what each frame stands for: the time to which no other is closer.

    None for a picture, which has no duration.
    """
    if media is None or media.frames is None or not media.duration_s > 0:
        return None
    times = media.frames.times_s
    between = (times[:-1] + times[1:]) / 2
    return np.stack([np.append(0.0, between), np.append(between, max(media.duration_s, times[-1]))], axis=1).round(3)


@dataclass(frozen=True, slots=True, eq=False)
class _Tokens:
    """The tokens of several videos, whose rows are encoded in batches of the encoder's size."""

    lengths: Mapping[int, int] = field(default_factory=dict)  # of each video
    batches: Sequence["Future[FloatRows]"] = ()

    @classmethod
    def start(
        cls, pieces: Pieces, inputs: Mapping[int, NDArray[Any]], encoder: FrameEncoder | SoundEncoder
    ) -> "_Tokens":
        if not inputs:
            return cls()
        rows, size = np.concatenate(list(inputs.values())), encoder.batch_size
        batches = [pieces.start(encoder.encode, rows[start : start + size]) for start in range(0, len(rows), size)]
        return cls({index: len(of_video) for index, of_video in inputs.items()}, batches)

    def of_videos(self) -> dict[int, FloatRows]:
        """Wait for the tokens of each video, and return them."""
        if not self.batches:
            return {}
        tokens = np.concatenate([batch.result() for batch in self.batches])
        ends = np.cumsum(list(self.lengths.values()))[:-1]
        return dict(zip(self.lengths, np.split(tokens, ends), strict=True))
