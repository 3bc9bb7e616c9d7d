"""Takes answers from people, whatever they clicked on: who they are, whether they may, and the signed vote.

The desk knows no platform. Every answer that is not counted is audited and raised as what it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..agent.policy import Policy
from ..approvals import effects, looking, machine
from ..approvals.action import Action
from ..approvals.authority import Glass
from ..approvals.change import AuditEntry, Change, Event
from ..approvals.crash import crash_point
from ..approvals.editing import edited, without_tokens
from ..approvals.errors import (
    AlreadySettled,
    AnswerRefused,
    DirectoryDown,
    NotAllowed,
    SaysoError,
)  # fmt: skip
from ..approvals.evidence import of_answer
from ..approvals.halt import Halt
from ..approvals.handover import HandOver
from ..approvals.people import Directory, Identity, Person, PersonId, Place
from ..approvals.request import Edits, Request, Run, State
from ..approvals.risk import RiskAssessment
from ..approvals.route import asks_others
from ..approvals.signing import Signer, Verifier
from ..approvals.store import Store
from ..approvals.verdict import Approve, Modify, Reject, RequestId, Respond, ThreadId, Undo, Verdict, Vote
from ..approvals.watched import can_be_undone
from ..cards.words import paused
from .asked import WayOn, asks_people, must_show, unknown_effect, with_revision
from .electorate import Electing, Electorate
from .glass import GlassBreaker
from .halting import Halting
from .handing_over import HandingOver
from .refusals import refusal
from .trusting import Trusting
from .withdrawal import Withdrawals

log = logging.getLogger(__name__)

#: A run's goal is at most this many characters (`Run.goal`).
GOAL_CHARACTERS = 2_000
#: For whom a form to reject with is drawn: its reason is still to be written.
REJECTING = Reject("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer that was counted; `replayed` when this very click had been counted before.

    Attributes:
        halt: The pause of sayso that what was decided waits for; None where none stands in the way.
    """

    request: Request
    person: Person
    replayed: bool = False
    halt: Halt | None = None


class TooLong(AnswerRefused):
    """That is longer than 2,000 characters; please say it shorter."""


class _CirclesGrew(Exception):
    """A circle was added between looking people up and counting the vote."""


@dataclass(frozen=True, slots=True)
class _Voter:
    """Who answers, by which account, and with which verdict where it is one."""

    person: Person
    account: Identity
    verdict: Verdict | None = None


#: What an answer does to the record, once the voter is known to be allowed.
_Counting = Callable[[Request, Electorate, _Voter, datetime], Change | None]


class Desk:
    """Where answers arrive."""

    def __init__(
        self, *, store: Store, directory: Directory, rules: Policy, signer: Signer,
        assess: Callable[[Action], RiskAssessment], graphs: Sequence[str] = ("ops",), operators: Collection[PersonId] = (),
        glass: Glass = Glass(),
    ) -> None:  # fmt: skip
        """Take `assess` to score edited actions (pure), and `graphs`, the agents that people may speak to, the usual one first."""
        self._withdrawals = Withdrawals(store=store, operators=operators)
        self._halting = Halting(store=store, operators=operators)
        self._glass = GlassBreaker(store=store, signer=signer, glass=glass, denied=rules.denied)
        self._store = store
        self._directory = directory
        self._electing = Electing(
            directory=directory, rules=rules, store=store, verifier=Verifier([signer.public_key])
        )
        self._handing_over = HandingOver(store=store, directory=directory, signer=signer, denied=rules.denied)
        self.trusting = Trusting(
            store=store,
            directory=directory,
            operators=operators,
            policy=rules,
            signer=signer,
            electing=self._electing,
        )
        self._signer = signer
        self._assess = assess
        self.graphs = tuple(graphs)

    async def answer(
        self, id: RequestId, revision: int, verdict: Verdict, who: Identity, *, token: str, shown: str = ""
    ) -> Answered:
        """Count one answer to what revision `revision` of a request shows.

        Args:
            token: Id of the click or message; the same one again is answered as the first time.
            shown: First digits of the digest of what stood on the card; empty where the card does not say.

        Raises: AnswerRefused, DirectoryDown, RequestNotFound, StoreDown.
        """

        def counting(request: Request, electorate: Electorate, voter: _Voter, now: datetime) -> Change:
            said = without_tokens(verdict)
            if request.state is State.OPEN:
                must_show(request, revision, shown)
            if isinstance(said, Modify) and said.changes and request.state is State.OPEN:
                new, rises = edited(request, said.changes, voter.person.id, self._assess)
                rises = rises or asks_others(
                    self._electing.rules.route_for, request.proposal.action, new.proposal.action
                )
                if request.ask.edits is Edits.APPLY and not said.instruction:
                    vote = self._vote(with_revision(request, new), electorate, said, voter, now)
                    may_decide, needed = electorate.may_decide(request), electorate.needed
                    return machine.edit(request, new, vote, may_decide, needed, ask_again=rises, now=now)
            vote = self._vote(request, electorate, said, voter, now)
            return machine.vote(request, vote, electorate.may_decide(request), electorate.needed, now)

        return await self._decide(id, who, counting, token, verdict)

    async def hand_on(
        self, id: RequestId, revision: int, reason: str, who: Identity, *, token: str, shown: str = ""
    ) -> Answered:
        """Give the question to the next line at once. Raises as `answer`."""
        circles = await self._next_line(await self._store.get(id))

        def counting(request: Request, _: Electorate, voter: _Voter, now: datetime) -> Change:
            if request.state is State.OPEN:
                must_show(request, revision, shown)
            return machine.hand_on(request, voter.person.id, revision, reason, now, circles=circles)

        return await self._decide(id, who, counting, token)

    async def on_it(self, id: RequestId, who: Identity, *, token: str) -> Answered:
        """Say that they look at it: one step waits a little for them. Raises as `answer`."""

        def counting(request: Request, _: Electorate, voter: _Voter, now: datetime) -> Change | None:
            return looking.on_it(request, voter.person.id, now)

        return await self._decide(id, who, counting, token)

    async def _next_line(self, request: Request) -> machine.Circles:
        """Who is in the circle that would be added next. Raises: DirectoryDown."""
        index = machine.next_line(request)
        circle = request.ask.deadline.steps[index].adds if index is not None else ""
        return {circle: await self._directory.members(circle)} if circle else {}

    async def settle(
        self, id: RequestId, revision: int, way: WayOn, who: Identity, *, token: str, shown: str = ""
    ) -> Answered:
        """Say how it goes on after an unknown outcome; the same people as for the decision. Raises as `answer`."""

        def counting(request: Request, electorate: Electorate, voter: _Voter, now: datetime) -> Change:
            effect = unknown_effect(request)
            must_show(request, revision, shown)
            match way:
                case WayOn.HAPPENED:
                    return effects.settled_as_done(request, voter.person.id, now, name=voter.person.name)
                case WayOn.GIVE_UP:
                    return effects.given_up(request, voter.person.id, now, name=voter.person.name)
                case WayOn.AGAIN:
                    said = request.decision.verdict if request.decision else None
                    again = (
                        said if isinstance(said, Respond | Undo) else Approve()
                    )  # a text is signed anew as well
                    vote = self._vote(request, electorate, again, voter, now, attempt=effect.attempt + 1)
                    may_decide = electorate.may_decide(request)
                    return effects.run_again(request, vote, may_decide, electorate.needed, now)

        return await self._decide(id, who, counting, token)

    def asks_why(self, request: Request) -> bool:
        """Whether whoever approves this has to say why, as it was asked or by today's policy."""
        return self._electing.rule(request).ask_why

    async def pending(self, who: Identity) -> Sequence[Request]:
        """What waits for this person, oldest first. Raises: NotAllowed, DirectoryDown, StoreDown."""
        person = await self._directory.person(who)
        waiting = []
        for request in await self._store.live():
            if (
                asks_people(request)
                and not can_be_undone(request)
                and not any(vote.person == person.id for vote in request.votes)
            ):
                electorate = await self._electing.of(request)
                if person.id in electorate.may_decide(request):
                    waiting.append(request)
        return waiting

    async def ask(
        self, *, graph: str, thread: ThreadId, origin: Place, goal: str, who: Identity, token: str
    ) -> bool:
        """Start an agent for a person; False when this thread has its run already (a redelivered event).

        Raises: NotAllowed, DirectoryDown, TooLong, StoreDown.
        """
        if graph not in self.graphs or len(goal) > GOAL_CHARACTERS:
            raise TooLong if graph else AnswerRefused("No agent is started from here.")
        person = await self._directory.person(who)
        run = Run(thread=thread, graph=graph, asked_by=person.id, origin=origin, goal=goal)
        return await self._store.start(run, token=token)

    async def withdraw(self, id: RequestId, why: str, who: Identity, *, token: str) -> Request:
        """Take a request back for somebody. Raises: NotTheirs, TooLate, NotAllowed, DirectoryDown, RequestNotFound, StoreDown."""
        person = await self._directory.person(who)
        return await self._withdrawals.by_person(id, person.id, person.name, why, token=token)

    async def break_glass(self, id: RequestId, why: str, who: Identity, *, token: str) -> Answered:
        """Approve alone, for somebody who may in an emergency. Raises: what `GlassBreaker` and `answer` raise."""
        person = await self._directory.person(who)
        after = await self._glass.by_person(id, why, person, str(who), token=token)
        if after.decision is None:
            raise AlreadySettled(after.state)
        return Answered(request=after, person=person, halt=await self._halting.of(after.ask.run))

    async def hand_over(
        self, to: str, span: str, days: tuple[str, str], why: str, who: Identity
    ) -> HandOver | None:
        """Give one's authority to a colleague for some days. Takes and raises what `HandingOver.give` does."""
        return await self._handing_over.give(to, span, days, why, who)

    async def pause(self, graph: str, span: timedelta | None, why: str, who: Identity) -> Halt:
        """Pause one agent, or with "" all of them, for an operator.

        Raises: NotOperator, NoReason, PausedLonger, NotAllowed, DirectoryDown, StoreDown.
        """
        person = await self._directory.person(who)
        await self._halting.permit(person.id, "pause sayso")
        return await self._halting.pause(graph, span, why, by=person.id)

    async def unpause(self, graph: str, why: str, who: Identity) -> Sequence[Halt]:
        """End a pause, or with "" every one, for an operator. Raises: NothingPaused, and as `pause`."""
        person = await self._directory.person(who)
        await self._halting.permit(person.id, "end a pause")
        return await self._halting.unpause(graph, why, by=person.id)

    def waits(self, done: Answered) -> str:
        """What somebody reads whose answer waits for the end of a pause; empty where it does not."""
        return paused(done.halt, name=self.name) if done.halt else ""

    async def standing_in(self, thread: Place) -> Sequence[RequestId]:
        """Requests that have a card in this thread and wait for something. Raises: StoreDown."""
        ids = await self._store.standing_in(thread)
        return [id for id in ids if not can_be_undone(await self._store.get(id))]

    async def admit(
        self, id: RequestId, who: Identity, *, token: str, verdict: Verdict | None = None
    ) -> Request:
        """The record, for somebody who may decide it, or answer so: asked before a form is shown. Raises as `answer`."""
        request, by = await self._store.get(id), str(who)
        try:
            by = str((person := await self._directory.person(who)).id)
            if asks_people(request):
                (await self._electing.of(request)).check(request, person.id, verdict)
        except (AnswerRefused, DirectoryDown) as error:
            await self._refused(request, error, by, who, token)
            raise
        return request

    async def still_asked(
        self, id: RequestId, revision: int, who: Identity, *, token: str, shown: str = ""
    ) -> Request:
        """The record that a form about `revision` (and what was `shown`) is read against; one that comes too late is audited.

        Raises: AlreadySettled, Outdated, RequestNotFound, StoreDown.
        """
        request = await self._store.get(id)
        try:
            if request.state is not State.OPEN:
                raise AlreadySettled(request.state, request.decision.by if request.decision else ())
            must_show(request, revision, shown)
        except AnswerRefused as error:
            await self._refused(request, error, await self._named(who), who, token)
            raise
        return request

    async def seen(self, id: RequestId, who: Identity, *, token: str) -> Request:
        """The record, for somebody who looks at everything; it is audited who did. Raises: RequestNotFound, StoreDown."""
        request = await self._store.get(id)
        entry = AuditEntry(
            event=Event.DETAILS_SEEN, by=str(who), words="Looked at the details",
            facts={"person": await self._named(who), "revision": str(request.revision), "digest": request.current.digest},
        )  # fmt: skip
        await self._store.note(entry, thread=request.ask.run.thread, request=id, token=f"seen-{token}")
        return request

    async def request(self, id: RequestId) -> Request:
        """The record. Raises: RequestNotFound, StoreDown."""
        return await self._store.get(id)

    def name(self, person: PersonId) -> str:
        """What others read for a person; the id where nobody is configured."""
        known = self._directory.known(person)
        return known.name if known else str(person)

    # ---- inside

    async def _decide(
        self, id: RequestId, who: Identity, counting: _Counting, token: str, verdict: Verdict | None = None
    ) -> Answered:
        request, by = await self._store.get(id), str(who)
        try:
            by = str((person := await self._directory.person(who)).id)
            while True:
                try:
                    return await self._commit(request, _Voter(person, who, verdict), counting, token)
                except _CirclesGrew:  # at most as often as its deadline has steps
                    request = await self._store.get(id)
        except (AnswerRefused, DirectoryDown) as error:
            await self._refused(request, error, by, who, token)
            raise

    async def _commit(self, request: Request, voter: _Voter, counting: _Counting, token: str) -> Answered:
        electorate = await self._electing.of(request)

        def step(current: Request, now: datetime) -> Change | None:
            if asks_people(current):  # a settled request says who settled it, to everybody
                if any(name not in electorate.roster.frozen for name in current.approver_sets):
                    raise _CirclesGrew
                electorate.check(current, voter.person.id, voter.verdict)
            changed = counting(current, electorate, voter, now)
            policy = self._electing.rules.version
            return changed and of_answer(
                changed, voter.person.id, str(voter.account), able=electorate.members, policy=policy
            )

        crash_point("decide-before-commit")
        applied = await self._store.change(request.id, step, token=token)
        crash_point("decide-after-commit")
        after = applied.request
        if after.state is not State.OPEN and after.decision is None:
            raise AlreadySettled(
                after.state
            )  # the deadline came first: the step expired it instead of counting
        goes_on = after.state in (State.DECIDED, State.RESUMING)
        halt = await self._halting.of(after.ask.run) if goes_on else None
        return Answered(request=after, person=voter.person, replayed=applied.replayed, halt=halt)

    def _vote(
        self, request: Request, electorate: Electorate, verdict: Verdict, voter: _Voter, now: datetime,
        *, attempt: int = 1,
    ) -> Vote:  # fmt: skip
        """A signed vote on what the request shows; its rule is the stricter of the frozen and today's."""
        vote = Vote(
            request=request.id, thread=request.ask.run.thread, revision=request.revision,
            digest=request.current.digest, person=voter.person.id, verdict=verdict, at=now,
            expires=machine.votes_expire_at(request), via=str(voter.account), attempt=attempt,
            rule=electorate.rule, fills=electorate.fills(request, voter.person.id),
            stands_for=electorate.stands_for(voter.person.id),
        )  # fmt: skip
        return self._signer.sign(vote)

    async def _named(self, who: Identity) -> str:
        """Who this is, for the audit trail: the account where nobody can say."""
        try:
            return str((await self._directory.person(who)).id)
        except (NotAllowed, DirectoryDown):
            return str(who)

    async def _refused(self, request: Request, error: SaysoError, by: str, who: Identity, token: str) -> None:
        log.info("answer.refused request=%s why=%s", request.id, type(error).__name__)
        entry = refusal(request, error, by, who)
        thread, token = request.ask.run.thread, f"refused-{token}" if token else ""
        await self._store.note(entry, thread=thread, request=request.id, token=token)
