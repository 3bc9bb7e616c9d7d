"""Tools as a model calls them: `@effect` tools and LangChain's own, each in the form that a gate freezes, shows and runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import pydantic_core
from langchain_core.messages import BaseMessage, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.prebuilt import ToolNode, ToolRuntime
from langgraph.types import Command
from pydantic import BaseModel, ConfigDict, ValidationError

from ..approvals.action import Action, Json
from ..approvals.editing import check_arguments
from ..approvals.errors import BadChange
from ..approvals.risk import Oversight, RiskAssessment
from .artifacts import WithArtifact
from .effect import ArgumentsSchema, Effect, SaysFailed, validated
from .policy import Policy
from .risk import assess_call

_OPEN: ContextVar[ToolRuntime[Any, Any]] = ContextVar("sayso_tool_call")


class Unreadable(TypeError):
    """People cannot be shown the arguments of this tool."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Called(Effect):
    """An `@effect` tool that a model calls.

    Attributes:
        policy: What its author says about it beside the worker's own policy; the stricter of both holds.
        description: What the model reads about it.
    """

    policy: Policy | None = None
    description: str = ""

    @classmethod
    def by_model(cls, effect: Effect, policy: Policy | None) -> Called:
        said = {one.name: getattr(effect, one.name) for one in fields(Effect)}
        return cls(**said, policy=policy, description=effect.function.__doc__ or effect.name)

    def judgements(self, action: Action, policy: Policy) -> tuple[RiskAssessment, ...]:
        return tuple(assess_call(action, one) for one in (policy, self.policy) if one is not None)

    def refusal(self, error: BadChange) -> str:
        """What the model reads of a call whose arguments do not fit."""
        return f"Not done: {error}"

    def only_logged(self, action: Action, policy: Policy) -> bool:
        """Both policies have to say so, as far as they would watch it at all."""
        watching = [
            one
            for one in (policy, self.policy)
            if one and assess_call(action, one).oversight is Oversight.WATCH
        ]
        return all(one.only_logs(action) for one in watching)

    @property
    def model_schema(self) -> type[BaseModel] | dict[str, Any]:
        """What the model is told of its arguments; LangChain adds what is none of the model's business."""
        return type(
            self.name, (self.arguments,), {"model_config": ConfigDict(extra="ignore"), "__doc__": None}
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class CalledTool(Called):
    """A tool of LangChain's, of whatever make; what its graph injects into it is neither shown nor frozen."""

    tool: BaseTool

    @classmethod
    def of(cls, tool: BaseTool, policy: Policy | None) -> CalledTool:
        """Raises: Unreadable."""
        made = cls(
            function=_never, name=tool.name, tool=tool, policy=policy, description=tool.description
        )  # fmt: skip
        _ = made.schema
        return made

    @property
    def is_async(self) -> bool:
        """What is not known to be is never cancelled."""
        return getattr(self.tool, "coroutine", None) is not None

    @property
    def model_schema(self) -> type[BaseModel] | dict[str, Any]:
        written = self.tool.args_schema
        return written if isinstance(written, dict) else self.arguments

    @cached_property
    def arguments(self) -> type[BaseModel]:
        """Raises: Unreadable where it has none of pydantic's."""
        schema = self.tool.tool_call_schema
        if isinstance(schema, type) and issubclass(schema, BaseModel):
            return schema
        raise Unreadable(f"{self.name}: its arguments are described in a way that cannot be shown to people")

    @cached_property
    def schema(self) -> str:
        if isinstance(self.tool.args_schema, dict):
            written = self.tool.args_schema
        else:
            written = self.arguments.model_json_schema(mode="serialization", schema_generator=ArgumentsSchema)
        return json.dumps({**written, "title": self.name}, separators=(",", ":"), sort_keys=True)

    def refusal(self, error: BadChange) -> str:
        """As its author has it said (`handle_validation_error`): nobody was asked, and nothing ran."""
        handle, cause = self.tool.handle_validation_error, error.__cause__
        if isinstance(handle, str):
            return handle
        if callable(handle) and isinstance(cause, ValidationError):
            return str(handle(cause))
        return super().refusal(error)

    def _checked(self, arguments: Mapping[str, object]) -> BaseModel:
        """Also by the validators of its own model, which LangChain leaves out of what the model is told.

        What a graph injects is not there yet: a model that has fields for it is asked when the tool runs.
        """
        read, whole = super()._checked(arguments), self.tool.args_schema
        if (
            isinstance(whole, type)
            and issubclass(whole, BaseModel)
            and whole.model_fields.keys() == type(read).model_fields.keys()
        ):
            validated(whole, arguments)
        return read

    def freeze(self, arguments: Mapping[str, object]) -> Mapping[str, Json]:
        if not isinstance(self.tool.args_schema, dict):
            return super().freeze(arguments)
        frozen: dict[str, Json] = pydantic_core.to_jsonable_python(dict(arguments))
        check_arguments(self.schema, frozen)
        return frozen

    def thaw(self, frozen: Mapping[str, Json]) -> dict[str, Any]:
        """The frozen arguments, once they are known to fit: LangChain itself reads them into the tool's types."""
        self.freeze(frozen)
        return dict(frozen)

    async def run(self, arguments: Mapping[str, Any]) -> Any:
        """As LangChain runs it, with whatever it injects: an agent's state, its store, its runtime.

        Raises: SaysFailed, where LangChain made words for the model of an error, as `handle_tool_error` tells it to.
        """
        task = _OPEN.get()
        call = {"name": self.name, "args": dict(arguments), "id": task.tool_call_id, "type": "tool_call"}
        node = ToolNode([self.tool], handle_tool_errors=False)
        returned = await node.ainvoke([call], task.config)
        if _failed(returned):
            raise SaysFailed(_said(returned))
        return WithArtifact(_said(returned), _handed_on(returned))


@contextmanager
def opened(runtime: ToolRuntime[Any, Any]) -> Iterator[None]:
    """What LangChain's tools are given besides their arguments, in this block."""
    mark = _OPEN.set(runtime)
    try:
        yield
    finally:
        _OPEN.reset(mark)


def _failed(returned: Any) -> bool:
    """Whether the tool's own message says so."""
    match returned:
        case ToolMessage(status="error"):
            return True
        case Command(update=Mapping() as update) | (Mapping() as update):
            return _failed(update.get("messages", []))
        case list():
            return any(map(_failed, returned))
        case _:
            return False


def _said(returned: Any) -> Any:
    """What the tool said, as a model would read it; a tool behind a gate does not steer the graph."""
    match returned:
        case BaseMessage():
            return returned.content
        case Command(update=Mapping() as update) | (Mapping() as update):
            return _said(update.get("messages", []))
        case [one]:
            return _said(one)
        case list():
            return [_said(one) for one in returned]
        case _:
            return returned


def _handed_on(returned: Any) -> Any:
    """Its message's artifact; None where it has none, or where there are several messages."""
    match returned:
        case ToolMessage():
            return returned.artifact
        case Command(update=Mapping() as update) | (Mapping() as update):
            return _handed_on(update.get("messages", []))
        case [one]:
            return _handed_on(one)
        case _:
            return None


def _never(**_: Any) -> Callable[..., Any]:
    raise AssertionError("LangChain runs its own tools")
