"""`videotag service`: tokens and migrations."""

import json
import sqlite3
from pathlib import Path

from typer.testing import CliRunner

from tagging.cli.main import app
from tagging.service.clients.tokens import token_sha256


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["service", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def tables(file: Path) -> set[str]:
    with sqlite3.connect(file) as connection:
        found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    return found


def test_a_token_comes_with_the_hash_that_a_clients_file_lists() -> None:
    first, second = (json.loads(run("token", "--format", "json")) for _ in range(2))
    assert first["sha256"] == token_sha256(first["token"])
    assert first["token"] != second["token"]


def test_a_database_is_migrated_and_reverted_and_reverting_needs_a_confirmation(tmp_path: Path) -> None:
    file = tmp_path / "service.db"
    url = f"sqlite:///{file}"
    run("migrate", "--database", url)
    run("migrate", "--database", url)  # again: nothing to do
    migrated = tables(file)
    assert "taggings" in " ".join(migrated)
    assert "--yes" in run("revert", "base", "--database", url, code=2)
    assert tables(file) == migrated
    run("revert", "base", "--yes", "--database", url)
    assert not tables(file) & (migrated - {"videotag_revision", "sqlite_sequence"})


def test_the_database_of_the_services_file_is_the_one_that_is_migrated(tmp_path: Path) -> None:
    (tmp_path / "service.toml").write_text(f'[database]\nurl = "sqlite:///{tmp_path}/other.db"\n')
    run("migrate", "--config", str(tmp_path / "service.toml"))
    assert tables(tmp_path / "other.db")
