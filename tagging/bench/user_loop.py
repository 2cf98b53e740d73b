"""The loop that a user writes first, with the libraries as their READMEs show them: one video after the other.

sentence-transformers encodes the title, open_clip sixteen frames in one batch, torchvggish the sound, and FAISS finds
the labelled titles that vote for tags. It uses nothing of videotag but the reader of manifests and the repair of
torchvision's import.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import av
import faiss
import numpy as np
import torch
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray
from PIL import Image

from tagging.bench.loop_models import LoopModels
from tagging.features.torchvision_compat import repair_torchvision
from tagging.manifests.read import read_labelled
from tagging.types import VideoRef

FRAMES, NEIGHBOURS, TAGS = 16, 30, 5
SAMPLE_RATE_HZ = 16_000


class UserLoop:
    """The models, and an index of the labelled titles."""

    def __init__(self, models: LoopModels) -> None:
        repair_torchvision()
        import open_clip
        from sentence_transformers import SentenceTransformer
        from torchvggish.torchvggish import _vgg

        with redirect_stderr(StringIO()):  # a progress bar
            self._text = SentenceTransformer(str(models.text), device="cpu")
        self._clip, _, self._preprocess = open_clip.create_model_and_transforms(
            models.architecture, pretrained=str(models.frames)
        )
        self._clip.eval()
        self._vggish = _vgg(postprocess=False)
        self._vggish.load_state_dict(torch.load(models.audio, weights_only=True))
        self._vggish.eval()
        labelled = list(read_labelled([models.labelled], {}))
        rows = self._text.encode([row.video.title for row in labelled], normalize_embeddings=True)
        self._tags = [row.tags for row in labelled]
        self._index = faiss.IndexFlatIP(rows.shape[1])
        self._index.add(rows)

    def tag(self, videos: Sequence[VideoRef]) -> list[list[str]]:
        """Return the tags of each video."""
        return [self._tag(video) for video in videos]

    @torch.no_grad()
    def _tag(self, video: VideoRef) -> list[str]:
        from torchvggish.vggish_input import waveform_to_examples

        path = Path(str(video.uri))
        text = self._text.encode([video.title], normalize_embeddings=True)
        pictures = torch.stack([self._preprocess(picture) for picture in _pictures(path)])
        self._clip.encode_image(pictures)
        if len(samples := _samples(path)) >= SAMPLE_RATE_HZ:
            self._vggish(waveform_to_examples(samples, SAMPLE_RATE_HZ))
        _, ids = self._index.search(text, NEIGHBOURS)
        votes = Counter(tag for row in ids[0] for tag in self._tags[row])
        return [tag for tag, _ in votes.most_common(TAGS)]


def _pictures(path: Path) -> list[Image.Image]:
    """Decode the video and return FRAMES of its pictures, evenly spread."""
    with av.open(str(path)) as container:
        pictures = [Image.fromarray(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    return [pictures[row] for row in np.linspace(0, len(pictures) - 1, FRAMES).astype(int)]


def _samples(path: Path) -> NDArray[np.float64]:
    """Decode the sound as mono; empty without any."""
    resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return np.zeros(0)
        parts = [part.to_ndarray()[0] for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate(parts).astype(np.float64)
