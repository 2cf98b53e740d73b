import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from tagging.errors import InvalidConfigError
from tagging.store.database.address import address_of
from tagging.store.database.config import DatabaseConfig
from tests.support.database_records import database_at

SECRET = "hunter2"


def test_a_file_is_shown_by_its_path() -> None:
    address = address_of(database_at("sqlite:////var/lib/videotag.db"))
    assert (address.display_name, str(address.file)) == ("/var/lib/videotag.db", "/var/lib/videotag.db")
    assert address_of(database_at("sqlite:///here.db")).display_name == "here.db"


def test_the_default_is_a_file_in_the_videotag_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIDEOTAG_HOME", str(tmp_path / "100%?#"))
    address = address_of(DatabaseConfig())
    assert address.file == Path(address.display_name) == tmp_path / "100%?#" / "service" / "videotag.db"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_a_server_is_shown_without_user_and_password(scheme: str) -> None:
    address = address_of(database_at(f"{scheme}://me:{SECRET}@db.example.com:5433/tags?sslmode=verify-full"))
    assert address.display_name == "db.example.com:5433/tags"
    assert address.file is None
    assert (address.url.password, address.url.query, address.arguments["ssl"]) == (SECRET, {}, "verify-full")


def test_only_reserved_characters_of_a_password_must_be_escaped() -> None:
    assert address_of(database_at("postgresql://me:%40%3A/?#%25@host/tags")).url.password == "@:/?#%"


def test_a_socket_is_configured_by_its_folder() -> None:
    address = address_of(database_at("postgresql://me@/tags?host=/run/postgresql"))
    assert address.display_name == "/run/postgresql:5432/tags"


@pytest.mark.parametrize(
    "url",
    [
        "",
        SECRET,
        f"postgresql:/{SECRET}",
        f"mysql://me:{SECRET}@host/tags",
        f"postgresql+psycopg://me:{SECRET}@host/tags",
        f"postgresql://me:{SECRET}@host/",
        f"postgresql://me:pass:{SECRET}/{SECRET}",
        f"postgresql://me:word@{SECRET}@host/tags",  # not escaped: the host would be half the password
        f"postgresql://me@host:{SECRET}/tags",
        f"postgresql://me@host/tags?password={SECRET}",
        f"postgresql://me@host/tags?{SECRET}=1",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file.db?mode=ro",
        f"sqlite://{SECRET}/file.db",
    ],
)
def test_an_unusable_url_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        address_of(database_at(url))
    assert "postgresql://USER:PASSWORD@" in caught.value.hint
    assert SECRET not in "".join(traceback.format_exception(caught.value)).replace(__file__, "")


def test_a_configuration_does_not_show_its_url() -> None:
    config = database_at(f"postgresql://me:{SECRET}@host/tags")
    texts = [repr(config), str(config), config.model_dump_json(), repr(config.model_dump())]
    for wrong in ({"url": [SECRET]}, {"url": SECRET, "connections": 0}, {"url": SECRET, "colour": SECRET}):
        with pytest.raises(ValidationError) as caught:
            DatabaseConfig.model_validate(wrong)
        texts.append(str(caught.value))
    assert SECRET not in "".join(texts)
