"""Fixtures that every part of the suite shares."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real videos and tables that live beside the checkout and are never shipped with it."""
    data = SHARED / "data"
    if not data.is_dir():
        pytest.skip("the real data folder beside the checkout is missing")
    return data
