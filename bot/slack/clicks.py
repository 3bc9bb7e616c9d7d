"""A pressed button: acknowledged first, then taken to the desk; whoever pressed it always reads an answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any

from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.respond.async_respond import AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from ...approvals.errors import AlreadySettled, AnswerRefused, SaysoError
from ...approvals.people import Identity
from ...approvals.request import Request, State
from ...approvals.store import MessageRef
from ...approvals.verdict import Approve, Reject, RequestId, Undo
from ...cards import views
from ...cards.answers import decode_page, decode_press, decode_shown
from ...cards.card import Verb
from ...cards.richtext import Account, no_account
from ...cards.spans import Link
from ...cards.words import LINK_WORDS, answered, refusal
from ..asked import WayOn
from ..channel import ChannelError
from ..delivery import Deliverer
from ..desk import REJECTING, Answered, Desk
from .precheck import DELIVERY
from .screens import InView, OnMessage, Screen, View

if TYPE_CHECKING:  # most bots connect nothing
    from ..connecting import Connecting

log = logging.getLogger(__name__)

_RETIRED = "This button is from an older card and does nothing any more. Please use the newest card."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Press:
    """One press of a button; `value` is what it carried, `shown` the digest that stood in it."""

    verb: str
    value: str
    id: RequestId
    revision: int
    shown: str
    who: Identity
    token: str


class Clicks:
    """Handles every `block_actions`."""

    def __init__(
        self, *, desk: Desk, deliverer: Deliverer, account: Account = no_account, tz: tzinfo = UTC,
        connecting: Connecting | None = None,
    ) -> None:  # fmt: skip
        self._desk = desk
        self._connecting = connecting
        self._deliverer = deliverer
        self._account = account
        self._tz = tz

    async def __call__(
        self, ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond,
        context: dict[str, Any],
    ) -> None:  # fmt: skip
        """Bolt's listener for all actions, retired ones included."""
        await ack()
        action = body["actions"][0]
        screen = InView(client, body["view"]) if body.get("view") else OnMessage(client, respond, body)
        value = str(action.get("value", ""))
        try:
            id, revision = decode_press(value)
            press = _Press(
                verb=str(action.get("action_id", "")).removeprefix("sayso."), value=value, id=id,
                revision=revision, shown=decode_shown(value), who=who_clicked(body),
                token=str(context[DELIVERY]),
            )  # fmt: skip
            await self._pressed(press, screen)
        except SaysoError as error:
            await screen.tell(await explained(error, value, self._desk, self._tz))
        await self._mind_the_card(value, body)

    async def _pressed(self, press: _Press, screen: Screen) -> None:
        desk, id, who, token = self._desk, press.id, press.who, press.token
        match press.verb:
            case Verb.APPROVE if desk.asks_why(await desk.request(id)):
                await self._form(press, screen, views.approve_view)
            case Verb.APPROVE | Verb.UNDO:
                verdict = Undo() if press.verb == Verb.UNDO else Approve()
                done = await desk.answer(id, press.revision, verdict, who, token=token, shown=press.shown)
                await self._say_if_needed(done, verdict, screen)
            case Verb.HAPPENED | Verb.AGAIN | Verb.GIVE_UP:
                way = WayOn(press.verb)
                await desk.settle(id, press.revision, way, who, token=token, shown=press.shown)
                if isinstance(screen, InView):
                    await screen.tell("Noted. The card shows how it goes on.")
            case Verb.ON_IT:
                await desk.on_it(id, who, token=token)
            case Verb.MODIFY:
                await self._form(press, screen, self._modify_view)
            case Verb.REJECT:
                await self._form(press, screen, views.reject_view, REJECTING)
            case Verb.DETAILS | "earlier" | "later":
                await screen.open()
                request = await desk.seen(id, who, token=token)
                page = decode_page(press.value)
                view = views.details_view(request, page, name=desk.name, account=self._account, tz=self._tz)
                await screen.show(view)
            case Verb.RECONNECT if self._connecting is not None:
                link = await self._connecting.link(id, who, token=token)
                await screen.tell(LINK_WORDS, Link(link))
            case _:
                await screen.tell(_RETIRED)

    def _modify_view(self, request: Request) -> View:
        return views.modify_view(request, ask_why=self._desk.asks_why(request))

    async def _form(
        self, press: _Press, screen: Screen, draw: Callable[[Request], View], verdict: Reject | None = None
    ) -> None:
        """A form over what is asked now; whoever may not decide reads that instead."""
        await screen.open()
        request = await self._desk.admit(press.id, press.who, token=press.token, verdict=verdict)
        if request.state is not State.OPEN:
            raise AlreadySettled(request.state, request.decision.by if request.decision else ())
        await screen.show(draw(request))

    async def _say_if_needed(self, done: Answered, verdict: Approve | Undo, screen: Screen) -> None:
        """A redrawn card is answer enough, unless it stays as it was, a modal covers it, or sayso is paused."""
        waits = self._desk.waits(done)
        if done.request.state is State.OPEN or waits or isinstance(screen, InView):
            await screen.tell(answered(done.request, verdict, waits))

    async def _mind_the_card(self, press: str, body: Mapping[str, Any]) -> None:
        """A card whose posting was never recorded becomes known; a stray second one is redrawn here."""
        container = body.get("container") or {}
        if container.get("type") != "message" or container.get("is_ephemeral"):
            return
        message = str(container.get("message_ts", ""))
        ref = MessageRef(
            platform="slack", channel=str(container.get("channel_id", "")), message=message,
            thread=str(container.get("thread_ts") or message),
        )  # fmt: skip
        try:
            id, _ = decode_press(press)
            if not await self._deliverer.adopt(id, ref):
                await self._deliverer.redraw_stray(id, ref)
        except AnswerRefused:
            return  # a button of something else
        except (SaysoError, ChannelError):
            log.warning("slack.card_not_minded channel=%s", ref.channel, exc_info=True)


async def explained(error: SaysoError, press: str, desk: Desk, tz: tzinfo) -> str:
    """Why something was not counted, with who was faster where that is known."""
    request = None
    if isinstance(error, AlreadySettled):
        try:
            request = await desk.request(decode_press(press)[0])
        except SaysoError:
            log.warning("slack.not_explained", exc_info=True)
    return refusal(error, name=desk.name, request=request, tz=tz)


def who_clicked(body: Mapping[str, Any]) -> Identity:
    """The account that clicked: only what Slack says of it, never names or what a view carries."""
    user = body["user"]
    tenant = user.get("team_id") or (body.get("team") or {}).get("id") or ""
    return Identity(platform="slack", tenant=str(tenant), user=str(user["id"]))
