"""HTML page of a topic model: a map of its topics with their sizes, rise and fall, and example titles, in one file.

The assets of the inspection page, with those of this one.
"""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from tagging.inspection.page.document import inline_document, json_block, one_scope, read_asset
from tagging.inspection.page.values import Cutter, fitted
from tagging.topics.model import TopicGroup
from tagging.topics.page.layout import place_circles
from tagging.topics.trend_report import TopicChange, TrendReport
from tagging.types import FloatRows

DATA_BYTES = 5_000_000
STYLES, OWN_STYLES = ("page.css",), ("map.css",)
SCRIPTS, OWN_SCRIPTS = ("dom.js",), ("trends.js", "circles.js", "list.js", "details.js", "map.js")


def html_map(report: TrendReport, groups: Sequence[TopicGroup], centres: FloatRows) -> str:
    """Return a page of the topics of a report.

    centres: (K, W) in the order of `report.changes`; examples and long texts are cut where the data exceed DATA_BYTES
    """
    circles = place_circles(centres, np.array([change.topic.videos for change in report.changes], np.int64))
    drawn = [{"x": x, "y": y, "radius": radius} for x, y, radius in circles.round(5).tolist()]

    def make(cutter: Cutter) -> dict[str, Any]:
        data = {
            "version": report.version,
            "previous": report.previous,
            "notes": list(report.notes),
            "topics": [
                {**_topic(cutter, change, groups), **circle}
                for change, circle in zip(report.changes, drawn, strict=True)
            ],
            "ended": [cutter.value(topic, "ended") for topic in report.ended],
        }
        return data | {"cuts": [cutter.value(cut, "Cut") for cut in cutter.cuts.values()]}

    data: dict[str, Any] = fitted(make, lambda data: len(json_block(data).encode("utf-8")) <= DATA_BYTES)
    style = "\n".join([*map(read_asset, STYLES), *map(_own_asset, OWN_STYLES)])
    script = one_scope([*map(read_asset, SCRIPTS), *map(_own_asset, OWN_SCRIPTS)])
    return inline_document(f"Topics {report.version} · videotag", style, script, data)


def _topic(cutter: Cutter, change: TopicChange, groups: Sequence[TopicGroup]) -> dict[str, Any]:
    found: dict[str, Any] = cutter.value(change, "change")
    topic = found.pop("topic")
    return {**topic, **found, "group": cutter.value(groups[change.topic.group].name, "group")}


def _own_asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")
