"""Untrusted text in Adaptive Cards: dead in a TextRun, which takes no markdown, and dead in a TextBlock, which does."""

from __future__ import annotations

import re

from .escape import clean

#: Teams brings `<at>` to life beside an entity of that text, and every client `{{DATE(…)}}` and `{{TIME(…)}}`.
_MENTION = re.compile(r"<(?=\s*/?\s*at\b)", re.IGNORECASE)
_FUNCTION = re.compile(r"\{(?=\{\s*(?:DATE|TIME)\s*\()", re.IGNORECASE)
_ENTITY = re.compile(r"&(?=#?\w{1,40};)")
_BACKSLASH = re.compile(r"\\(?=[!-/:-@\[-`{-~]|$)")
_EDGE_OF_ITALICS = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")
_STARTS_A_BLOCK = re.compile(r"^(\s*)(?:([-+#])|(\d{1,9})([.)]))(?=\s|#|$)")
_LOOKALIKES = {"-": "–", "+": "\uff0b", "#": "\uff03", ".": "\u2024", ")": "\uff09"}
_MARKDOWN = str.maketrans({
    "*": "\u2217", "`": "\u02cb", "~": "\u223c", "[": "\uff3b", "]": "\uff3d", "<": "\u2039", ">": "\u203a",
})  # fmt: skip
#: What may stand in a plain https address and means something in markdown.
_IN_ADDRESS = {ord(char): f"%{ord(char):02X}" for char in "()[]{}\\*`|\"'^"}
_ENTITY_IN_ADDRESS = re.compile(r"(&#?\w{1,40});")


def literal(text: str) -> str:
    """Cleaned text that is dead where no markdown is read: a TextRun, a title, an input."""
    dead = _FUNCTION.sub("\uff5b", _MENTION.sub("\u2039", clean(text)))
    return dead.replace("://", "[:]//")


def markdown(text: str) -> str:
    """Cleaned text on one line that is dead inside a TextBlock: no link, mention, emphasis, list or heading survives."""
    dead = _ENTITY.sub("\uff06", literal(text).replace("\n", " "))
    dead = _EDGE_OF_ITALICS.sub(_wide, _BACKSLASH.sub("\uff3c", dead)).translate(_MARKDOWN)
    return _STARTS_A_BLOCK.sub(_no_block, dead)


def address(url: str) -> str:
    """A plain https address as the target of a markdown link; it leads to the same place."""
    return _ENTITY_IN_ADDRESS.sub(r"\1%3B", url.translate(_IN_ADDRESS))


def _wide(found: re.Match[str]) -> str:
    return "\uff3f" * len(found[0])


def _no_block(found: re.Match[str]) -> str:
    blanks, mark, number, point = found.groups(default="")
    return f"{blanks}{_LOOKALIKES[mark] if mark else number + _LOOKALIKES[point]}"
