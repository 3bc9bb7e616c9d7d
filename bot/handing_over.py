"""Handing one's authority to a colleague for some days: what people say for it, and what is kept and signed."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from ..agent.table_forms import LONGEST
from ..approvals.change import AuditEntry, Event
from ..approvals.errors import AnswerRefused, NotAllowed, WhyNot
from ..approvals.handover import HandOver
from ..approvals.people import Directory, Identity, Person, PersonId
from ..approvals.signing import Signer
from ..approvals.store import Store
from ..cards.escape import cut, line
from .halting import span_of

#: Longest reason, characters.
WHY = 300
NOBODY = "nobody"
_MENTION = re.compile(r"<@([UW][A-Z0-9]+)>")


class NoSuchColleague(AnswerRefused):
    """I do not know that colleague: name them by their id in the settings, or mention them in Slack."""


class NotToThem(AnswerRefused):
    """To yourself nothing can be handed over, nor to somebody who may decide nothing; nothing was changed."""


class AwayThemselves(AnswerRefused):
    """That colleague's own authority is in somebody else's hands, and is not passed on; nothing was changed."""


class NoSuchTime(AnswerRefused):
    """Say for how long, like “for 3d”, or “from 2030-01-02 until 2030-01-05”: not in the past, at most 90 days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandingOver:
    """Keeps who handed over to whom."""

    store: Store
    directory: Directory
    signer: Signer
    denied: Collection[PersonId]

    async def give(
        self, to: str, span: str, days: tuple[str, str], why: str, who: Identity
    ) -> HandOver | None:
        """Put the authority of whoever speaks into a colleague's hands; to "nobody" it is theirs again (None).

        Args:
            to: A person's id, or a mention of them in Slack's words.
            span: Like "3d", from now on; empty where `days` say it.
            days: First and last day, whole days of UTC like "2030-01-02"; the first may be empty.

        Raises: NoSuchColleague, NotToThem, AwayThemselves, NoSuchTime, NotAllowed, DirectoryDown, StoreDown.
        """
        giver = await self.directory.person(who)
        if to.casefold() == NOBODY:
            entry = AuditEntry(event=Event.HANDED_OVER, by=giver.id, words="Has their authority back")
            await self.store.take_back(giver.id, entry)
            return None
        taker = await self._colleague(to, who)
        if taker.id == giver.id or taker.id in self.denied:
            raise NotToThem
        now = await self.store.now()
        since, until = _times(span, days, now)
        if any(one.by == taker.id and one.until > now for one in await self.store.handovers()):
            raise AwayThemselves
        given = HandOver(
            by=giver.id, to=taker.id, since=since, until=until, why=cut(line(why).strip(), WHY), via=str(who)
        )
        words = f"To {taker.id}, {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC: {given.why}"
        facts = {"to": str(taker.id), "via": str(who)}
        entry = AuditEntry(event=Event.HANDED_OVER, by=giver.id, words=words[:300], facts=facts)
        await self.store.hand_over(self.signer.sign_handover(given), entry)
        return given

    async def _colleague(self, to: str, who: Identity) -> Person:
        mention = _MENTION.fullmatch(to)
        if mention and who.platform == "slack":
            return await self.directory.person(
                Identity(platform=who.platform, tenant=who.tenant, user=mention[1])
            )
        known = self.directory.known(PersonId(to.casefold())) or self.directory.known(PersonId(to))
        if known is None:
            raise NoSuchColleague
        if not known.accounts:
            raise NotAllowed(WhyNot.UNKNOWN_PERSON)
        return known


def _times(span: str, days: tuple[str, str], now: datetime) -> tuple[datetime, datetime]:
    """Raises: NoSuchTime."""
    first, last = days
    try:
        length = span_of(span)
        since = max(now, _midnight(first)) if first else now
        until = now + length if length else _midnight(last) + timedelta(days=1)
    except (ValueError, OverflowError, AnswerRefused):
        raise NoSuchTime from None
    if not since < until <= now + LONGEST:
        raise NoSuchTime
    return since, until


def _midnight(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), time(), UTC)
