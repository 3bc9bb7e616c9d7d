"""What an agent wants to do, in words a person can judge: the action, what it touches, why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .credential import CredentialRef, Credentials, refs_of
from .errors import SaysoError

#: A value JSON can say (None, bool, number, text, list, mapping); arguments are frozen to these.
Json = object


class IncompleteAction(SaysoError):
    """An action needs a goal, a summary and a reasoning before people can be asked."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A thing the action touches, as people know it.

    Attributes:
        kind: What it is ("order"), lower case.
        id: Its id in the source system.
        link: https deep link into the source system; empty when there is none.
        facts: What a reviewer must know of it, label -> short text, most telling first.
        name: What people call it; empty when the id is its name.
    """

    kind: str
    id: str
    link: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something the agent based its conclusion on; `link` may be empty."""

    label: str
    link: str = ""


class Tool(Protocol):
    """What `Action.of` needs of a tool: `sayso.agent.effect` makes these."""

    @property
    def name(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def credential(self) -> Credentials: ...
    def freeze(self, arguments: Mapping[str, object]) -> Mapping[str, Json]:
        """The arguments as JSON values, checked against the tool's signature. Raises: BadChange."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One call of one tool, with everything a reviewer needs to judge it.

    Attributes:
        tool: The tool's name.
        arguments: What it will be called with; JSON values, no secrets.
        category: The kind of consequence ("financial_transaction"); see the tool catalog.
        goal: What the agent is trying to achieve; never empty.
        summary: One sentence, imperative: what will be done; never empty.
        reasoning: Why the agent thinks this is right; never empty.
        scope: How far it reaches ("412 customers"); empty when the targets say it all.
        confidence: 0 to 1, as the agent states it; None when it states none (counts as low).
        unsure: What the agent is not sure of; empty when nothing.
        credential: Under whose authority the tool will run, one account of each provider; references, never tokens.
    """

    tool: str
    arguments: Mapping[str, Json]
    goal: str
    summary: str
    reasoning: str
    category: str = ""
    targets: tuple[Entity, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    scope: str = ""
    confidence: float | None = None
    unsure: str = ""
    credential: Credentials = None

    def __post_init__(self) -> None:
        for name in ("goal", "summary", "reasoning"):
            if not str(getattr(self, name)).strip():
                raise IncompleteAction(f"The action {self.tool!r} has no {name}: people cannot judge it.")
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise IncompleteAction(f"confidence is between 0 and 1, not {self.confidence!r}")
        try:
            refs_of(self.credential)
        except ValueError as error:
            raise IncompleteAction(f"The action {self.tool!r}: {error}.") from None

    @property
    def credentials(self) -> tuple[CredentialRef, ...]:
        """Every account it runs under."""
        return refs_of(self.credential)

    @classmethod
    def of(
        cls,
        tool: Tool,
        /,
        *,
        goal: str,
        summary: str,
        reasoning: str,
        targets: Sequence[Entity] = (),
        evidence: Sequence[Evidence] = (),
        scope: str = "",
        confidence: float | None = None,
        unsure: str = "",
        credential: Credentials = None,
        **arguments: object,
    ) -> Action:
        """An action of `tool`, under the tool's own credential unless another is named; the rest are its arguments.

        Raises:
            BadChange: An argument is missing, unknown, or of the wrong type.
            IncompleteAction: goal, summary or reasoning is empty.
        """
        return cls(
            tool=tool.name,
            arguments=tool.freeze(arguments),
            category=tool.category,
            goal=goal,
            summary=summary,
            reasoning=reasoning,
            targets=tuple(targets),
            evidence=tuple(evidence),
            scope=scope,
            confidence=confidence,
            unsure=unsure,
            credential=credential or tool.credential,
        )
