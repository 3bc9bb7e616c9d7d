"""The one state machine of a request (pure): what people, the clock and the agent do to it.

open -> decided -> resuming -> closed; open -> expired -> resuming -> closed; anything -> closed until the tool
has started. Each function takes the record as it stands and the store's time, and returns the `Change` to
commit, or raises an `AnswerRefused`. The tool's part of the life is in `effects`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from .change import AuditEntry, Change, Event, NoticeKind, tell_service, work_for
from .deadline import Step, StepKind
from .errors import AlreadySettled, NotAllowed, Outdated, WhyNot
from .evidence import facts_of_ask
from .offered import must_be_offered
from .people import PersonId, Place
from .quorum import enough, stricter
from .request import Ask, Decision, Edits, Outcome, OutcomeKind, Request, Revision, State
from .saying import say, tell_requester, vote_entry
from .verdict import Approve, Modify, Reject, Respond, Undo, Vote

#: How long a worker has to bring the agent back before people are told that it is stuck.
RESUME_WITHIN = timedelta(minutes=10)
#: Members of approver sets by name; a set that could not be looked up is absent.
Circles = Mapping[str, frozenset[PersonId]]
NO_CIRCLES: Circles = {}
#: At most so many people of one circle get the card as a direct message.
MOST_DIRECT = 20
#: Outcomes that threads are told besides the redrawn card; the others follow from what was said there before.
_SAID_IN_THREADS = (OutcomeKind.FAILED, OutcomeKind.UNKNOWN, OutcomeKind.INVALIDATED, OutcomeKind.WITHDRAWN)


def votes_expire_at(request: Request) -> datetime:
    """Until when a vote on this request can move anything: its last possible decision and a day to resume.

    An unknown outcome has no last moment: each time people are asked, their answer is good for a day.
    """
    last = request.ask.deadline.expires_at
    if request.effect is not None and request.resume_by is not None:
        last = max(last, request.resume_by)
    return last + timedelta(days=1)


def opened(ask: Ask) -> Change:
    """A request that people are asked about."""
    words = f"Asked on route {ask.route}: {ask.first.proposal.action.summary}"
    entry = AuditEntry(event=Event.OPENED, words=words[:300], facts=facts_of_ask(ask))
    return Change(request=Request(ask=ask), audit=(entry,), notices=tell_service(ask))


def opened_unasked(ask: Ask, worker: str) -> Change:
    """A free or watched action: it is on record and goes straight to its worker."""
    request = Request(ask=ask, state=State.RESUMING, worker=worker, resume_by=ask.opened_at + RESUME_WITHIN)
    assert not request.asked
    words = f"Runs without asking: {ask.first.proposal.action.summary}"
    event = Event.RAN_WATCHED if ask.watched else Event.RAN_FREELY
    facts = {**facts_of_ask(ask), "graph": ask.run.graph}
    entry = AuditEntry(event=event, by=worker, words=words[:300], facts=facts)
    return Change(request=request, audit=(entry,))


def vote(request: Request, vote: Vote, may_decide: frozenset[PersonId], needed: int, now: datetime) -> Change:
    """Count one signed vote; at the quorum the request is decided.

    Args:
        may_decide: Everybody who may decide at this moment; earlier votes of others are dropped.
        needed: Votes today's policy wants; the frozen rule may want more.

    Raises: AlreadySettled, Outdated, NotAllowed, NotOffered, NoWhy. At or after the deadline the change expires the request.
    """
    must_be_open(request, vote.revision)
    must_be_offered(request, vote)
    if now >= request.ask.deadline.expires_at:
        return expired(request, now)
    match vote.verdict:
        case Approve() | Undo():
            return _approve(request, vote, may_decide, needed, now)
        case Modify(changes=changes, instruction="") if changes and request.ask.edits is Edits.APPLY:
            raise ValueError("an edit is counted by `edit`, with its new revision")
        case Reject() | Modify() | Respond():
            return decided(replace(request, votes=(*request.votes, vote)), vote, (vote.person,), now)


def edit(
    request: Request, revision: Revision, vote: Vote, may_decide: frozenset[PersonId], needed: int, *,
    ask_again: bool, now: datetime,
) -> Change:  # fmt: skip
    """Replace what is decided by an edited revision: earlier votes are void, the editor's counts on the new one.

    Args:
        revision: The edited one; its number follows the current one.
        vote: The editor's, over the new revision.
        ask_again: Show it again where the editor's vote alone would decide (the risk rose).

    Raises: as `vote`.
    """
    must_be_open(request, revision.number - 1)
    must_be_offered(request, vote)
    if now >= request.ask.deadline.expires_at:
        return expired(request, now)
    edited = replace(request, revisions=(*request.revisions, revision), votes=())
    entry = AuditEntry(
        event=Event.EDITED, by=vote.person, facts={"digest": revision.digest},
        words=f"Changed {', '.join(revision.proposal.changes)}; earlier votes are void",
    )  # fmt: skip
    if ask_again and max(request.ask.rule.needed, needed) == 1:
        notice = say(edited, NoticeKind.EDITED, f"edited-{revision.number}", by=vote.person)
        return Change(
            request=edited, audit=(entry,), notices=(notice,), before=request.ask.deadline.expires_at
        )
    change = _approve(edited, vote, may_decide, needed, now)
    extra = () if change.request.state is not State.OPEN else (
        say(edited, NoticeKind.EDITED, f"edited-{revision.number}", by=vote.person),
    )  # fmt: skip
    return replace(change, audit=(entry, *change.audit), notices=(*extra, *change.notices))


def hand_on(
    request: Request,
    person: PersonId,
    revision: int,
    reason: str,
    now: datetime,
    *,
    circles: Circles = NO_CIRCLES,
) -> Change:
    """Give the question to the next line at once: the next step that adds people or pages fires now.

    Raises: AlreadySettled, Outdated. Without a next line the request is refused for nobody to decide it:
    NotAllowed is not raised, the caller offers *reject* instead (`next_line` says whether there is one).
    """
    must_be_open(request, revision)
    if now >= request.ask.deadline.expires_at:
        return expired(request, now)
    index = next_line(request)
    if index is None:
        raise NotAllowed(WhyNot.NO_APPROVERS)
    steps = request.ask.deadline.steps
    moved = replace(request, fired=index)
    change = _fire(moved, steps[index], now, f"step-{index}", circles)
    entry = AuditEntry(event=Event.HANDED_ON, by=person, words="Handed the question to the next line")
    notice = say(request, NoticeKind.HANDED_ON, f"handed-{person}-{index}", by=person, text=reason)
    return replace(change, audit=(entry, *change.audit), notices=(notice, *change.notices))


def next_line(request: Request) -> int | None:
    """Index of the next step that brings other people in; None when all have been asked."""
    steps = request.ask.deadline.steps
    wider = (StepKind.WIDEN, StepKind.PAGE)
    return next((i for i in range(request.fired, len(steps)) if steps[i].kind in wider), None)


def fire(request: Request, now: datetime, circles: Circles = NO_CIRCLES) -> Change | None:
    """What the clock does: fire what is due, once; None when nothing is.

    After an outage steps that are all overdue fire together, and only the expiry if that is due as well
    (a page that leaves nobody time to act only wakes people).

    Args:
        circles: Members of approver sets, as far as they could be looked up. Whoever a step adds gets the card
            as a direct message; where a step adds nobody, the next one follows at once.
    """
    if request.due_at is None or now < request.due_at:
        return None
    if request.state is not State.OPEN:
        return _stuck(request, now)
    if now >= request.ask.deadline.expires_at:
        return expired(request, now)
    change = Change(request=request, before=request.ask.deadline.expires_at)
    reminded = False
    while (step := change.request.next_step) and (
        _is_due(change.request, now) or _nobody_there(change.request, circles)
    ):
        if step.kind is StepKind.EXPIRE:
            break
        if step.kind is StepKind.REMIND and reminded:
            change = replace(change, request=replace(change.request, fired=change.request.fired + 1))
            continue
        reminded = reminded or step.kind is StepKind.REMIND
        fired = _fire(change.request, step, now, f"step-{change.request.fired}", circles)
        change = replace(
            change, request=fired.request,
            audit=(*change.audit, *fired.audit), notices=(*change.notices, *fired.notices),
        )  # fmt: skip
    return change


def _is_due(request: Request, now: datetime) -> bool:
    return request.due_at is not None and now >= request.due_at


def _nobody_there(request: Request, circles: Circles) -> bool:
    """Whether the last fired step added an empty circle, so that the next must not wait."""
    if not request.fired:
        return False
    last = request.ask.deadline.steps[request.fired - 1]
    return last.kind is StepKind.WIDEN and _is_empty(last.adds, circles)


def _is_empty(circle: str, circles: Circles) -> bool:
    """Whether it certainly has no members; what could not be looked up is not empty."""
    return circle in circles and not circles[circle]


def _fire(request: Request, step: Step, now: datetime, key: str, circles: Circles = NO_CIRCLES) -> Change:
    names = (*request.circles, step.adds) if step.adds else request.circles
    reached = sorted(circles.get(step.adds, frozenset()) - request.requesters)[:MOST_DIRECT]
    after = replace(
        request, fired=request.fired + 1, looking=request.looking if step.kind is StepKind.REMIND else None, circles=tuple(dict.fromkeys(names)),
        places=tuple(dict.fromkeys((*request.places, *(Place(f"person:{person}") for person in reached)))),
    )  # fmt: skip
    match step.kind:
        case StepKind.REMIND:
            entry = AuditEntry(event=Event.STEP, words="Reminded the approvers", facts={"step": step.kind})
            notice = say(request, NoticeKind.REMINDER, key, mention=request.approver_sets)
            if missing := _missing(request, circles):
                notice = replace(notice, mention=(), people=missing)
        case StepKind.WIDEN if _is_empty(step.adds, circles):
            entry = AuditEntry(event=Event.STEP, words=f"Nobody is in {step.adds}; going on to the next step")
            notice = say(request, NoticeKind.NOBODY_THERE, key, text=step.adds)
        case StepKind.WIDEN:
            words = f"Told {step.adds}, who may decide from now on"
            entry = AuditEntry(event=Event.STEP, words=words, facts={"step": step.kind})
            notice = say(request, NoticeKind.WIDENED, key, mention=(step.adds,))
        case StepKind.PAGE:
            after = replace(after, paged_at=now)
            entry = AuditEntry(event=Event.PAGED, words="The approvers' time is over; on-call is paged")
            notice = say(request, NoticeKind.PAGED, key, mention=(step.adds,) if step.adds else ())
        case StepKind.EXPIRE:
            return expired(request, now)
    return Change(request=after, audit=(entry,), notices=(notice,), before=request.ask.deadline.expires_at)


def _missing(request: Request, circles: Circles) -> tuple[PersonId, ...]:
    """Who could still vote, where some have; empty where nobody has, or where it is not known."""
    sets = request.approver_sets
    if not request.votes or not all(name in circles for name in sets):
        return ()
    able = frozenset[PersonId]().union(*(circles[name] for name in sets)) - request.requesters
    return tuple(sorted(able - {vote.person for vote in request.votes}))[:MOST_DIRECT]


def expired(request: Request, now: datetime) -> Change:
    """Nobody answered in time: cancelled aloud, and the agent is told; what nobody undid stays done."""
    if request.ask.undoes:
        return closed(request, OutcomeKind.EXPIRED, "Nobody undid it in time; it stays done.", now)
    after = replace(
        request, state=State.EXPIRED, votes=(), resume_by=now + RESUME_WITHIN, paged_at=None, lost_pagers=(),
        fired=len(request.ask.deadline.steps),
    )  # fmt: skip
    return Change(
        request=after,
        audit=(AuditEntry(event=Event.EXPIRED, words="Nobody decided in time; nothing is done"),),
        notices=(say(request, NoticeKind.EXPIRED, "expired"), *tell_requester(request, "expired")),
        work=(work_for(request),),
    )


def resuming(request: Request, worker: str, now: datetime) -> Change:
    """A worker takes it. Raises: AlreadySettled when there is nothing to resume."""
    if request.state not in (State.DECIDED, State.EXPIRED, State.RESUMING):
        raise AlreadySettled(request.state)
    after = replace(
        request,
        state=State.RESUMING,
        worker=worker,
        resume_by=now + RESUME_WITHIN,
        stuck_at=None,
        waits_for=0,
    )
    entry = AuditEntry(event=Event.RESUMING, by=worker, words="Bringing the agent back")
    return Change(request=after, audit=(entry,), acts=True)


def waiting(request: Request, others: int) -> Change | None:
    """It is answered, but its pause asks about more, or a neighbour's outcome is not known: the agent waits for those.

    The others of its pause end by the same deadline, so this one's clock is that. None when the record says so already.
    """
    if request.state not in (State.DECIDED, State.EXPIRED) or request.waits_for == others:
        return None
    resume_by = request.ask.deadline.expires_at + RESUME_WITHIN
    entry = AuditEntry(event=Event.STEP, words=f"Waits for {others} other answers")
    return Change(request=replace(request, waits_for=others, resume_by=resume_by), audit=(entry,))


def closed(request: Request, kind: OutcomeKind, words: str, now: datetime, by: str = "sayso") -> Change:
    """End it with an outcome. Raises: AlreadySettled when it has one."""
    if request.state is State.CLOSED:
        raise AlreadySettled(request.state)
    after = replace(
        request, state=State.CLOSED, closed_at=now, resume_by=None, outcome=Outcome(kind=kind, words=words[:500], at=now)
    )  # fmt: skip
    tell = kind in _SAID_IN_THREADS and (request.asked or request.ask.undoes)
    return Change(
        request=after,
        audit=(AuditEntry(event=Event.CLOSED, by=by, words=f"Ended: {kind}", facts={"outcome": kind}),),
        notices=(say(request, NoticeKind.OUTCOME, "outcome"),) if tell else (),
    )


def disbelieved(request: Request, why: str, now: datetime) -> Change:
    """Votes did not allow it: closed as not done, without the names of people who never decided."""
    return closed(replace(request, decision=None, votes=()), OutcomeKind.FAILED, why, now)


def invalidated(request: Request, why: str, now: datetime, again: Ask | None = None) -> Change:
    """What was asked no longer fits the agent's code or state; asked again in the same step where that helps.

    Raises: AlreadySettled when the tool has started.
    """
    if request.effect is not None:
        raise AlreadySettled(request.state)
    change = closed(request, OutcomeKind.INVALIDATED, why, now)
    if again is None:
        return change
    return replace(change, opens=(again,), notices=(*change.notices, *tell_service(again)))


def withdrawn(request: Request, by: str, why: str, now: datetime) -> Change:
    """Taken back before anything was done; the agent is told. Raises: AlreadySettled when the tool has started."""
    if request.effect is not None or request.ask.undoes:
        raise AlreadySettled(request.state)
    return replace(closed(request, OutcomeKind.WITHDRAWN, why, now, by=by), work=(work_for(request),))


def must_be_open(request: Request, revision: int) -> None:
    """Raises: AlreadySettled, Outdated."""
    if request.state is not State.OPEN:
        by = request.decision.by if request.decision else ()
        raise AlreadySettled(request.state, tuple(by))
    if revision != request.revision:
        raise Outdated


def _approve(
    request: Request, vote: Vote, may_decide: frozenset[PersonId], needed: int, now: datetime
) -> Change:
    earlier = tuple(v for v in request.votes if v.person in may_decide and now < v.expires)
    if any(v.person == vote.person for v in earlier):
        raise NotAllowed(WhyNot.ALREADY_VOTED)
    votes = (*earlier, vote)
    voted = replace(request, votes=votes)
    if len(votes) >= needed and enough(stricter(request.ask.rule, vote.rule), votes):
        return decided(voted, vote, tuple(v.person for v in votes), now)
    return Change(request=voted, audit=(vote_entry(vote),), before=request.ask.deadline.expires_at)


def decided(request: Request, vote: Vote, by: tuple[PersonId, ...], now: datetime) -> Change:
    """Decided by this vote; whether it is enough is for its caller to know."""
    decision = Decision(verdict=vote.verdict, by=by, at=now, glass=vote.glass)
    after = replace(
        request,
        state=State.DECIDED,
        decision=decision,
        resume_by=now + RESUME_WITHIN,
        paged_at=None,
        lost_pagers=(),
    )
    entry = AuditEntry(
        event=Event.DECIDED, by=vote.person, words=f"Decided: {vote.verdict.type}",
        facts={"digest": vote.digest, "verdict": vote.verdict.type, "seconds": str(int((now - request.ask.opened_at).total_seconds()))},
    )  # fmt: skip
    return Change(
        request=after,
        audit=(vote_entry(vote), entry),
        notices=(say(request, NoticeKind.DECIDED, "decided"),),
        work=(work_for(request),),
        before=request.ask.deadline.expires_at,
    )


def _stuck(request: Request, now: datetime) -> Change:
    """People decided, but no worker brought the agent back in time: told, paged, and put to the workers again."""
    lacking = request.dead_credential if request.effect is None else None
    if now >= votes_expire_at(request) and request.effect is None:
        why = lacking.words if lacking else "The agent could not be brought back."
        return closed(request, OutcomeKind.FAILED, f"{why} Nothing was done.", now)
    work = (work_for(request),)
    if lacking:  # nobody is late: it is tried now and then
        return Change(request=replace(request, resume_by=now + RESUME_WITHIN), work=work)
    again = replace(
        request,
        resume_by=now + RESUME_WITHIN,
        stuck_at=request.stuck_at or now,
        paged_at=request.paged_at or now,
    )
    return Change(
        request=again,
        audit=(AuditEntry(event=Event.STUCK, words="The agent was not brought back in time"),),
        notices=(say(request, NoticeKind.STUCK, "stuck"), *tell_requester(request, "stuck")),
        work=work,
    )
