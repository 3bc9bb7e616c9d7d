"""docs/demands.md lists what people ask of such software, and for each demand the scenes that name it in their docstrings."""

from __future__ import annotations

import ast
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "demands.md"
#: Writes the page's lists of scenes anew: `SAYSO_DEMANDS=write pytest tests/house/test_demands.py`.
WRITE = "SAYSO_DEMANDS"

_NAMED = re.compile(r"\bS([1-9]\d?)\b")
_DEMAND = re.compile(r"^- \*\*S(\d+)\*\* ")
_SCENE = "  - [`"


@cache
def scenes() -> dict[int, list[str]]:
    """The lines that stand below each demand."""
    found = defaultdict[int, list[str]](list)
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        where = file.relative_to(ROOT).as_posix()
        for name, words in told(file.read_text(encoding="utf-8")):
            for number in sorted({int(one) for one in _NAMED.findall(words)}):
                found[number].append(f"{_SCENE}{name}`](../{where})")
    return found


def told(code: str) -> Iterator[tuple[str, str]]:
    """Each scene of a file with its docstring."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name, ast.get_docstring(node) or ""


def renewed(page: str) -> str:
    """The page with the lists that the scenes give it."""
    lines, by_demand = list[str](), scenes()
    for line in page.splitlines():
        if line.startswith(_SCENE):
            continue
        lines.append(line)
        if demand := _DEMAND.match(line):
            lines += by_demand[int(demand[1])]
    return "\n".join(lines) + "\n"


def test_the_page_lists_the_scenes_as_they_are() -> None:
    """A scene that is renamed, added or gone changes the page."""
    page = PAGE.read_text(encoding="utf-8")
    if os.environ.get(WRITE) == "write":
        PAGE.write_text(renewed(page), encoding="utf-8")
        page = PAGE.read_text(encoding="utf-8")
    assert page == renewed(page), f"write it anew: {WRITE}=write pytest tests/house/test_demands.py"


def test_every_demand_is_shown_by_a_scene() -> None:
    """Twenty-eight, in order, each with a scene at least."""
    numbers = [
        int(one[1]) for line in PAGE.read_text(encoding="utf-8").splitlines() if (one := _DEMAND.match(line))
    ]
    assert numbers == list(range(1, 29))
    assert [number for number in numbers if not scenes()[number]] == []


def test_a_scene_is_found_by_what_it_tells() -> None:
    """The check can fail."""
    code = 'async def test_a() -> None:\n    """S7, S28: aloud."""\n\ndef helper() -> None:\n    """S7"""\n'
    assert list(told(code)) == [("test_a", "S7, S28: aloud.")]
