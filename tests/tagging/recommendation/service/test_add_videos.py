"""Addition of new videos to the database."""

from pathlib import Path

import pytest

from tagging.errors import DatabaseMismatchError, InvalidManifestError
from tagging.recommendation.service import add_videos as add_module
from tagging.recommendation.two_towers.manifest import TWO_TOWERS
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.migrate import migrate
from tagging.store.database.video_vectors import VideoVectors
from tests.support.watching import TINY
from tests.tagging.recommendation.service.conftest import add

pytestmark = pytest.mark.anyio


async def stored(model: Path, config: DatabaseConfig) -> list[str]:
    database = Database(config)
    page = await VideoVectors(database, TWO_TOWERS.read(model).version, TINY.width).after(0, 1000)
    await database.close()
    return [] if page is None else list(page.video_ids)


async def test_a_video_of_the_training_is_refused_with_all_others(
    trained: Path, sqlite: DatabaseConfig, tmp_path: Path
) -> None:
    await migrate(sqlite)
    with pytest.raises(InvalidManifestError, match="'v3' is in"):
        await add(trained, sqlite, tmp_path, {"a": ["group 1"], "v3": ["group 2"]})
    assert await stored(trained, sqlite) == []


@pytest.mark.parametrize("video_id", ["a\nb", "x" * 257])
async def test_an_id_that_no_request_can_state_is_refused_with_all_others(
    trained: Path, sqlite: DatabaseConfig, tmp_path: Path, video_id: str
) -> None:
    await migrate(sqlite)
    with pytest.raises(InvalidManifestError, match="could be recommended, but not be stated as watched"):
        await add(trained, sqlite, tmp_path, {"a": ["group 1"], video_id: ["group 2"]})
    assert await stored(trained, sqlite) == []


async def test_a_repeated_addition_changes_nothing(trained: Path, sqlite: DatabaseConfig, tmp_path: Path) -> None:
    await migrate(sqlite)
    reports = [await add(trained, sqlite, tmp_path, {"a": ["group 1"], "b": ["group 2"]}) for _ in range(2)]
    assert reports[0] == reports[1]
    assert await stored(trained, sqlite) == ["a", "b"]


async def test_a_database_without_tables_is_refused_before_any_work(
    trained: Path, sqlite: DatabaseConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(add_module, "encode_new_videos", None)
    with pytest.raises(DatabaseMismatchError, match="there is no database"):
        await add(trained, sqlite, tmp_path, {"a": ["group 1"]})
