"""Values flow one way; so do imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
VALUES = {"tagging.types", "tagging.errors", "tagging.config", "tagging.words"}
TOOLS = {
    "tagging.store.atomic",  # how anything is written whole, which an index that grows must be
    "tagging.store.tensors",  # how weights are read, which must not be mapped
    "tagging.store.trees",  # how trees are read, which must be whole
    "tagging.progress",  # how long work is told
    "tagging.device",  # what torch computes on
    "tagging.splits",  # how uploaders are kept together
}


def imported(path: Path) -> set[str]:
    """Modules that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def own(names: set[str], package: str) -> set[str]:
    return {name for name in names if name.split(".")[0] == package}


@pytest.mark.parametrize(("package", "other"), [("recall", "rank"), ("rank", "recall")])
def test_recall_and_rank_know_the_values_and_not_each_other(package: str, other: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        names = imported(path)
        assert not own(names, other), f"{path} imports {own(names, other)}"
        foreign = {n for n in own(names, "tagging") if not any(n == v or n.startswith(f"{v}.") for v in VALUES | TOOLS)}
        assert foreign <= {"tagging"}, f"{path} imports {foreign}"


def test_only_the_joining_modules_of_tagging_know_recall_or_rank() -> None:
    modules = (
        "pipeline",
        "recaller",
        "learning",
        "indexed",
        "training",
        "additions",
        "editing",
        "folding",
        "evaluation",
        "benchmarks/times",
        "lessons",
        "ranking",
        "systems",
        "trust",
        "rehearsal",
        "ablation",
        "audit",
    )
    joining = {f"tagging/{module}.py" for module in modules}
    for path in sorted((ROOT / "tagging").rglob("*.py")):
        names = imported(path)
        if own(names, "recall") or own(names, "rank"):
            assert path.relative_to(ROOT).as_posix() in joining


def test_the_values_import_only_the_standard_library_and_numpy() -> None:
    for name in ("types", "errors"):
        names = imported(ROOT / "tagging" / f"{name}.py")
        assert {n.split(".")[0] for n in names} <= {"numpy", "dataclasses", "typing", "collections"}


def test_only_the_service_knows_the_messages_of_its_clients() -> None:
    for package in ("tagging", "recall", "rank"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if not path.relative_to(ROOT).as_posix().startswith("tagging/service/"):
                assert not own(imported(path), "videotag"), path


def test_nothing_but_the_command_line_prints_or_knows_the_terminal() -> None:
    for package in ("tagging", "recall", "rank"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if not path.relative_to(ROOT).as_posix().startswith("tagging/cli/"):
                assert not {n.split(".")[0] for n in imported(path)} & {"typer", "rich"}, path
