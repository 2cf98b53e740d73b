"""The two towers: missing modalities add nothing, frozen weights stay, and both start as BERT's sentence vector."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from rank.padding import pad
from rank.towers import TagInput, Towers, VideoInput
from tagging.bert import pooled
from tagging.config.rank import TowersConfig
from tagging.ragged import Tokens
from tagging.types import MODALITIES, AnyModality
from tests.support.tiny_bert import SHAPE, tiny_bert, tokens_of

CONFIG = TowersConfig(width=24, trained_layers=1, clusters=4, groups=2, expansion=1, dropout=0.3)
MEDIA: dict[AnyModality, int] = {"frames": 6, "audio": 4}


def towers_of(config: TowersConfig = CONFIG, graph: int = 5) -> Towers:
    torch.manual_seed(0)
    return Towers(tiny_bert(), MEDIA, graph, config).eval()


def given(text: Tokens, **media: Tokens) -> VideoInput:
    return VideoInput(pad(text), {name: pad(media[name]) for name in MODALITIES if name in media})


def some_videos() -> VideoInput:
    """Six videos: whole, without text, without frames, without sound, text alone, frames alone."""
    return given(
        tokens_of([3, 0, 5, 2, 4, 0], SHAPE.width),
        frames=tokens_of([2, 3, 0, 1, 0, 4], 6, seed=1),
        audio=tokens_of([1, 2, 3, 0, 0, 0], 4, seed=2),
    )


def read(towers: Towers, videos: VideoInput) -> Tensor:
    with torch.no_grad():
        return towers.encode_videos(videos, videos.present())


def noise_where_nothing_is(padded: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    tokens, mask = padded
    return torch.where(mask[..., None], tokens, 100 * torch.randn(tokens.shape)), mask


def test_every_video_and_tag_becomes_a_unit_row() -> None:
    towers = towers_of()
    tags = TagInput(pad(tokens_of([2, 1, 5], SHAPE.width)), torch.randn(3, 5))
    for rows in (read(towers, some_videos()), towers.encode_tags(tags)):
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(len(rows)))


def test_a_missing_modality_adds_nothing_whatever_its_padding() -> None:
    towers, videos = towers_of(), some_videos()
    rows = read(towers, videos)
    noise = {name: noise_where_nothing_is(padded) for name, padded in videos.media.items()}
    noisy = VideoInput(noise_where_nothing_is(videos.text), noise)
    torch.testing.assert_close(read(towers, noisy), rows)
    text_alone = given(tokens_of([3, 0, 5, 2, 4, 0], SHAPE.width))
    torch.testing.assert_close(read(towers, text_alone)[4], rows[4])
    frames_alone = given(tokens_of([0] * 6, SHAPE.width), frames=tokens_of([2, 3, 0, 1, 0, 4], 6, seed=1))
    torch.testing.assert_close(read(towers, frames_alone)[5], rows[5])


def test_a_modality_that_is_not_used_equals_a_missing_one() -> None:
    towers, videos = towers_of(), some_videos()
    present = videos.present() & torch.tensor([True, False, True])  # no frames
    blind = given(
        tokens_of([3, 0, 5, 2, 4, 0], SHAPE.width),
        frames=tokens_of([0] * 6, 6),
        audio=tokens_of([1, 2, 3, 0, 0, 0], 4, seed=2),
    )
    with torch.no_grad():
        torch.testing.assert_close(towers.encode_videos(videos, present), read(towers, blind))


def test_modalities_go_by_their_names_not_their_order() -> None:
    towers, videos = towers_of(), some_videos()
    turned = VideoInput(videos.text, {name: videos.media[name] for name in ("audio", "frames")})
    torch.testing.assert_close(read(towers, turned), read(towers, videos))


def test_vectors_do_not_depend_on_the_batch() -> None:
    towers = towers_of()
    lengths, names = ([3, 0, 9], [2, 3, 0], [1, 0, 4]), [2, 1, 8]
    text, frames, audio = (tokens_of(n, dim, seed=dim) for n, dim in zip(lengths, (SHAPE.width, 6, 4), strict=True))
    together = read(towers, given(text, frames=frames, audio=audio))
    words, places = tokens_of(names, SHAPE.width), torch.randn(3, 5)
    tags = towers.encode_tags(TagInput(pad(words), places))
    for row in range(3):
        only = torch.tensor([row]).numpy()
        alone = read(towers, given(text.only(only), frames=frames.only(only), audio=audio.only(only)))
        torch.testing.assert_close(alone[0], together[row], atol=1e-5, rtol=0)
        tag = towers.encode_tags(TagInput(pad(words.only(only)), places[[row]]))
        torch.testing.assert_close(tag[0], tags[row], atol=1e-5, rtol=0)


def test_a_video_without_content_has_finite_vectors() -> None:
    towers = towers_of()
    nothing = given(tokens_of([0, 0], SHAPE.width), frames=tokens_of([0, 0], 6), audio=tokens_of([0, 0], 4))
    assert not read(towers, nothing).any()


@pytest.mark.parametrize("trained", [0, 1, 3])
def test_only_the_upper_layers_of_bert_and_all_other_parts_are_trained(trained: int) -> None:
    towers = towers_of(CONFIG.model_copy(update={"trained_layers": trained})).train()
    for weights in (towers.graph, towers.gating.gate[3]):  # weights that start at zero hide the layers before them
        assert isinstance(weights, nn.Linear)
        nn.init.normal_(weights.weight)
    videos = some_videos()
    tags = TagInput(pad(tokens_of([2, 1, 5], SHAPE.width)), torch.randn(3, 5))
    cosines = towers.encode_videos(videos, videos.present()) @ towers.encode_tags(tags).T
    torch.autograd.backward((towers.scale() * cosines).square().sum())
    for name, value in towers.named_parameters():
        learns = not name.startswith("bert.") or any(
            name.startswith(f"bert.layers.{layer}.") for layer in range(3 - trained, 3)
        )
        assert value.requires_grad == learns, name
        assert (value.grad is not None and bool(value.grad.any())) == learns, name
        assert value.grad is None or value.grad.isfinite().all(), name


def test_more_layers_to_train_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="4 layers to train, but the BERT has 3"):
        towers_of(CONFIG.model_copy(update={"trained_layers": 4}))


def test_initial_cosines_are_those_of_the_projected_texts() -> None:
    towers, bert = towers_of(), tiny_bert()
    titles, names = tokens_of([3, 5, 1, 7], SHAPE.width), tokens_of([1, 2, 4], SHAPE.width, seed=4)
    without_media = given(titles, frames=tokens_of([0] * 4, 6), audio=tokens_of([0] * 4, 4))
    cosines = read(towers, without_media) @ towers.encode_tags(TagInput(pad(names), torch.randn(3, 5))).T

    def projected(tokens: Tokens) -> Tensor:
        states, mask = pad(tokens)
        means = pooled(bert.through(states, mask, slice(2, 3)), mask)
        return functional.normalize(means @ towers.video_text.weight.T, dim=1)

    torch.testing.assert_close(cosines, projected(titles) @ projected(names).T, atol=1e-5, rtol=0)
    product = towers.video_text.weight @ towers.video_text.weight.T
    torch.testing.assert_close(product, torch.eye(24), atol=1e-5, rtol=0)


def test_the_graph_embedding_is_added_and_dropped_as_a_whole() -> None:
    towers = towers_of()
    assert towers.graph is not None
    nn.init.normal_(towers.graph.weight)
    words, places = pad(tokens_of([2] * 400, SHAPE.width)), torch.randn(400, 5)
    with_places = towers.encode_tags(TagInput(words, places))
    without = towers.encode_tags(TagInput(words, torch.zeros(400, 5)))
    mixed = towers.encode_tags(TagInput(words, places), graph_dropout=0.25)
    dropped = (mixed == without).all(dim=1)
    assert torch.equal(mixed, torch.where(dropped[:, None], without, with_places))
    assert 0.15 < dropped.float().mean() < 0.35


def test_towers_without_a_graph_read_names_alone() -> None:
    towers = towers_of(graph=0)
    tags = TagInput(pad(tokens_of([2, 1], SHAPE.width)), torch.zeros(2, 0))
    torch.testing.assert_close(towers.encode_tags(tags, graph_dropout=0.5).norm(dim=1), torch.ones(2))


def test_reading_draws_no_random_numbers() -> None:
    towers, videos = towers_of(), some_videos()
    before = torch.get_rng_state()
    read(towers, videos)
    towers.encode_tags(TagInput(pad(tokens_of([2, 1], SHAPE.width)), torch.zeros(2, 5)))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_temperature_at_its_limit_can_still_be_trained() -> None:
    towers = towers_of()
    towers.log_scale.data.fill_(math.log(500.0))
    towers.clamp_scale()
    assert towers.scale().item() == pytest.approx(100.0)
    torch.autograd.backward(towers.scale())
    assert towers.log_scale.grad is not None
    assert towers.log_scale.grad.item() == pytest.approx(100.0)


def test_rows_of_a_text_encoder_are_read_as_they_are() -> None:
    torch.manual_seed(0)
    towers = Towers(8, {}, 0, TowersConfig(width=8, clusters=2, groups=1)).eval()
    rows = tokens_of([1, 1, 1], 8, seed=3)
    with torch.no_grad():
        tags = towers.encode_tags(TagInput(pad(rows), torch.zeros(3, 0)))
    cosines = rows.values.astype(np.float32) / np.linalg.norm(rows.values.astype(np.float32), axis=1, keepdims=True)
    # The projection begins orthogonal, so the tags' cosines are those of the rows.
    np.testing.assert_allclose((tags @ tags.T).numpy(), cosines @ cosines.T, atol=1e-3)


def test_speech_begins_as_a_title_of_the_same_words_and_its_absence_adds_nothing() -> None:
    torch.manual_seed(0)
    towers = Towers(8, {"speech": 8}, 0, TowersConfig(width=16, clusters=2, groups=1)).eval()
    spoken, nothing = tokens_of([1], 8, seed=3), tokens_of([0], 8)
    by_title, by_speech = (
        read(towers, VideoInput(pad(text), {"speech": pad(speech)}))
        for text, speech in ((spoken, nothing), (nothing, spoken))
    )
    torch.testing.assert_close(by_title, by_speech)
    with torch.no_grad():
        towers.media["speech"].projection.bias.add_(5.0)  # type: ignore[union-attr,operator]
    torch.testing.assert_close(read(towers, VideoInput(pad(spoken), {"speech": pad(nothing)})), by_title)
