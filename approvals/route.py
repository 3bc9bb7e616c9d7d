"""Where a request goes and whom it asks: routes, and the one place that composes an `Ask`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from .action import Action
from .deadline import Chain, Deadline, TtlClass, plan
from .errors import SaysoError
from .hours import Hours
from .naming import PauseKey, request_id
from .people import Place
from .request import Ask, Edits, Revision, Run
from .verdict import RequestId, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which channels, which approvers, which chain.

    Attributes:
        name: As in the settings.
        places: Channels where cards are posted beside the run's origin; at least one.
        rule: Who must agree.
        second_line, supervisor, on_call: Approver sets of the wider circles; empty when there are none.
        pager: Name of the pager that is triggered when the approvers' time ends, or when they cannot be reached; empty
            when there is none.
        backup_pagers: Pagers that are tried in this order when that one does not take the page.
        fallback: A channel that gets the card when `places` take none; empty when there is none.
        on_call_decides: Whether the paged set may decide.
        unattended: Whether it takes runs without a known human behind them.
        hours: When its people are reminded; None is at any time.
    """

    name: str
    places: tuple[Place, ...]
    rule: Rule
    second_line: str = ""
    supervisor: str = ""
    on_call: str = ""
    pager: str = ""
    backup_pagers: tuple[str, ...] = ()
    fallback: Place = Place("")
    on_call_decides: bool = False
    unattended: bool = False
    hours: Hours | None = None

    @property
    def all_sets(self) -> tuple[str, ...]:
        """Every set that may ever decide on this route."""
        wider = (self.second_line, self.supervisor, self.on_call if self.on_call_decides else "")
        return (*self.rule.approvers, *(name for name in wider if name))

    def clock(self, chain: Chain, opened_at: datetime) -> Deadline:
        """The fixed times of a request on this route."""
        return plan(
            chain, opened_at, second_line=self.second_line, supervisor=self.supervisor,
            on_call=self.on_call if self.on_call_decides else "", hours=self.hours,
        )  # fmt: skip


def asks_others(route_for: Callable[[Action], Route], before: Action, after: Action) -> bool:
    """Whether an edited action would be put to other people than it was, or to more of them, or those
    would have to say why; true where to nobody.
    """
    try:
        was, now = route_for(before), route_for(after)
    except SaysoError:
        return True
    more = now.rule.needed > was.rule.needed or now.rule.seats != was.rule.seats
    more = more or (now.rule.ask_why and not was.rule.ask_why)
    return more or set(now.all_sets) != set(was.all_sets)


def compose(
    *, key: PauseKey, run: Run, first: Revision, route: Route, ttl_class: TtlClass, chain: Chain,
    opened_at: datetime, edits: Edits = Edits.APPLY, schema: str = "{}", fingerprint: str = "",
    revises: RequestId | None = None, partitions: int = 16,
) -> Ask:  # fmt: skip
    """The `Ask` of one pause: its id, its clock and everything that is frozen with it."""
    deadline = route.clock(chain, opened_at)
    origin = (run.origin,) if run.origin else ()
    return Ask(
        id=request_id(key, partitions), key=key, run=run, first=first, route=route.name, rule=route.rule,
        ttl_class=ttl_class, opened_at=opened_at, deadline=deadline,
        places=tuple(dict.fromkeys((*origin, *route.places))), pager=route.pager, backup_pagers=route.backup_pagers, fallback=route.fallback,
        edits=edits, schema=schema, fingerprint=fingerprint, revises=revises,
    )  # fmt: skip
