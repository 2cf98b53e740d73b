"""Edited tags are recalled, ranked and answered at once, as in a bundle that had been made so."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logit

from rank.contrastive import ContrastiveRanker
from tagging.bundle.manifest import BUNDLE, BundleManifest
from tagging.config.recall import StrengthConfig
from tagging.features.encode import embed
from tagging.features.factory import load_encoders
from tagging.features.names import Linker, class_words, name_vectors
from tagging.maintenance.add_tags import add_tags
from tagging.media.read_ahead import ReadVideo
from tagging.pipeline.class_links import load_linker
from tagging.pipeline.labelled_updates import UpdateReport, added_video, apply_updates
from tagging.pipeline.load import load_ranker, load_tagger, make_tagger
from tagging.pipeline.models import PipelineModels
from tagging.pipeline.recall_stage import RecallStage
from tagging.pipeline.tagger import Tagger
from tagging.store.labelled_log import AddedVideo, LabelledUpdate
from tagging.tags.catalog import TagCatalog
from tagging.tags.edits.edit_batch import EditBatch, TagUpdate
from tagging.types import LabelledVideo, ModalityFeatures, Passage, Reading, VideoRef
from tests.support.clocks import NOW
from tests.support.desk import Desk, answer


def apply_to(tagger: Tagger, updates: Mapping[str, LabelledUpdate]) -> UpdateReport:
    return apply_updates(tagger.models.recall_stage, updates, tagger.models.encoders.fingerprints())


@pytest.fixture(params=["learnt", "starter"])
def bundle(request: pytest.FixtureRequest, learnt_bundle: Path, tiny_starter: Path) -> Path:
    return learnt_bundle if request.param == "learnt" else tiny_starter


@pytest.fixture
def desk(bundle: Path) -> Iterator[Desk]:
    with load_tagger(bundle) as tagger:
        yield Desk(tagger, bundle)


def test_a_created_tag_is_answered_as_in_a_bundle_that_it_was_added_to(
    bundle: Path, desk: Desk, tmp_path: Path
) -> None:
    add_tags(bundle, ["Zebra crossing", "purring engine"], tmp_path / "added", created=NOW)
    desk.do(lambda c: [c.create("Zebra crossing"), c.create("purring engine")])
    titles = ["a zebra crossing at night", "engine purring kitten", "guitar chords"]
    with load_tagger(tmp_path / "added") as added:
        for title in titles:
            want = {tag.name: tag for tag in answer(added, VideoRef("q", None, title)).tags}
            got = {tag.name: tag for tag in desk.answer(title).tags}
            for name in ("Zebra crossing", "purring engine"):
                # The bundle's index keeps a place for a tag without videos, which idf of names counts too.
                assert (name in got) == (name in want)
                if name in want:
                    assert got[name].tag_id == want[name].tag_id
                    assert not got[name].is_new
                    assert got[name].channels.keys() == want[name].channels.keys()
    assert "Zebra crossing" in desk.names(titles[0])


def test_who_tagged_before_an_edit_goes_on_as_before(desk: Desk) -> None:
    title = "a zebra crossing at night"
    before = answer(desk.first, VideoRef("q", None, title))
    desk.do(lambda c: c.create("zebra crossing"))
    assert answer(desk.first, VideoRef("q", None, title)) == before
    assert "zebra crossing" in desk.names(title)


def test_taking_all_back_answers_as_before(desk: Desk) -> None:
    titles = ["a zebra crossing", "beagle puppy kitten", "dog engine"]
    before = [desk.answer(title) for title in titles]
    best = desk.answer(titles[1]).tags[0]
    desk.do(lambda c: c.create("zebra crossing", ["puppy kitten"]))
    desk.do(lambda c: c.update(best.tag_id, TagUpdate(hidden=True)))
    assert best.name not in desk.names(titles[1])
    desk.undo(3)
    desk.undo(2)
    desk.undo(1)
    assert [desk.answer(title) for title in titles] == before


def test_an_alias_and_a_new_name_are_read_in_the_text_and_the_new_name_is_shown(desk: Desk) -> None:
    name = desk.history.tags.name_of(1)
    tag = desk.id(name)
    assert name not in {tag.name for tag in desk.answer("a fnord in the xyzzy").tags if "written" in tag.channels}
    desk.do(lambda c: c.update(tag, TagUpdate(add_aliases=["fnord"])))
    by_alias = desk.tag(name, "a fnord in the xyzzy")
    assert by_alias.tag_id == tag
    assert {"written", "words"} & by_alias.channels.keys()
    desk.do(lambda c: c.update(tag, TagUpdate(add_aliases=["quux", "a longer spelling"])))
    for spelling in ("fnord", "quux", "a longer spelling"):
        assert desk.tag(name, f"the {spelling}").channels.get("written", 0) > 0, spelling
    desk.do(lambda c: c.update(tag, TagUpdate(name="Xyzzy")))
    assert desk.tag("Xyzzy", "the xyzzy").tag_id == tag
    assert name not in desk.names("the xyzzy")


def test_a_spelling_that_was_taken_away_is_read_no_more(desk: Desk) -> None:
    name = desk.history.tags.name_of(1)
    tag = desk.id(name)
    assert "written" in desk.tag(name, name).channels
    desk.do(lambda c: c.update(tag, TagUpdate(name="Xyzzy", remove_aliases=[name])))
    assert not [found for found in desk.answer(name).tags if found.tag_id == tag and "written" in found.channels]


def test_a_hidden_tag_is_not_answered_until_it_is_shown(desk: Desk) -> None:
    name = desk.history.tags.name_of(1)
    desk.do(lambda c: c.update(desk.id(name), TagUpdate(hidden=True)))
    assert name not in desk.names(name)
    desk.do(lambda c: c.update(desk.id(name), TagUpdate(hidden=False)))
    assert name in desk.names(name)


def test_a_parent_that_was_given_hides_behind_its_child(desk: Desk) -> None:
    desk.do(lambda c: [c.create("quux"), c.create("fnord")])
    title = "a quux and a fnord"
    child, parent = (tag.name for tag in desk.answer(title).tags if tag.name in ("quux", "fnord"))
    desk.do(lambda c: c.update(desk.id(child), TagUpdate(add_parent_ids=[desk.id(parent)])))
    assert child in desk.names(title)
    assert parent not in desk.names(title)


def test_a_merged_tag_is_answered_as_what_it_became_with_all_its_evidence(learnt_bundle: Path) -> None:
    title = "kitten purring whiskers engine"
    with load_tagger(learnt_bundle) as tagger:
        desk = Desk(tagger, learnt_bundle)
        cats, cars = desk.id("cats"), desk.id("cars")
        apart = {tag.name: tag for tag in desk.answer(title).tags}
        desk.do(lambda c: c.merge(cars, [cats]))
        names = desk.names(title)
        assert "cats" not in names
        assert names.count("cars") == 1
        merged = desk.tag("cars", title)
        for channel in ("text", "lexical", "classifier"):
            assert merged.channels[channel] == max(apart[name].channels.get(channel, 0) for name in ("cats", "cars"))
        shown = {evidence.video_id for evidence in merged.evidence if evidence.kind == "video"}
        assert shown & {evidence.video_id for evidence in apart["cats"].evidence if evidence.kind == "video"}


def with_offsets(bundle: Path, offsets: Mapping[int, float]) -> Tagger:
    """The bundle with thresholds of tags of their own."""
    manifest = BUNDLE.read(bundle)
    encoders = load_encoders(manifest.config.encoders)
    ranker = load_ranker(bundle, manifest, encoders)
    assert isinstance(ranker, ContrastiveRanker)
    ranker = replace(ranker, confidence=replace(ranker.confidence, offsets=offsets))
    return make_tagger(manifest, PipelineModels(encoders, RecallStage.load(bundle, manifest), ranker))


def test_the_threshold_of_a_tag_stays_its_own_whatever_is_edited(learnt_bundle: Path) -> None:
    catalog = TagCatalog.load(learnt_bundle / "catalog.parquet")
    # Rows beyond the catalog belong to no tag yet: created tags and phrases of a text get them one after the other.
    offsets = {row: 0.3 + 0.1 * row for row in range(len(catalog) + 20)}
    own = {catalog.ids[row]: offset for row, offset in offsets.items() if row < len(catalog)}
    titles = ["kitten purring whiskers engine", "recipe with a zebra crossing", "guitar cats cars food music", "xyzzy"]
    with with_offsets(learnt_bundle, {}) as plain, with_offsets(learnt_bundle, offsets) as shifted:
        both = Desk(plain, learnt_bundle), Desk(shifted, learnt_bundle)
        ids = {name: both[0].id(name) for name in ("cats", "cars", "food", "music")}

        def edit(ask: Callable[[EditBatch], Any]) -> None:
            for desk in both:
                desk.do(ask)

        def seen() -> set[str]:
            """Check that each answered tag is shifted by its own offset; return their ids."""
            found: set[str] = set()
            for title in titles:
                before, after = ({tag.tag_id: tag for tag in desk.answer(title).tags} for desk in both)
                assert before.keys() == after.keys() != set()
                for tag_id, tag in before.items():
                    shift = logit(after[tag_id].confidence) - logit(tag.confidence)
                    assert shift == pytest.approx(own.get(tag_id, 0.0), abs=1e-3), tag.name
                found |= before.keys()
            return found

        assert set(ids.values()) <= seen()
        edit(lambda c: [c.create("zebra crossing"), c.create("xyzzy")])
        assert {both[0].id("zebra crossing"), both[0].id("xyzzy")} <= seen()
        edit(lambda c: c.merge(ids["cars"], [ids["cats"]]))
        assert ids["cats"] not in seen()
        edit(lambda c: c.update(ids["food"], TagUpdate(name="dishes", remove_aliases=["food"])))
        edit(lambda c: c.create("food"))
        assert {ids["food"], both[0].id("food")} <= seen()
        edit(lambda c: c.merge(both[0].id("xyzzy"), [ids["music"]]))
        assert ids["music"] not in seen()
        edit(lambda c: c.update(ids["cars"], TagUpdate(hidden=True)))
        assert ids["cars"] not in seen()
        for desk in both:
            desk.undo(3)  # the merge of cats into cars
        assert ids["cats"] in seen()


def test_a_labelled_video_votes_for_a_created_tag(desk: Desk) -> None:
    desk.do(lambda c: c.create("fnord"))
    [text] = desk.first.models.encoders.text.encode(["kitten purring"])  # type: ignore[union-attr]
    fingerprint = desk.first.models.encoders.text.fingerprint  # type: ignore[union-attr]
    late = AddedVideo(VideoRef("late", None, "kitten purring"), ("fnord",), {"text": text}, {"text": fingerprint})
    report = apply_to(desk.tagger, {"late": late})
    assert report.added == 1
    tag = desk.tag("fnord", "kitten purring")
    assert [evidence.video_id for evidence in tag.evidence if evidence.channel == "text"] == ["late"]
    assert not tag.is_new
    before = answer(desk.first, VideoRef("q", None, "kitten purring fnord"))  # which knows nothing of the tag
    assert not [tag for tag in before.tags if tag.name == "fnord" and not tag.is_new]
    assert not [evidence for tag in before.tags if tag.is_new for evidence in tag.evidence if evidence.kind == "video"]
    desk.do(lambda c: c.create("another"))  # the row stays whose it was
    assert desk.tag("fnord", "kitten purring").channels.keys() == tag.channels.keys()


def test_a_labelled_video_votes_for_whom_its_spelling_means_and_goes_back_with_a_merge(desk: Desk) -> None:
    for name in ("wug", "dax"):
        desk.do(lambda change, name=name: change.create(name))  # type: ignore[misc]
    wug, dax = desk.id("wug"), desk.id("dax")

    def vote(video_id: str, spelling: str, title: str) -> None:
        labelled = LabelledVideo(VideoRef(video_id, None, title), (spelling,))
        [encoded] = desk.tagger.encode([ReadVideo(labelled.video, None)])
        late, _ = added_video(labelled, encoded, desk.tagger.models.encoders.fingerprints())
        assert apply_to(desk.tagger, {video_id: late}).added == 1

    desk.do(lambda change: change.create("fnord"))
    desk.undo(3)
    desk.do(lambda change: change.update(wug, TagUpdate(add_aliases=["fnord"])))
    vote("l1", "fnord", "zxcv asdf")
    assert "wug" in desk.names("zxcv asdf")
    desk.do(lambda change: change.merge(wug, [dax]))
    vote("l2", "dax", "qwer uiop")
    assert "wug" in desk.names("qwer uiop")
    desk.undo(desk.history.last)
    assert "dax" in desk.names("qwer uiop")
    assert "wug" in desk.names("zxcv asdf")


def test_a_created_tag_is_seen_in_frames_that_mean_it(tiny_starter: Path, unseen_corpus: Path, tmp_path: Path) -> None:
    clip = next(unseen_corpus.parent.glob("*.mp4"))
    with load_tagger(tiny_starter) as tagger:
        desk = Desk(tagger, tiny_starter)
        before = {tag.name: tag for tag in desk.answer("", str(clip)).tags}
        assert before["dog"].channels["seen"] > 0  # the network always believes in its first class
        dog = desk.id("dog")
        desk.do(lambda c: c.update(dog, TagUpdate(name="hound", remove_aliases=["dog"])))
        desk.do(lambda c: c.create("dog"))
        after = {tag.tag_id: tag for tag in desk.answer("", str(clip)).tags}
        assert after[desk.id("dog")].channels["seen"] == pytest.approx(before["dog"].channels["seen"], abs=1e-6)


def test_names_are_read_once(learnt_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with load_tagger(learnt_bundle) as tagger:
        desk = Desk(tagger, learnt_bundle)
        desk.do(lambda c: c.create("fnord"))
        read: list[str] = []
        text = tagger.models.encoders.text
        assert text is not None
        encode = text.encode

        def told(texts: Sequence[str]) -> NDArray[np.float32]:
            read.extend(texts)
            return encode(texts)

        monkeypatch.setattr(text, "encode", told)
        desk.do(lambda c: c.create("quux"))
        assert read == ["quux", "quux"]  # by the name channels and by the ranker, and no tag that was read before
        assert np.isfinite([tag.confidence for tag in desk.answer("fnord quux").tags]).all()


def test_a_created_tag_is_found_in_speech_until_it_is_undone(tiny_starter: Path) -> None:
    manifest = BUNDLE.read(tiny_starter)
    names = manifest.config.recall.names.model_copy(
        update={"spoken": StrengthConfig(slope=1.0, intercept=0.0, least=-1.0)}
    )
    recall = manifest.config.recall.model_copy(update={"names": names})
    opened = manifest.model_copy(update={"config": manifest.config.model_copy(update={"recall": recall})})
    encoders = load_encoders(manifest.config.encoders)
    models = PipelineModels(
        encoders, RecallStage.load(tiny_starter, opened), load_ranker(tiny_starter, opened, encoders)
    )
    reading = Reading((Passage("now the zebra crossing, and a dog", 3.0, 5.0, 0.9, "en"),))
    with make_tagger(opened, models) as tagger:
        desk = Desk(tagger, tiny_starter)

        def found() -> dict[str, tuple[str, ...]]:
            stage = desk.tagger.models.recall_stage
            [candidates] = stage.recall([embed(encoders, VideoRef("v"), ModalityFeatures(speech=reading))])
            return {
                candidates.name_of(row, stage.catalog.names): tuple(e.text or "" for e in candidates.evidence[row])
                for row in candidates.tag_rows.tolist()
            }

        assert found() == {"dog": ("dog",)}
        desk.do(lambda c: c.create("Zebra crossing"))
        assert found() == {"dog": ("dog",), "Zebra crossing": ("zebra crossing",)}
        desk.undo(desk.history.last)
        assert found() == {"dog": ("dog",)}


def with_near(manifest: BundleManifest, near: float) -> BundleManifest:
    recall = manifest.config.recall
    names = recall.names.model_copy(update={"near": near})
    config = manifest.config.model_copy(update={"recall": recall.model_copy(update={"names": names})})
    return manifest.model_copy(update={"config": config})


def test_a_bundle_stores_the_vectors_that_linkers_need(bundle: Path, desk: Desk) -> None:
    class Unread:
        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            raise AssertionError(f"{texts} were encoded")

    models = desk.first.models
    assert models.encoders.text is not None
    manifest, catalog = with_near(BUNDLE.read(bundle), 0.3), models.recall_stage.catalog
    names = ["sports cars of animals", "a dog is barking", "zebra"]
    vectors = name_vectors(names, models.encoders.text)
    unread = replace(models.encoders, text=cast(Any, Unread()))
    for modality in ("frames", "audio"):
        linker = load_linker(bundle, manifest, unread, catalog, modality)
        encoder = getattr(models.encoders, modality)
        encoded = Linker(class_words(encoder), models.encoders.text, 0.3)
        got, want = (links.link(names, vectors, np.ones(3, np.bool_)) for links in (linker, encoded))
        assert len(want.weights)
        assert (got.tag_rows == want.tag_rows).all()
        assert (got.class_rows == want.class_rows).all()
        np.testing.assert_allclose(got.weights, want.weights, atol=0.01)  # stored in fp16
