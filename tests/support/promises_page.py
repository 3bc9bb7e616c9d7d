"""docs/promises.md: below each promise the scenes that name it (P1 to P30), with what became of each when it was last played."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from named_scenes import ROOT, Scene, scenes

PAGE = ROOT / "docs" / "promises.md"
NAMED = re.compile(r"\bP([1-9]\d?b?)\b")
PROMISE = re.compile(r"^- \*\*P(\d+b?)\*\* ")
#: Said of a promise that no scene can show, because nothing keeps it.
NOT_KEPT = "Not kept yet"
NOT_PLAYED = "not played yet"
_SCENE = re.compile(r"^  - \[`(\w+)`\]\(\.\./([^)]+)\): (.+)$")
_FIGURES = "    - "


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one scene.

    Attributes:
        words: "passed", "passed, 9 cases", "failed".
        figures: What it counted, a sentence for each case that did.
    """

    words: str
    figures: tuple[str, ...] = ()


def kept(page: str) -> dict[Scene, Result]:
    """The results that stand on a page."""
    found, last = dict[Scene, Result](), None
    for line in page.splitlines():
        if match := _SCENE.match(line):
            last = Scene(match[2], match[1])
            found[last] = Result(words=match[3])
        elif last and line.startswith(_FIGURES):
            found[last] = Result(
                words=found[last].words, figures=(*found[last].figures, line.removeprefix(_FIGURES))
            )
        else:
            last = None
    return found


def renewed(page: str, played: Mapping[Scene, Result]) -> str:
    """The page with the scenes as they are, and the results of those that were played, then or now."""
    results, by_promise = {**kept(page), **played}, scenes(NAMED)
    lines = list[str]()
    for line in page.splitlines():
        if _SCENE.match(line) or line.startswith(_FIGURES):
            continue
        lines.append(line)
        if promise := PROMISE.match(line):
            for scene in by_promise.get(promise[1], []):
                result = results.get(scene, Result(words=NOT_PLAYED))
                lines += [f"{scene.line}: {result.words}", *(_FIGURES + one for one in result.figures)]
    return "\n".join(lines) + "\n"
