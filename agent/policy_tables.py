"""The tables of a policy file: what may stand in each, and what it means; which of them fit together `policy_file` checks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    model_validator,
)

from ..approvals.deadline import TtlClass
from ..approvals.errors import BadSetting
from ..approvals.hours import Hours
from ..approvals.people import Place
from ..approvals.request import Edits
from ..approvals.risk import Dimension, Level, Oversight
from ..approvals.route import Route
from ..approvals.verdict import Rule, Seats
from .chain_tables import ChainsTable, HoursTable, MaybeName, WrittenTable
from .conditions import checked
from .policy import LOW_CONFIDENCE, UNDO_WINDOW, Case, Category, PolicyRule, Rating, ToolPolicy
from .setting_words import Name, listed
from .table_forms import Duration, Strict

#: Longest time in which something can be undone; its record is kept for 30 days.
LONGEST_UNDO = timedelta(days=14)

#: What to write where cards should stand in Slack, and where to find it.
SLACK_PLACE = """write "slack:" and the channel's id (C…), from the channel's details in Slack"""


def _undo_window(value: timedelta) -> timedelta:
    if value > LONGEST_UNDO:
        raise ValueError(f"what was done can be undone for at most {LONGEST_UNDO.days} days")
    return value


def _rating(value: object) -> object:
    """A level that stands alone has no reason of its own; of a list all but the last are cases."""
    if isinstance(value, str):
        return {"level": value}
    if isinstance(value, list) and value:
        *cases, last = value
        plain = last if isinstance(last, dict) else {"level": last}
        if "if" in plain:
            raise ValueError("the last one of a list holds where no other does, so it has no “if”")
        return {**plain, "cases": cases}
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004 for pydantic
            'write "low", "medium" or "high", or { level = "high", reason = "why" }, or a list of these, '
            "all but the last with an “if”"
        )
    return value


def _condition(value: str) -> str:
    try:
        return checked(value)
    except BadSetting as error:
        raise ValueError(str(error)) from None


def _place(value: str) -> str:
    if not re.fullmatch(r"(slack|teams|person):\S+", value):
        raise ValueError(
            f'"{value[:40]}" is not a place; {SLACK_PLACE}; or "teams:" and the id of one in Teams'
        )
    return value


def _place_or_none(value: str) -> str:
    return _place(value) if value else value


Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
People = Annotated[tuple[Name, ...], listed("people's ids")]
SetNames = Annotated[tuple[Name, ...], listed('set names, like ["finance"]')]
Places = Annotated[
    tuple[Annotated[str, AfterValidator(_place)], ...], listed('places, like ["slack:C0123ABC"]')
]
#: Empty where there is none.
MaybePlace = Annotated[str, AfterValidator(_place_or_none)]
Condition = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_condition)]
Flag = Annotated[Words, StringConstraints(max_length=30)]
LevelName = Literal["low", "medium", "high"]


class _Case(Strict):
    """How bad it is where a condition holds; of a list the first that holds counts.

    Attributes:
        if: A condition in CEL, like "amount > 500".
        reason: Why, as a sentence for the card.
    """

    when: Condition = Field(alias="if")
    level: LevelName
    reason: Words = ""

    def case(self, what: str) -> Case:
        words = self.reason or f"The policy rates its {what} {self.level} where {self.when}."
        return Case(self.when, Level[self.level.upper()], words)


class _Plain(Strict):
    """How bad it is.

    Attributes:
        reason: Why, as a sentence for the card.
    """

    level: LevelName
    reason: Words = ""


class _Rating(_Plain):
    cases: tuple[_Case, ...] = ()

    def rating(self, what: str) -> Rating:
        words = self.reason or f"The policy rates its {what} {self.level}."
        return Rating(Level[self.level.upper()], words, tuple(case.case(what) for case in self.cases))


Rated = Annotated[
    _Rating,
    BeforeValidator(_rating, json_schema_input_type=LevelName | _Plain | list[LevelName | _Case | _Plain]),
]


class Hints(Strict):
    """What an MCP server says of its tool (modelcontextprotocol.io, "ToolAnnotations"), under its own names."""

    read_only: bool | None = Field(default=None, alias="readOnlyHint")
    destructive: bool | None = Field(default=None, alias="destructiveHint")
    idempotent: bool | None = Field(default=None, alias="idempotentHint")
    open_world: bool | None = Field(default=None, alias="openWorldHint")


class ToolTable(Strict):
    """`[tools.issue_refund]`: how risky a tool is, whom it asks and how long.

    Attributes:
        category: The kind of consequence; all but read and internal_change are always put to people.
        irreversibility: How hard it is to take back: a level, a table with a reason, or a list with cases.
        blast_radius: How many people or things it reaches.
        compliance: How much somebody outside has to be told of it, or may ask.
        route: Whom it asks, unless it is the default route.
        ttl_class: How long approvers have, as [ttl] says.
        ttl: The approvers' time for this tool instead of its class's.
        chain: What happens while nobody answers, a name of [chains], instead of what its class says.
        edits: Whether edited arguments run as edited, or the agent plans again from them.
        flags: Words at the top of its cards.
        mcp: What its MCP server says of it; that can raise a level and never lower one.
        undo_window: How long what ran watched can be undone: a day unless you say otherwise, at most 14 days.
        log_only: Whether it runs where it is only to be watched, although nothing takes it back.
    """

    category: Category
    irreversibility: Rated
    blast_radius: Rated
    compliance: Rated
    route: MaybeName = ""
    ttl_class: TtlClass = TtlClass.SENSITIVE
    ttl: Duration | None = None
    chain: MaybeName = ""
    edits: Edits = Edits.APPLY
    flags: tuple[Flag, ...] = ()
    mcp: Hints = Hints()
    undo_window: Annotated[Duration, AfterValidator(_undo_window)] = UNDO_WINDOW
    log_only: bool = False

    def policy(self, name: str, default_route: str) -> ToolPolicy:
        return ToolPolicy(
            name=name, route=self.route or default_route, category=self.category,
            irreversibility=self.irreversibility.rating("irreversibility"),
            blast_radius=self.blast_radius.rating("blast radius"),
            compliance=self.compliance.rating("compliance exposure"),
            ttl_class=self.ttl_class, ttl=self.ttl, chain=self.chain, edits=self.edits, flags=self.flags,
            hints=self.mcp.model_dump(by_alias=True, exclude_none=True), undo_window=self.undo_window, log_only=self.log_only,
        )  # fmt: skip


class RuleTable(Strict):
    """One of `[[rules]]`: for whom, when, and what becomes stricter.

    Attributes:
        name: What `sayso policy explain` calls it.
        if: A condition in CEL, like "amount > 500"; without one it always holds.
        tools: Whom it is about; all of them unless given.
        categories: Whom it is about, by kind of consequence.
        high_risk: Only where irreversibility, blast radius or compliance is high, by the tool's table or a rule above.
        flag: Stands at the top of the card.
        irreversibility: At least so bad.
        blast_radius: At least so bad.
        compliance: At least so bad.
        confidence: At least so uncertain.
        oversight: The least a person has to do with it.
        reason: Why, as a sentence for the card.
        route: Replaces the tool's own.
        ttl_class: Replaces the tool's own.
        log_only: Whether what is only to be watched runs, although nothing takes it back.
        ask_why: Whether everybody who approves has to say why; whoever rejects always has to.
    """

    name: Words
    when: Condition = Field(default="", alias="if", validate_default=False)
    tools: Annotated[tuple[Name, ...], listed("tools' names")] = ()
    categories: tuple[Category, ...] = ()
    high_risk: bool = False
    flag: Flag | None = None
    irreversibility: LevelName | None = None
    blast_radius: LevelName | None = None
    compliance: LevelName | None = None
    confidence: LevelName | None = None
    oversight: Literal["gate", "watch"] | None = None
    reason: Words = ""
    route: MaybeName = ""
    ttl_class: TtlClass | None = None
    log_only: bool = False
    ask_why: bool = False

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        said = (
            *self._levels.values(),
            self.flag,
            self.oversight,
            self.route,
            self.ttl_class,
            self.log_only,
            self.ask_why,
        )
        if not any(said):
            raise ValueError(
                "it changes nothing: give it a flag, a level, oversight, a route, a ttl_class, log_only or ask_why"
            )
        return self

    @property
    def _levels(self) -> dict[Dimension, LevelName]:
        said = (self.irreversibility, self.blast_radius, self.compliance, self.confidence)
        return {one: level for one, level in zip(Dimension, said, strict=True) if level}

    def rule(self) -> PolicyRule:
        return PolicyRule(
            name=self.name, reason=self.reason or f"The policy's rule: {self.name}.", when=self.when, tools=self.tools,
            categories=self.categories, high_risk=self.high_risk, flag=self.flag or "",
            at_least={one: Level[level.upper()] for one, level in self._levels.items()},
            oversight=Oversight(self.oversight) if self.oversight else None, route=self.route, ttl_class=self.ttl_class,
            log_only=self.log_only, ask_why=self.ask_why,
        )  # fmt: skip


class RouteTable(Strict):
    """`[routes.finance]`: where its cards stand, who decides, and who is told when nobody does.

    Attributes:
        places: Channels in which each card stands: "slack:C0123ABC", "teams:19:…@thread.tacv2", "person:bo".
        approvers: Sets whose members decide.
        needed: How many different people have to agree.
        seats: How many of them have to come from single sets, like { finance = 2, security = 1 }; each person counts
            for one set.
        veto: Sets whose members may reject and nothing else; approvers may always.
        second_line: A set that is told, and may decide too, when most of the time is over.
        supervisor: A set that is told, and may decide too, shortly before the end.
        on_call: A set that is told when the time is over.
        pager: Who pages on-call, a name of [pagers].
        backup_pagers: Tried in this order when that one does not take the page.
        fallback: Where cards go that stand nowhere else.
        on_call_decides: Whether those on call may decide once they are paged.
        unattended: Whether runs may ask here that no known person started.
        hours: When its people are reminded, a name of [hours]; at any time unless given.
    """

    places: Places = Field(min_length=1)
    approvers: SetNames = Field(min_length=1)
    needed: int = Field(default=1, ge=1, le=20)
    seats: dict[Name, Annotated[int, Field(ge=1, le=20)]] = Field(default={})
    veto: SetNames = ()
    second_line: MaybeName = ""
    supervisor: MaybeName = ""
    on_call: MaybeName = ""
    pager: MaybeName = ""
    backup_pagers: Annotated[tuple[Name, ...], listed('names of [pagers], like ["backup"]')] = ()
    fallback: MaybePlace = ""
    on_call_decides: bool = False
    unattended: bool = False
    hours: MaybeName = ""

    def route(self, name: str, hours: Mapping[str, Hours]) -> Route:
        seats = tuple(Seats(approvers=approvers, needed=needed) for approvers, needed in self.seats.items())
        rule = Rule(
            approvers=self.approvers,
            needed=max(self.needed, sum(self.seats.values())),
            seats=seats,
            veto=self.veto,
        )
        return Route(
            name=name, places=tuple(Place(place) for place in self.places),
            rule=rule, second_line=self.second_line,
            supervisor=self.supervisor, on_call=self.on_call, pager=self.pager, backup_pagers=self.backup_pagers,
            fallback=Place(self.fallback),
            on_call_decides=self.on_call_decides, unattended=self.unattended, hours=hours.get(self.hours),
        )  # fmt: skip


class PolicyTable(Strict):
    """The policy: which actions people decide, and who.

    Attributes:
        default_route: Takes the requests of tools that name no route, and of unknown tools.
        routes: Where cards stand and who decides.
        tools: How risky each tool is; one that is not named is taken at its worst.
        rules: What makes single actions stricter.
        ttl: How long approvers have.
        chains: What happens while nobody answers, step by step.
        hours: When people are at work, for reminders only.
        denied: People who may decide nothing.
        low_confidence: Below this stated confidence (0 to 1) an action counts as uncertain.
    """

    default_route: Name
    routes: dict[Name, RouteTable] = Field(min_length=1)
    tools: dict[Name, ToolTable] = Field(default={})
    rules: tuple[RuleTable, ...] = ()
    ttl: ChainsTable = ChainsTable()
    chains: dict[Name, WrittenTable] = Field(default={})
    hours: dict[Name, HoursTable] = Field(default={})
    denied: People = ()
    low_confidence: float = Field(default=LOW_CONFIDENCE, gt=0, le=1)
