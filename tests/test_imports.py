"""Import direction: each package may import only the packages listed for it, so values flow one way.

The table is the architecture (ARCHITECTURE.md draws it). A package is a folder, named by its path; the modules directly
under `tagging/` and `protos/` stand for themselves.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

ROOT = REPOSITORY

GROUND = {
    "types", "errors", "ragged", "bert", "text", "messages", "splits", "paths", "progress", "torch_tools",
    "concurrency",
}  # fmt: skip
VALUES = {"files", "config", "tags", "media", "manifests"}
STAGES = {"features", "recall", "rank"}

# package -> packages it may import beside itself, GROUND and the standard library; every other import is upward.
ALLOWED: dict[str, set[str]] = {
    "files": set(),
    "config": {"files"},
    "manifests": {"files"},
    "tags": {"files", "config"},
    "media": {"files", "config"},
    "store": {"files", "config", "tags"},
    "features": {*VALUES, "store"},
    "recall": {"files", "config"},
    "rank": {"files", "config"},
    "bundle": {*VALUES, "store", *STAGES},
    "pipeline": {*VALUES, "store", *STAGES, "bundle"},
    "triton": {*VALUES, *STAGES, "bundle", "pipeline"},
    "jobs": {*VALUES, "store", "features", "bundle", "pipeline"},
    "maintenance": {*VALUES, "store", *STAGES, "bundle", "pipeline"},
    "inspection": {*VALUES, "store", *STAGES, "bundle", "pipeline"},
    "service": {*VALUES, "store", "features", "bundle", "pipeline", "inspection", "videotag"},
    "training": {*VALUES, "store", *STAGES, "bundle", "pipeline", "maintenance"},
    "evaluation": {*VALUES, "store", *STAGES, "bundle", "pipeline", "maintenance", "training"},
    "topics": {*VALUES, "store", *STAGES, "bundle", "pipeline", "inspection", "service", "videotag"},
    "recommendation": {*VALUES, "store", *STAGES, "bundle", "pipeline", "topics", "service", "videotag"},
    "quickstart": {*VALUES, "store", "bundle", "pipeline", "training", "evaluation"},
    "bench": {*VALUES, "store", *STAGES, "bundle", "pipeline", "jobs", "training", "quickstart"},
    "cli": {
        *VALUES, "store", "features", "rank", "bundle", "pipeline", "triton", "jobs", "maintenance", "inspection",
        "service", "training", "evaluation", "topics", "recommendation", "quickstart", "bench",
    },
    "tools": {
        *VALUES, "store", *STAGES, "bundle", "pipeline", "jobs", "maintenance", "inspection", "service", "training",
        "evaluation", "topics", "recommendation", "bench", "cli", "videotag",
    },
}  # fmt: skip


def package_of(module: str) -> str | None:
    """The package of a module of this project, None for others: "tagging.service.api.servicer" is in "service"."""
    top, *rest = module.split(".")
    if top in ("recall", "rank", "videotag"):
        return top
    return rest[0] if top == "tagging" and rest else None


def sources() -> Iterator[tuple[str, Path]]:
    """Each module's package and file."""
    for top in ("tagging", "recall", "rank"):
        for path in sorted((ROOT / top).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if (package := package_of(module)) is not None and package != "__init__":
                yield package, path


def imported(path: Path) -> set[str]:
    """The modules that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names.update([f"{module}.{alias.name}" for alias in node.names] if module == "tagging" else [module])
    return names


def test_the_table_names_every_package_and_no_other() -> None:
    packages = {package for package, _ in sources()}
    assert packages == ALLOWED.keys() | GROUND


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    allowed = ALLOWED[package] | GROUND | {package}
    upward = {
        f"{path.relative_to(ROOT)} imports {name}"
        for owner, path in sources()
        if owner == package
        for name in imported(path)
        if (found := package_of(name)) is not None and found not in allowed
    }
    assert not upward


def test_the_ground_modules_import_no_package() -> None:
    for package, path in sources():
        if package in GROUND:
            found = {package_of(name) for name in imported(path)} - {None}
            assert found <= GROUND, f"{path.relative_to(ROOT)} imports {found - GROUND}"


def test_the_table_has_no_circle() -> None:
    remaining = {name: set(below) & ALLOWED.keys() for name, below in ALLOWED.items()}
    while remaining:
        leaves = {name for name, below in remaining.items() if not below}
        assert leaves, f"a circle among {sorted(remaining)}"
        remaining = {name: below - leaves for name, below in remaining.items() if name not in leaves}


def test_the_values_import_only_the_standard_library_and_numpy() -> None:
    standard = {"numpy", *sys.stdlib_module_names}
    for name in ("types", "errors", "ragged", "text/characters", "text/normalise"):
        own = {"tagging.types", "tagging.text.characters", "tagging.text.normalise"}
        names = imported(ROOT / "tagging" / f"{name}.py") - own
        assert {found.split(".")[0] for found in names} <= standard


def test_only_command_lines_print_or_know_the_terminal() -> None:
    for package, path in sources():
        if package not in ("cli", "tools"):
            assert not {name.split(".")[0] for name in imported(path)} & {"typer", "rich"}, path


def test_the_top_level_of_tagging_stays_small() -> None:
    modules = {path.stem for path in (ROOT / "tagging").glob("*.py")} - {"__init__"}
    assert modules | {"text"} == GROUND
    assert len(modules) <= 10
