"""State to bytes and back: exactly the types we allow, and no credential ever.

The bytes are LangGraph's own msgpack. Its reader turns a type it does not know into plain values and only logs it;
this one raises, on writing as on reading, because a run must not go on from a state that is not what it was.

Values come back as they were (Decimal, datetime, date, timedelta, UUID, enums, sets, int keys), with these
differences of the format: a tuple comes back as a list, except in a dataclass field declared as a tuple; a date or
UUID as the *key* of a mapping comes back as text; a datetime keeps its offset, not the name of its zone.
"""

from __future__ import annotations

import dataclasses
import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum
from functools import cache
from typing import Any, Self, get_args, get_origin, get_type_hints

import ormsgpack
from langgraph.checkpoint.serde import _msgpack
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.types import Send
from pydantic import BaseModel
from typing_extensions import is_typeddict

from ..approvals.errors import SaysoError
from ..approvals.looks import TokenKind, first_in, looks_in, looks_like_token
from .secrets import LiveTokens

#: How LangGraph marks what msgpack has no type for. The body of 0 to 5 begins with module, name, value.
_ONE_VALUE, _POSITIONS, _KEYWORDS, _METHOD, _OLD_MODEL, _MODEL, _, _SNAPSHOT = range(8)

_Name = tuple[str, ...]


class UnfitState(SaysoError):
    """The state cannot be kept.

    Attributes:
        path: Where it stands ("channel_values.messages[3].content").
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'The value'} {problem}")
        self.path = path
        self.problem = problem

    def under(self, path: str) -> Self:
        """The same, seen from further out."""
        joint = "" if self.path.startswith(("[", "(")) or not self.path else "."
        return type(self)(f"{path}{joint}{self.path}", self.problem)


class TokenInState(UnfitState):
    """The state holds a credential; it must hold a CredentialRef."""


class UnknownType(UnfitState):
    """The state holds a type that is not allowed there."""


class StateSerializer(JsonPlusSerializer):
    """LangGraph's serializer with a closed list of types.

    `types` are allowed beside LangGraph's own safe ones, together with the dataclasses, models and enums that their
    fields are declared as. `live` recognises the tokens that were handed out in this process.
    """

    def __init__(self, types: Iterable[type] = (), *, live: LiveTokens | None = None) -> None:
        named = set(types)
        names = {_name_of(part) for part in named | _with_parts(named)}
        super().__init__(allowed_msgpack_modules=names or None)
        self._live = live or LiveTokens()
        self._allowed = frozenset(_msgpack.SAFE_MSGPACK_TYPES | names)

    def with_msgpack_allowlist(self, extra_allowlist: Iterable[_Name | type]) -> StateSerializer:
        """The same with more types; LangGraph calls this with a graph's schemas in its strict mode."""
        clone = StateSerializer(live=self._live)
        extra = {_name_of(item) if isinstance(item, type) else item for item in extra_allowlist}
        clone._allowed = self._allowed | extra
        return clone

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """LangGraph's bytes. Raises: UnknownType, TokenInState."""
        if isinstance(obj, BaseException):  # what broke off is told, whatever a library quoted in it
            obj = self._live.withheld(repr(obj))
        try:
            kind, body = super().dumps_typed(obj)
        except (TypeError, ormsgpack.MsgpackEncodeError) as error:
            raise UnknownType("", f"cannot be kept in the state: {error}") from error
        outline = _Outline(self._allowed).read(body) if kind == "msgpack" else bytes(body)
        looks = looks_in(body)
        if looks or self._live.occur_in(body):
            refuse_tokens(outline, lambda text: self._live.kind_in(text, looks))
        return kind, body

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value as it was. Raises: UnknownType."""
        kind, body = data
        if kind == "msgpack":
            return _Builder(self._allowed).read(body)
        if kind in ("null", "bytes", "bytearray"):
            return super().loads_typed(data)
        raise UnknownType("", f"was stored as {kind!r}, which is never read")


class _Reader(ABC):
    """Reads LangGraph's msgpack with every type checked; msgpack itself would swallow what a hook raises."""

    def __init__(self, allowed: Collection[_Name]) -> None:
        self._allowed = allowed
        self._problem: UnknownType | None = None

    def read(self, body: bytes) -> Any:
        try:
            return self._unpack(body)
        except ormsgpack.MsgpackDecodeError as error:
            raise self._problem or UnknownType("", f"cannot be read: {error}") from error

    @abstractmethod
    def make(self, code: int, name: _Name, value: Any) -> Any:
        """What stands for a value of a named type."""

    def _unpack(self, body: bytes) -> Any:
        return ormsgpack.unpackb(body, ext_hook=self._hook, option=ormsgpack.OPT_NON_STR_KEYS)

    def _hook(self, code: int, body: bytes) -> Any:
        value = self._unpack(body)
        if code == _SNAPSHOT:
            return self.make(code, (), value)
        name = tuple(value[:2]) if code <= _MODEL else ()
        try:
            self._refuse_unknown(code, name, value)
            return self.make(code, name, value[2])
        except Exception as error:  # whatever a constructor raises, msgpack drops it on the way out
            what = ".".join(name) or "something that is neither text, number, list nor mapping"
            self._problem = self._problem or UnknownType("", f"holds {what}, which is refused: {error}")
            raise

    def _refuse_unknown(self, code: int, name: _Name, value: Any) -> None:
        if name not in self._allowed:
            raise TypeError("add it to the types of StateSerializer")
        if code == _METHOD and (*name, value[3]) not in _msgpack.SAFE_MSGPACK_METHODS:
            raise TypeError(f"it would be read by calling {value[3]}")


class _Outline(_Reader):
    """Only the shape: a mapping of fields, a list, or the text, whatever type it stands for."""

    def make(self, code: int, name: _Name, value: Any) -> Any:
        return _Fields(value) if code in (_KEYWORDS, _OLD_MODEL, _MODEL) else _Part(value)


class _Builder(_Reader):
    """The values themselves."""

    def make(self, code: int, name: _Name, value: Any) -> Any:
        if code == _SNAPSHOT:
            return _DeltaSnapshot(value)
        module, attribute = name
        kind = getattr(importlib.import_module(module), attribute)
        if code == _METHOD:
            return kind.fromisoformat(value)
        if code == _ONE_VALUE:
            return kind(value)
        if code == _POSITIONS:
            return Send(*value[:2], timeout=value[2]) if kind is Send and value[2:] else kind(*value)
        if code == _MODEL and issubclass(kind, BaseModel):
            return kind.model_validate(value, by_name=True, by_alias=True)
        return kind(**_with_tuples(kind, value))


@dataclasses.dataclass(frozen=True, slots=True)
class _Fields:
    """An object's fields, seen only as names and values."""

    values: dict[str, object]


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    """A value whose type does not matter here."""

    value: object


def refuse_tokens(value: object, judge: Callable[[str], TokenKind | None] = looks_like_token) -> None:
    """Look through plain values (or an outline). Raises: TokenInState, naming the first place that holds one."""
    if (hit := first_in(value, judge, _opened)) is not None:
        path, kind = hit
        raise TokenInState(
            path,
            f"holds {kind}. No credential may be kept in the state: put a CredentialRef there, and the tool "
            "gets a fresh token when it runs, from token().",
        )


def _opened(node: object) -> object:
    """What stands inside an outline's marks."""
    while isinstance(node, _Part):
        node = node.value
    return node.values if isinstance(node, _Fields) else node


def _name_of(kind: type) -> _Name:
    return kind.__module__, kind.__name__


def declared_in(hints: Iterable[Any]) -> frozenset[_Name]:
    """Names of the dataclasses, models and enums in these declarations, for `with_msgpack_allowlist`."""
    return frozenset(_name_of(kind) for kind in _with_parts(hints))


def _with_parts(types: Iterable[Any]) -> set[type]:
    """These types and what their fields are declared as, all the way down."""
    found, seen = set[type](), set[type]()
    waiting: list[Any] = list(types)
    while waiting:
        kind = waiting.pop()
        waiting += get_args(kind)
        if get_origin(kind) is not None or not isinstance(kind, type) or kind in seen:
            continue
        seen.add(kind)
        kept = dataclasses.is_dataclass(kind) or issubclass(kind, BaseModel)
        if kept or is_typeddict(kind):
            waiting += get_type_hints(kind).values()
        if kept or issubclass(kind, Enum):
            found.add(kind)
    return found


@cache
def _tuple_fields(kind: type) -> frozenset[str]:
    if not dataclasses.is_dataclass(kind):
        return frozenset()
    return frozenset(name for name, hint in get_type_hints(kind).items() if get_origin(hint) is tuple)


def _with_tuples(kind: type, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A dataclass's fields with lists made tuples again where it declares tuples: it may be hashed or compared."""
    tuples = _tuple_fields(kind)
    return {name: tuple(value) if name in tuples else value for name, value in fields.items()}
