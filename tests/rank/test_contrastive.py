"""The trained ranker over tiny towers, against towers that read one thing at a time."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from rank.base import every
from rank.bert import load_tokenizer
from rank.confidence import ConfidenceModel
from rank.contrastive import ContrastiveRanker, TagScorer, TowerEncoder
from rank.texts import BertStates
from rank.towers import TagInput, Towers, VideoInput
from rank.tree_reranker import fit_tree_reranker
from tagging.bundle.manifest import BundleManifest, RankerEntry
from tagging.config.rank import BertConfig, RankConfig, RankerConfig, TowersConfig, TreeRerankerConfig
from tagging.config.root import Config
from tagging.errors import ArtifactCorruptError
from tagging.features.factory import Encoders
from tagging.pipeline.load import load_ranker
from tagging.ragged import Tokens
from tagging.types import Candidates, ModalityFeatures, RankInput, TagScores, VideoEmbeddings, VideoRef
from tests.support.tiny_bert import tiny_bert

WORDS = ["the", "cat", "dog", "plays", "piano", "red", "car", "engine", "oven", "pasta", "guitar", "!"]
CONFIG = RankerConfig(
    bert=BertConfig(weights="unused", max_tokens=12),
    towers=TowersConfig(width=24, trained_layers=1, clusters=4, groups=2, expansion=1),
)
TAGS = 30
GRAPH = 5

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TowerEncoder:
    vocabulary = tmp_path_factory.mktemp("words") / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    torch.manual_seed(0)
    bert = tiny_bert()
    towers = Towers(bert, {"frames": 6, "audio": 4}, GRAPH, CONFIG.towers)
    for name, value in towers.named_parameters():
        if name.startswith("bert.") or name == "graph.weight":
            torch.nn.init.normal_(value, std=0.3)  # else all texts are much the same, and the graph says nothing
    return TowerEncoder(towers.eval(), BertStates(bert, load_tokenizer(vocabulary, 12), towers.lower_layers))


def names_of(count: int, seed: int) -> list[str]:
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(WORDS, generator.integers(1, 5))) for _ in range(count)]


@pytest.fixture(scope="module")
def places() -> Floats:
    return np.random.default_rng(5).standard_normal((TAGS, GRAPH)).astype(np.float32)


@pytest.fixture(scope="module")
def scorer(encoder: TowerEncoder, places: Floats) -> TagScorer:
    return TagScorer(encoder, encoder.encode_tags(encoder.texts.of_texts(names_of(TAGS, 1)), places))


def video(seed: int, text: str, frames: int = 0, audio: int = 0, new: Sequence[str] = ()) -> RankInput:
    """Five candidates of the catalog, and these that it does not have."""
    generator = np.random.default_rng(seed)
    seen, heard = (
        generator.standard_normal((count, dim)).astype(np.float16).astype(np.float32) if count else None
        for count, dim in ((frames, 6), (audio, 4))
    )
    known = np.sort(generator.choice(TAGS, 5, replace=False))
    rows = np.concatenate([known, TAGS + np.arange(len(new))])
    likely = generator.random(len(rows)).astype(np.float32)
    candidates = Candidates(
        rows, ("text",), likely[:, None], new={TAGS + n: name for n, name in enumerate(new)}, probabilities=likely
    )
    features = ModalityFeatures(frames=seen, audio=heard)
    return RankInput(VideoRef(f"v{seed}", title=text), features, VideoEmbeddings({}, title=text), candidates)


def videos() -> list[RankInput]:
    return [
        video(0, "the cat plays", frames=3, audio=2, new=["red piano", "dog"]),
        video(1, "red car engine " * 9),  # beyond max_tokens
        video(2, "", frames=4),
        video(3, "pasta oven", audio=1, new=["dog"]),
        video(4, ""),
        video(5, " \n", new=["red car"]),
        video(6, "🎉", frames=1),
    ]


@torch.inference_mode()
def states(encoder: TowerEncoder, text: str) -> tuple[Tensor, Tensor]:
    """Return the lower layers' output for one text in half precision; one masked token for a blank text."""
    if not text.strip():
        return torch.zeros(1, 1, encoder.towers.text_dim), torch.zeros(1, 1, dtype=torch.bool)
    assert isinstance(encoder.texts, BertStates)
    bert = encoder.texts.bert
    [ids] = encoder.texts.tokenizer.ids([text], 99)
    mask = torch.ones(1, len(ids), dtype=torch.bool)
    return bert.through(bert.enter(torch.from_numpy(ids)[None]), mask, slice(2)).half().float(), mask


@torch.inference_mode()
def seen_alone(encoder: TowerEncoder, video: RankInput) -> NDArray[np.float32]:
    """Return the video's row from the modalities that it has."""
    media = {
        name: (torch.from_numpy(tokens)[None], torch.ones(1, len(tokens), dtype=torch.bool))
        if tokens is not None
        else (torch.zeros(1, 1, dim), torch.zeros(1, 1, dtype=torch.bool))
        for name, dim, tokens in (("frames", 6, video.features.frames), ("audio", 4, video.features.audio))
    }
    given = VideoInput(states(encoder, video.video.text), media)  # type: ignore[arg-type]
    if not given.present().any():
        return np.zeros(encoder.towers.width, np.float32)
    return np.asarray(encoder.towers.encode_videos(given, given.present())[0].numpy())


@torch.inference_mode()
def named_alone(encoder: TowerEncoder, name: str, graph_row: Floats | None = None) -> NDArray[np.float32]:
    graph = torch.from_numpy(np.zeros(GRAPH, np.float32) if graph_row is None else graph_row)[None]
    return np.asarray(encoder.towers.encode_tags(TagInput(states(encoder, name), graph))[0].numpy())


def test_names_of_the_catalog_are_not_encoded_again(scorer: TagScorer) -> None:
    rows = np.array([1, TAGS, TAGS + 1])
    marked = {1: "cat", TAGS: "dog", TAGS + 1: "red piano"}  # training marks the tags of held-out videos as new
    candidates = Candidates(rows, ("text",), np.ones((3, 1), np.float32), new=marked)
    assert scorer.unread(candidates, {}) == {1: "dog", 2: "red piano"}
    assert scorer.unread(candidates, {"dog": np.zeros(24, np.float32)}) == {2: "red piano"}


def test_cosines_are_those_of_each_video_and_name_read_alone(scorer: TagScorer, places: Floats) -> None:
    names = names_of(TAGS, 1)
    spread = []
    for video, got in zip(videos(), scorer.cosines(videos()), strict=True):
        row = seen_alone(scorer.encoder, video)
        tags = [
            named_alone(scorer.encoder, video.candidates.new[tag])
            if tag in video.candidates.new
            else named_alone(scorer.encoder, names[tag], places[tag])
            for tag in video.candidates.tag_rows.tolist()
        ]
        np.testing.assert_allclose(got, np.stack(tags) @ row, atol=2e-3)  # of halves, in batches of other lengths
        spread.append(np.ptp(got))
    assert max(spread) > 0.3


def test_a_video_of_which_nothing_is_there_is_near_nothing(scorer: TagScorer) -> None:
    _, _, _, _, empty, blank, _ = scorer.cosines(videos())
    assert not empty.any()
    assert not blank.any()
    assert scorer.cosines(videos())[2].any()  # frames alone are something


def test_scores_do_not_depend_on_the_batch_of_videos(scorer: TagScorer) -> None:
    inputs = videos()
    together = scorer.cosines(inputs)
    for order in ([6, 5, 4, 3, 2, 1, 0], [3], [1, 4], [2, 2, 0]):
        for row, got in zip(order, scorer.cosines([inputs[row] for row in order]), strict=True):
            np.testing.assert_allclose(got, together[row], atol=2e-3)
    assert scorer.cosines([]) == []


def test_more_videos_than_a_batch_keep_their_order(scorer: TagScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = [*videos(), *videos()]
    whole, names = scorer.video_vectors(inputs), scorer.encoder.encode_names(names_of(9, 3))
    monkeypatch.setattr("rank.contrastive.AT_ONCE", 4)
    np.testing.assert_allclose(scorer.video_vectors(inputs), whole, atol=2e-3)
    np.testing.assert_allclose(scorer.encoder.encode_names(names_of(9, 3)), names, atol=2e-3)


@pytest.fixture(scope="module")
def ranker(scorer: TagScorer) -> ContrastiveRanker:
    inputs, generator = videos(), np.random.default_rng(3)
    examples = [
        (video.candidates, near, generator.choice(video.candidates.tag_rows, 1))
        for video, near in zip(inputs, scorer.cosines(inputs), strict=True)
        if len(near)
    ]
    order = fit_tree_reranker(examples, TreeRerankerConfig(trees=5, leaves=3, least_in_leaf=2), 7)
    confidence = ConfidenceModel(likely=0.9, cosine=4.0, new=-0.5, order=0.2, bias=-0.3, offsets={0: 0.7, 2: -1.1})
    return ContrastiveRanker(scorer, order, confidence)


@pytest.fixture(scope="module")
def saved(ranker: ContrastiveRanker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    (folder / "rank").mkdir()
    ranker.save(folder / "rank")
    return folder


def exact(ranker: ContrastiveRanker) -> list[TagScores]:
    return ranker.score(videos(), [every] * len(videos()))


def test_a_score_is_the_confidence_of_probability_cosine_and_reranker(ranker: ContrastiveRanker) -> None:
    inputs = videos()
    for video, score, cosines in zip(inputs, exact(ranker), ranker.scorer.cosines(inputs), strict=True):
        ordered = ranker.order.score(video.candidates, cosines)
        np.testing.assert_array_equal(
            score.confidences, ranker.confidence.scores(video.candidates, cosines, ordered).confidences
        )
    assert ranker.score([], []) == []


def test_a_saved_ranker_scores_the_same_up_to_half_precision(
    ranker: ContrastiveRanker, saved: Path, tmp_path: Path
) -> None:
    loaded = ContrastiveRanker.load(saved / "rank", CONFIG, None)
    for first, other in zip(exact(ranker), exact(loaded), strict=True):
        np.testing.assert_allclose(first.confidences, other.confidences, atol=5e-3)
    loaded.save(tmp_path)  # once they are halves nothing changes any more
    for path in (saved / "rank").iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    again = ContrastiveRanker.load(tmp_path, CONFIG, None)
    for first, other in zip(exact(loaded), exact(again), strict=True):
        np.testing.assert_array_equal(first.confidences, other.confidences)


def manifest(config: Config) -> BundleManifest:
    """Return the manifest of a bundle of which only the ranker is tested."""
    config = config.model_copy(update={"rank": RankConfig(ranker=CONFIG)})
    entry = RankerEntry(videos=1, edges=0, thresholds=0)
    return BundleManifest.model_construct(config=config, ranker=entry, learnt=None)


def lost(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def holding(name: str, content: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return change


def cut_short(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:-100])

    return change


def tags_of(tags: NDArray[np.generic]) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / "tags.npy", tags)


def lacking_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / "towers.safetensors")
    del tensors["video_text.bias"]
    save_file(tensors, folder / "towers.safetensors")


def weighs(offsets: bytes) -> bytes:
    return b'{"likely": 1.0, "cosine": 1.0, "new": 1.0, "order": 1.0, "bias": 1.0, "offsets": ' + offsets + b"}"


FILES = ["towers.safetensors", "towers.json", "tokenizer.json", "tags.npy", "confidence.json"]


@pytest.mark.parametrize(
    "spoil",
    [
        *(lost(name) for name in FILES),
        *(holding(name, b"\xff{") for name in FILES),
        *(cut_short(name) for name in FILES[:4] if name != "towers.json"),
        holding("towers.json", b"[]"),
        holding("towers.json", b'{"bert": [40, 16, 32, 2, 48, 3], "media": {"frames": 6}, "graph": 5}'),
        holding("towers.json", b'{"bert": null, "text": 32, "media": {"frames": 6, "audio": 4}, "graph": 5}'),
        holding("confidence.json", b'{"likely": 1.0}'),
        *(holding("confidence.json", weighs(offsets)) for offsets in (b"[]", b'{"x": 1.0}', b'{"1": [2.0]}')),
        tags_of(np.zeros((TAGS, 8), np.float16)),
        tags_of(np.zeros(TAGS, np.float16)),
        lacking_a_tensor,
        shutil.rmtree,
    ],
)
def test_a_damaged_file_is_a_domain_error(
    saved: Path, tmp_path: Path, tiny_config: Config, spoil: Callable[[Path], None]
) -> None:
    folder = Path(shutil.copytree(saved, tmp_path / "copy"))
    assert isinstance(load_ranker(folder, manifest(tiny_config), Encoders()), ContrastiveRanker)
    spoil(folder / "rank")
    with pytest.raises(ArtifactCorruptError, match="copy cannot be loaded"):
        load_ranker(folder, manifest(tiny_config), Encoders())


def test_texts_are_packed_in_order_and_blank_ones_have_no_tokens(encoder: TowerEncoder) -> None:
    texts = ["", "the cat", " \n ", "piano", "dog " * 40]
    kept: Tokens = encoder.texts.of_texts(texts)
    assert np.diff(kept.starts).tolist() == [0, 4, 0, 3, 12]
    for row, text in enumerate(texts):
        if text.strip():
            values = kept.values[kept.starts[row] : kept.starts[row + 1]]
            np.testing.assert_allclose(values, states(encoder, text)[0][0].numpy(), atol=4e-3)
    assert len(encoder.texts.of_texts([])) == 0
    assert len(encoder.encode_names([])) == 0
