"""Conditions of `worth`: topics beside the creators' tags, and predicted tags in their place."""

from pathlib import Path

from tagging.manifests.read import read_labelled
from tagging.progress import Silent
from tagging.recommendation.tables import Catalog
from tagging.recommendation.two_towers.worth import Extras, extra_conditions
from tagging.store.features import FeatureStore
from tagging.types import VideoEmbeddings
from tests.tagging.topics.conftest import fitted, pool_manifest, text_bundle

__all__ = ["fitted", "pool_manifest", "text_bundle"]


def test_topics_and_predicted_tags_are_tags_of_the_same_videos(
    fitted: Path, pool_manifest: Path, text_bundle: Path, tmp_path: Path
) -> None:
    [video] = list(read_labelled([pool_manifest], {}))[:1]
    catalog = Catalog([video], [VideoEmbeddings({}, title=video.video.title)])
    conditions = extra_conditions(catalog, Extras(fitted, text_bundle), FeatureStore(tmp_path / "f"), Silent())
    tags = {name: condition.catalog.videos[0].tags for name, condition in conditions.items()}
    assert tags["creators' tags + topics"] == (*video.tags, *tags["topics"])
    assert tags["topics"]
    assert all(name.startswith("topic") for name in tags["topics"])
    assert tags["predicted tags"]
    assert {condition.catalog.videos[0].video for condition in conditions.values()} == {video.video}
