"""Scenes that name in their docstrings what they show, and the pages under docs/ that list them."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Scene(NamedTuple):
    """One test, by its file under the root and its name."""

    file: str
    name: str

    @property
    def line(self) -> str:
        """As it stands on a page, below what it shows."""
        return f"  - [`{self.name}`](../{self.file})"


@cache
def scenes(named: re.Pattern[str]) -> Mapping[str, list[Scene]]:
    """What is shown (the pattern's first group) -> the scenes that name it, in order."""
    found = defaultdict[str, list[Scene]](list)
    for scene, words in _all():
        for one in sorted(set(named.findall(words))):
            found[one].append(scene)
    return found


@cache
def _all() -> list[tuple[Scene, str]]:
    return [
        (Scene(file.relative_to(ROOT).as_posix(), name), words)
        for file in sorted((ROOT / "tests").rglob("test_*.py"))
        for name, words in told(file.read_text(encoding="utf-8"))
    ]


def told(code: str) -> Iterator[tuple[str, str]]:
    """Each scene of a file with its docstring."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name, ast.get_docstring(node) or ""
