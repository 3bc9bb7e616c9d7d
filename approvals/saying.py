"""What a transition says besides the record it makes (pure): notices for people, and the line about a vote."""

from __future__ import annotations

from dataclasses import replace

from .change import AuditEntry, Event, Notice, NoticeKind
from .people import PersonId, Place
from .request import Request
from .verdict import Approve, Modify, Vote

#: Where a notice goes when it belongs into the thread of every card.
ALL_CARDS = Place("")


def say(
    request: Request, kind: NoticeKind, key: str, *,
    text: str = "", mention: tuple[str, ...] = (), by: PersonId | None = None,
) -> Notice:  # fmt: skip
    """A notice in the thread of every card."""
    return Notice(
        key=f"{request.id}-{key}", kind=kind, place=ALL_CARDS, thread=request.ask.run.thread,
        request=request.id, text=text, mention=mention, by=by,
    )  # fmt: skip


def tell_requester(request: Request, key: str) -> tuple[Notice, ...]:
    """Where the run was asked for, when no card stands there."""
    origin = request.ask.run.origin
    if not origin or origin in request.card_places:
        return ()
    kind = NoticeKind.EXPIRED if key == "expired" else NoticeKind.STUCK
    notice = say(request, kind, f"{key}-origin")
    return (replace(notice, place=origin),)


def vote_entry(vote: Vote) -> AuditEntry:
    """The line about a vote."""
    facts = {"digest": vote.digest, "revision": str(vote.revision), "via": vote.via, "key": vote.key}
    facts |= {"stands for": " ".join(vote.stands_for)} if vote.stands_for else {}
    if isinstance(vote.verdict, Approve | Modify) and vote.verdict.why:
        facts |= {"why": vote.verdict.why[:300]}
    return AuditEntry(event=Event.VOTED, by=vote.person, words=f"Voted {vote.verdict.type}", facts=facts)
