"""Paths that tests need: the checkout, and the data folder next to it."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared"
