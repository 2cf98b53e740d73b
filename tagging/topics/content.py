"""Content rows: the encoders' rows of many videos by modality, with a mask of what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recall.model import dense_rows
from tagging.types import MODALITIES, FloatRows, Indices, VideoEmbeddings


@dataclass(frozen=True, slots=True, eq=False)
class ContentRows:
    """V videos as the encoders see them."""

    values: Mapping[str, FloatRows]  # modality -> (V, dim) unit rows; zeros where `present` is False
    present: NDArray[np.bool_]  # (V, modalities) in the order of `values`

    def __post_init__(self) -> None:
        shapes = {modality: rows.shape for modality, rows in self.values.items()}
        if any(shape[0] != len(self.present) for shape in shapes.values()) or self.present.ndim != 2:
            raise ValueError(f"rows {shapes}, mask {self.present.shape}")

    def __len__(self) -> int:
        return len(self.present)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(V,) True for a video with at least one modality."""
        return np.asarray(self.present.any(axis=1))

    def only(self, rows: Indices) -> "ContentRows":
        return ContentRows({name: values[rows] for name, values in self.values.items()}, self.present[rows])

    @classmethod
    def of(cls, videos: Sequence[VideoEmbeddings], dims: Mapping[str, int]) -> "ContentRows":
        """Return the rows of some modalities; dims: their widths. Raises ValueError for a row of another width."""
        values = {modality: dense_rows(videos, modality, dim) for modality, dim in dims.items()}
        masks = [rows.any(axis=1) for rows in values.values()]
        return cls(values, np.stack(masks, axis=1) if masks else np.zeros((len(videos), 0), np.bool_))


def dims_of(videos: Sequence[VideoEmbeddings]) -> dict[str, int]:
    """Return the width of each modality that at least one video has."""
    found = {m: next((len(video.rows[m]) for video in videos if m in video.rows), 0) for m in MODALITIES}
    return {modality: dim for modality, dim in found.items() if dim}
