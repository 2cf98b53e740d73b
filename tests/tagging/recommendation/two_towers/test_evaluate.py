"""Evaluation of a model on what it was not trained on, and what tags are worth."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagging.errors import ArtifactMismatchError, InvalidManifestError
from tagging.progress import Silent
from tagging.recommendation.interactions import Interactions
from tagging.recommendation.split import divide
from tagging.recommendation.tables import Sources
from tagging.recommendation.two_towers.compare import compare
from tagging.recommendation.two_towers.evaluate import TOWERS, evaluate_recommendation
from tagging.recommendation.two_towers.files import read_model
from tagging.recommendation.two_towers.fit import fit_recommendation
from tagging.recommendation.two_towers.manifest import TWO_TOWERS, HoldoutEntry
from tagging.recommendation.two_towers.worth import OFF, conditions_of
from tagging.store.features import FeatureStore
from tests.support.clocks import NOW
from tests.support.watching import TINY, VIDEOS, catalog, walks


def test_the_division_of_the_training_is_measured(trained_without_new: Path, sources: Sources) -> None:
    report = evaluate_recommendation(trained_without_new, sources)
    cases = divide(walks(), VIDEOS, "new", "test", TINY.seed).cases
    assert (report.held_out, report.cases, report.candidates) == ("new", len(cases), len(cases.candidates))
    manifest = TWO_TOWERS.read(trained_without_new)
    assert manifest.counts["videos_with_id"] == VIDEOS - len(cases.candidates)
    ids = read_model(trained_without_new, manifest).model.vocabulary.ids
    assert not {f"v{video}" for video in cases.candidates} & set(ids)
    first = {name: row["P@6"] for name, row in report.systems.items()}
    assert set(first) == {
        "random", "popularity", "item-kNN", "title profile", "title and tag profile", TOWERS
    }  # fmt: skip
    ndcg = {name: row["nDCG@10"] for name, row in report.systems.items()}
    assert max(ndcg, key=lambda name: ndcg[name]) == TOWERS


def test_a_model_of_all_interactions_cannot_be_measured(trained: Path, sources: Sources) -> None:
    with pytest.raises(ArtifactMismatchError, match="trained on all interactions"):
        evaluate_recommendation(trained, sources)


def test_other_tables_are_refused(trained_without_new: Path, sources: Sources, tmp_path: Path) -> None:
    other = tmp_path / "watched.jsonl"
    other.write_text(sources.interactions.read_text().replace('"v1"', '"v7"', 1))
    with pytest.raises(ArtifactMismatchError, match=r"watched\.jsonl"):
        evaluate_recommendation(trained_without_new, replace(sources, interactions=other))
    with pytest.raises(ArtifactMismatchError, match="trained on 2 tables, found 3"):
        evaluate_recommendation(trained_without_new, replace(sources, manifests=[*sources.manifests] * 2))


def test_tables_of_a_folder_are_trained_on_and_measured(sources: Sources, text_bundle: Path, tmp_path: Path) -> None:
    tagged = tmp_path / "tagged"
    tagged.mkdir()
    rows = [json.loads(line) for line in sources.manifests[0].read_text().splitlines()]
    for part in (0, 1):
        pq.write_table(pa.Table.from_pylist(rows[part::2]), tagged / f"part-{part}.parquet")
    of_folder = replace(sources, manifests=[tagged])
    holdout = HoldoutEntry(held_out="new", part="test", seed=1)
    config, store = TINY.model_copy(update={"epochs": 1}), FeatureStore(tmp_path / "f")
    fit_recommendation(of_folder, text_bundle, tmp_path / "model", config, holdout, store, Silent(), created=NOW)
    report = evaluate_recommendation(tmp_path / "model", of_folder)
    assert report.cases > 0
    evaluate_recommendation(tmp_path / "model", replace(sources, manifests=sorted(tagged.iterdir())))
    (tagged / "part-0.parquet").unlink()
    with pytest.raises(ArtifactMismatchError, match="trained on 3 tables, found 2"):
        evaluate_recommendation(tmp_path / "model", of_folder)


def test_tags_are_worth_what_they_tell_of_new_videos() -> None:
    users = walks()
    interactions = Interactions(tuple(map(str, range(len(users)))), users)
    config, conditions = TINY.model_copy(update={"epochs": 6}), conditions_of(catalog())
    found = compare(conditions, OFF, interactions, "new", [3, 4], config, Silent())
    off, tags, embeddings = (found[name]["nDCG@10"] for name in (OFF, "creators' tags", "embeddings"))
    assert set(conditions) < set(found)
    assert tags.mean > 1.2 * max(off.mean, embeddings.mean)  # only tags name the group
    assert tags.gain == pytest.approx(tags.mean - off.mean)
    assert off.gain == off.gain_spread == 0
    assert found["item-kNN"]["nDCG@10"].gain is None
    spread = [compare(conditions, OFF, interactions, "new", [seed], config, Silent()) for seed in (3, 4)]
    values = [one_seed["creators' tags"]["nDCG@10"].mean for one_seed in spread]
    assert (tags.mean, tags.spread) == pytest.approx((np.mean(values), np.std(values)))


def test_too_few_interactions_are_one_error() -> None:
    users = walks(users=2)
    lonely = Interactions(("a", "b"), type(users)(np.array([0, 1, 2]), np.array([3, 5])))
    with pytest.raises(InvalidManifestError, match="nothing can be held out"):
        compare(conditions_of(catalog()), OFF, lonely, "last", [1], TINY, Silent())
