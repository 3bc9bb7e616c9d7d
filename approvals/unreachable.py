"""What follows when a place takes no card (pure): the fallback, then direct messages, then a page; never silence.

The record keeps its unreachable places, so each step sees what all others found out, in whatever order they did.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from .change import AuditEntry, Change, Event, Notice, NoticeKind
from .deadline import StepKind
from .machine import MOST_DIRECT, Circles
from .people import PersonId, Place
from .request import EffectState, Request, State
from .saying import ALL_CARDS

#: Places that stand for a person's direct conversation begin so.
PERSON = "person:"


def unreachable(
    request: Request, place: Place, why: str, circles: Circles | None, now: datetime
) -> Change | None:
    """Put on record that `place` takes no card, and go round it; None when all that is done already.

    Args:
        why: In words for people.
        circles: Members of `people_needed`, as far as they could be looked up; None before anybody has asked.
    """
    after, audit, notices = request, list[AuditEntry](), list[Notice]()
    if place not in request.unreachable:
        after = replace(request, unreachable=(*request.unreachable, place))
        words = f"The card cannot stand in {place}: {why}"[:300]
        audit.append(AuditEntry(event=Event.UNDELIVERABLE, words=words))
        if request.live:  # of a closed one remains a card that nobody can redraw
            notices.append(_said(request, f"unreachable-{place}", NoticeKind.UNREACHABLE, f"{place}: {why}"))
    if _falls_back(after):
        after = replace(after, places=(*after.places, after.ask.fallback))
    elif circles is not None and nobody_sees_it(after):
        after = _directly(after, circles)
        if _must_page(after, now):
            after = _paged(after, circles, now)
            words = "Nobody who may answer can be reached; on-call is paged"
            audit.append(AuditEntry(event=Event.PAGED, words=words))
            notices.append(_said(request, "unreachable-paged", NoticeKind.PAGED))
    if after == request:
        return None
    # a page that is too late to help wakes nobody
    before = request.ask.deadline.expires_at if after.paged_at != request.paged_at else None
    return Change(request=after, audit=tuple(audit), notices=tuple(notices), before=before)


def reached(request: Request, place: Place) -> Change | None:
    """A card stands there after all; None when nobody had doubted it."""
    if place not in request.unreachable:
        return None
    left = tuple(one for one in request.unreachable if one != place)
    return Change(request=replace(request, unreachable=left))


def nobody_sees_it(request: Request) -> bool:
    """Whether people are needed, and neither a route's place nor the fallback shows the card to all of them."""
    return _needs_people(request) and not _falls_back(request) and not _shared(request)


def people_needed(request: Request) -> tuple[str, ...]:
    """The approver sets that get it directly then; the paged one last."""
    return tuple(dict.fromkeys((*request.approver_sets, *_on_call(request))))


def _must_page(request: Request, now: datetime) -> bool:
    """Whether not even direct messages are left, nobody is paged yet, and there is time to act."""
    direct = [place for place in request.card_places if place.startswith(PERSON)]
    alone = all(place in request.unreachable for place in direct)
    fresh = request.paged_at is None and bool(request.ask.pager) and not request.ask.undoes
    return alone and fresh and request.state is State.OPEN and now < request.ask.deadline.expires_at


def _needs_people(request: Request) -> bool:
    effect = request.effect
    return request.state is State.OPEN or (
        request.state is State.RESUMING and effect is not None and effect.state is EffectState.UNKNOWN
    )


def _shared(request: Request) -> bool:
    """Whether a place of more than one person shows it; where it was asked for does not count."""
    hidden = (*request.unreachable, request.ask.run.origin)
    return any(place not in hidden and not place.startswith(PERSON) for place in request.card_places)


def _falls_back(request: Request) -> bool:
    """Whether the fallback's turn has come."""
    fallback = request.ask.fallback
    fresh = bool(fallback) and fallback not in request.card_places
    return fresh and _needs_people(request) and not _shared(request)


def _directly(request: Request, circles: Circles) -> Request:
    people = frozenset[PersonId]().union(*(circles.get(name, frozenset()) for name in request.approver_sets))
    return _told(request, people)


def _told(request: Request, people: frozenset[PersonId]) -> Request:
    """Each of them gets the card as a direct message; the ones it was asked for do not."""
    some = sorted(people - request.requesters)[:MOST_DIRECT]
    added = tuple(Place(f"{PERSON}{person}") for person in some)
    return replace(request, places=tuple(dict.fromkeys((*request.places, *added))))


def _paged(request: Request, circles: Circles, now: datetime) -> Request:
    """As at the end of the approvers' time: who is paged may decide where the route says so."""
    names = _on_call(request)
    added = tuple(dict.fromkeys((*request.circles, *names)))
    people = frozenset[PersonId]().union(*(circles.get(name, frozenset()) for name in names))
    return _told(replace(request, paged_at=now, circles=added), people)


def _on_call(request: Request) -> tuple[str, ...]:
    steps = request.ask.deadline.steps
    return tuple(step.adds for step in steps if step.kind is StepKind.PAGE and step.adds)


def _said(request: Request, key: str, kind: NoticeKind, text: str = "") -> Notice:
    return Notice(
        key=f"{request.id}-{key}", kind=kind, place=ALL_CARDS, thread=request.ask.run.thread,
        request=request.id, text=text,
    )  # fmt: skip
