"""Embedding of fields: several values are their mean, a missing one is masked."""

import torch

from tagging.recommendation.clicks.embedding import FieldEmbedding


def test_several_values_are_the_mean_of_their_rows() -> None:
    embedding = FieldEmbedding({"user": 3, "tags": 5}, width=4)
    fields = {"user": torch.tensor([[2], [1]]), "tags": torch.tensor([[1, 4, 0], [3, 0, 0]])}
    x, present = embedding(fields)
    user, tags = (table.get_parameter("weight") for table in embedding.tables)
    torch.testing.assert_close(x[0], torch.stack([user[2], (tags[1] + tags[4]) / 2]))
    torch.testing.assert_close(x[1], torch.stack([user[1], tags[3]]))
    assert present.all()


def test_a_missing_field_is_zero_and_masked() -> None:
    embedding = FieldEmbedding({"user": 3, "tags": 5}, width=4)
    x, present = embedding({"user": torch.tensor([[0]]), "tags": torch.tensor([[2, 0]])})
    assert present.tolist() == [[False, True]]
    assert not x[0, 0].any()
