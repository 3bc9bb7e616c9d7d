"""How well one colour is read on another, and the colours that a stylesheet names."""

from __future__ import annotations

import re
from pathlib import Path

THEMES = ("light", "dark")
_TOKEN = re.compile(r"--([\w-]+):\s*(?:light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)|(#[0-9a-f]{6}));")


def colours(stylesheet: Path, theme: str) -> dict[str, str]:
    """Token -> "#rrggbb", as the stylesheet has it for one theme."""
    found = _TOKEN.findall(stylesheet.read_text(encoding="utf-8"))
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
