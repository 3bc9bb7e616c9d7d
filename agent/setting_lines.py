"""In which line of a TOML file a setting stands, for errors that people go and mend."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator

_HEADER = re.compile(r"\s*(\[\[?[^\[\]]+\]\]?)\s*(#.*)?")
_KEY = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"\\]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"\\]*"|'[^']*'))*)\s*="""
)
_QUOTES = re.compile('"""|' + "'''")


def with_lines(problems: Iterable[str], text: str) -> list[str]:
    """Each problem ("rules.1.if: why"), led by the line in which its key stands, or the nearest around it."""
    lines = dict(_keys(text))
    return [_led(problem, lines) for problem in problems]


def _led(problem: str, lines: dict[str, int]) -> str:
    key = problem.partition(": ")[0]
    while key and key not in lines:
        key = key.rpartition(".")[0]
    return f"line {lines[key]}, {problem}" if key else problem


def _keys(text: str) -> Iterator[tuple[str, int]]:
    """Every key with its table before it, "rules.1.if", and the line it stands in."""
    table, seen, open_quotes = "", Counter[str](), ""
    for number, line in enumerate(text.splitlines(), 1):
        quotes = _QUOTES.findall(line)
        if open_quotes:  # inside a text of several lines
            open_quotes = "" if open_quotes in quotes else open_quotes
            continue
        if header := _HEADER.fullmatch(line):
            table = ".".join(_path(header[1]))
            if header[1].startswith("[["):
                seen[table] += 1
                table = f"{table}.{seen[table]}"
            yield table, number
        elif key := _KEY.match(line):
            yield ".".join([*filter(None, [table]), *_path(f"{key[1]} = 0")]), number
        if len(quotes) % 2:
            open_quotes = quotes[-1]


def _path(toml: str) -> list[str]:
    """The names of a line that says one key or one header; of a table within a list the number is not known here."""
    try:
        found: object = tomllib.loads(toml)
    except tomllib.TOMLDecodeError:
        return []
    path = list[str]()
    while found and isinstance(found, dict | list):
        if isinstance(found, list):
            found = found[0]
        else:
            ((name, found),) = found.items()
            path.append(name)
    return path
