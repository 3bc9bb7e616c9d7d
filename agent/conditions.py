"""Conditions of the policy in CEL (Common Expression Language, cel.dev): compiled once, bounded, and never guessed at.

A condition is about one action: its arguments by name (and all of them as `args`), `targets`, `evidence` (how many
pieces), `confidence` (null where none is stated), `tool` and `category`. Amounts are kept as text; a text that reads
as a number is compared as one where the condition needs a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cel

from ..approvals.action import Action
from ..approvals.errors import BadSetting, SaysoError

#: Longest condition, characters.
LONGEST = 500
#: Most items of a list that a condition walks through, and of all that the conditions on one action walk through.
WALKED, WALKED_IN_ALL = 1_000, 5_000

_TEXT = re.compile(r"""[bB]?[rR][bB]?("[^"]*"|'[^']*')|[bB]?("(\\.|[^"\\])*"|'(\\.|[^'\\])*')""")
_WALK = re.compile(r"\.\s*(all|exists|exists_one)\s*\(")
_WALKS_AS = re.compile(r"\.\s*(?:all|exists|exists_one)\s*\(\s*([A-Za-z_]\w*)\s*,")
_ARGUMENT = re.compile(r"""\bargs\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*["']([A-Za-z_]\w*)["']\s*\])""")
#: These build new lists, each as long as the one they walk through.
_BUILDS = re.compile(r"\.\s*(map|filter)\s*\(")
#: A text is looked through for what the policy says, never for what an agent wrote: that could take for ever.
_LOOKS_FOR = re.compile(r"\.\s*matches\s*\((?!\s*\"\"\s*\))")
#: What is compared with a number for being the same: were it text, that would be no error, only another answer.
_EQUATED = re.compile(
    r"([A-Za-z_][\w.]*|\])\s*(?:[=!]=|in\s*\[)\s*-?\.?\d|\d\s*[=!]=\s*([A-Za-z_][\w.]*(?:\s*[(\[])?)"
)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,29})(\.[0-9]{1,30})?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")
#: What a condition may ask about besides arguments.
OWN_NAMES = frozenset(["args", "targets", "evidence", "confidence", "tool", "category"])
#: These, and what CEL keeps for itself (its specification, "Syntax").
_TAKEN = OWN_NAMES | frozenset(
    ["as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop", "namespace", "null", "package", "return", "true", "var", "void", "while"]
)  # fmt: skip


class CannotTell(SaysoError):
    """A condition has no answer for this action; the words say why."""


def checked(source: str) -> str:
    """The condition, if it can be one. Raises: BadSetting, with what is wrong."""
    if len(source) > LONGEST:
        raise BadSetting(f"a condition has at most {LONGEST} characters")
    bare = _TEXT.sub('""', source)
    if "//" in bare:
        raise BadSetting("a condition takes no comments")
    if _LOOKS_FOR.search(bare):
        raise BadSetting("matches() looks for a text in quotes, never for one of the agent's")
    if found := _BUILDS.search(bare):
        raise BadSetting(f"{found[1]}() builds a list; a condition asks with exists(), all() or exists_one()")
    if _nested(bare):
        raise BadSetting("one list is walked through inside another, which may take for ever; ask about one")
    try:
        _read(source)
    except ValueError as error:
        raise BadSetting(f"it is no condition in CEL: {' '.join(str(error).split())[:200]}") from None
    return source


def names_in(condition: str) -> frozenset[str]:
    """What it asks about: names of arguments (also those asked for as `args.name`) and our own names."""
    bare = _TEXT.sub('""', condition)
    walked = {found[1] for found in _WALKS_AS.finditer(bare)}
    under = {found[1] or found[2] for found in _ARGUMENT.finditer(condition)}
    return frozenset({*_read(condition).program.variables(), *under} - walked)


class Circumstances:
    """One action as its conditions see it; ask it as often as there are conditions."""

    def __init__(self, action: Action) -> None:
        self._facts = _facts(action)
        self._as_said: cel.Context | None = None
        self._as_numbers: cel.Context | None = None
        self._longest = max((len(value) for value in _lists(self._facts)), default=0)
        self._walked = 0

    def hold(self, condition: str) -> bool:
        """Whether the condition holds. Raises: CannotTell."""
        read = _read(condition)
        if read.walks:
            self._pay_for(read.walks)
        try:
            self._as_said = self._as_said or cel.Context(variables=self._facts)
            found = read.program.execute(self._as_said)
        except TypeError as error:
            found = self._with_numbers(read, _why(error))
        except Exception as error:  # noqa: BLE001 whatever the library raises, the condition has no answer
            raise CannotTell(_why(error)) from None
        else:
            if any(map(self._may_be_number, read.equated)):
                found = self._with_numbers(read, "a text is compared with a number")
        if not isinstance(found, bool):
            raise CannotTell("it is neither true nor false")
        return found

    def _may_be_number(self, path: str) -> bool:
        """Whether what stands there is a text that reads as a number, as far as that can be seen from outside."""
        try:
            value = _read(path).program.execute(self._as_said)
        except Exception:  # noqa: BLE001 the name of a macro, or no name at all
            return True
        return isinstance(value, str) and _NUMBER.fullmatch(value) is not None

    def _with_numbers(self, read: _Read, why: str) -> object:
        """Once more with texts read as numbers, which would no longer be equal to the same text in quotes."""
        if read.quotes_number:
            raise CannotTell(f"{why}; say double(…) where a number is meant")
        self._as_numbers = self._as_numbers or cel.Context(variables=_numbers(self._facts))
        try:
            return read.program.execute(self._as_numbers)
        except Exception as error:  # noqa: BLE001 as above
            raise CannotTell(_why(error)) from None

    def _pay_for(self, walks: int) -> None:
        """What a condition costs follows from the action alone, so that every process finds the same."""
        self._walked += walks * self._longest
        if self._longest > WALKED or self._walked > WALKED_IN_ALL:
            raise CannotTell(f"a list of {self._longest} is too long to be walked through")


@dataclass(frozen=True, slots=True)
class _Read:
    """A condition, compiled.

    Attributes:
        walks: How many lists it walks through.
        quotes_number: A text in it reads as a number.
        equated: What it asks to be the same as a number.
    """

    program: Any
    walks: int
    quotes_number: bool
    equated: tuple[str, ...]


@lru_cache(maxsize=4096)
def _read(source: str) -> _Read:
    """Raises: ValueError, when it is no condition."""
    quoted = [found[0].strip("rbRB").strip("\"'") for found in _TEXT.finditer(source)]
    bare = _TEXT.sub('""', source)
    return _Read(
        cel.compile(source), len(_WALK.findall(bare)), any(map(_NUMBER.fullmatch, quoted)),
        tuple(left or right for left, right in _EQUATED.findall(bare)),
    )  # fmt: skip


def _nested(bare: str) -> bool:
    """Whether a walk through a list stands inside the brackets of another."""
    for found in _WALK.finditer(bare):
        depth, at = 1, found.end()
        while at < len(bare) and depth:
            depth += {"(": 1, ")": -1}.get(bare[at], 0)
            at += 1
        if _WALK.search(bare, found.end(), at):
            return True
    return False


def _facts(action: Action) -> dict[str, Any]:
    arguments = dict(action.arguments)
    named = {name: value for name, value in arguments.items() if _NAME.fullmatch(name) and name not in _TAKEN}
    targets = [
        {"kind": one.kind, "id": one.id, "name": one.name, "facts": dict(one.facts)} for one in action.targets
    ]
    return {
        **named, "args": arguments, "targets": targets, "evidence": len(action.evidence),
        "confidence": action.confidence, "tool": action.tool, "category": str(action.category),
    }  # fmt: skip


def _lists(value: object) -> Sequence[Any]:
    """Every list and mapping inside."""
    if isinstance(value, Mapping):
        return [value, *(inner for one in value.values() for inner in _lists(one))]
    if isinstance(value, list | tuple):
        return [value, *(inner for one in value for inner in _lists(one))]
    return []


def _numbers(value: Any) -> Any:
    """The same with every text that reads as a number as that number."""
    if isinstance(value, Mapping):
        return {name: _numbers(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_numbers(one) for one in value]
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _why(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no {error.args[0]}"
    if found := re.match(r"Undefined variable or function: '([^']+)'", str(error)):
        return f"there is no {found[1]}"
    return " ".join(str(error).split()).partition(". Check")[0][:120]
