"""What a credential that no longer works does to a request (pure): known before it is decided, met after, and mended."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from .action import Action
from .change import AuditEntry, Change, Event, Notice, NoticeKind, Work, WorkKind
from .credential import CredentialRef, DeadCredential, Mending
from .errors import AlreadySettled
from .machine import RESUME_WITHIN
from .request import Request, State
from .saying import ALL_CARDS


def flagged(change: Change, dead: DeadCredential) -> Change:
    """A request that opens with a credential known to be dead: nobody has to find out by approving."""
    return replace(
        change, request=replace(change.request, dead_credential=dead), audit=(*change.audit, _refused(dead))
    )


def lacks(request: Request, dead: DeadCredential, worker: str, now: datetime) -> Change:
    """What was approved cannot run: it waits for the sign-in, and people are told so once.

    Raises: AlreadySettled when it is not with a worker, or its tool has started.
    """
    if request.state is not State.RESUMING or request.effect is not None:
        raise AlreadySettled(request.state)
    after = replace(request, dead_credential=dead, resume_by=now + RESUME_WITHIN)
    audit = () if request.dead_credential == dead else (_refused(dead, worker),)
    return Change(request=after, audit=audit, notices=_told(request))


def delayed(request: Request, words: str, now: datetime) -> Change | None:
    """What was approved cannot get its token for now, and is tried again with its clock; None where nobody approved it."""
    refs = request.proposal.action.credentials
    waits = request.state is State.RESUMING and request.effect is None and request.decision is not None
    if not waits or not refs:
        return None
    later = DeadCredential(ref=refs[0], words=words[:500], mending=Mending.ITSELF)
    return Change(request=replace(request, dead_credential=later, resume_by=now + RESUME_WITHIN))


def mended(request: Request, ref: CredentialRef, by: str, now: datetime) -> Change | None:
    """Somebody has signed in: what waits for that goes on. None for a request that does not wait for it."""
    dead = request.dead_credential
    if dead is None or request.state is State.CLOSED or not same_account(dead.ref, ref):
        return None
    entry = AuditEntry(
        event=Event.CREDENTIAL_ADDED, by=by, words="Somebody has signed in", facts=facts_of(dead.ref)
    )
    after = replace(request, dead_credential=None)
    if request.state is not State.RESUMING or request.effect is not None:
        return Change(request=after, audit=(entry,))
    work = Work(kind=WorkKind.RESUME, run=request.ask.run, request=request.id)
    return Change(request=replace(after, resume_by=now + RESUME_WITHIN), audit=(entry,), work=(work,))


def waits_for_sign_in(request: Request) -> bool:
    """Whether it was decided and lacks nothing but a sign-in."""
    dead = request.dead_credential
    return waits_for_token(request) and dead is not None and dead.mending is not Mending.ITSELF


def waits_for_token(request: Request) -> bool:
    """Whether it was decided and lacks nothing but a token."""
    return request.state is State.RESUMING and request.effect is None and request.dead_credential is not None


def same_account(one: CredentialRef, other: CredentialRef) -> bool:
    """Whether one sign-in serves both, whatever each asks it for."""
    return (one.provider, one.subject) == (other.provider, other.subject)


def facts_of(ref: CredentialRef) -> dict[str, str]:
    """Which credential it was, for the audit trail."""
    return {"provider": ref.provider, "subject": ref.subject}


def _told(request: Request) -> tuple[Notice, ...]:
    """To the approvers beside each card, and where it was asked for; the same words again say nothing."""
    beside = Notice(
        key=f"{request.id}-sign-in", kind=NoticeKind.SIGN_IN, place=ALL_CARDS, thread=request.ask.run.thread,
        request=request.id,
    )  # fmt: skip
    origin = request.ask.run.origin
    if not origin or origin in request.card_places:
        return (beside,)
    return (beside, replace(beside, key=f"{request.id}-sign-in-origin", place=origin))


def _refused(dead: DeadCredential, by: str = "sayso") -> AuditEntry:
    return AuditEntry(event=Event.CREDENTIAL_REFUSED, by=by, words=dead.words[:300], facts=facts_of(dead.ref))


def used(action: Action, worker: str) -> tuple[AuditEntry, ...]:
    """That an action got the tokens it names."""
    return tuple(
        AuditEntry(
            event=Event.CREDENTIAL_USED, by=worker, facts=facts_of(ref),
            words=f"Got a token of {ref.subject} at {ref.provider}"[:300],
        )
        for ref in action.credentials
    )  # fmt: skip
