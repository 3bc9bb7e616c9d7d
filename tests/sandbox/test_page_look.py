"""Scenes of the page's looks: every pair of colours is legible, and nothing on it reads words as HTML."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest
from sayso.sandbox import page

STATIC = Path(page.__file__).parent / "static"
STYLES = sorted(STATIC.glob("*.css"))
SCRIPTS = sorted(STATIC.glob("*.js"))

#: What text stands on, and the inks that stand on all of them.
SURFACES = ("page", "surface", "sunken", "hover")
INKS = ("ink", "ink-soft", "link")
#: Fills and tints with the one ink of each.
FILLED = (
    ("accent", "on-accent"), ("accent-hover", "on-accent"), ("accent-tint", "on-accent-tint"),
    ("danger", "on-danger"), ("danger-tint", "on-danger-tint"), ("warn-tint", "on-warn-tint"),
    ("surface", "danger"), ("ink", "surface"),
)  # fmt: skip
PEOPLE = tuple((f"who-{number}", "on-who") for number in range(7))
#: Not text: the ring of the focus and the edges of what one can press.
EDGES = ("focus", "line-strong", "accent", "danger")

_TOKEN = re.compile(r"--([\w-]+):\s*(?:light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)|(#[0-9a-f]{6}));")
_THEMES = ("light", "dark")


def colours(theme: str) -> dict[str, str]:
    """Token -> "#rrggbb", as the stylesheet has it for one theme."""
    found = _TOKEN.findall((STATIC / "style.css").read_text(encoding="utf-8"))
    return {name: both or (light if theme == "light" else dark) for name, light, dark, both in found}


def contrast(one: str, other: str) -> float:
    """Between 1 and 21, as WCAG 2.2 computes it from two colours."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return 0.2126 * _linear(red) + 0.7152 * _linear(green) + 0.0722 * _linear(blue)


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def test_contrast_is_computed_as_wcag_does() -> None:
    """Black on white is 21, and the well-known grey just passes."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", _THEMES)
def test_words_are_legible(theme: str) -> None:
    """Every ink on every surface it may stand on has a contrast of 4.5 (WCAG AA), light and dark."""
    token = colours(theme)
    pairs = [*product(SURFACES, INKS), *FILLED, *PEOPLE]
    weak = {pair: contrast(token[pair[0]], token[pair[1]]) for pair in pairs}
    assert {pair: round(found, 2) for pair, found in weak.items() if found < 4.5} == {}


@pytest.mark.parametrize("theme", _THEMES)
def test_edges_are_seen(theme: str) -> None:
    """Focus rings and the edges of buttons and fields have a contrast of 3 with what they stand on."""
    token = colours(theme)
    weak = {pair: contrast(token[pair[0]], token[pair[1]]) for pair in product(SURFACES, EDGES)}
    assert {pair: round(found, 2) for pair, found in weak.items() if found < 3} == {}


def test_every_token_that_is_used_exists() -> None:
    """A misspelt colour would silently be none."""
    texts = [path.read_text(encoding="utf-8") for path in STYLES]
    defined = {name for text in texts for name in re.findall(r"(--[\w-]+):", text)}
    used = {name for text in texts for name in re.findall(r"var\((--[\w-]+)[,)]", text)}
    assert used - defined == set()


def test_words_are_never_read_as_html() -> None:
    """No script of ours hands a string to anything that parses or runs it."""
    risky = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment"
        r"|\beval\(|new Function|setAttribute\([\"']style|srcdoc"
    )
    found = {path.name: risky.findall(path.read_text(encoding="utf-8")) for path in SCRIPTS}
    assert {name: words for name, words in found.items() if words} == {}


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """No inline script or style, no other host; every file that is named is there."""
    text = (STATIC / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<style|\sstyle=|\son\w+=|https?://|<script>", text) == []
    named = re.findall(r"(?:src|href)=\"/((?:static|vendor)/[^\"]+)\"", text)
    assert [name for name in named if not (STATIC.parent / name).is_file()] == []
    for path in [*SCRIPTS, *STYLES]:
        imported = re.findall(r"(?:from|import) \"\./([^\"]+)\"", path.read_text(encoding="utf-8"))
        assert [name for name in imported if not (STATIC / name).is_file()] == [], path.name
        assert not re.search(r"@import|url\(", path.read_text(encoding="utf-8")), path.name
