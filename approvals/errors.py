"""Everything that can go wrong in sayso, drawn once; a class's docstring is its default message.

SaysoError
├── BadSetting                a setting is missing or wrong
├── StoreDown                 Redis cannot be reached
│   └── NotCopied             it can, but no replica confirms what it says
├── Halted                    somebody paused sayso
├── RequestNotFound
├── AnswerRefused             a person's answer was not counted
│   ├── AlreadySettled        somebody was faster, or it ended
│   ├── Outdated              the card showed an older revision
│   ├── NotOffered            the agent does not take an answer of this kind
│   ├── NotAllowed            this person may not decide this request
│   └── BadChange             an edit does not fit the tool's arguments
│       └── NoWhy             whoever approves has to say why, and did not
├── DirectoryDown             we cannot tell who somebody is
└── BadVote                   a vote is not what the bot signed
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .halt import Halt


class SaysoError(Exception):
    """Something went wrong in sayso."""

    def __init__(self, message: str = "") -> None:
        first_paragraph = (type(self).__doc__ or "").strip().partition("\n\n")[0]
        super().__init__(message or " ".join(first_paragraph.split()))


class BadSetting(SaysoError):
    """A setting is missing or wrong."""


class StoreDown(SaysoError):
    """Redis cannot be reached."""


class NotCopied(StoreDown):
    """No replica of the store confirms this, so nothing is claimed and nothing is done until one does."""


class Halted(SaysoError):
    """Sayso is paused: nothing is started, brought back or done until that ends.

    Attributes:
        halt: Who did that, and why; None where it cannot be read.
    """

    def __init__(self, halt: Halt | None = None) -> None:
        super().__init__()
        self.halt = halt


class RequestNotFound(SaysoError):
    """There is no such request, or it was cleared away."""


class AnswerRefused(SaysoError):
    """This answer was not counted."""


class AlreadySettled(AnswerRefused):
    """Somebody was faster, or the request has ended.

    Attributes:
        state: Where the request stands now (a `State` value).
        by: Names of the persons who settled it; empty when nobody did (expiry).
    """

    def __init__(self, state: str, by: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.state = state
        self.by = by


class Outdated(AnswerRefused):
    """The card showed an older revision of this request; look at the newest card."""


class NotOffered(AnswerRefused):
    """The agent that asks takes no answer of this kind; nothing was counted. Its card shows what it takes."""


class WhyNot(StrEnum):
    """Why a person may not decide; the value is what they read."""

    OWN_REQUEST = "You asked for this, so somebody else has to decide it."
    NOT_AN_APPROVER = "You are not an approver for this action."
    NOT_ANY_MORE = "You are no longer an approver for this action."
    HANDED_OVER = "Your authority is in a colleague's hands; say “hand over to nobody” to have it back."
    NO_APPROVERS = "Nobody is set up to approve this action; ask an operator to add approvers to its route."
    UNKNOWN_PERSON = "I do not know you: you are not in sayso's list of people."
    AMBIGUOUS = "Your account is listed for more than one person, so your answer cannot be counted."
    GUEST = "Guests cannot decide."
    BOT = "Bots cannot decide."
    FOREIGN = "People from outside this workspace cannot decide."
    DEACTIVATED = "This account is deactivated."
    DENIED = "You are barred from deciding."
    ALREADY_VOTED = "Your answer is already counted; somebody else has to answer too."


class NotAllowed(AnswerRefused):
    """This person may not decide this request."""

    def __init__(self, why: WhyNot = WhyNot.NOT_AN_APPROVER) -> None:
        super().__init__(why.value)
        self.why = why


class BadChange(AnswerRefused):
    """An edit does not fit the tool's arguments.

    Attributes:
        problems: argument name -> one sentence; the empty name means the edit as a whole.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" if name else text for name, text in problems.items()))
        self.problems = dict(problems)


class NoWhy(BadChange):
    """Nothing was counted: whoever approves this has to say why. The forms on the card ask for it."""

    def __init__(self) -> None:
        super().__init__({"why": (type(self).__doc__ or "").strip()})


class DirectoryDown(SaysoError):
    """I cannot check who you are right now, so nothing was counted. Please try again in a minute."""


class BadVote(SaysoError):
    """A vote is not what the bot signed."""
