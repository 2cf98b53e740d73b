"""Where videotag keeps what it makes when no place is given: $VIDEOTAG_HOME, or the user's data folder."""

import os
from pathlib import Path

from platformdirs import user_data_path


def home() -> Path:
    stated = os.environ.get("VIDEOTAG_HOME")
    return Path(stated).expanduser() if stated else user_data_path("videotag")


def features() -> Path:
    """The feature store that trainings share: features are known by content, so they never mix."""
    return home() / "features"


def quickstart() -> Path:
    return home() / "quickstart"


def default_bundle() -> Path:
    """The bundle of commands without `--bundle`: the one `videotag quickstart` makes."""
    return quickstart() / "bundle"
