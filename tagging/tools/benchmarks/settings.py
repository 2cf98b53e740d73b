"""Settings file of a resumable run, so that results of different settings never mix in one folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tagging.errors import OutputExistsError
from tagging.files.atomic import atomic_text_file


def keep_settings(path: Path, settings: Mapping[str, Any], hint: str) -> None:
    """Write the settings as JSON, or compare them with those of an earlier run in the same folder.

    Raises OutputExistsError with the names of the settings that differ, and the hint.
    """
    if not path.exists():
        with atomic_text_file(path) as file:
            json.dump(settings, file, indent=1, ensure_ascii=False)
        return
    kept = json.loads(path.read_text(encoding="utf-8"))
    changed = [name for name in settings if settings[name] != kept.get(name)]
    if changed:
        raise OutputExistsError(f"{path} belongs to a run with another value of {', '.join(changed)}", hint)
