"""The policy as the agent asks it: what each tool may do, whom it asks and how long; `policy_file` reads it from TOML.

Whatever the policy does not name is taken at its worst: an unknown tool is put to people on the default route.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from ..approvals.deadline import Chain, TtlClass
from ..approvals.errors import SaysoError
from ..approvals.people import PersonId
from ..approvals.request import Edits
from ..approvals.risk import Level
from ..approvals.route import Route

#: Below this stated confidence an action counts as uncertain, unless the policy says otherwise.
LOW_CONFIDENCE = 0.7


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
class Rating:
    """How bad one dimension of a tool is, and the sentence that says why."""

    level: Level
    reason: str


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The whole policy; made by `policy_file.read_policy`, which has checked that every name in it leads somewhere.

    Attributes:
        denied: Persons who may decide nothing.
        low_confidence: Below this stated confidence (0 to 1) an action counts as uncertain.
        version: Digest of everything above, 12 hex digits.
    """

    tools: Mapping[str, ToolPolicy]
    routes: Mapping[str, Route]
    chains: Mapping[TtlClass, Chain]
    default_route: str
    denied: frozenset[PersonId] = frozenset()
    low_confidence: float = LOW_CONFIDENCE
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

    def route_of(self, tool: str) -> Route:
        """Where this tool's requests go."""
        return self.route(self.of(tool).route)

    def chain(self, ttl_class: TtlClass, tool: str = "") -> Chain:
        """How long approvers have and what happens meanwhile; a tool's own time replaces its class's."""
        chain, own = self.chains[ttl_class], self.of(tool).ttl
        return replace(chain, ttl=own) if own else chain

    @property
    def approver_sets(self) -> frozenset[str]:
        """Every approver set that some route names, for checking that each one exists."""
        return frozenset(
            name for route in self.routes.values() for name in (*route.all_sets, route.on_call) if name
        )
