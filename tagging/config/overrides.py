"""TOML files that override a branch of the configuration which is no part of a bundle."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from tagging.config.base import Branch, first_fault
from tagging.errors import InvalidConfigError

AnyBranch = TypeVar("AnyBranch", bound=Branch)


def overridden(config: AnyBranch, paths: Sequence[Path]) -> AnyBranch:
    """Return the configuration with the values of TOML files; later files override earlier ones.

    Raises InvalidConfigError, which names the first invalid key.
    """
    for path in paths:
        try:
            over = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InvalidConfigError(f"cannot read {path}: {error}") from error
        tree: dict[str, Any] = config.model_dump()
        for key, value in over.items():
            below = tree.get(key)
            tree[key] = {**below, **value} if isinstance(below, dict) and isinstance(value, dict) else value
        try:
            config = type(config).model_validate(tree)
        except ValidationError as error:
            raise InvalidConfigError(f"{path}: {first_fault(error)}") from error
    return config
