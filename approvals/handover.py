"""Somebody's authority in a colleague's hands for some days (pure): signed by the bot, never passed on further."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from .people import PersonId
from .verdict import ThreadId

#: Under this name the audit trail tells of it: it is about no single run.
HANDOVERS = ThreadId("sayso-handovers")

#: Who gave their authority away -> who has it.
StandIns = Mapping[PersonId, PersonId]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """Whatever `by` may decide, `to` may decide instead.

    Attributes:
        since, until: UTC; it holds from `since` on, and at `until` no more.
        why: In the giver's words, at most 300 characters.
        via: The account that gave it (`Identity` as text).
        key, signature: As of a `Vote`; what the bot has not signed gives nobody anything.
    """

    by: PersonId
    to: PersonId
    since: datetime
    until: datetime
    why: str = ""
    via: str = ""
    key: str = ""
    signature: str = ""

    def holds(self, now: datetime) -> bool:
        """Whether it holds at this instant."""
        return self.since <= now < self.until


def stand_ins(given: Iterable[HandOver], barred: Collection[PersonId], now: datetime) -> StandIns:
    """Who stands in for whom.

    Nobody stands in with what they were given themselves while their own authority is with somebody else, and
    nothing goes from, or to, the `barred` (who asked, and who may decide nothing).
    """
    holding = {one.by: one.to for one in given if one.holds(now)}
    return {
        by: to for by, to in holding.items()
        if to not in holding and by not in barred and to not in barred
    }  # fmt: skip


def with_stand_ins(members: Iterable[PersonId], acting: StandIns) -> frozenset[PersonId]:
    """A set as it decides now: each stand-in in the place of whom they stand in for."""
    return frozenset(acting.get(person, person) for person in members)
