"""The bodies that answer an invoke of Teams."""

from __future__ import annotations

from typing import Any

from .adaptive_escape import literal
from .escape import cut, line

Body = dict[str, Any]
CARD_TYPE = "application/vnd.microsoft.card.adaptive"
_ERROR_TYPE = "application/vnd.microsoft.error"
#: Longest sentence beside a card, and longest title of a dialog, in UTF-16 units.
WORDS, TITLE = 400, 60


def attachment(card: Body) -> Body:
    """A card as a message's or a dialog's attachment."""
    return {"contentType": CARD_TYPE, "content": card}


def answer(card: Body) -> Body:
    """To an Action.Execute: the card that the person who pressed sees from now on."""
    return {"statusCode": 200, "type": CARD_TYPE, "value": card}


def error(words: str, *, status: int = 403, code: str = "Refused") -> Body:
    """To an Action.Execute that was refused: the client shows the sentence and keeps card and inputs.

    The HTTP status stays 200; `status` is the one inside (400 for inputs that do not fit, 403, 404, 409, 503).
    """
    return {
        "statusCode": status,
        "type": _ERROR_TYPE,
        "value": {"code": code, "message": _said(words, WORDS)},
    }


def dialog(title: str, card: Body) -> Body:
    """To a task/fetch, or to a task/submit that goes on: a dialog with this card in it."""
    value = {"title": _said(title, TITLE), "height": "large", "width": "medium", "card": attachment(card)}
    return {"task": {"type": "continue", "value": value}}


def closing(words: str) -> Body:
    """To a task/submit: a sentence, and the dialog can be closed."""
    return {"task": {"type": "message", "value": _said(words, WORDS)}}


def _said(words: str, limit: int) -> str:
    return literal(cut(line(words), limit)) or "(empty)"
