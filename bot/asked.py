"""What the desk asks of a record (pure): whether people are asked, and about what."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from ..approvals import lacking
from ..approvals.errors import AlreadySettled, Outdated
from ..approvals.request import Effect, EffectState, Request, Revision, State


class WayOn(StrEnum):
    """What people can say when nobody knows whether the tool ran."""

    HAPPENED = "happened"
    AGAIN = "again"
    GIVE_UP = "give_up"


def with_revision(request: Request, revision: Revision) -> Request:
    """The record with one more revision."""
    return replace(request, revisions=(*request.revisions, revision))


def asks_people(request: Request) -> bool:
    """Whether people can answer it now."""
    unknown = request.effect is not None and request.effect.state is EffectState.UNKNOWN
    return request.state is State.OPEN or (unknown and request.live) or lacking.waits_for_sign_in(request)


def must_show(request: Request, revision: int, shown: str) -> None:
    """The person saw what would be signed now. Raises: Outdated."""
    if revision != request.revision or not request.question.startswith(shown):
        raise Outdated


def unknown_effect(request: Request) -> Effect:
    """The tool that nobody knows about. Raises: AlreadySettled."""
    if request.effect is None or request.effect.state is not EffectState.UNKNOWN or not request.live:
        raise AlreadySettled(request.state, request.decision.by if request.decision else ())
    return request.effect
