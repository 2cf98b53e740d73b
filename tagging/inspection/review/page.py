"""HTML page of a review: drawn by scripts from what the server answers, under a Content-Security-Policy."""

from dataclasses import dataclass
from importlib.resources import files

from tagging.inspection.page.document import content_security_policy, inline_document, one_scope, read_asset

STYLES, OWN_STYLES = ("page.css",), ("review.css",)
SCRIPTS, OWN_SCRIPTS = ("dom.js", "words.js"), ("server.js", "video.js", "tags.js", "add.js", "review.js")
CONNECT = "'self'"


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """The page, equal for every video."""

    html: bytes
    policy: str  # for the header; unlike the element in the page, it can forbid frames


def review_page() -> ReviewPage:
    """Return the page."""
    style = "\n".join([*map(read_asset, STYLES), *map(_own_asset, OWN_STYLES)])
    script = one_scope([*map(read_asset, SCRIPTS), *map(_own_asset, OWN_SCRIPTS)])
    policy = content_security_policy(style, script, CONNECT)
    document = inline_document("Review · videotag", style, script, {}, CONNECT)
    return ReviewPage(document.encode("utf-8"), f"{policy}; frame-ancestors 'none'")


def _own_asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")
