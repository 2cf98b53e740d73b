"""A tagger whose tags are edited, one request after another, as the service edits them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tagging.bundle.manifest import BUNDLE
from tagging.pipeline.class_links import load_linker
from tagging.pipeline.tag_overlay import TagOverlay
from tagging.pipeline.tagger import Tagger
from tagging.tags.catalog import TagCatalog
from tagging.tags.edits.catalog_index import CatalogIndex
from tagging.tags.edits.edit_batch import EditBatch
from tagging.tags.edits.history import EditHistory
from tagging.types import Numbered, RankedTag, RankedTags, VideoRef


class Desk:
    """A tagger whose tags are edited."""

    def __init__(self, tagger: Tagger, bundle: Path) -> None:
        self.first = self.tagger = tagger
        catalog = TagCatalog.load(bundle / "catalog.parquet")
        linker = partial(load_linker, bundle, BUNDLE.read(bundle), tagger.models.encoders, catalog)
        self.overlay = TagOverlay(tagger.models, linker)
        self.history = EditHistory.over(CatalogIndex(catalog))

    def do(self, ask: Callable[[EditBatch], Any]) -> None:
        change = EditBatch(self.history.tags, self.history.last + 1)
        ask(change)
        first = self.history.last + 1
        self.history = self.history.then([Numbered(first + n, edit) for n, edit in enumerate(change.edits)])
        self.tagger = self.first.with_models(self.overlay.edited(self.history.tags))

    def undo(self, number: int) -> None:
        self.history = self.history.without(number)
        self.tagger = self.first.with_models(self.overlay.edited(self.history.tags))

    def id(self, spelling: str) -> str:
        row = self.history.tags.find_spelling(spelling)
        assert row is not None
        return self.history.tags.id_of(row)

    def answer(self, title: str, uri: str | None = None) -> RankedTags:
        return answer(self.tagger, VideoRef("q", uri, title))

    def tag(self, name: str, title: str) -> RankedTag:
        [tag] = [tag for tag in self.answer(title).tags if tag.name == name]
        return tag

    def names(self, title: str) -> list[str]:
        return [tag.name for tag in self.answer(title).tags]


def answer(tagger: Tagger, video: VideoRef) -> RankedTags:
    return tagger.tag(video, tagger.selection(50).model_copy(update={"min_confidence": 0.0}))
