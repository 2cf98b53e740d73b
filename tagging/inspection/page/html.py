"""HTML page of an explanation: frames, sound, words, channels and stages, in one file without network access."""

from collections.abc import Sequence
from typing import Any

from tagging.inspection.explanation import Explanation, TagQuestion
from tagging.inspection.page.document import html_document, json_block
from tagging.inspection.page.pictures import spectrogram, thumbnails
from tagging.inspection.page.values import Cutter, fitted
from tagging.types import MediaSample

MAX_BYTES = 3_000_000
DATA_BYTES = 1_500_000  # without pictures, which have at most FRAMES_BYTES and about 100 kB of spectrogram

STYLES = ("page.css",)
SCRIPTS = (
    "dom.js", "subjects.js", "words.js", "stages.js", "timeline.js", "figures.js", "neighbours.js", "search.js",
    "page.js",
)  # fmt: skip


def html_page(explanation: Explanation, media: MediaSample | None, questions: Sequence[TagQuestion]) -> str:
    """Return a page of at most MAX_BYTES that shows an explanation.

    media: the decoded video; None: no frames and no sound are shown
    questions: tags whose reasons and ablations were computed; the page opens with the first of them
    """
    data = _page_data(explanation, questions) | _picture_data(media)
    title = explanation.video.title.strip() or explanation.video.video_id
    return html_document(f"{title[:200]} · videotag", STYLES, SCRIPTS, data)


def _page_data(explanation: Explanation, questions: Sequence[TagQuestion]) -> dict[str, Any]:
    """Return the explanation as JSON values that take at most DATA_BYTES."""

    def make(cutter: Cutter) -> dict[str, Any]:
        data = {
            "explanation": cutter.value(explanation, "Explanation"),
            "questions": cutter.value(tuple(questions), "questions"),
        }
        return data | {"cuts": [cutter.value(cut, "Cut") for cut in cutter.cuts.values()]}

    def fits(data: dict[str, Any]) -> bool:
        return len(json_block(data).encode("utf-8")) <= DATA_BYTES

    found: dict[str, Any] = fitted(make, fits)
    return found


def _picture_data(media: MediaSample | None) -> dict[str, Any]:
    if media is None:
        return {"frames": [], "frame_count": 0, "spectrogram": None}
    shown = () if media.frames is None else thumbnails(media.frames)
    sound = None if media.sound is None else spectrogram(media.sound)
    return {
        "frames": [{"time_s": frame.time_s, "uri": frame.uri} for frame in shown],
        "frame_count": 0 if media.frames is None else len(media.frames.pixels),
        "spectrogram": None if sound is None else {"duration_s": round(sound.duration_s, 3), "uri": sound.uri},
    }
