"""What is wrong in a table of settings, in words to act on: the key, and what to write there; it knows no setting by name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, GetJsonSchemaHandler, Tag, ValidationError
from pydantic_core import CoreSchema

from ..approvals.errors import BadSetting

#: pydantic's name of a mistake -> our words; what stands in braces comes with the mistake.
_WORDS: Mapping[str, str] = {
    "missing": "it is missing",
    "string_type": "write it as text in quotes",
    "string_too_short": "it is empty",
    "string_too_long": "it is longer than {max_length} characters",
    "int_type": "write a whole number", "int_parsing": "write a whole number", "int_from_float": "write a whole number",
    "float_type": "write a number", "float_parsing": "write a number", "finite_number": "write a number",
    "bool_type": "write true or false", "bool_parsing": "write true or false",
    "path_type": "write a path in quotes",
    "greater_than": "it must be above {gt}", "greater_than_equal": "it must be at least {ge}",
    "less_than": "it must be below {lt}", "less_than_equal": "it must be at most {le}",
    "too_short": "name at least {min_length}",
    "kind": "its kind must be {expected}",
    "enum": "it must be {expected}", "literal_error": "it must be {expected}",
}  # fmt: skip
_TABLES = frozenset({"model_type", "model_attributes_type", "dict_type", "dataclass_type"})

#: Longest part of a file that an error quotes, characters.
_QUOTED = 40


class BadSettings(BadSetting):
    """Some settings are wrong.

    Attributes:
        problems: One sentence each, led by its key.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        heading = f"{len(problems)} settings are wrong." if len(problems) > 1 else ""
        super().__init__("\n".join([heading, *(f"  {one}" for one in problems)] if heading else problems))
        self.problems = tuple(problems)


def refuse(problems: Iterable[str]) -> None:
    """Raises: BadSettings, when there are any."""
    if said := tuple(dict.fromkeys(problems)):
        raise BadSettings(said)


@dataclass(frozen=True, slots=True)
class _Written(AfterValidator):
    """Checks a text, and tells editors its form."""

    pattern: str
    words: str

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^({self.pattern})$", "description": self.words}


def written(pattern: str, words: str) -> AfterValidator:
    """Text of this form; `words` say what to write, for people who cannot read patterns. They never quote it."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(words)
        return text

    return _Written(check, pattern, words)


def listed(what: str) -> BeforeValidator:
    """A list; what is none is refused with what belongs into it."""

    def check(value: object) -> object:
        if not isinstance(value, list | tuple):
            raise ValueError(f"it must be a list of {what}")  # noqa: TRY004 for pydantic
        return value

    return BeforeValidator(check)


#: What names a person, set, route, tool or table.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
NAME_WORDS = 'a name has letters, digits, ".", "_" and "-", begins with a letter or digit, and has at most 80 characters'
Name = Annotated[str, written(NAME.pattern, NAME_WORDS)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """To end a sentence with: "; did you mean finance?"; empty when no known word is near."""
    guess = _meant(word, known)
    return f"; did you mean {guess}?" if guess else ""


def _meant(word: str, known: Iterable[str]) -> str:
    return next(iter(get_close_matches(word, sorted(known), n=1)), "")


def problems_of(error: ValidationError, model: type[BaseModel], more: Collection[str] = ()) -> list[str]:
    """Every mistake as "routes.finance.places: what to write".

    Args:
        more: Sections that somebody else reads, for guessing what a misspelt one was meant to be.
    """
    found = error.errors(include_url=False, include_context=True)
    misspelt = {
        one["loc"]: _meant(str(one["loc"][-1]), _keys(model, one["loc"][:-1], more))
        for one in found if one["type"] == "extra_forbidden"
    }  # fmt: skip
    supplied = {(*loc[:-1], guess) for loc, guess in misspelt.items()}
    wrong_inside = {one["loc"][:-1] for one in found}  # a list whose only member is wrong is no empty list
    return [
        f"{_path(one['loc'], is_table=isinstance(one['input'], dict))}: {_words(one, misspelt)}"
        for one in found
        if not (one["type"] == "missing" and one["loc"] in supplied)
        and not (one["type"] == "too_short" and one["loc"] in wrong_inside)
    ]


def _path(loc: Sequence[str | int], *, is_table: bool = False) -> str:
    """As in "routes.finance.places" or "rules.1.if", which is the first; of a list of words the words tell which one."""
    said = loc if is_table or not loc or not isinstance(loc[-1], int) else loc[:-1]
    parts = (part + 1 if isinstance(part, int) else part for part in said if not _is_mark(part))
    return ".".join(map(str, parts)) or "settings"


def _is_mark(part: str | int) -> bool:
    """Whether it is pydantic's word for a key, or ours for one of several kinds of table; neither stands in the file."""
    return isinstance(part, str) and part.startswith("[")


def _words(one: Any, misspelt: Mapping[tuple[str | int, ...], str]) -> str:
    kind, context = one["type"], one.get("ctx", {})
    if kind == "extra_forbidden":
        what = "section" if isinstance(one["input"], dict) and len(one["loc"]) == 1 else "setting"
        guess = misspelt[one["loc"]]
        return f"there is no such {what}" + (f"; did you mean {guess}?" if guess else "")
    if kind == "value_error":
        return str(context["error"])
    if kind in _TABLES:
        return f"it must be a table: [{_path(one['loc'])}], or {{ key = value }}"
    if kind == "tuple_type":
        return f"it must be a list of {str(one['loc'][-1]).replace('_', ' ')} in brackets, even of one"
    words = _WORDS.get(kind, "this cannot be its value").format(**context)
    if kind in ("enum", "literal_error") and isinstance(one["input"], str):
        words += f", not {one['input'][:_QUOTED]!r}"
    return words


def _keys(model: type[BaseModel], way: Sequence[str | int], more: Collection[str]) -> Collection[str]:
    """The keys of the table that this way leads to."""
    kind: Any = model
    for step in way:
        kind = _of_kind(kind, str(step)) if _is_mark(step) else _inside(_bare(kind), step)
    bare = _bare(kind)
    is_table = isinstance(bare, type) and issubclass(bare, BaseModel)
    known = {field.alias or name for name, field in bare.model_fields.items()} if is_table else set()
    return known if way else known | set(more)


def _inside(kind: Any, step: str | int) -> Any:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(step))
        return field.annotation if field else None
    origin = get_origin(kind)
    return get_args(kind)[1 if origin is dict else 0] if origin in (dict, tuple) else None


def _of_kind(kind: Any, mark: str) -> Any:
    """Of several kinds of table the one with this mark."""
    members = get_args(get_args(kind)[0])
    return next((one for one in members if Tag(mark) in get_args(one)), None)


def _bare(kind: Any) -> Any:
    """The type without what is optional or annotated about it."""
    while get_origin(kind) in (Annotated, Union, UnionType):
        kind = next(one for one in get_args(kind) if one is not type(None))
    return kind
