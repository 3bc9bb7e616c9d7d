"""What is watched instead of gated, as the record shows it: who sees it where, and what of it waits for nobody (pure)."""

from __future__ import annotations

from .action import Action
from .request import EffectState, Request, State
from .risk import Oversight


def can_be_undone(request: Request) -> bool:
    """Whether it is an offer to undo something: open, but nobody waits for an answer to it."""
    return request.state is State.OPEN and request.ask.undoes is not None


def decides_about(request: Request) -> Action:
    """The action whose approvers answer: an undo is the say of those who decide about what it undoes."""
    undoes = request.ask.undoes
    return undoes.proposal.action if undoes else request.proposal.action


def has_card(request: Request) -> bool:
    """Whether people see it: nothing free, and of what is watched what cannot be undone, once that is known.

    What can be undone stands on the card of its undo.
    """
    if not request.ask.watched:
        return request.oversight is not Oversight.FREE
    effect = request.effect
    if effect is not None and (effect.attempt > 1 or effect.state is EffectState.UNKNOWN):
        return True
    return request.state is State.CLOSED and request.undo is None
