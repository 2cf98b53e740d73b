"""Adding tags to a bundle: files that are copied or rewritten, and recall of the added tags."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from rank.contrastive import ContrastiveRanker
from recall.model import RecallModel
from tagging import paths
from tagging.bundle.manifest import BUNDLE
from tagging.bundle.name_vectors import load_class_tags, load_name_vectors
from tagging.bundle.sealed import file_sha256
from tagging.config.root import Config
from tagging.errors import ArtifactNotFoundError, InvalidTagsError, OutputExistsError
from tagging.features.factory import load_encoders
from tagging.maintenance.add_tags import add_tags, new_names
from tagging.pipeline.load import load_ranker, load_tagger
from tagging.progress import Silent
from tagging.store.features import FeatureStore
from tagging.tags.catalog import TagCatalog
from tagging.training.run import train
from tagging.types import RankedTags, VideoRef
from tests.support.clocks import NOW
from tests.support.corpora import write_numbered_titles

GROWN = {"catalog.parquet", "names.npy", "learnt/model.safetensors", "learnt/tags.npy", "rank/tags.npy"} | {
    f"channels/similarity/{name}" for name in ("index.faiss", "rows.npy")
}
LINKS = {"frames.parquet", "audio.parquet"}


@pytest.fixture(scope="module")
def added(learnt_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("added") / "b"
    add_tags(learnt_bundle, ["Zebra  crossing", "purring engine", "Dog"], folder, created=NOW)
    return folder


def answer(bundle: Path, video: VideoRef) -> RankedTags:
    with load_tagger(bundle) as tagger:
        return tagger.tag(video, tagger.selection(50).model_copy(update={"min_confidence": 0.0}))


def test_existing_rows_are_unchanged(learnt_bundle: Path, added: Path) -> None:
    old, new = BUNDLE.read(learnt_bundle), BUNDLE.read(added)
    before, after = (TagCatalog.load(folder / "catalog.parquet") for folder in (learnt_bundle, added))
    count = len(before)
    assert after.names == (*before.names, "Zebra crossing", "purring engine", "Dog")
    assert after.ids[:count] == before.ids
    assert after.counts.tolist() == [*before.counts.tolist(), 0, 0, 0]
    assert len(set(after.ids)) == len(after)
    changed = {name for name in old.files if old.files[name] != new.files[name]}
    assert old.files.keys() == new.files.keys()
    assert changed == GROWN | changed & LINKS
    first, second = (RecallModel.load(folder / "learnt") for folder in (learnt_bundle, added))
    assert second.tag_bias[:count].tolist() == first.tag_bias.tolist()
    rows, more = (np.load(folder / "learnt" / "tags.npy") for folder in (learnt_bundle, added))
    np.testing.assert_array_equal(more[:count], rows)
    assert len(more) == count + 3
    assert new.channels["similarity"].count == old.channels["similarity"].count + 3
    assert old.names is not None
    assert new.names is not None
    np.testing.assert_array_equal(load_name_vectors(added, new.names)[:3], load_name_vectors(learnt_bundle, old.names))


def test_the_manifest_states_the_additions_and_their_bundle(learnt_bundle: Path, added: Path, tmp_path: Path) -> None:
    table = tmp_path / "new.csv"
    table.write_text("accept,tag\nyes,tango\nno,waltz\n")
    report = add_tags(added, ["samba"], tmp_path / "more", table, created=NOW)
    first, second, third = (BUNDLE.read(folder) for folder in (learnt_bundle, added, tmp_path / "more"))
    assert first.additions == []
    assert [(entry.bundle, entry.tags, entry.sources) for entry in second.additions] == [(first.version, 3, [])]
    assert third.additions[0] == second.additions[0]
    last = third.additions[1]
    assert (last.bundle, last.tags) == (second.version, 2)
    assert [(source.name, source.sha256) for source in last.sources] == [("new.csv", file_sha256(table))]
    assert (report.added, report.tags, report.version) == (2, third.counts["tags"], third.version)
    assert third.counts["tags"] == first.counts["tags"] + 5
    assert third.training == first.training
    assert {tag.name for tag in answer(tmp_path / "more", VideoRef("v", title="tango, samba and a dog")).tags} >= {
        "tango", "samba", "Dog",
    }  # fmt: skip


def test_an_added_tag_is_recalled_at_once_by_a_trained_bundle(learnt_bundle: Path, added: Path) -> None:
    video = VideoRef("v", title="A zebra crossing in the rain")
    assert "Zebra crossing" not in {tag.name for tag in answer(learnt_bundle, video).tags}
    [tag] = [tag for tag in answer(added, video).tags if tag.name == "Zebra crossing"]
    assert {"written", "words"} <= set(tag.channels)
    assert not tag.is_new
    assert 0 <= tag.confidence <= 1


def test_the_tag_tower_reads_a_name_whose_words_it_knows(added: Path) -> None:
    by_name = {tag.name: tag for tag in answer(added, VideoRef("v", title="kitten purring, wheels, gearbox")).tags}
    assert "similarity" in by_name["purring engine"].channels
    assert "words" not in by_name["purring engine"].channels


def test_an_added_tag_is_ranked_at_once_by_its_name(added: Path) -> None:
    found = answer(added, VideoRef("v", title="A zebra crossing in the rain")).tags
    names = [tag.name for tag in found]
    assert names.index("Zebra crossing") < min(
        row for row, name in enumerate(names) if name in ("cats", "cars", "food", "music", "Dog")
    )


def test_the_ranker_encodes_added_tags_last_and_by_name_only(learnt_bundle: Path, added: Path) -> None:
    rows, more = (np.load(folder / "rank" / "tags.npy") for folder in (learnt_bundle, added))
    assert len(more) == len(rows) + 3
    np.testing.assert_array_equal(more[: len(rows)], rows)
    stated = BUNDLE.read(learnt_bundle)
    ranker = load_ranker(learnt_bundle, stated, load_encoders(stated.config.encoders))
    assert isinstance(ranker, ContrastiveRanker)
    for row, name in zip(more[-3:], ["Zebra crossing", "purring engine", "Dog"], strict=True):
        np.testing.assert_allclose(row, ranker.scorer.encoder.encode_names([name])[0], atol=2e-3)


def test_precision_control_still_works_after_additions(learnt_bundle: Path, added: Path) -> None:
    with load_tagger(learnt_bundle) as before, load_tagger(added) as after:
        assert before.selection(None, 0.5) == after.selection(None, 0.5)


def test_a_channel_that_the_fusion_was_not_fitted_on_is_not_added(learnt_bundle: Path, added: Path) -> None:
    entry = BUNDLE.read(learnt_bundle).names
    assert entry is not None
    assert entry.classes.keys() == {"frames", "audio"}
    met = (added / "learnt" / "blend.txt").read_text()
    for name, modality in (("seen", "frames"), ("heard", "audio")):
        links = load_class_tags(learnt_bundle, modality, entry)  # type: ignore[arg-type]
        assert (name in met) == bool(len(links.tag_rows))


def test_a_name_with_the_meaning_of_a_class_is_found_in_frames_and_sound(
    tmp_path: Path, direct_config: Config, unseen_corpus: Path
) -> None:
    train(
        [write_numbered_titles(tmp_path / "m.jsonl", 20)],
        {},
        tmp_path / "b",
        direct_config,
        FeatureStore(tmp_path),
        Silent(),
        created=NOW,
    )
    clip = VideoRef("v", str(next(unseen_corpus.parent.glob("*.mp4"))))
    assert "dog" not in {tag.name for tag in answer(tmp_path / "b", clip).tags}
    report = add_tags(tmp_path / "b", ["dog", "abstraction"], tmp_path / "added", created=NOW)
    assert (report.added, report.seen, report.heard) == (2, 1, 1)
    [dog] = [tag for tag in answer(tmp_path / "added", clip).tags if tag.name == "dog"]
    assert {"seen", "heard"} <= set(dog.channels)
    assert {piece.kind for piece in dog.evidence} == {"frame", "sound"}


def test_tags_can_be_added_to_the_starter_bundle(tmp_path: Path, unseen_corpus: Path) -> None:
    report = add_tags(paths.default_bundle(), ["gravel bike", "Doggos"], tmp_path / "mine", created=NOW)
    assert report.added == 2
    assert report.tags == len(TagCatalog.load(paths.default_bundle() / "catalog.parquet")) + 2
    before = answer(paths.default_bundle(), VideoRef("v", title="My first gravel bike ride"))
    after = answer(tmp_path / "mine", VideoRef("v", title="My first gravel bike ride"))
    assert "gravel bike" not in {tag.name for tag in before.tags if not tag.is_new}
    [tag] = [tag for tag in after.tags if tag.name == "gravel bike"]
    assert not tag.is_new
    assert "written" in tag.channels
    assert tag.evidence[0].text == "gravel bike"


def test_adding_a_name_that_no_title_can_show_logs_a_warning(
    tiny_bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING"):
        add_tags(tiny_bundle, ["us", "The Who"], tmp_path / "b", created=NOW)
    assert "titles are not searched for 'us'" in caplog.text
    assert "The Who" not in caplog.text


def test_adding_to_a_bundle_without_name_channels_logs_a_warning(
    tiny_bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING"):
        add_tags(tiny_bundle, ["zebra"], tmp_path / "b", created=NOW)
    assert "has no channel that finds a tag by its name" in caplog.text
    assert answer(tmp_path / "b", VideoRef("v", title="zebra")).tags is not None


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["  "], "is not a tag name: it is empty"),
        (["\ud800"], "is not a tag name: it is not valid text"),
        (["Tango", "samba", "TANGO "], "the tag 'Tango' is given twice, the second time as 'TANGO '"),
        (["CATS"], "'CATS' is in the catalog already, as the tag 'cats'"),
        (["gatos"], "'gatos' is in the catalog already, as an alias of the tag 'cats'"),
        (["dogs"], "'dogs' is in the catalog already, as the hidden tag 'dogs'"),
    ],
)
def test_an_invalid_tag_name_is_one_error(names: list[str], message: str) -> None:
    catalog = TagCatalog(("1", "2"), ("cats", "dogs"), (("gatos",), ()), np.array([2, 1]), np.array([False, True]))
    with pytest.raises(InvalidTagsError, match=message):
        new_names(names, catalog)


def test_an_error_leaves_nothing_behind(learnt_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputExistsError):
        add_tags(tmp_path / "missing", ["a"], tmp_path / "there", created=NOW)
    with pytest.raises(ArtifactNotFoundError, match="is not a bundle"):
        add_tags(tmp_path / "missing", ["a"], tmp_path / "out", created=NOW)
    with pytest.raises(InvalidTagsError, match="as the tag 'cats'"):
        add_tags(learnt_bundle, ["cats"], tmp_path / "out", created=NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_read_only_bundle_can_be_copied(learnt_bundle: Path, tmp_path: Path) -> None:
    frozen = Path(shutil.copytree(learnt_bundle, tmp_path / "frozen"))
    for path in frozen.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    add_tags(frozen, ["tango"], tmp_path / "out", created=NOW)
    assert BUNDLE.read(tmp_path / "out").counts["tags"] == BUNDLE.read(learnt_bundle).counts["tags"] + 1
    for path in frozen.rglob("*"):
        path.chmod(0o755)
