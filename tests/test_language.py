"""Language rules of CONTRIBUTING.md, as far as a pattern can state them: prose in standard English, nouns as names."""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = ("tagging", "recall", "rank", "protos", "tests", ".ci")
THIS = Path(__file__).relative_to(ROOT)
PROSE = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "SECURITY.md", "GLOSSARY.md", "pyproject.toml")]

IDIOMS = {
    "name the role (caller, client, operator)": r"\b([Nn]obody|[Ss]omebody|[Aa]nybody|[Ww]hoever)\b",
    "an unexpected error": r"\bfore(saw|seen|sees)\b",
    "report, return, raise or log": r"\b(is|are|was|were|be|being|been) told\b",
    "continue": r"\b(goes|go|went|going) on\b(?! to)",
    "undo or revert": r"\b(take|takes|took|taken|taking) back\b",
    "precision guarantee, or target precision": r"\bpromised precision\b",
    "after": r"\bright behind\b",
    "next to": r"\b(stand|stands|stood|lie|lies|lay) beside\b",
}
HEADLESS = re.compile(r"(Of|That|What|Who|Whose|Whom|Those)\b(?!:)")
NAMES = {"one", "some", "place", "told", "asked", "said", "who", "whose", "what"}


def python_files() -> list[Path]:
    files = [file for folder in SOURCES for file in (ROOT / folder).rglob("*.py")]
    return sorted(file.relative_to(ROOT) for file in files if not re.search(r"_pb2|\.venv", str(file)))


def text_files() -> list[Path]:
    folders = ("tagging", "recall", "rank", "protos", "deploy")
    kinds = ("*.md", "*.proto", "*.yaml", "*.yml")
    found = [file for folder in folders for kind in kinds for file in (ROOT / folder).rglob(kind)]
    return sorted(file.relative_to(ROOT) for file in [*PROSE, *found])


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                yield getattr(node, "lineno", 1), text


def prose_of_code(source: str) -> Iterator[tuple[int, str]]:
    """Yield comments and strings that contain a space, by line."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and " " in token.string):
            for offset, line in enumerate(token.string.split("\n")):
                yield token.start[0] + offset, line


def idioms_in(lines: Iterable[tuple[int, str]], file: Path) -> list[str]:
    return [
        f"{file}:{number}: {line.strip()!r}: {better}"
        for number, line in lines
        for better, pattern in IDIOMS.items()
        if re.search(pattern, line)
    ]


def test_code_is_described_in_standard_english() -> None:
    found: list[str] = []
    for file in python_files():
        source = (ROOT / file).read_text(encoding="utf-8")
        if file != THIS:
            found += idioms_in(prose_of_code(source), file)
        found += [
            f"{file}:{line}: begins with a headless clause: {text[:60]!r}"
            for line, text in docstrings(ast.parse(source))
            if HEADLESS.match(text)
        ]
    assert not found, "\n".join(found)


def test_documents_are_in_standard_english() -> None:
    found: list[str] = []
    for file in text_files():
        found += idioms_in(enumerate((ROOT / file).read_text(encoding="utf-8").split("\n"), 1), file)
    assert not found, "\n".join(found)


def test_variables_are_named_by_nouns() -> None:
    found: list[str] = []
    for file in python_files():
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in NAMES:
                found.append(f"{file}:{node.lineno}: {node.id}")
            if isinstance(node, ast.arg) and node.arg in NAMES:
                found.append(f"{file}:{node.lineno}: {node.arg}")
    assert not found, "\n".join(found)
