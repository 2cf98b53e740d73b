"""Structure of the source tree: rooms, import arrows, floors, fan-in and fan-out, and the sizes of files and functions.

A room is a file or a folder directly below the package under inspection; a folder counts as one room. An arrow joins a
room to another that it imports, regardless of the number of imports. The floor of a room is one above the highest room
that it imports. An arrow is upward if it belongs to an import cycle and points to the higher floor; a greedy choice
keeps the number of upward arrows low. Only the syntax of the files is read; generated code and tests are left out.
"""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tagging.tools.options import Format, TableFormat, print_tables

PACKAGES = ("tagging", "recall", "rank")
GROUND = ("tagging.errors", "tagging.types", "tagging.progress", "tagging.text")  # not counted in fan-in
LONG_FILE, LONG_FUNCTION = 300, 50
COLLABORATORS = 5


@dataclass(frozen=True, slots=True)
class Module:
    name: str  # dotted
    lines: int
    imports: frozenset[str]  # modules of this project
    functions: tuple[tuple[str, int], ...]  # name, lines
    constructors: tuple[tuple[str, int], ...]  # class, arguments of __init__


@dataclass(frozen=True, slots=True)
class Graph:
    """Rooms and the rooms that each imports."""

    imports: Mapping[str, frozenset[str]]

    @property
    def arrows(self) -> int:
        return sum(map(len, self.imports.values()))

    def floors_and_upward(self) -> tuple[dict[str, int], list[tuple[str, str]]]:
        """Return the floor of each room, counted from 0, and the upward arrows."""
        floors: dict[str, int] = {}
        upward: list[tuple[str, str]] = []
        while len(floors) < len(self.imports):
            missing = {room: found - floors.keys() for room, found in self.imports.items() if room not in floors}
            placed = [room for room, above in missing.items() if not above]
            if not placed:  # a cycle: place the room that most others need and that itself lacks the fewest
                needed = Counter(above for rooms in missing.values() for above in rooms)
                placed = [max(sorted(missing), key=lambda room: needed[room] - len(missing[room]))]
                upward += [(placed[0], above) for above in sorted(missing[placed[0]])]
            for room in placed:
                floors[room] = 1 + max((floors[below] for below in self.imports[room] if below in floors), default=-1)
        return floors, upward


def read_modules(root: Path) -> dict[str, Module]:
    """Return the modules of the packages under a checkout, by name."""
    paths = {
        name.removesuffix(".__init__"): path
        for package in PACKAGES
        for path in sorted((root / package).rglob("*.py"))
        if (name := ".".join(path.relative_to(root).with_suffix("").parts))
    }
    return {name: _module(name, path, paths.keys()) for name, path in paths.items()}


def _module(name: str, path: Path, known: Iterable[str]) -> Module:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    functions: list[tuple[str, int]] = []
    constructors: list[tuple[str, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions.append((f"{name}.{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1))
        elif isinstance(node, ast.ClassDef):
            constructors += [(f"{name}.{node.name}", _arguments(method)) for method in node.body if _is_init(method)]
    return Module(
        name,
        len(text.splitlines()),
        frozenset(_imports(tree, set(known)) - {name}),
        tuple(functions),
        tuple(constructors),
    )


def _is_init(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "__init__"


def _arguments(method: ast.stmt) -> int:
    assert isinstance(method, ast.FunctionDef)
    return len(method.args.posonlyargs) + len(method.args.args) + len(method.args.kwonlyargs) - 1


def _imports(tree: ast.Module, known: set[str]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if name in known else node.module)
    return found & known


def rooms(modules: Mapping[str, Module], package: str = "") -> Graph:
    """Return the rooms of a package, or of the whole tree with each file and folder of `tagging` as its own room."""
    imports: dict[str, set[str]] = defaultdict(set)
    for module in modules.values():
        if (room := _room(module.name, package)) is None:
            continue
        others = {_room(name, package) for name in module.imports}
        imports[room] |= {other for other in others if other is not None and other != room}
    return Graph({room: frozenset(found) for room, found in imports.items()})


def _room(name: str, package: str) -> str | None:
    if package:
        inside = name.removeprefix(f"{package}.")
        return None if inside == name else inside.split(".")[0]
    top, *rest = name.split(".")
    return top if top != "tagging" else rest[0] if rest else None


def figures(root: Path) -> list[dict[str, object]]:
    """Return the table, one row per figure."""
    modules = read_modules(root)
    top = root / "tagging"
    folders = [path for path in top.iterdir() if path.is_dir() and path.name != "__pycache__"]
    files = [path for path in top.glob("*.py") if path.name != "__init__.py"]
    return [
        {"figure": "modules at the top level of tagging", "value": len(files)},
        {"figure": "folders at the top level of tagging", "value": len(folders)},
        *_graph_rows("", rooms(modules)),
        *_graph_rows("service: ", rooms(modules, "tagging.service")),
        *_fan_rows(modules),
        *_size_rows(modules),
    ]


def _graph_rows(prefix: str, graph: Graph) -> Iterator[dict[str, object]]:
    floors, upward = graph.floors_and_upward()
    yield {"figure": f"{prefix}rooms", "value": len(graph.imports)}
    yield {"figure": f"{prefix}floors", "value": 1 + max(floors.values(), default=-1)}
    yield {"figure": f"{prefix}arrows", "value": graph.arrows}
    named = ", ".join(f"{room} -> {above}" for room, above in upward)
    yield {"figure": f"{prefix}upward arrows", "value": f"{len(upward)} ({named})" if upward else 0}


def _fan_rows(modules: Mapping[str, Module]) -> Iterator[dict[str, object]]:
    importers = {
        name: sum(name in other.imports for other in modules.values())
        for name in modules
        if not name.startswith(GROUND)
    }
    most = max(importers, key=lambda name: importers[name])
    yield {"figure": "highest fan-in", "value": f"{importers[most]} ({most})"}
    widest = max(modules.values(), key=lambda module: len(module.imports))
    yield {"figure": "highest fan-out", "value": f"{len(widest.imports)} ({widest.name})"}


def _size_rows(modules: Mapping[str, Module]) -> Iterator[dict[str, object]]:
    functions = [found for module in modules.values() for found in module.functions]
    name, longest = max(functions, key=lambda found: found[1])
    constructors = [found for module in modules.values() for found in module.constructors]
    class_name, most = max(constructors, key=lambda found: found[1])
    long_files = sorted(module.name for module in modules.values() if module.lines > LONG_FILE)
    tools = ("benchmarks", "distil", "starter", "service.bench")  # former places of developer tooling
    yield {"figure": f"files over {LONG_FILE} lines", "value": _counted(long_files)}
    yield {
        "figure": f"functions over {LONG_FUNCTION} lines",
        "value": _counted([name for name, lines in functions if lines > LONG_FUNCTION]),
    }
    yield {"figure": "longest function", "value": f"{longest} lines ({name})"}
    yield {"figure": "most constructor arguments", "value": f"{most} ({class_name})"}
    yield {
        "figure": f"constructors with over {COLLABORATORS} arguments",
        "value": _counted([name for name, count in constructors if count > COLLABORATORS]),
    }
    yield {"figure": "lines of source", "value": sum(module.lines for module in modules.values())}
    inside = [m for m in modules.values() if m.name.startswith(tuple(f"tagging.{tool}" for tool in tools))]
    yield {
        "figure": "lines of developer tooling outside tagging/tools",
        "value": sum(module.lines for module in inside) + getattr(modules.get("recall.bench"), "lines", 0),
    }


def _counted(names: list[str]) -> str | int:
    return f"{len(names)} ({', '.join(names)})" if names else 0


def command(
    root: Annotated[Path, typer.Argument(metavar="CHECKOUT", help="Folder with tagging, recall and rank.")] = Path(),
    form: Format = TableFormat.table,
) -> None:
    """Print the structure of the source tree."""
    print_tables({"structure": figures(root)}, form)
