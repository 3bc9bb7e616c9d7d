"""The record: one pause of one agent for one action, from asking to outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from . import canonical
from .action import Action, Json
from .credential import DeadCredential
from .deadline import Deadline, Looking, Step, TtlClass, fires_at
from .naming import PauseKey
from .people import PersonId, Place
from .risk import Oversight, RiskAssessment
from .verdict import GATE_WAYS, RequestId, Rule, ThreadId, Verdict, Vote, Way


class State(StrEnum):
    """Where a request stands; the value is what the store holds."""

    OPEN = "open"  #: waiting for people
    DECIDED = "decided"  #: people answered; the agent is not resumed yet
    EXPIRED = "expired"  #: nobody answered in time; the agent is not told yet
    RESUMING = "resuming"  #: a worker has it
    CLOSED = "closed"  #: the outcome is known


class OutcomeKind(StrEnum):
    """How a request ended."""

    EXECUTED = "executed"
    REFUSED = "refused"
    REVISED = "revised"
    ANSWERED = "answered"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    INVALIDATED = "invalidated"
    FAILED = "failed"  #: not done: certainly, or by the word of its tool
    UNKNOWN = "unknown"  #: may have been done, and people gave up finding out
    UNDONE = "undone"


class RunEnd(StrEnum):
    """How an agent's run ended."""

    FINISHED = "finished"
    FAILED = "failed"  #: it broke off, or was given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The end of a run that people had sent back and that did not ask again.

    Attributes:
        words: The agent's last ones (untrusted), or why it was given up; at most 500 characters, empty when none.
        at: UTC.
    """

    how: RunEnd
    words: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it ended, in words for people (never longer than 500 characters), and when (UTC).

    Attributes:
        then: Of a revised request: how the run ended without asking again. None while it may, or where it did.
    """

    kind: OutcomeKind
    words: str
    at: datetime
    then: Ending | None = None


class EffectState(StrEnum):
    """How far the tool got. Only DONE says that it happened, only FAILED that it did not."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The burn of an approval: written before the tool runs, so that it runs once.

    Attributes:
        attempt: 1, and one more each time people ordered another run after UNKNOWN.
        worker: Who runs it; it holds a lease in the store that it renews while the tool runs. Once the lease
            has ended without DONE or FAILED, what happened is UNKNOWN.
        result: What the tool returned, as JSON text; empty until DONE. Of a tool that FAILED what it says of that, empty
            where it says that it did nothing.
        artifact: What it handed on beside that (`agent/artifacts.py`); empty where that was nothing.
        how: Of UNKNOWN how it ended ("broke off: KeyError: 7"), without tokens; empty where its worker never reported.
    """

    attempt: int
    worker: str
    started_at: datetime
    state: EffectState = EffectState.STARTED
    result: str = ""
    artifact: str = ""
    how: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One agent thread and the people behind it.

    Attributes:
        thread: The agent's thread id; one run per thread.
        graph: Name of the graph in the settings.
        asked_by: Who asked; may not decide. None for a service.
        owner: Who answers for a service; counts as requester.
        origin: Where it was asked and is answered; empty when it came from the command line.
        goal: The words it was started with, at most 2,000 characters.
        service: Name of the API key that started it; empty when none did. Its end is then kept for that service.
        input: What the graph is given, as JSON text; empty where it is given the goal. A request's copy has none.
        callback: https address that hears of each pause and of the end; empty when none does.
        asked_as: SHA-256 of what started it, to tell a repeated start from another one; empty without a service.
    """

    thread: ThreadId
    graph: str
    asked_by: PersonId | None = None
    owner: PersonId | None = None
    origin: Place = Place("")
    goal: str = ""
    service: str = ""
    input: str = ""
    callback: str = ""
    asked_as: str = ""

    @property
    def requesters(self) -> frozenset[PersonId]:
        """Who counts as having asked."""
        return frozenset(person for person in (self.asked_by, self.owner) if person)

    @property
    def told_in(self) -> Place:
        """Where its end is told; empty where nobody waits for it. A service is told at the thread's own name."""
        return self.origin or Place(self.thread if self.service else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Everything shown for the decision; its canonical bytes are made once and its digest is what votes sign.

    Attributes:
        asked_by: For whom, as in `Run`.
        revises: Digest of the proposal it replaces; empty for a first one.
        changes: What differs from that one: argument -> (before, after).
    """

    action: Action
    assessment: RiskAssessment
    thread: ThreadId
    asked_by: PersonId | None = None
    revises: str = ""
    changes: Mapping[str, tuple[Json, Json]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One version of what is decided: the frozen bytes of a `Proposal`, and who made it (None: the agent)."""

    number: int
    frozen: str
    editor: PersonId | None = None

    @property
    def digest(self) -> str:
        return canonical.digest(self.frozen)

    @property
    def proposal(self) -> Proposal:
        return canonical.decode(Proposal, self.frozen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoes:
    """What an undo takes back: a watched action that ran.

    Attributes:
        request: Its record, which closed when the tool reported.
        frozen: The bytes of what was proposed, for the card and for whose say it is.
        words, at: What came of it, and when (UTC).
    """

    request: RequestId
    frozen: str
    words: str
    at: datetime

    @property
    def proposal(self) -> Proposal:
        return canonical.decode(Proposal, self.frozen)


class Edits(StrEnum):
    """What happens to edited arguments: they run as edited, or the agent plans again from them."""

    APPLY = "apply"
    REPLAN = "replan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What was asked, of whom, and until when: never changes after opening.

    Attributes:
        first: Revision 1, as the agent froze it.
        route: Name of the route in the settings.
        rule: Who must agree, frozen.
        deadline: Its clock, frozen.
        places: Where cards stand from the start.
        pager: Name of the pager; empty when the route has none.
        backup_pagers: Pagers that are tried in this order when that one does not take the page.
        fallback: Where a card stands once none is left that all approvers could see; empty when the route has none.
        edits: What a typed edit leads to.
        schema: JSON Schema of the tool's arguments, as JSON text; forms are drawn from it.
        fingerprint: Of the code from the gate to the act; an approval counts for no other.
        revises: The request it replaces after a modification.
        dialect: Whose words the pause speaks; empty for a gate of ours.
        ways: How it can be answered.
        watched, undoes: Whether it runs at once, for people to see afterwards; what it takes back, None if nothing.
    """

    id: RequestId
    key: PauseKey
    run: Run
    first: Revision
    route: str
    rule: Rule
    ttl_class: TtlClass
    opened_at: datetime
    deadline: Deadline
    places: tuple[Place, ...] = ()
    pager: str = ""
    fallback: Place = Place("")
    edits: Edits = Edits.APPLY
    schema: str = "{}"
    fingerprint: str = ""
    revises: RequestId | None = None
    dialect: str = ""
    ways: tuple[Way, ...] = GATE_WAYS
    backup_pagers: tuple[str, ...] = ()
    watched: bool = False
    undoes: Undoes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What people decided together, when (UTC), and who; `glass` is why one person did so alone, in an emergency."""

    verdict: Verdict
    by: tuple[PersonId, ...]
    at: datetime
    glass: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it stands now.

    Attributes:
        version: Counts changes; for compare-and-set only.
        revisions: Later revisions (edits), newest last; empty when nobody edited.
        votes: Valid votes on the newest revision.
        circles: Approver sets added by steps.
        places: Where cards stand beyond `ask.places`.
        unreachable: Those of its places that took no card when it was last tried.
        fired: How many steps of the deadline have fired.
        looking: Who is on it, and which step waits for them; None where nobody is.
        paged_at: UTC; since when on-call is paged. None before, and again once decided or expired.
        lost_pagers: Pages that their pager could not be brought to take, as `marks.page_names` calls them.
        resume_by: UTC; the clock after a decision.
        stuck_at: UTC; since when people know that no worker brings the agent back. None again once one does.
        worker: Who is resuming the agent.
        waits_for: How many other answers its pause needs before the agent can go on; 0 when none.
        undo: The request that can take back what it did, and holds its card from then on.
        dead_credential: Why it could not run as things are; once decided, it waits for that. None while nothing is known against it.
    """

    ask: Ask
    state: State = State.OPEN
    version: int = 1
    revisions: tuple[Revision, ...] = ()
    votes: tuple[Vote, ...] = ()
    circles: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    unreachable: tuple[Place, ...] = ()
    fired: int = 0
    looking: Looking | None = None
    paged_at: datetime | None = None
    lost_pagers: tuple[str, ...] = ()
    decision: Decision | None = None
    resume_by: datetime | None = None
    stuck_at: datetime | None = None
    worker: str = ""
    waits_for: int = 0
    undo: RequestId | None = None
    dead_credential: DeadCredential | None = None
    effect: Effect | None = None
    outcome: Outcome | None = None
    closed_at: datetime | None = None

    @property
    def id(self) -> RequestId:
        return self.ask.id

    @property
    def current(self) -> Revision:
        """What is being decided now."""
        return self.revisions[-1] if self.revisions else self.ask.first

    @property
    def revision(self) -> int:
        return self.current.number

    @property
    def question(self) -> str:
        """A digest of what people are asked now: about the newest revision, or which try of it they cannot know about.

        Who has looked whether the first try happened has not looked about the second.
        """
        if self.effect is None or self.effect.state is not EffectState.UNKNOWN or not self.live:
            return self.current.digest
        return canonical.digest(f"{self.current.digest} unknown {self.effect.attempt}")

    @property
    def proposal(self) -> Proposal:
        return self.current.proposal

    @property
    def ways(self) -> tuple[Way, ...]:
        """How it can be answered now: what somebody has edited can also be approved."""
        ways = self.ask.ways
        return (Way.APPROVE, *ways) if self.revisions and Way.APPROVE not in ways else ways

    @property
    def requesters(self) -> frozenset[PersonId]:
        """Who may not decide: those of the run, and whom the frozen words say it was asked for."""
        said = self.ask.first.proposal.asked_by
        return self.ask.run.requesters | ({said} if said else frozenset())

    @property
    def oversight(self) -> Oversight:
        """How people were asked to begin with: an edit that makes it harmless does not make it nobody's."""
        return self.ask.first.proposal.assessment.oversight

    @property
    def asked(self) -> bool:
        """Whether its agent waits for what people decide."""
        return not (self.oversight is Oversight.FREE or self.ask.watched or self.ask.undoes)

    @property
    def says_failed(self) -> bool:
        """Whether all that is known of its failure is what the tool says: it does not claim that nothing happened."""
        effect = self.effect
        return effect is not None and effect.state is EffectState.FAILED and bool(effect.result)

    @property
    def approver_sets(self) -> tuple[str, ...]:
        """The sets whose members may decide now: the frozen rule's and those added by steps."""
        return (*self.ask.rule.approvers, *self.circles)

    @property
    def next_step(self) -> Step | None:
        """The next step of the deadline; None once all have fired."""
        steps = self.ask.deadline.steps
        return steps[self.fired] if self.fired < len(steps) else None

    @property
    def due_at(self) -> datetime | None:
        """When something happens by itself next (UTC); None only when closed: no state is without a clock."""
        match self.state:
            case State.CLOSED:
                return None
            case State.OPEN:
                return fires_at(self.ask.deadline, self.fired, self.looking)
            case _:
                return self.resume_by

    @property
    def card_places(self) -> tuple[Place, ...]:
        """Everywhere a card stands, without doubles, in order."""
        return tuple(dict.fromkeys((*self.ask.places, *self.places)))

    @property
    def live(self) -> bool:
        """Whether people still can or must wait for something."""
        return self.state is not State.CLOSED
