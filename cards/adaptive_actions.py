"""What can be pressed on an Adaptive Card, and the card around it: Action.Execute in a chat, Action.Submit in a dialog."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from ..approvals.request import Request
from .adaptive_text import Element
from .answers import encode_page, encode_press
from .card import APPROVE_WHY, Button, Style, Verb

#: Of one card as compact JSON, in bytes; ours (Teams takes 100 KB, counted in UTF-16).
MOST_BYTES = 20_000
#: Of one row, those behind the dots included: Teams takes no more.
MOST_BUTTONS = 6
#: Draws the card anew where a form or Details stands; the only verb that is no button of the neutral card.
BACK = "card"
#: Says in a press that the form was filled in; without it the press asks for the form.
SENT = "sent"
#: Says in a press that it was made on a posted card itself, and not on what one person sees there or on a list.
POSTED = "posted"
_STYLES: dict[Style, Element] = {
    Style.PLAIN: {},
    Style.PRIMARY: {"style": "positive"},
    Style.DANGER: {"style": "destructive"},
}
_IN_DIALOGS = {
    Verb.APPROVE: "Approve in a dialog…",
    Verb.MODIFY: "Modify in a dialog…",
    Verb.REJECT: "Reject in a dialog…",
    Verb.DETAILS: "Details in a dialog…",
    Verb.UNDO: "Undo in a dialog…",
}


class Surface(StrEnum):
    """Where a card stands; some Teams clients have only one of them for forms."""

    CARD = "card"  #: in the conversation, for everybody
    VIEW = "view"  #: in its place, for the one person who pressed
    DIALOG = "dialog"  #: in a task dialog, which knows no Action.Execute


def press_action(
    title: str, verb: str, data: Element, surface: Surface, *, style: Style = Style.PLAIN
) -> Element:
    """A button; in a dialog, where the verb has no place of its own, it travels in the data."""
    looks = {"title": title, **_STYLES[style]}
    match surface:
        case Surface.CARD:
            return {"type": "Action.Execute", "verb": verb, "data": {**data, POSTED: True}, **looks}
        case Surface.VIEW:
            return {"type": "Action.Execute", "verb": verb, "data": data, **looks}
        case Surface.DIALOG:
            return {"type": "Action.Submit", "data": {**data, "verb": verb}, **looks}


def send_action(
    verb: Verb, press: str, surface: Surface, *, label: str = "Send", style: Style = Style.PRIMARY
) -> Element:
    """The button that sends a form with its inputs."""
    return press_action(label, verb.value, {"press": press, SENT: True}, surface, style=style)


def pressing(buttons: Sequence[Button], press: str, surface: Surface) -> list[Element]:
    """The neutral card's buttons."""
    return [
        press_action(one.label, one.verb.value, {"press": press}, surface, style=one.style) for one in buttons
    ]


def dialogs(buttons: Sequence[Button], press: str, surface: Surface) -> list[Element]:
    """What changes a card for one person once more as dialogs, for clients that cannot; behind the dots."""
    if surface is Surface.DIALOG:
        return []
    posted = {POSTED: True} if surface is Surface.CARD else {}
    return [
        {"type": "Action.Submit", "title": _IN_DIALOGS[one.verb], "mode": "secondary",
         "data": {"msteams": {"type": "task/fetch"}, "press": press, "verb": one.verb.value, **posted}}
        for one in buttons if one.verb in _IN_DIALOGS and (one.verb is not Verb.APPROVE or one.label == APPROVE_WHY)
    ]  # fmt: skip


def turning(request: Request, number: int, of: int, surface: Surface) -> list[Element]:
    """The way to the other pages of Details."""
    return [
        press_action(
            label, Verb.DETAILS.value, {"press": _page_of(request, number + step)}, surface
        )
        for label, step in (("Previous page", -1), ("Next page", 1))
        if 1 <= number + step <= of
    ]  # fmt: skip


def rows_of(buttons: Sequence[Button], press: str, surface: Surface) -> list[Element]:
    """The answers, and Details below them: more than three buttons in a row are too wide for a telephone."""
    aside = (Verb.ON_IT, Verb.DETAILS, Verb.RECONNECT)
    given = [one for one in buttons if one.verb not in aside]
    others = [one for one in buttons if one.verb in aside]
    first, *more = [pressing(row, press, surface) for row in (given, others) if row] or [[]]
    behind = dialogs(buttons, press, surface)
    room = MOST_BUTTONS - len(first) if more else len(behind)
    made = ([*first, *behind[:room]], *([*row, *behind[room:]] for row in more))
    return [action_set(row) for row in made if row]


def back(press: str) -> Element:
    """From a form or Details to the card, whatever the form's inputs hold."""
    action = press_action("Back to the card", BACK, {"press": press}, Surface.VIEW)
    return {**action, "associatedInputs": "none"}


def action_set(actions: Sequence[Element]) -> Element:
    """A row of buttons."""
    return {"type": "ActionSet", "spacing": "Medium", "actions": list(actions)}


def card(body: Sequence[Element], *, fallback: str, entities: Sequence[Element] = ()) -> dict[str, Any]:
    """A whole card; `fallback` is what clients too old for it show."""
    called = {"entities": list(entities)} if entities else {}
    return {
        "$schema": "https://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.5",
        "fallbackText": fallback, "msteams": {"width": "Full", **called}, "body": list(body),
    }  # fmt: skip


def press_of(request: Request) -> str:
    """What buttons and forms about this request carry: the request, and by its digest what was shown."""
    return encode_press(request.id, request.revision, request.question)


def _page_of(request: Request, page: int) -> str:
    return encode_page(request.id, request.revision, page, request.question)
