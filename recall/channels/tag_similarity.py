"""Tag-similarity channel: the similarity branch of the classifier, over all tags by their names."""

from collections.abc import Sequence

import numpy as np

from recall.channels.base import CatalogEdits
from recall.channels.classifier import hidden_rows
from recall.index.base import Searchable, VectorIndex
from recall.index.growing import GrowingIndex
from recall.index.products import unit_queries, unit_rows
from recall.model import RecallModel
from recall.query import RecallQuery
from tagging.types import ChannelTags, FloatRows, Indices


class TagSimilarity:
    """Every tag of the catalog by the tag tower's encoding of its name, whether training had the tag or not.

    Scores are probabilities among the proposed tags, as an index does not score the others.
    """

    name = "similarity"

    def __init__(
        self,
        model: RecallModel,
        index: VectorIndex,
        tag_rows: Indices,
        limit: int,
        added: FloatRows | None = None,
    ) -> None:
        """Search tags in an index.

        index:    the bundle's, of the n rows that `index_rows` makes
        tag_rows: (n + a,) the tag of each row of the index, then of each added one
        added:    (a, D) unit rows of tags that the index lacks
        """
        self._model = model
        self._index = index
        self._tag_rows = tag_rows
        self._limit = limit
        self._searchable: Searchable = index
        if added is not None:
            self._searchable = grown = GrowingIndex(index)
            grown.add(added)
        if len(tag_rows) != len(self._searchable):
            raise ValueError(f"{len(self._searchable)} index rows, tag rows {tag_rows.shape}")

    @staticmethod
    def index_rows(model: RecallModel, tags: FloatRows) -> tuple[FloatRows, Indices]:
        """Return the unit rows that an index for this channel holds, and the tag of each of them.

        tags: (N, D) unit rows of the tag tower; tags with zero rows have no known name and are left out
        """
        tag_rows = np.flatnonzero(tags.any(axis=1))
        return unit_rows(model.tag_points(tags, tag_rows), model.max_tag_norm()), tag_rows

    def recall(self, queries: Sequence[RecallQuery]) -> list[ChannelTags | None]:
        proposed: list[ChannelTags | None] = [None] * len(queries)
        present, hidden = hidden_rows(queries)
        if not len(present):
            return proposed
        points = self._model.video_points(hidden)
        result = self._searchable.search(unit_queries(points), self._limit)
        lengths = self._model.max_tag_norm() * np.linalg.norm(points, axis=1)
        for index, ids, cosines, length in zip(present, result.ids, result.scores, lengths, strict=True):
            found = ids >= 0  # the index pads with -1
            weights = np.exp((cosines[found] - cosines[found].max(initial=-1.0)) * length)
            proposed[index] = ChannelTags(self._tag_rows[ids[found]], weights / max(weights.sum(), 1.0))
        return proposed

    def with_tags(self, edits: CatalogEdits) -> "TagSimilarity":
        vectors = edits.created_vectors
        if vectors is None or not (known := vectors.any(axis=1)).any():
            return self
        # The bias of a tag with one video, the least that the index supports.
        bias = np.full((len(vectors), 1), self._model.tag_bias.min().item(), np.float32)
        points = np.concatenate([self._model.head.scale().item() * vectors, bias], axis=1)[known]
        tag_rows = np.concatenate([self._tag_rows, edits.created[known]])
        added = unit_rows(points, self._model.max_tag_norm())
        return TagSimilarity(self._model, self._index, tag_rows, self._limit, added)
