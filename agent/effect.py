"""`@effect`: declares a function as a tool with consequences, so that a gate can freeze, show and run one call of it."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from string import Formatter
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from ..approvals import canonical
from ..approvals.action import Action, Json
from ..approvals.credential import Credentials, refs_of
from ..approvals.errors import BadChange, SaysoError
from ..approvals.risk import Level, RiskAssessment
from .policy import Category, Policy
from .risk import assess, strictness

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

#: How long a tool may run unless it says otherwise.
LIMIT = timedelta(minutes=5)
#: The parameter by which an undo is given what the tool had returned, as JSON values.
RESULT = "result"


class NothingDone(SaysoError):
    """Raised by a tool to say that it certainly did nothing; every other exception leaves the outcome unknown."""


class SaysFailed(SaysoError):
    """The tool came back, and says that it failed.

    Attributes:
        said: What the model reads of it, JSON values.
    """

    def __init__(self, said: object) -> None:
        super().__init__()
        self.said = said


class AsksInside(SaysoError):
    """A running tool called an agent that asks people, and LangGraph would run the tool again with each answer."""


def asks_itself(name: str) -> str:
    """What is said of a tool behind a gate whose own agent asks people."""
    return (
        f"{name} asks people itself, from within: give it to create_agent as it is, without govern, and rate it as "
        "harmless; what its own agent does is asked about there"
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Effect:
    """A tool with consequences. Calling it runs the raw function, without asking anybody.

    Attributes:
        category: The kind of consequence, a `Category` ("financial_transaction"); empty is undeclared.
        levels: What its author declares: "irreversibility", "blast_radius", "compliance" -> how bad.
        undo: The tool that takes it back; None when nothing does. It is given those of the original arguments that
            its function names, and what was returned as `result` where it names that.
        idempotent: Whether running it again with the same `idempotency_key()` does nothing more; only then may it
            be run again after a crash without asking.
        limit: How long it may run; more than zero. After that what happened is unknown.
        version: Changed by its author whenever the same arguments come to mean something else.
        summary: What a card says of a model's call of it, with arguments in braces ("Refund {amount} {currency}");
            empty where name and arguments say it.
        credential: Whose authority it runs under where its action does not say; references, never tokens.
    """

    function: Callable[..., Any]
    name: str
    category: str = ""
    levels: Mapping[str, Level] = field(default_factory=dict)
    undo: Effect | None = None
    idempotent: bool = False
    limit: timedelta = LIMIT
    version: str = "1"
    summary: str = ""
    credential: Credentials = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    @property
    def __name__(self) -> str:
        """Asked for by whoever takes plain functions, `create_agent` and `@tool` among them: they would run it unasked."""
        raise TypeError(
            f"{self.name} is declared with @effect: hand it to govern([...]), whose tools create_agent takes, or to "
            "Gate(...); above `def` stands @effect(...) alone, without @tool"
        )

    def __reduce__(self) -> str:
        raise TypeError(f"the tool {self.name!r} is code, it cannot be kept in a state")

    @cached_property
    def arguments(self) -> type[BaseModel]:
        """The function's parameters as a model: unknown names are refused."""
        return _model_of(self.function, self.name)

    @cached_property
    def schema(self) -> str:
        """JSON Schema (draft 2020-12) of the frozen arguments, as JSON text."""
        schema = self.arguments.model_json_schema(mode="serialization", schema_generator=ArgumentsSchema)
        return json.dumps({**schema, "title": self.name}, separators=(",", ":"), sort_keys=True)

    @property
    def code(self) -> str:
        """64 hex digits: others once the same call may come to mean something else."""
        said = {"tool": self.name, "arguments": self.schema, "version": self.version}
        return canonical.digest(canonical.encode(said))

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    def freeze(self, arguments: Mapping[str, object]) -> Mapping[str, Json]:
        """The arguments as JSON values in the order of the signature, defaults filled in.

        What is frozen is read once more before the tool runs, so it has to mean the same every time.

        Raises: BadChange.
        """
        read = self._checked(arguments)
        frozen = read.model_dump(mode="json")
        again = self._checked(frozen)
        shown = again.model_dump(mode="json")
        for name, value in frozen.items():  # a set has no order that its text could keep
            if shown[name] != value and getattr(again, name) != getattr(read, name):
                raise BadChange({name: "it becomes another value each time it is read"})
        return frozen

    def thaw(self, frozen: Mapping[str, Json]) -> dict[str, Any]:
        """What the function is called with: frozen arguments in the types of its signature. Raises: BadChange."""
        self.freeze(frozen)
        model = self._checked(frozen)
        return {name: getattr(model, name) for name in type(model).model_fields}

    def judge(self, action: Action, policy: Policy) -> RiskAssessment:
        """What holds for one call of it: the strictest of all that is said."""
        return max(self.judgements(action, policy), key=strictness)

    def judgements(self, action: Action, policy: Policy) -> tuple[RiskAssessment, ...]:
        """What each policy that counts says of one call of it; the worker's own first."""
        return (assess(action, policy),)

    def only_logged(self, action: Action, policy: Policy) -> bool:
        """Whether the policy lets it run although nothing takes it back, once it is to be watched."""
        return policy.only_logs(action)

    async def run(self, arguments: Mapping[str, Any]) -> Any:
        """Run the raw function; one that is not async runs in a thread, so that it never stops the event loop."""
        if self.is_async:
            return await self.function(**arguments)
        return await asyncio.to_thread(self.function, **arguments)

    def _checked(self, arguments: Mapping[str, object]) -> BaseModel:
        return validated(self.arguments, arguments)


def _plain_function(given: object, name: str) -> Callable[..., Any]:
    """What is declared: a function, or that of a tool of LangChain's made from one. Raises: TypeError."""
    if isinstance(given, Effect):
        raise TypeError(f"{given.name} is declared already: write @effect(...) once")
    made_from = getattr(given, "coroutine", None) or getattr(given, "func", None)
    if made_from is not None and hasattr(given, "args_schema"):
        return made_from  # type: ignore[no-any-return] # as LangChain types it
    if not callable(given) or not (name or hasattr(given, "__name__")):
        raise TypeError(
            f"@effect(...) declares a function, not a {type(given).__name__}: write it directly above `def`, without "
            "@tool, and hand what it makes to govern([...]) or Gate(...)"
        )
    return given


def effect(
    *, category: str = "", irreversibility: str = "", blast_radius: str = "", compliance: str = "",
    undo: Effect | None = None, idempotent: bool = False, limit: timedelta = LIMIT, version: str = "1",
    name: str = "", summary: str = "", credential: Credentials = None,
) -> Callable[[Callable[..., Any] | BaseTool], Effect]:  # fmt: skip
    """Declare a function as a tool with consequences. Levels are "low", "medium" or "high"; empty is undeclared.

    Raises: ValueError for an unknown category or level, a limit that is not positive, two accounts of one provider; TypeError
    for what is neither a function nor a tool of LangChain's made from one, for a signature that cannot be shown to
    people (positional-only, `*args`, `**kwargs`) and for an `undo` that wants what the tool was never given; NameError for a type that is not there yet.
    """
    stated = {"irreversibility": irreversibility, "blast_radius": blast_radius, "compliance": compliance}
    levels = {dimension: _level(dimension, text) for dimension, text in stated.items() if text}
    if category and category not in set(Category):
        raise ValueError(f"category is {', '.join(Category)}, not {str(category)!r}")
    refs_of(credential)
    if limit <= timedelta(0):
        raise ValueError(f"limit must be more than zero, not {limit}")

    def declare(given: Callable[..., Any] | BaseTool) -> Effect:
        function = _plain_function(given, name)
        made = Effect(
            function=function, name=name or getattr(given, "name", "") or function.__name__, category=str(category), levels=levels, undo=undo,
            idempotent=idempotent, limit=limit, version=version, summary=summary, credential=credential,
        )  # fmt: skip
        _refuse_open_ended(function, made.name)
        _refuse_unknown_names(summary, made)
        _refuse_unfit_undo(made)
        _ = made.schema  # a signature that cannot be shown fails here, not while a run waits
        return made

    return declare


class ArgumentsSchema(GenerateJsonSchema):
    """Says of a Decimal what its JSON text looks like, so that a form can check what is typed."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        bounds = {keyword: _number(schema[name]) for name, keyword in _BOUNDS.items() if name in schema}
        return {"type": "string", "format": "decimal", "pattern": _decimal_pattern(schema), **bounds}


#: pydantic's names of the bounds of a number -> JSON Schema's.
_BOUNDS: Mapping[Literal["ge", "gt", "le", "lt"], str] = {
    "ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum",
}  # fmt: skip


def _number(bound: Decimal) -> int | float:
    return int(bound) if bound == int(bound) else float(bound)


def _decimal_pattern(schema: core_schema.DecimalSchema) -> str:
    """As much of its bounds as a pattern can say: how many decimals, never negative, never zero."""
    places, above = schema.get("decimal_places"), schema.get("gt")
    positive = above is not None and above >= 0
    sign = "(?=.*[1-9])" if positive else "" if schema.get("ge", -1) >= 0 else "-?"
    digits = "+" if places is None else f"{{1,{places}}}"
    return f"^{sign}[0-9]+$" if places == 0 else f"^{sign}[0-9]+([.][0-9]{digits})?$"


def _level(dimension: str, text: str) -> Level:
    try:
        return Level[text.upper()]
    except KeyError:
        raise ValueError(f"{dimension} is low, medium or high, not {text!r}") from None


def _refuse_open_ended(function: Callable[..., Any], name: str) -> None:
    closed = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in closed:
            raise TypeError(f"{name}: people cannot judge the open-ended parameter {parameter.name!r}")


def _refuse_unknown_names(summary: str, tool: Effect) -> None:
    """Only whole arguments, as they stand on the card."""
    known = inspect.signature(tool.function).parameters
    for _, name, spec, conversion in Formatter().parse(summary):
        if name is not None and (name not in known or spec or conversion):
            raise ValueError(f"{tool.name}: its summary may name its parameters only, not {name!r}")


def _refuse_unfit_undo(tool: Effect) -> None:
    """An undo is given what the tool was given and what it returned, and nothing else."""
    if tool.undo is None:
        return
    known = {*inspect.signature(tool.function).parameters, RESULT}
    for name, parameter in inspect.signature(tool.undo.function).parameters.items():
        if name not in known and parameter.default is parameter.empty:
            raise TypeError(
                f"{tool.name}: its undo {tool.undo.name} wants {name!r}, which is neither an argument nor {RESULT!r}"
            )


def _model_of(function: Callable[..., Any], name: str) -> type[BaseModel]:
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        parameter.name: (
            hints.get(parameter.name, Any),
            ... if parameter.default is parameter.empty else parameter.default,
        )
        for parameter in inspect.signature(function).parameters.values()
    }
    return create_model(name, __config__=ConfigDict(extra="forbid", protected_namespaces=()), **fields)


def validated(model: type[BaseModel], arguments: Mapping[str, object]) -> BaseModel:
    """The arguments as the model reads them. Raises: BadChange."""
    try:
        return model.model_validate(dict(arguments))
    except ValidationError as error:
        raise BadChange(_problems(error)) from error


def _problems(error: ValidationError) -> dict[str, str]:
    problems: dict[str, str] = {}
    for one in error.errors(include_url=False):
        argument = str(one["loc"][0]) if one["loc"] else ""
        problems.setdefault(argument, one["msg"][:200])
    return problems
