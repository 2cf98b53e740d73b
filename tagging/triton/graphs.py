"""Modules that torch exports to ONNX: the towers of recall and of the ranker, in the tensors of the contract."""

from torch import Tensor, nn

from rank.towers import TagInput, Towers, VideoInput
from recall.tower import Tower


class RecallVideoGraph(nn.Module):
    """The video tower of the recall model: the views in the order of the tower, then `present`."""

    def __init__(self, tower: Tower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        *values, present = inputs
        hidden, attention = self.tower(dict(zip(self.tower.views, values, strict=True)), present)
        return hidden, attention


class RankVideoGraph(nn.Module):
    """The video tower of the ranker: tokens and mask of each modality, text first."""

    def __init__(self, towers: Towers) -> None:
        super().__init__()
        self.towers = towers

    def forward(self, *inputs: Tensor) -> Tensor:
        text, *media = zip(inputs[::2], inputs[1::2], strict=True)
        videos = VideoInput(text, dict(zip(self.towers.media_dims, media, strict=True)))
        present = videos.present()
        return self.towers.encode_videos(videos, present) * present.any(dim=1, keepdim=True)


class RankTagsGraph(nn.Module):
    """The tag tower of the ranker: text states and mask, and graph embeddings if it reads them."""

    def __init__(self, towers: Towers) -> None:
        super().__init__()
        self.towers = towers

    def forward(self, text: Tensor, text_mask: Tensor, graph: Tensor | None = None) -> Tensor:
        rows = text.new_zeros(len(text), 0) if graph is None else graph
        return self.towers.encode_tags(TagInput((text, text_mask), rows))
