"""A submitted form: read, taken to the desk, and answered in the form itself, in time even when the store is slow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Any

from slack_bolt.context.ack.async_ack import AsyncAck
from slack_sdk.web.async_client import AsyncWebClient

from ...approvals.errors import BadChange, SaysoError
from ...approvals.people import Identity
from ...approvals.request import Request, State
from ...approvals.verdict import Approve, Modify, Reject, Respond
from ...cards.answers import (
    INSTRUCTION,
    HandOn,
    approve_from,
    decode_press,
    decode_shown,
    field_errors,
    modify_from,
    reject_from,
)
from ...cards.words import answered
from ..desk import Answered, Desk
from .clicks import explained, who_clicked
from .precheck import DELIVERY
from .screens import update_view, words_view

log = logging.getLogger(__name__)

#: Seconds until we tell Slack that we are still at it; it gives up after three.
PATIENCE = 2.0

#: What `ack` is given: nothing closes the form.
Reply = dict[str, Any]


class Submissions:
    """Handles `view_submission` of our forms."""

    def __init__(self, *, desk: Desk, tz: tzinfo = UTC, patience: float = PATIENCE) -> None:
        self._desk = desk
        self._tz = tz
        self._patience = patience

    async def __call__(
        self, ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient, context: dict[str, Any]
    ) -> None:
        """Bolt's listener for all forms."""
        deciding = asyncio.create_task(self._reply(body, str(context[DELIVERY])))
        try:
            reply = await asyncio.wait_for(asyncio.shield(deciding), self._patience)
        except TimeoutError:
            still = words_view("One moment", "Still working on it…")
            await ack(response_action="update", view=dict(still))
            reply = await deciding
            await update_view(client, _as_view(reply), id=body["view"]["id"])
            return
        await ack(**reply)

    async def _reply(self, body: Mapping[str, Any], token: str) -> Reply:
        view = body["view"]
        press = str(view.get("private_metadata", ""))
        try:
            return await self._decided(view, press, who_clicked(body), token)
        except SaysoError as error:
            return _words(await explained(error, press, self._desk, self._tz))

    async def _decided(self, view: Mapping[str, Any], press: str, who: Identity, token: str) -> Reply:
        id, revision = decode_press(press)
        typed = (view.get("state") or {}).get("values") or {}
        request = await self._desk.still_asked(id, revision, who, token=token)
        try:
            verdict = _read(view, request, typed)
            done = await self._given(request, verdict, who, token, shown=decode_shown(press))
        except BadChange as bad:
            return {"response_action": "errors", "errors": _errors(request, bad, view)}
        waits = self._desk.waits(done)
        if (done.request.state is State.OPEN or waits) and not isinstance(verdict, HandOn):
            return _words(answered(done.request, verdict, waits))
        return {}

    async def _given(
        self,
        request: Request,
        verdict: Approve | Modify | Reject | Respond | HandOn,
        who: Identity,
        token: str,
        *,
        shown: str,
    ) -> Answered:
        id, revision, desk = request.id, request.revision, self._desk
        match verdict:
            case HandOn(reason):
                return await desk.hand_on(id, revision, reason, who, token=token, shown=shown)
            case Approve() | Modify() | Reject() | Respond():
                return await desk.answer(id, revision, verdict, who, token=token, shown=shown)


def _read(
    view: Mapping[str, Any], request: Request, typed: Mapping[str, Any]
) -> Approve | Modify | Reject | Respond | HandOn:
    """Raises: BadChange."""
    if _is(view, "approve"):
        return approve_from(typed)
    return modify_from(request, typed) if _is(view, "modify") else reject_from(typed)


def _is(view: Mapping[str, Any], form: str) -> bool:
    return bool(view.get("callback_id") == f"sayso.{form}")


def _errors(request: Request, bad: BadChange, view: Mapping[str, Any]) -> dict[str, str]:
    """By block of this very form: Slack drops an answer that names another."""
    inputs = [str(block["block_id"]) for block in view["blocks"] if block.get("type") == "input"]
    wanted = field_errors(request, bad) if _is(view, "modify") else dict(bad.problems)
    last = INSTRUCTION if INSTRUCTION in inputs else inputs[-1]
    errors: dict[str, str] = {}
    for block, words in wanted.items():
        home = block if block in inputs else last
        errors[home] = f"{errors[home]}; {words}"[:300] if home in errors else words[:300]
    return errors


def _words(words: str) -> Reply:
    return {"response_action": "update", "view": dict(words_view("sayso", words))}


def _as_view(reply: Reply) -> Mapping[str, Any]:
    """What a form shows that could not be answered in time."""
    if "view" in reply:
        return dict(reply["view"])
    problems = reply.get("errors")
    if problems:
        return words_view("Not counted", "\n".join(problems.values()))
    return words_view("sayso", "Counted. The card shows it.")
