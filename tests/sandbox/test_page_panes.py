"""Scenes of the chat panes' looks: every pair of colours is legible, and Microsoft's renderer is the one it says."""

from __future__ import annotations

import hashlib
import re
from itertools import product
from pathlib import Path

import pytest
from contrast import THEMES, colours, contrast
from sayso.sandbox import page

PAGE = Path(page.__file__).parent
#: Of the file in npm's adaptivecards 3.0.6, whose tarball has the sha1 1ad7232ef1296dc5c7f89fadae05452bcdafb25b.
RENDERER = "5e7c13f3300ae7b89b34703501e08d709fbb6635f1c6755b92495577a77344f2"

#: Pane -> what words stand on, and the inks that stand on all of it.
WORDS = {
    "slack": (("s-surface", "s-hover", "s-whisper"), ("s-ink", "s-soft", "s-link", "s-wrong")),
    "teams": (
        ("t-card", "t-canvas", "t-emphasis", "t-hover", "t-rail", "t-own"),
        ("t-ink", "t-ink-soft"),
    ),
}  # fmt: skip
#: Pane -> fills with the inks of each.
FILLED = {
    "slack": (
        ("s-rail", "s-on-rail"), ("s-rail-hover", "s-on-rail"), ("s-chosen", "s-on-chosen"), ("s-mention", "s-on-mention"),
        ("s-me", "s-on-me"), ("s-code", "s-ink"), ("s-code", "s-on-code"), ("s-primary", "s-on-fill"),
        ("s-danger", "s-on-fill"), ("s-badge", "s-on-fill"), ("s-app", "s-on-app"), ("s-label", "s-on-label"),
    ),
    "teams": (
        ("t-fill", "t-on-fill"), ("t-badge", "t-on-fill"), ("t-label", "t-on-label"),
        *product(
            ("t-card", "t-emphasis", "t-hover", "t-canvas"),
            ("t-accent", "t-good", "t-warning", "t-attention"),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("pane", sorted(WORDS))
def test_words_of_a_pane_are_legible(pane: str, theme: str) -> None:
    """Every ink on all that it may stand on has a contrast of 4.5 (WCAG AA), light and dark."""
    token = colours(PAGE / "static" / f"{pane}.css", theme)
    found = {
        (on, ink): contrast(token[on], token[ink]) for on, ink in (*product(*WORDS[pane]), *FILLED[pane])
    }
    assert {pair: round(much, 2) for pair, much in found.items() if much < 4.5} == {}


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    ("pane", "edge", "on"), [("slack", "s-edge", "s-surface"), ("teams", "t-edge", "t-card")]
)
def test_edges_of_buttons_are_seen(pane: str, edge: str, on: str, theme: str) -> None:
    """What one can press or fill in has an edge with a contrast of 3."""
    token = colours(PAGE / "static" / f"{pane}.css", theme)
    assert contrast(token[edge], token[on]) >= 3


@pytest.mark.parametrize("pane", sorted(WORDS))
def test_every_colour_of_a_pane_has_a_name(pane: str) -> None:
    """A colour outside the tokens would be looked at by nobody."""
    text = (PAGE / "static" / f"{pane}.css").read_text(encoding="utf-8")
    rules = "\n".join(line for line in text.splitlines() if not line.startswith("  --"))
    assert re.findall(r"#[0-9a-f]{3,8}\b", rules) == []


def test_the_renderer_is_microsofts_own() -> None:
    """The file is the published one, byte for byte, and its licences lie beside it."""
    vendor = PAGE / "vendor"
    assert hashlib.sha256((vendor / "adaptivecards.min.js").read_bytes()).hexdigest() == RENDERER
    assert "MIT License" in (vendor / "LICENSE").read_text(encoding="utf-8")
    assert (vendor / "adaptivecards.min.js.LICENSE.txt").is_file()
