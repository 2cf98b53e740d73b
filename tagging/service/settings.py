"""What a service is configured by: a TOML file, read once when it starts."""

import tomllib
from pathlib import Path

from pydantic import PositiveFloat, PositiveInt, ValidationError

from tagging.config import AdmissionConfig, Branch, DatabaseConfig, ListenConfig, ObserveConfig, SourcesConfig
from tagging.errors import InvalidConfigError


class ServiceConfig(Branch):
    listen: ListenConfig = ListenConfig()
    admission: AdmissionConfig = AdmissionConfig()
    bundles: Path | None = None  # the folder whose bundles may be activated
    follow_s: PositiveFloat = 0.5  # between looks for what other processes wrote into the database
    drain_s: PositiveFloat = 30.0  # for the calls that are running when it is told to stop
    shadow_waiting: PositiveInt = 32  # videos for the shadow bundle; more are left out and counted
    database: DatabaseConfig = DatabaseConfig()
    sources: SourcesConfig = SourcesConfig()
    observe: ObserveConfig = ObserveConfig()


def read_settings(path: Path | None) -> ServiceConfig:
    """Those of a file, or the defaults; InvalidConfigError names the file and the key that is wrong."""
    if path is None:
        return ServiceConfig()
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidConfigError(f"{path} cannot be read: {error}", "it is TOML, in UTF-8") from error
    try:
        return ServiceConfig.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InvalidConfigError(f"{path}: {key}: {first['msg']}") from error


def listening(config: ListenConfig, address: str) -> ListenConfig:
    """The same at another address; InvalidConfigError for what is none."""
    try:
        return ListenConfig.model_validate({**config.model_dump(), "address": address})
    except ValidationError as error:
        raise InvalidConfigError(f"{address!r} is no HOST:PORT", "as 127.0.0.1:50051 or [::1]:50051") from error
