"""The policy as the agent asks it: what each tool may do, whom it asks and how long; `policy_file` reads it from TOML.

Whatever the policy does not name is taken at its worst: an unknown tool is put to people on the default route.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import PlainSerializer

from ..approvals.action import Action
from ..approvals.deadline import Chain, TtlClass
from ..approvals.errors import SaysoError
from ..approvals.people import PersonId
from ..approvals.quorum import stricter
from ..approvals.request import Edits
from ..approvals.risk import Dimension, Level, Oversight
from ..approvals.route import Route
from .conditions import CannotTell, Circumstances

#: Below this stated confidence an action counts as uncertain, unless the policy says otherwise.
LOW_CONFIDENCE = 0.7
#: How long what ran watched can be undone, unless the policy says otherwise.
UNDO_WINDOW = timedelta(hours=24)


class UnknownRoute(SaysoError):
    """The policy has no such route (any more), so nobody can be asked on it."""


class Category(StrEnum):
    """The kind of consequence an action has; the value is what stands in the policy and in `Action.category`."""

    READ = "read"
    INTERNAL_CHANGE = "internal_change"
    EXTERNAL_COMMUNICATION = "external_communication"
    FINANCIAL_TRANSACTION = "financial_transaction"
    DELETION = "deletion"
    OVERWRITE = "overwrite"
    ACCESS_RIGHTS = "access_rights"
    REGULATED = "regulated"


@dataclass(frozen=True, slots=True)
class Mandatory:
    """Why a category is always put to people: the flag on the card and the sentence behind it."""

    flag: str
    reason: str


#: Categories that are gated by default, whatever the levels say: each is hard to take back or answered for outside.
MANDATORY: Mapping[Category, Mandatory] = {
    Category.EXTERNAL_COMMUNICATION: Mandatory("Sends outside", "What leaves the company is always put to people."),
    Category.FINANCIAL_TRANSACTION: Mandatory("Money", "Moving money is always put to people."),
    Category.DELETION: Mandatory("Deletes records", "Deleting records is always put to people."),
    Category.OVERWRITE: Mandatory("Overwrites records", "Overwriting records is always put to people."),
    Category.ACCESS_RIGHTS: Mandatory("Changes access", "Changing what somebody can reach is always put to people."),
    Category.REGULATED: Mandatory("Regulated", "A regulated domain is always put to people."),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """How bad a dimension is where a condition (`agent.conditions`) holds, and the sentence that says why."""

    when: str
    level: Level
    reason: str


@dataclass(frozen=True, slots=True)
class Rating:
    """How bad one dimension of a tool is, and the sentence that says why.

    Attributes:
        cases: Asked first, in their order; the first that holds counts instead.
    """

    level: Level
    reason: str
    cases: tuple[Case, ...] = ()


def graded(rating: Rating, seen: Circumstances) -> tuple[Level, str]:
    """How bad it is for this action, and why; the worst where a condition has no answer."""
    for case in rating.cases:
        try:
            if seen.hold(case.when):
                return case.level, case.reason
        except CannotTell as error:
            return (
                Level.HIGH,
                f"Whether {case.when!r} holds cannot be told ({error}), so the worst is assumed.",
            )
    return rating.level, rating.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule:
    """What holds for some actions of some tools, besides what the tool's own table says; it can only make things stricter.

    Attributes:
        when: The condition; empty where it always holds. One that cannot be answered holds, and puts it to people.
        tools, categories: Whom it is about; empty is all.
        high_risk: Only where irreversibility, blast radius or compliance is high, by the tool's table or a rule above.
        flag: Stands at the top of the card.
        at_least: Dimension -> the lowest level it can have.
        oversight: The least a person has to do with it.
        reason: Why, for the card; never empty.
        route, ttl_class: Replace the tool's own; of several rules the last one's. A rule in doubt replaces neither by
            something laxer: a route that needs fewer votes, or lets more sets decide, or more time.
        log_only: What is watched runs although nothing takes it back; not in doubt.
        ask_why: Everybody who approves has to say why; in doubt as well.
    """

    name: str
    reason: str
    when: str = ""
    tools: tuple[str, ...] = ()
    categories: tuple[Category, ...] = ()
    high_risk: bool = False
    flag: str = ""
    at_least: Mapping[Dimension, Level] = field(default_factory=dict)
    oversight: Oversight | None = None
    route: str = ""
    ttl_class: TtlClass | None = None
    log_only: bool = False
    ask_why: bool = False


_NOBODY_RATED = Rating(Level.HIGH, "Nobody has rated this tool, so the worst is assumed.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolPolicy:
    """What the policy says about one tool.

    Attributes:
        known: False when the policy does not name the tool; then everything is at its worst.
        category: None for an unknown tool.
        route: Name of the route its requests take.
        edits: What a typed edit by a reviewer leads to.
        flags: What stands at the top of its cards besides what its levels and category say.
        ttl: The approvers' time for this tool; None where its TTL class decides.
        chain: Name of its own chain, which then decides; empty where its TTL class does.
        hints: What an MCP server says of it ("destructiveHint" -> True). Nobody vouches for them (modelcontextprotocol.io,
            "Tool annotations"), so they can raise a level and never lower one.
        undo_window: How long what ran watched can be undone; more than zero.
        log_only: What is watched runs although nothing takes it back.
    """

    name: str
    route: str
    known: bool = True
    category: Category | None = None
    irreversibility: Rating = _NOBODY_RATED
    blast_radius: Rating = _NOBODY_RATED
    compliance: Rating = _NOBODY_RATED
    ttl_class: TtlClass = TtlClass.SENSITIVE
    edits: Edits = Edits.APPLY
    flags: tuple[str, ...] = ()
    ttl: timedelta | None = None
    chain: str = ""
    hints: Mapping[str, bool] = field(default_factory=dict)
    undo_window: timedelta = UNDO_WINDOW
    log_only: bool = False


@dataclass(frozen=True, slots=True)
class Applying:
    """A rule that holds for an action.

    Attributes:
        doubt: Why its condition could not be answered; empty where it was.
    """

    rule: PolicyRule
    doubt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The whole policy; made by `policy_file.read_policy`, which has checked that every name in it leads somewhere.

    Attributes:
        denied: Persons who may decide nothing.
        rules: Asked of every action, in their order.
        low_confidence: Below this stated confidence (0 to 1) an action counts as uncertain.
        written: Chains that are written out, by name.
        version: Digest of everything above, 12 hex digits; the same in every process.
    """

    tools: Mapping[str, ToolPolicy]
    routes: Mapping[str, Route]
    chains: Mapping[TtlClass, Chain]
    default_route: str
    rules: tuple[PolicyRule, ...] = ()
    denied: Annotated[frozenset[PersonId], PlainSerializer(sorted)] = frozenset()
    low_confidence: float = LOW_CONFIDENCE
    written: Mapping[str, Chain] = field(default_factory=dict)
    version: str = ""

    def of(self, tool: str) -> ToolPolicy:
        """What holds for this tool; the worst where nothing is said."""
        return self.tools.get(tool) or ToolPolicy(name=tool, route=self.default_route, known=False)

    def route(self, name: str) -> Route:
        """Raises: UnknownRoute."""
        try:
            return self.routes[name]
        except KeyError:
            raise UnknownRoute(f"The policy has no route {name!r}, so nobody can be asked on it.") from None

    def applying(self, action: Action, seen: Circumstances | None = None) -> tuple[Applying, ...]:
        """The rules that hold for this action, in their order; one that cannot be answered is among them."""
        seen, kinds = seen or Circumstances(action), {self.of(action.tool).category, action.category}
        about = (
            rule for rule in self.rules
            if (not rule.tools or action.tool in rule.tools) and (not rule.categories or kinds & set(rule.categories))
        )  # fmt: skip
        high, found = self._is_high(action), list[Applying]()
        for rule in about:
            if (high or not rule.high_risk) and (one := _applied(rule, seen)):
                found.append(one)
                raised = (level for what, level in rule.at_least.items() if what is not Dimension.CONFIDENCE)
                high = high or Level.HIGH in raised
        return tuple(found)

    def _is_high(self, action: Action) -> bool:
        """Whether the tool's own table rates a dimension high for this action; not looked at where no rule asks."""
        if not any(rule.high_risk for rule in self.rules):
            return False
        tool, seen = self.of(action.tool), Circumstances(action)
        ratings = (tool.irreversibility, tool.blast_radius, tool.compliance)
        return any(graded(rating, seen)[0] is Level.HIGH for rating in ratings)

    def route_for(self, action: Action) -> Route:
        """Where this action's request goes; a rule in doubt sends it to nobody who would ask for fewer people.

        Raises: UnknownRoute.
        """
        found, applying = self.of(action.tool).route, self.applying(action)
        for one in applying:
            if one.rule.route and not (one.doubt and self._is_laxer(one.rule.route, found)):
                found = one.rule.route
        route, ask_why = self.route(found), any(one.rule.ask_why for one in applying)
        return replace(route, rule=replace(route.rule, ask_why=True)) if ask_why else route

    def only_logs(self, action: Action) -> bool:
        """Whether this action, where it is to be watched, runs although nothing takes it back."""
        found = any(one.rule.log_only and not one.doubt for one in self.applying(action))
        return self.of(action.tool).log_only or found

    def _is_laxer(self, name: str, than: str) -> bool:
        """Whether fewer have to agree, runs of nobody are let in, or others besides the same may decide as well."""
        if than not in self.routes:
            return False
        one, other = self.route(name), self.routes[than]
        if one.rule.needed != other.rule.needed:
            return one.rule.needed < other.rule.needed
        if one.rule.seats != other.rule.seats:
            return stricter(one.rule, other.rule) != one.rule
        if one.unattended != other.unattended:
            return one.unattended
        return set(one.all_sets) > set(other.all_sets)

    def ttl_class_for(self, action: Action) -> TtlClass:
        """How urgent it is; a rule in doubt gives nobody more time."""
        return self._class_named(action) or self.of(action.tool).ttl_class

    def chain_for(self, action: Action) -> Chain:
        """How long approvers of this action have and what happens meanwhile; a rule's class replaces the tool's chain."""
        named = self._class_named(action)
        return (
            self.chain(named, action.tool, own=False)
            if named
            else self.chain(self.of(action.tool).ttl_class, action.tool)
        )

    def chain(self, ttl_class: TtlClass, tool: str = "", *, own: bool = True) -> Chain:
        """How long approvers have and what happens meanwhile; a tool's own time replaces its class's.

        Args:
            own: Whether the tool's own chain counts.
        """
        asked = self.of(tool)
        if own and asked.chain:
            return self.written[asked.chain]
        chain = self.chains[ttl_class]
        return replace(chain, ttl=asked.ttl) if asked.ttl and not chain.steps else chain

    def sets_for(self, action: Action) -> frozenset[str]:
        """Every approver set that may ever decide this action. Raises: UnknownRoute."""
        return frozenset((*self.route_for(action).all_sets, *self.chain_for(action).sets))

    def _class_named(self, action: Action) -> TtlClass | None:
        """What the last rule says that names a class; one in doubt gives nobody more time, and lets no others decide."""
        tool, found = self.of(action.tool), None
        before = self.written[tool.chain] if tool.chain else self.chains[tool.ttl_class]
        for one in self.applying(action):
            if one.rule.ttl_class is None:
                continue
            after = self.chains[one.rule.ttl_class]
            longer = after.ttl + after.grace > before.ttl + before.grace
            if not (one.doubt and (longer or not set(after.sets) <= set(before.sets))):
                found, before = one.rule.ttl_class, after
        return found

    @property
    def approver_sets(self) -> frozenset[str]:
        """Every approver set that some route or chain names, for checking that each one exists."""
        routes = (
            name
            for route in self.routes.values()
            for name in (*route.all_sets, route.on_call, *route.rule.veto)
            if name
        )
        return frozenset((*routes, *(name for chain in self.written.values() for name in chain.sets)))


def _applied(rule: PolicyRule, seen: Circumstances) -> Applying | None:
    try:
        return Applying(rule) if not rule.when or seen.hold(rule.when) else None
    except CannotTell as error:
        return Applying(rule, str(error))
