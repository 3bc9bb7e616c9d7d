"""What people can answer, and the signed vote that carries an answer from the click to the acting node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, NewType

from pydantic import Field

from .action import Json
from .people import PersonId

RequestId = NewType("RequestId", str)
ThreadId = NewType("ThreadId", str)


@dataclass(frozen=True, slots=True)
class Approve:
    """Go ahead as shown; `why` is what the approver says for it, empty where nothing asked for that."""

    why: str = ""
    type: Literal["approve"] = "approve"


@dataclass(frozen=True, slots=True)
class Reject:
    """Do not do it; `reason` is shown to the agent and the requester and is never empty."""

    reason: str
    type: Literal["reject"] = "reject"


@dataclass(frozen=True, slots=True)
class Modify:
    """Go ahead with these arguments instead (only the changed ones), or think again as told; `why` as in `Approve`."""

    changes: Mapping[str, Json] = field(default_factory=dict)
    instruction: str = ""
    why: str = ""
    type: Literal["modify"] = "modify"


@dataclass(frozen=True, slots=True)
class Respond:
    """A text for the agent, where it asked for one."""

    text: str
    type: Literal["respond"] = "respond"


@dataclass(frozen=True, slots=True)
class Undo:
    """Take back what a watched action did."""

    type: Literal["undo"] = "undo"


Verdict = Annotated[Approve | Reject | Modify | Respond | Undo, Field(discriminator="type")]


class Way(StrEnum):
    """A way to answer; not every agent takes every one."""

    APPROVE = "approve"
    EDIT = "edit"  #: other arguments
    INSTRUCT = "instruct"  #: think again, as told
    REJECT = "reject"
    RESPOND = "respond"
    UNDO = "undo"


#: What a gate of ours takes.
GATE_WAYS = (Way.APPROVE, Way.EDIT, Way.INSTRUCT, Way.REJECT)


def way_of(verdict: Verdict) -> Way:
    """Which way of answering a verdict is."""
    match verdict:
        case Approve():
            return Way.APPROVE
        case Reject():
            return Way.REJECT
        case Respond():
            return Way.RESPOND
        case Undo():
            return Way.UNDO
        case Modify(instruction=""):
            return Way.EDIT
        case Modify():
            return Way.INSTRUCT


def is_edit(verdict: Verdict) -> bool:
    """Whether a verdict changes arguments instead of telling the agent to think again."""
    return isinstance(verdict, Modify) and bool(verdict.changes) and not verdict.instruction


@dataclass(frozen=True, slots=True, kw_only=True)
class Seats:
    """So many of those who agree have to be members of one approver set.

    Attributes:
        approvers: Name of the set.
        needed: How many; at least 1.
    """

    approvers: str
    needed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How many of whom must agree; frozen when the request opens and signed with every vote.

    Attributes:
        approvers: Names of the approver sets, whose members are looked up live.
        needed: How many distinct persons must approve; at least 1, and at least as many as there are seats. One
            rejection rejects.
        seats: How many of them have to come from single sets; each person fills one seat (`quorum`). Usually empty.
        veto: Names of sets whose members may reject, and nothing else.
        ask_why: Whether everybody who approves has to say why.
    """

    approvers: tuple[str, ...]
    needed: int = 1
    seats: tuple[Seats, ...] = ()
    veto: tuple[str, ...] = ()
    ask_why: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One person's verdict on one revision, as the bot that authenticated the click signed it.

    Attributes:
        thread, request, revision, digest: What was answered; the digest covers everything shown.
        attempt: Which run of the tool it allows; 1, and more only after an unknown outcome.
        at, expires: UTC; after `expires` the vote moves nothing.
        rule: The stricter of the frozen rule and that of the policy when the vote was given.
        fills: Sets of whose seats this person may take one, as looked up then; empty where the rule has no seats.
        glass: Why one person, permitted to do that, decided alone in an emergency; empty for every other vote.
        stands_for: Whose authority this person had in their hands then; usually nobody's.
        via: The account that answered (`Identity` as text), for the audit.
        key: Id of the signing key; empty before signing.
        signature: Ed25519 over the canonical bytes of all other fields, base64; empty before signing.
    """

    request: RequestId
    thread: ThreadId
    revision: int
    digest: str
    person: PersonId
    verdict: Verdict
    at: datetime
    expires: datetime
    rule: Rule
    fills: tuple[str, ...] = ()
    glass: str = ""
    stands_for: tuple[PersonId, ...] = ()
    via: str = ""
    attempt: int = 1
    key: str = ""
    signature: str = ""
