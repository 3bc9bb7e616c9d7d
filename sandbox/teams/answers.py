"""What the client makes of the bot's answers to invokes; what it could make nothing of is a violation."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..loopback import Json
from .activities import checked_card
from .courier import Answer
from .limits import CARD_TYPE, walk
from .results import BOT_DID_NOT_ANSWER, Backstage, Shown
from .tenant import TeamsError

_FAILED = Shown(error_shown=BOT_DID_NOT_ANSWER)
_SIZES = ("small", "medium", "large")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a dialog does next: show `content`, or close with `words`; `failed` when the bot made no sense."""

    content: Json | None = None
    words: str = ""
    failed: bool = False


def after_action(stage: Backstage, answer: Answer) -> Shown:
    """The answer to an Action.Execute."""
    if answer.status != 200:
        return _FAILED
    body = _decoded(answer.body)
    if not isinstance(body, dict) or not {"statusCode", "type"} <= set(body):
        return _senseless(stage, f"an Action.Execute was answered with {answer.body[:80]!r}")
    value = body.get("value")
    match body["type"]:
        case kind if kind == CARD_TYPE:
            card = _card(stage, value)
            return _FAILED if card is None else Shown(card=card)
        case "application/vnd.microsoft.activity.message" if isinstance(value, str) and value:
            return Shown(words=value)
        case "application/vnd.microsoft.error" if isinstance(value, dict) and value.get("message"):
            if int(body["statusCode"]) < 400:
                stage.violations.note("teams invoke", f"an error with statusCode {body['statusCode']}")
            return Shown(refusal=str(value["message"]))
        case kind:
            return _senseless(stage, f"answered with type {kind!r} and value {value!r:.80}")


def after_task(stage: Backstage, answer: Answer) -> Task:
    """The answer to task/fetch or task/submit."""
    if answer.status != 200:
        return Task(failed=True)
    body = _decoded(answer.body) if answer.body.strip() else None
    task = body.get("task") if isinstance(body, dict) else None
    if not body or task is None:
        return Task()
    value = task.get("value")
    match task.get("type"):
        case "message" if isinstance(value, str) and value:
            return Task(words=value)
        case "continue" if isinstance(value, dict) and (content := _dialog(stage, value)) is not None:
            return Task(content=content)
        case kind:
            _senseless(stage, f"a dialog was answered with type {kind!r} and value {value!r:.80}")
            return Task(failed=True)


def _dialog(stage: Backstage, value: Json) -> Json | None:
    for side in ("height", "width"):
        if value.get(side) not in (*_SIZES, None) and not isinstance(value.get(side), int):
            stage.violations.note(
                "teams dialog", f"{side} {value.get(side)!r} is neither a number nor a size"
            )
    if not value.get("title"):
        stage.violations.note("teams dialog", "without a title")
    attachment = value.get("card") or {}
    if (
        attachment.get("contentType") != CARD_TYPE
        or (card := _card(stage, attachment.get("content"))) is None
    ):
        return None
    if "Action.Execute" in {one["type"] for one in walk(card)}:
        stage.violations.note("teams dialog", "Action.Execute does nothing in a dialog")
    return value


def _card(stage: Backstage, value: object) -> Json | None:
    try:
        return checked_card(value, lambda what: stage.violations.note("teams invoke", what))
    except TeamsError as error:
        stage.violations.note("teams invoke", error.message)
        return None


def _senseless(stage: Backstage, what: str) -> Shown:
    stage.violations.note("teams invoke", what)
    return _FAILED


def _decoded(body: str) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return body
