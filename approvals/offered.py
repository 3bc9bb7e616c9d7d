"""Whether an answer is one that may be given (pure): of a kind the agent takes, and with its why where that is asked."""

from __future__ import annotations

from .errors import NotOffered, NoWhy
from .request import Edits, Request
from .verdict import Approve, Modify, Vote, way_of


def must_be_offered(request: Request, vote: Vote) -> None:
    """Raises: NotOffered, NoWhy."""
    if way_of(vote.verdict) not in request.ways:
        raise NotOffered
    plans_again = isinstance(vote.verdict, Modify) and request.ask.edits is Edits.REPLAN
    if lacks_why(vote) and not plans_again:
        raise NoWhy


def lacks_why(vote: Vote) -> bool:
    """Whether it approves without the words that its rule asks for.

    Breaking the glass has its own, and so has a further run: it was approved with them before.
    """
    if not vote.rule.ask_why or vote.glass or vote.attempt > 1:
        return False
    match vote.verdict:
        case Approve(why=why) | Modify(instruction="", why=why):
            return not why.strip()
        case _:
            return False
