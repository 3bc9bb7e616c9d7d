"""The inputs of the modify form, drawn from the tool's argument schema, and how each is read back exactly."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, NoReturn

from ..approvals.action import Json
from ..approvals.errors import SaysoError
from ..approvals.request import Request
from ..approvals.verdict import Way
from .escape import clean, size

#: Longest text an input takes; a value beyond is changed by instruction. Arguments with an input of their own.
LONGEST, MOST_FIELDS, MOST_CHOICES, CHOICE = 3_000, 30, 100, 75
#: Block of the arguments that have no input of their own.
REST = "arg.rest"
_INTEGER = re.compile(r"[+-]?[0-9]{1,100}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,100}([.][0-9]{0,100})?|[.][0-9]{1,100})([eE][+-]?[0-9]{1,3})?")


#: JSON Schema's bounds of a number, as people read them.
_BOUNDS: Mapping[str, str] = {
    "minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most", "exclusiveMaximum": "less than",
}  # fmt: skip


class DoesNotFit(SaysoError):
    """This value does not fit here."""


class _Unchanged:
    """The type of `UNCHANGED`."""


#: What reading a field gives when the person left it as it was (None is a value).
UNCHANGED: Final = _Unchanged()


class Kind(StrEnum):
    """How a value is entered."""

    INTEGER = "integer"
    NUMBER = "number"
    DECIMAL = "decimal"  #: a number kept as text, so that no digit is lost
    BOOLEAN = "boolean"
    CHOICE = "choice"
    DATE = "date"
    TEXT = "text"
    JSON = "json"


_COUNTED = (Kind.INTEGER, Kind.NUMBER, Kind.DECIMAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the schema says of one argument.

    Attributes:
        choices: Allowed values of a CHOICE; empty for other kinds.
        nullable: Whether an empty input means null.
        hint: The schema's description.
    """

    kind: Kind
    choices: tuple[Json, ...] = ()
    nullable: bool = False
    hint: str = ""

    @property
    def picked(self) -> bool:
        """Whether it is picked from a list, whose options are sent as their places."""
        return self.kind is Kind.CHOICE and len(self.choices) <= MOST_CHOICES


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One input of the form.

    Attributes:
        block: Its block id; stable for one revision of one request.
        current: The value now.
        shown: The text it is prefilled with; empty when there is none.
    """

    name: str
    block: str
    shape: Shape
    current: Json
    shown: str

    def read(self, text: str) -> Json | _Unchanged:
        """The value a person entered, or UNCHANGED. Raises: DoesNotFit."""
        if text.replace("\r\n", "\n").strip() == self.shown.strip():
            return UNCHANGED
        value = _picked(self.shape.choices, text) if self.shape.picked and text else coerce(self.shape, text)
        return UNCHANGED if same(value, self.current) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifyForm:
    """The inputs, the names that share the JSON input, and the names too long to be edited at all."""

    fields: tuple[Field, ...]
    overflow: tuple[str, ...]
    too_long: tuple[str, ...]


def form(request: Request) -> ModifyForm:
    """The modify form of what is being decided now."""
    arguments = request.proposal.action.arguments
    made: list[Field] = []
    too_long: list[str] = []
    for index, (name, value) in enumerate(arguments.items()):
        if Way.EDIT not in request.ways or is_fixed(request.ask.schema, name):
            continue
        shape = shape_of(request.ask.schema, name, value)
        shown = show(shape, value)
        if size(shown) > LONGEST:
            too_long.append(name)
        else:
            made.append(Field(name=name, block=f"arg.{index}", shape=shape, current=value, shown=shown))
    kept, rest = made[:MOST_FIELDS], [one.name for one in made[MOST_FIELDS:]]
    if size(shown_rest(arguments, rest)) > LONGEST:
        too_long, rest = [*too_long, *rest], []
    return ModifyForm(fields=tuple(kept), overflow=tuple(rest), too_long=tuple(too_long))


def shown_rest(arguments: Mapping[str, Json], names: list[str] | tuple[str, ...]) -> str:
    """The prefilled text of the shared JSON input."""
    return _json({name: arguments[name] for name in names})


def shape_of(schema: str, name: str, value: Json) -> Shape:
    """How an argument is entered; where the schema does not say, its present value does."""
    whole = _mapping(json.loads(schema))
    spec = _resolved(_mapping(_mapping(whole.get("properties")).get(name)), whole)
    options = [_resolved(_mapping(one), whole) for one in spec.get("anyOf", spec.get("oneOf", [spec]))]
    nullable = any(one.get("type") == "null" for one in options)
    options = [{**spec, **one} for one in options if one.get("type") != "null"] or [spec]
    one = options[0]
    types = {str(option.get("type")) for option in options}
    kind, choices = _kind(one, types, value)
    if choices and nullable and None not in choices:
        choices = (*choices, None)
    said = (str(spec.get("description", "")), _bounds(one) if kind in _COUNTED else "")
    return Shape(kind=kind, choices=choices, nullable=nullable, hint=" ".join(filter(None, said)))


def _bounds(spec: Mapping[str, Any]) -> str:
    """What the tool takes, as far as its schema says: "Takes at least 1, at most 500."."""
    told = [
        f"{words} {_json(spec[name])}"
        for name, words in _BOUNDS.items()
        if type(spec.get(name)) in (int, float)
    ]
    return f"Takes {', '.join(told)}." if told else ""


def describes(schema: str, name: str) -> bool:
    """Whether the schema says anything of this argument."""
    return name in _mapping(_mapping(json.loads(schema)).get("properties"))


def is_fixed(schema: str, name: str) -> bool:
    """Whether the schema says that it is only there to be read."""
    return _mapping(_mapping(json.loads(schema).get("properties")).get(name)).get("readOnly") is True


def show(shape: Shape, value: Json) -> str:
    """The value as the person first sees it in its input; empty when the input cannot show it."""
    if shape.picked:
        return next((str(i) for i, one in enumerate(shape.choices) if same(one, value)), "")
    if value is None:
        return ""
    match shape.kind:
        case Kind.CHOICE:
            return choice_text(value)
        case Kind.BOOLEAN | Kind.INTEGER | Kind.NUMBER | Kind.JSON:
            return _json(value)
        case Kind.TEXT | Kind.DECIMAL | Kind.DATE:
            return clean(value) if isinstance(value, str) else _json(value)


def choice_text(value: Json) -> str:
    """An allowed value as people type and read it."""
    return value if isinstance(value, str) else _json(value)


def coerce(shape: Shape, text: str) -> Json:
    """A typed text as the argument's value, exactly. Raises: DoesNotFit."""
    bare = text.strip()
    if not bare and shape.kind is not Kind.TEXT:
        return None if shape.nullable else _misfit("A value is needed here.")
    match shape.kind:
        case Kind.INTEGER:
            return int(bare) if _INTEGER.fullmatch(bare) else _misfit("This must be a whole number, like 42.")
        case Kind.NUMBER:
            return _number(bare)
        case Kind.DECIMAL:
            return bare if _NUMBER.fullmatch(bare) else _misfit("This must be a number, like 129.90.")
        case Kind.BOOLEAN:
            words = {"true": True, "yes": True, "false": False, "no": False}
            return words[bare.lower()] if bare.lower() in words else _misfit("This must be true or false.")
        case Kind.CHOICE:
            return _chosen(shape.choices, bare)
        case Kind.DATE:
            return _date(bare)
        case Kind.TEXT:
            return text if text or not shape.nullable else None
        case Kind.JSON:
            return read_json(bare)


def read_json(text: str) -> Json:
    """JSON without NaN and infinity. Raises: DoesNotFit."""
    try:
        value: Json = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        return _misfit("This is not valid JSON.")
    return value


def same(one: Json, other: Json) -> bool:
    """Equal as JSON: true is not 1, 1 is not 1.0."""
    return _json(one) == _json(other)


def _kind(spec: Mapping[str, Any], types: set[str], value: Json) -> tuple[Kind, tuple[Json, ...]]:
    choices = tuple(spec["enum"]) if isinstance(spec.get("enum"), list) else ()
    choices = (spec["const"],) if "const" in spec else choices
    if choices:
        return Kind.CHOICE, choices
    if types in ({"number", "string"}, {"integer", "string"}):
        return Kind.DECIMAL, ()
    if len(types) > 1:
        return Kind.JSON, ()
    match spec.get("type"), spec.get("format"):
        case "integer" | "number" | "boolean" as simple, _:
            return Kind(simple), ()
        case "string", "date" if value is None or _is_date(value):
            return Kind.DATE, ()
        case "string", "decimal" if value is None or isinstance(value, str):
            return Kind.DECIMAL, ()
        case "string", _:
            return (Kind.TEXT if value is None or isinstance(value, str) else Kind.JSON), ()
        case None, _ if isinstance(value, str):
            return Kind.TEXT, ()
        case _:
            return Kind.JSON, ()


def _resolved(spec: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with its local references followed, a few steps deep."""
    for _ in range(5):
        parts = spec.get("allOf")
        target = spec.get("$ref") or (
            _mapping(parts[0]).get("$ref") if isinstance(parts, list) and parts else None
        )
        if not isinstance(target, str) or not target.startswith("#/$defs/"):
            break
        found = _mapping(_mapping(whole.get("$defs")).get(target.removeprefix("#/$defs/")))
        kept = {key: item for key, item in spec.items() if key not in ("$ref", "allOf")}
        spec = {**found, **kept}
    return spec


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _picked(choices: tuple[Json, ...], place: str) -> Json:
    """The option at its place in the list; what was not offered is no option, whatever a client sends."""
    places = {str(index): one for index, one in enumerate(choices)}
    return places[place] if place in places else _misfit("This is not one of the options.")


def _chosen(choices: tuple[Json, ...], text: str) -> Json:
    for one in choices:
        if text == choice_text(one):
            return one
    return _misfit(f"This must be one of: {', '.join(choice_text(one) for one in choices[:20])}.")


def _number(text: str) -> Json:
    if not _NUMBER.fullmatch(text):
        return _misfit("This must be a number, like 12.5.")
    if _INTEGER.fullmatch(text):
        return int(text)
    value = float(text)
    try:
        exact = Decimal(repr(value)) == Decimal(text)
    except InvalidOperation:
        exact = False
    return value if exact else _misfit("This number has more digits than can be kept exactly.")


def _date(text: str) -> str:
    return text if _is_date(text) else _misfit("This must be a date, like 2024-12-31.")


def _is_date(value: Json) -> bool:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _json(value: Json) -> str:
    """JSON in which nothing is invisible: where there would be, it is all ASCII."""
    text = json.dumps(value, ensure_ascii=False)
    return text if clean(text) == text else json.dumps(value)


def _finite(text: str) -> float:
    """1e999 would be infinity, which is no JSON."""
    value = float(text)
    return value if math.isfinite(value) else _refuse_constant(text)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(text)


def _misfit(words: str) -> NoReturn:
    raise DoesNotFit(words)
