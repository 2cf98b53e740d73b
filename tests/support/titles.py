"""Made-up titles, their tags and uploaders."""

import json
import string
from pathlib import Path

import numpy as np

Table = tuple[list[str], list[list[str]], list[str]]


def invented(rng: np.random.Generator) -> str:
    """Return a made-up name."""
    letters = rng.choice(list(string.ascii_lowercase), int(rng.integers(4, 9)))
    return "".join(letters).capitalize()


def songs(count: int, uploaders: int, seed: int) -> Table:
    """Titles "Artist - Song (Official Video)": artist and song are tags, and "<artist> lyrics"; the rest never is."""
    rng = np.random.default_rng(seed)
    titles, tags, owners = [], [], []
    for number in range(count):
        artist, song = invented(rng), f"{invented(rng)} {invented(rng)}"
        titles.append(f"{artist} - {song} (Official Video)")
        tags.append([artist.lower(), song, f"{artist} lyrics", "music"])
        owners.append(f"u{number % uploaders}")
    return titles, tags, owners


def write_titles(path: Path, table: Table) -> Path:
    """Write a manifest of titles."""
    rows = [
        {"video_id": f"t{number}", "title": title, "tags": list(tags), "uploader_id": uploader}
        for number, (title, tags, uploader) in enumerate(zip(*table, strict=True))
    ]
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
    return path


def mixed() -> Table:
    """Words and tags that uploaders share, and some of their own."""
    rng = np.random.default_rng(4)
    words = [invented(rng) for _ in range(12)]
    titles, tags, owners = [], [], []
    for number in range(200):
        chosen = rng.choice(words, 4)
        titles.append(f"{chosen[0]} {chosen[1]} | {chosen[2]} é {chosen[3]}")
        tags.append(
            [chosen[0], f"{chosen[0]} {chosen[1]}", f"{chosen[2]} lyrics", f"best {chosen[1]}", f"own{number % 20}"]
        )
        owners.append(f"u{number % 20}")
    return titles, tags, owners
