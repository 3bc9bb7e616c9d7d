"""docs/demands.md lists what people ask of such software, and for each demand the scenes that name it in their docstrings."""

from __future__ import annotations

import os
import re

from named_scenes import ROOT, scenes, told

PAGE = ROOT / "docs" / "demands.md"
#: Writes the page's lists of scenes anew: `SAYSO_DEMANDS=write pytest tests/house/test_demands.py`.
WRITE = "SAYSO_DEMANDS"

_NAMED = re.compile(r"\bS([1-9]\d?)\b")
_DEMAND = re.compile(r"^- \*\*S(\d+)\*\* ")
_SCENE = "  - [`"


def renewed(page: str) -> str:
    """The page with the lists that the scenes give it."""
    lines, by_demand = list[str](), scenes(_NAMED)
    for line in page.splitlines():
        if line.startswith(_SCENE):
            continue
        lines.append(line)
        if demand := _DEMAND.match(line):
            lines += [scene.line for scene in by_demand[demand[1]]]
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
    assert [number for number in numbers if str(number) not in scenes(_NAMED)] == []


def test_a_scene_is_found_by_what_it_tells() -> None:
    """The check can fail."""
    code = 'async def test_a() -> None:\n    """S7, S28: aloud."""\n\ndef helper() -> None:\n    """S7"""\n'
    assert list(told(code)) == [("test_a", "S7, S28: aloud.")]
