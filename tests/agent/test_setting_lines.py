"""Errors in settings name the line: of the key, or of what stands nearest around it."""

from __future__ import annotations

import pytest
from sayso.agent.setting_lines import with_lines

TEXT = '''# a comment with [tools.x] in it
default_route = "ops"

[tools."crm.forget"]        # a dot in its name
category = "deletion"
blast_radius = [
  { if = "size(ids) > 100", level = "high" },
  "low",
]

[tools.move]
mcp.destructiveHint = true
reason = """
[tools.wrong]
category = "deletion"
"""
ttl = "x"

[[rules]]
name = "one"
[[rules]]
name = "two"
if = "amount >"
'''


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("default_route", 2), ("tools.crm.forget.category", 5), ("tools.crm.forget.blast_radius.cases.1.if", 6),
        ("tools.crm.forget.irreversibility", 4), ("tools.move.mcp.destructiveHint", 12), ("tools.move.ttl", 17),
        ("rules.1.if", 19), ("rules.2.if", 23), ("rules.2.flag", 21),
    ],
)  # fmt: skip
def test_a_key_is_found(key: str, line: int) -> None:
    """In tables, lists of tables, with dots in names, behind texts of several lines."""
    assert with_lines([f"{key}: why"], TEXT) == [f"line {line}, {key}: why"]


def test_what_stands_nowhere_has_no_line() -> None:
    """A whole section that is missing, and words of another form."""
    for problem in ("people: it is missing", "no colon in it", ""):
        assert with_lines([problem], TEXT) == [problem]


def test_hostile_text_breaks_nothing() -> None:
    """Whoever reads it as TOML says what is wrong with it; here it only has no line."""
    text = '[[[\n]\n= 3\n"\\u0000" = 1\n["""]\na."b = 2\n'
    assert with_lines(["a.b: why"], text) == ["a.b: why"]
