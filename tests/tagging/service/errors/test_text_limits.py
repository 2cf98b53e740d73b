import pytest

from tagging.service.errors.text_limits import sendable, shortened


@pytest.mark.parametrize("text", ["", "plain", "日本 🎬", "a\0b", "\u202e\ufeff\U0010ffff\ufffe"])
def test_valid_utf8_is_unchanged(text: str) -> None:
    assert sendable(text) == text


def test_a_lone_surrogate_is_escaped() -> None:
    assert sendable("clip-\udcff.mp4 \ud83c") == r"clip-\udcff.mp4 \ud83c"


@pytest.mark.parametrize("text", ["a" * 50, "é" * 50, "語" * 50, "🎬" * 50, "\udcff" * 50, "aé語🎬\udcff" * 10])
@pytest.mark.parametrize("most", [3, 4, 5, 6, 7, 20, 49, 50])
def test_a_text_is_cut_to_a_number_of_bytes_but_never_inside_a_character(text: str, most: int) -> None:
    short = shortened(text, most)
    assert len(short.encode("utf-8")) <= most
    assert short == text or short.endswith("…")
    assert sendable(text).startswith(short.removesuffix("…"))
    longer = len(short.removesuffix("…")) + 1
    assert short == text or len(sendable(text)[:longer].encode("utf-8")) > most - 3, "it could say more"
