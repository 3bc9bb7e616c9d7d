"""Breaking the glass (pure): one person who is permitted to approves alone, gives the reason, and others are told at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from .change import AuditEntry, Change, Event, Notice, NoticeKind
from .errors import AnswerRefused, NotAllowed, WhyNot
from .machine import decided, expired, must_be_open
from .offered import must_be_offered
from .people import Place
from .request import Request
from .saying import ALL_CARDS
from .verdict import Approve, Vote

#: The shortest reason that says anything, characters.
SHORTEST_WHY = 10


class NoSecondChannel(AnswerRefused):
    """Breaking the glass is told at once in a channel without this card, and there is none; nothing was decided."""


class NoGlassReason(AnswerRefused):
    """Breaking the glass needs its reason in words: others review it."""


def break_glass(request: Request, vote: Vote, tell: Sequence[Place], now: datetime) -> Change:
    """Decide by this one vote, whatever the rule asks; everybody around the card and in `tell` hears of it.

    Args:
        vote: An approval whose `glass` is the reason; its person was found to be permitted.
        tell: Channels where the act is told at once, besides those where the card stands.

    Raises: AlreadySettled, Outdated, NotAllowed (whoever asked for it), NotOffered, NoSecondChannel, NoGlassReason.
    """
    assert isinstance(vote.verdict, Approve)
    must_be_open(request, vote.revision)
    must_be_offered(request, vote)
    if vote.person in request.requesters:
        raise NotAllowed(WhyNot.OWN_REQUEST)
    if len(vote.glass.strip()) < SHORTEST_WHY:
        raise NoGlassReason
    second = [place for place in tell if place not in request.card_places]
    if not second:
        raise NoSecondChannel
    if now >= request.ask.deadline.expires_at:
        return expired(request, now)
    change = decided(replace(request, votes=(vote,)), vote, (vote.person,), now)
    entry = AuditEntry(
        event=Event.GLASS_BROKEN, by=vote.person, words=f"Approved alone, to be reviewed: {vote.glass}"[:300],
        facts={"digest": vote.digest, "told": " ".join(second)[:300]},
    )  # fmt: skip
    told = tuple(
        Notice(
            key=f"{request.id}-glass-{place}", kind=NoticeKind.GLASS_BROKEN, place=place,
            thread=request.ask.run.thread, request=request.id, text=vote.glass, by=vote.person,
        )
        for place in (ALL_CARDS, *second)
    )  # fmt: skip
    kept = tuple(one for one in change.notices if one.kind is not NoticeKind.DECIDED)
    return replace(change, audit=(entry, *change.audit), notices=(*told, *kept))
