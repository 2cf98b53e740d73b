"""Default paths of videotag's data: $VIDEOTAG_HOME, or the user's data folder."""

import os
from pathlib import Path

from platformdirs import user_data_path

from tagging.errors import InvalidConfigError


def home() -> Path:
    stated = os.environ.get("VIDEOTAG_HOME")
    if not stated:
        return user_data_path("videotag")
    try:
        return Path(stated).expanduser()
    except RuntimeError as error:
        raise InvalidConfigError(f"VIDEOTAG_HOME={stated}: {error}") from error


def features() -> Path:
    """The feature store that trainings share: features are known by content, so they never mix."""
    return home() / "features"


def converted() -> Path:
    """Networks that were converted for OpenVINO; whatever is missing is converted again."""
    return home() / "openvino"


def database() -> Path:
    """The file of a service to which no other database was named."""
    return home() / "service" / "videotag.db"


def quickstart() -> Path:
    return home() / "quickstart"


def default_bundle() -> Path:
    """The default bundle of every command: the starter bundle in the package."""
    return Path(__file__).parent / "starter" / "bundle"
