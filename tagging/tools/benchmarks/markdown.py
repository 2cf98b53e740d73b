"""Markdown tables."""

from collections.abc import Sequence
from typing import Any


def markdown_table(rows: Sequence[dict[str, Any]], title: str) -> str:
    """Format rows with equal keys as a table; texts are left-aligned, numbers right-aligned."""
    if not rows:
        return f"### {title}\n"
    head = "| " + " | ".join(rows[0]) + " |"
    rule = "| " + " | ".join("---" if isinstance(value, str) else "---:" for value in rows[0].values()) + " |"
    lines = ["| " + " | ".join(_cell(value) for value in row.values()) + " |" for row in rows]
    return "\n".join([f"### {title}", "", head, rule, *lines]) + "\n"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}"
    return str(value).replace("|", "\\|")
