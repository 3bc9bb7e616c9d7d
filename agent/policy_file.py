"""Reads a policy from TOML and refuses what cannot be right, naming the key; no rule of the policy is applied here."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from ..approvals import canonical
from ..approvals.deadline import CHAINS, Chain, TtlClass
from ..approvals.errors import BadSetting
from ..approvals.people import PersonId, Place
from ..approvals.request import Edits
from ..approvals.risk import Level
from ..approvals.route import Route
from ..approvals.verdict import Rule
from .policy import LOW_CONFIDENCE, Category, Policy, Rating, ToolPolicy
from .setting_words import NAME, NAME_WORDS, Name, did_you_mean, listed, problems_of, refuse, written

#: Longest time a policy may give anybody; a request that outlives its people helps nobody.
LONGEST = timedelta(days=90)

#: What to write where cards should stand in Slack, and where to find it.
SLACK_PLACE = """write "slack:" and the channel's id (C…), from the channel's details in Slack"""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def load_policy(path: Path) -> Policy:
    """The policy of a TOML file. Raises: BadSetting, naming the file or the key."""
    try:
        return read_policy(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise BadSetting(f"The policy {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"The policy {path} is not TOML: {error}.") from error


def read_policy(said: Mapping[str, Any]) -> Policy:
    """The policy as the tables `tools`, `routes`, `ttl` and a few keys say it. Raises: BadSettings, naming each key."""
    try:
        read = _PolicyFile.model_validate(said)
    except ValidationError as error:
        refuse(problems_of(error, _PolicyFile))
        raise
    chains = {kind: getattr(read.ttl, kind.value).chain(CHAINS[kind]) for kind in TtlClass}
    policy = Policy(
        tools={name: tool.policy(name, read.default_route) for name, tool in read.tools.items()},
        routes={name: route.route(name) for name, route in read.routes.items()},
        chains=chains,
        default_route=read.default_route,
        denied=frozenset(PersonId(person) for person in read.denied),
        low_confidence=read.low_confidence,
    )
    refuse([*_wrong_chains(read, policy), *_wrong_names(policy)])
    return replace(policy, version=canonical.digest(canonical.encode(policy))[:12])


def _duration(value: object) -> object:
    """The span that "24h" or "1h30m" means."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"([0-9]{1,6}[smhd])+", value):
        raise ValueError('a time is written like "30m", "24h", "7d" or "1h30m"')
    parts = re.findall(r"([0-9]+)([smhd])", value)
    span = sum((timedelta(**{_UNITS[unit]: int(count)}) for count, unit in parts), timedelta())
    if not timedelta() < span <= LONGEST:
        raise ValueError(f"a time is more than zero and at most {LONGEST.days} days")
    return span


def _rating(value: object) -> object:
    """A level that stands alone has no reason of its own."""
    if not isinstance(value, str | dict):
        raise ValueError('write "low", "medium" or "high", or { level = "high", reason = "why" }')  # noqa: TRY004 for pydantic
    return {"level": value} if isinstance(value, str) else value


def _place(value: str) -> str:
    if not re.fullmatch(r"(slack|teams|person):\S+", value):
        raise ValueError(
            f'"{value[:40]}" is not a place; {SLACK_PLACE}; or "teams:" and the id of one in Teams'
        )
    return value


def _place_or_none(value: str) -> str:
    return _place(value) if value else value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
#: Empty where there is none.
MaybeName = Annotated[str, written(rf"({NAME.pattern})?", NAME_WORDS)]
People = Annotated[tuple[Name, ...], listed("people's ids")]
SetNames = Annotated[tuple[Name, ...], listed('set names, like ["finance"]')]
Places = Annotated[
    tuple[Annotated[str, AfterValidator(_place)], ...], listed('places, like ["slack:C0123ABC"]')
]
#: Empty where there is none.
MaybePlace = Annotated[str, AfterValidator(_place_or_none)]
Share = Annotated[float, Field(gt=0, lt=1)]
#: 0 means never.
ShareOrNever = Annotated[float, Field(ge=0, lt=1)]


class _Strict(BaseModel):
    """A key that nobody reads is a misspelling, and a misspelt rule must not pass for one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class _Rating(_Strict):
    level: Literal["low", "medium", "high"]
    reason: Words = ""

    def rating(self, what: str) -> Rating:
        return Rating(Level[self.level.upper()], self.reason or f"The policy rates its {what} {self.level}.")


Rated = Annotated[_Rating, BeforeValidator(_rating)]


class _Tool(_Strict):
    category: Category
    irreversibility: Rated
    blast_radius: Rated
    compliance: Rated
    route: MaybeName = ""
    ttl_class: TtlClass = TtlClass.SENSITIVE
    ttl: Duration | None = None
    edits: Edits = Edits.APPLY
    flags: tuple[Annotated[Words, StringConstraints(max_length=30)], ...] = ()

    def policy(self, name: str, default_route: str) -> ToolPolicy:
        return ToolPolicy(
            name=name, route=self.route or default_route, category=self.category,
            irreversibility=self.irreversibility.rating("irreversibility"),
            blast_radius=self.blast_radius.rating("blast radius"),
            compliance=self.compliance.rating("compliance exposure"),
            ttl_class=self.ttl_class, ttl=self.ttl, edits=self.edits, flags=self.flags,
        )  # fmt: skip


class _Route(_Strict):
    places: Places = Field(min_length=1)
    approvers: SetNames = Field(min_length=1)
    needed: int = Field(default=1, ge=1, le=20)
    second_line: MaybeName = ""
    supervisor: MaybeName = ""
    on_call: MaybeName = ""
    pager: MaybeName = ""
    fallback: MaybePlace = ""
    on_call_decides: bool = False
    unattended: bool = False

    def route(self, name: str) -> Route:
        return Route(
            name=name, places=tuple(Place(place) for place in self.places),
            rule=Rule(approvers=self.approvers, needed=self.needed), second_line=self.second_line,
            supervisor=self.supervisor, on_call=self.on_call, pager=self.pager, fallback=Place(self.fallback),
            on_call_decides=self.on_call_decides, unattended=self.unattended,
        )  # fmt: skip


class _Chain(_Strict):
    """What is not said stays as in `approvals.deadline.CHAINS`."""

    ttl: Duration | None = None
    remind: tuple[Share, ...] | None = None
    second_line: ShareOrNever | None = None
    supervisor: ShareOrNever | None = None
    pages: bool | None = None
    grace: Duration | None = None

    def chain(self, default: Chain) -> Chain:
        said = {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}
        chain = replace(default, **said)
        return chain if chain.pages else replace(chain, grace=timedelta(0))


class _Chains(_Strict):
    routine: _Chain = _Chain()
    sensitive: _Chain = _Chain()
    urgent: _Chain = _Chain()


class _PolicyFile(_Strict):
    default_route: Name
    routes: dict[Name, _Route] = Field(min_length=1)
    tools: dict[Name, _Tool] = {}
    ttl: _Chains = _Chains()
    denied: People = ()
    low_confidence: float = Field(default=LOW_CONFIDENCE, gt=0, le=1)


def _wrong_chains(read: _PolicyFile, policy: Policy) -> Iterator[str]:
    """Where a page and the time after it do not fit together."""
    for kind in TtlClass:
        if policy.chains[kind].pages and not policy.chains[kind].grace:
            yield f"ttl.{kind}.grace: on-call is paged, so somebody needs time to act"
        if not policy.chains[kind].pages and getattr(read.ttl, kind.value).grace:
            yield f"ttl.{kind}.grace: nobody is paged, so there is no grace; set pages = true"


def _wrong_names(policy: Policy) -> Iterator[str]:
    """What leads nowhere, and whoever is promised a page with nobody to page."""
    for route in policy.routes.values():
        if route.on_call_decides and not route.on_call:
            yield f"routes.{route.name}.on_call_decides: there is no on_call set that could decide"
        if route.fallback in route.places:
            yield f"routes.{route.name}.fallback: {route.fallback} is one of its places; name another channel"
    if policy.default_route not in policy.routes:
        yield f"default_route: {_no_route(policy.default_route, policy)}"
    for tool in (*policy.tools.values(), policy.of("")):
        key = f"tools.{tool.name}" if tool.known else "default_route"
        found = policy.routes.get(tool.route)
        if found is None:
            if tool.route != policy.default_route:
                yield f"{key}.route: {_no_route(tool.route, policy)}"
        elif policy.chain(tool.ttl_class, tool.name).pages and not (found.pager or found.on_call):
            yield (
                f"{key}: unanswered requests page on-call (ttl.{tool.ttl_class}.pages), "
                f"but routes.{found.name} names neither pager nor on_call"
            )


def _no_route(name: str, policy: Policy) -> str:
    return f"there is no [routes.{name}]{did_you_mean(name, policy.routes)}"
