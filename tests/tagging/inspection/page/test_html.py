"""The page as a file: its data are the explanation's, and its size is bounded."""

import json
import re
from typing import Any

import numpy as np

from tagging.inspection.page.html import DATA_BYTES, MAX_BYTES, html_page
from tagging.inspection.page.pictures import FRAMES_BYTES
from tagging.types import Frames, MediaSample, Sound
from tests.support.encoders import noise
from tests.support.explanations import beach_explanation, beach_media, beach_questions, many_tags, title_explanation


def data_of(page: str) -> dict[str, Any]:
    [block] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    found: dict[str, Any] = json.loads(block)
    return found


def test_the_data_are_those_of_the_explanation_and_the_media() -> None:
    explanation = beach_explanation()
    data = data_of(html_page(explanation, beach_media(), beach_questions()))
    shown = data["explanation"]
    assert shown["video"]["title"] == explanation.video.title
    assert [tag["name"] for tag in shown["tags"]] == [tag.name for tag in explanation.tags]
    assert shown["tags"][0]["spans"][0] == {"start_s": 3.0, "end_s": 7.5, "modality": "frames", "strength": 0.71}
    assert [passage["text"] for passage in shown["looked_at"]["passages"]["screen"]] == ["BEACH CLUB"]
    assert shown["channels"][1]["voters"][0]["tags"] == ["puppy", "dog", "sea"]
    assert [question["query"] for question in data["questions"]] == ["beach", "zebra"]
    assert len(data["frames"]) == data["frame_count"] == 8
    assert data["spectrogram"]["duration_s"] == 12.0
    assert data["cuts"] == []


def test_a_video_without_media_has_no_pictures() -> None:
    data = data_of(html_page(title_explanation("How to tune a guitar"), None, ()))
    assert (data["frames"], data["spectrogram"]) == ([], None)


def test_the_tab_is_named_after_the_title_or_the_video() -> None:
    assert "<title>A &amp; B · videotag</title>" in html_page(title_explanation(" A & B "), None, ())
    assert "<title>title-1 · videotag</title>" in html_page(title_explanation(""), None, ())


def test_the_largest_page_stays_within_its_bound() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 480, 640, 3), np.uint8)
    media = MediaSample("0" * 64, 60.0, Frames(pixels, np.arange(16.0)), Sound(noise(60.0).samples))
    text = "ñ<&" * 200_000
    explanation = title_explanation(text, many_tags(5_000), text)
    page = html_page(explanation, media, beach_questions() * 1_000)
    assert len(page.encode()) <= MAX_BYTES
    cuts = {cut["field"]: cut for cut in data_of(page)["cuts"]}
    assert cuts["Explanation.tags"]["total"] == 5_000
    assert cuts["VideoRef.description"]["total"] == len(text)
    assert len(data_of(page)["explanation"]["tags"]) == cuts["Explanation.tags"]["shown"]


def test_the_bound_is_the_sum_of_its_parts() -> None:
    spectrogram = 120_000  # tests/tagging/inspection/page/test_pictures.py
    assets = len(html_page(title_explanation("x"), None, ()).encode())
    assert DATA_BYTES + FRAMES_BYTES + spectrogram + assets <= MAX_BYTES
