"""From a delivery's bytes to what somebody said or pressed, and to the answer: checked, well formed, and free of any SDK."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any

from ...approvals.store import MessageRef
from ...cards import adaptive
from .auth import Doorkeeper, Keys, Refused
from .port import (
    PLATFORM,
    Added,
    Arrived,
    Asking,
    Conversation,
    Dispatch,
    Member,
    Posted,
    Pressed,
    Removed,
    Reply,
    Said,
)
from .registration import Registration
from .whereabouts import Whereabouts

log = logging.getLogger(__name__)

#: What the person who pressed reads when something broke on our side.
FAILED = "Something broke, and I do not know whether that was counted. Please look at the card again."

Activity = dict[str, Any]


class Inbound:
    """Reads deliveries and has them answered, the same for every transport."""

    def __init__(self, registration: Registration, keys: Keys, whereabouts: Whereabouts) -> None:
        """Let in whom `keys` vouch for, and tell `whereabouts` where they write from."""
        self._registration = registration
        self._doorkeeper = Doorkeeper(registration, keys)
        self._whereabouts = whereabouts

    async def handle(self, posted: Posted, dispatch: Dispatch) -> Reply:
        """Check what came in, hand it to `dispatch`, and answer."""
        try:
            arrived = await self._read(posted)
        except Refused as no:
            log.info("teams.refused status=%s why=%s", no.status, no)
            return Reply(status=no.status)
        if arrived is None:
            return Reply(status=200)
        self._whereabouts.learn(arrived.ref)
        return await _answered(arrived, dispatch)

    async def _read(self, posted: Posted) -> Arrived | None:
        """What it means; None for what concerns nobody. Raises: Refused."""
        verified = await self._doorkeeper.checked(posted.authorization)
        activity = _an_object(posted.body)
        verified.check(activity)
        token = activity.get("id") or hashlib.sha256(posted.body).hexdigest()
        return self._arrived(activity, f"teams:{_conversation(activity).channel}/{token}")

    def _arrived(self, activity: Activity, token: str) -> Arrived | None:
        match activity.get("type"):
            case "message":
                return self._said(activity, token)
            case "invoke":
                return self._pressed(activity, token)
            case "installationUpdate":
                made = Added if str(activity.get("action", "")).startswith("add") else Removed
                return made(token=token, sender=_sender(activity), ref=self._ref(activity, ""))
            case str():
                return None
            case _:
                raise Refused(400, "no type")

    def _said(self, activity: Activity, token: str) -> Said:
        text, mentioned = str(activity.get("text") or ""), False
        for entity in _objects(activity.get("entities")):
            if _object(entity.get("mentioned")).get("id") == self._registration.bot_id:
                mentioned = True
                text = text.replace(str(entity.get("text") or ""), " ") if entity.get("text") else text
        personal = _object(activity.get("conversation")).get("conversationType") == "personal"
        return Said(
            token=token, sender=_sender(activity), ref=self._ref(activity, str(activity.get("id") or "")),
            text=text.replace("&nbsp;", " ").replace("\xa0", " ").strip(), to_bot=mentioned or personal,
        )  # fmt: skip

    def _pressed(self, activity: Activity, token: str) -> Pressed:
        name, value = activity.get("name"), activity.get("value")
        if name not in tuple(Asking):
            raise Refused(501, "an invoke we do not know")
        if not isinstance(value, dict):
            raise Refused(400, "no value")
        if name == Asking.EXECUTE and _object(value.get("action")).get("type") != "Action.Execute":
            raise Refused(400, "no action")
        return Pressed(
            token=token, sender=_sender(activity), ref=self._ref(activity, str(activity.get("replyToId") or "")),
            asking=Asking(name), value=value,
        )  # fmt: skip

    def _ref(self, activity: Activity, message: str) -> MessageRef:
        """The message meant; the tenant comes from where Teams never leaves it out."""
        where = _conversation(activity)
        tenant = _object(_object(activity.get("channelData")).get("tenant")).get("id")
        facts = {
            "tenant": str(tenant or ""), "service_url": str(activity["serviceUrl"]),
            "bot_id": self._registration.bot_id,
        }  # fmt: skip
        return MessageRef(
            platform=PLATFORM,
            channel=where.channel,
            message=message,
            thread=where.root or message,
            facts=facts,
        )


async def _answered(arrived: Arrived, dispatch: Dispatch) -> Reply:
    """What goes back: the handler's body as it is, or words that something broke."""
    try:
        body = await dispatch(arrived)
    except Exception:  # the outermost edge: the person reads words, and no traceback
        log.exception("teams.failed token=%s", arrived.token)
        if not isinstance(arrived, Pressed):
            return Reply(status=503)
        body = _broken(arrived.asking)
    return Reply(status=200, body=json.dumps(body).encode() if isinstance(arrived, Pressed) else b"")


def _broken(asking: Asking) -> Mapping[str, Any]:
    if asking is Asking.EXECUTE:
        return adaptive.error(FAILED, status=503, code="Failed")
    return adaptive.closing(FAILED)


def _an_object(body: bytes) -> Activity:
    try:
        told = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise Refused(400, "no JSON") from None
    if not isinstance(told, dict):
        raise Refused(400, "no object")
    return told


def _conversation(activity: Activity) -> Conversation:
    id = _object(activity.get("conversation")).get("id")
    if not isinstance(id, str) or not id:
        raise Refused(400, "no conversation")
    return Conversation.parse(id)


def _sender(activity: Activity) -> Member:
    sender = _object(activity.get("from"))
    if not isinstance(sender.get("id"), str):
        raise Refused(400, "no sender")
    return Member(
        id=sender["id"], object_id=str(sender.get("aadObjectId") or ""), name=str(sender.get("name") or "")
    )


def _object(told: object) -> Mapping[str, Any]:
    return told if isinstance(told, dict) else {}


def _objects(told: object) -> list[Mapping[str, Any]]:
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
