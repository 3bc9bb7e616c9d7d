"""Slack's side of the bot: Bolt, told which of our handlers answers what, behind a door that checks every request."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any

from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_sdk.web.async_client import AsyncWebClient
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from ...approvals.store import Store
from ..channel import Channel
from ..delivery import Deliverer
from ..desk import Desk
from ..front import AsgiApp
from .clicks import Clicks
from .hearing import Hearing, say_back
from .precheck import DELIVERY, Delivery, SlackDoor
from .submissions import PATIENCE, Submissions
from .typed_answers import TypedAnswers

if TYPE_CHECKING:  # most bots connect nothing
    from ..connecting import Connecting

log = logging.getLogger(__name__)

#: Where a reply waits until Slack has its acknowledgement.
_REPLY = "sayso_reply"

#: How long a process that ends lets handlers go on.
_FINISH_SECONDS = 5.0

_ANY = re.compile(".*", re.DOTALL)
_FORMS = re.compile(r"sayso\.(approve|modify|reject)")


class SlackListener:
    """Everything Slack sends. Make one with `connect`.

    Attributes:
        door: The ASGI application to mount; without a signing secret it lets nothing in, and all comes to `answer`.
    """

    def __init__(
        self, *, client: AsyncWebClient, home: AuthorizeResult, clicks: Clicks, submissions: Submissions,
        hearing: Hearing, signing_secret: str | None,
    ) -> None:  # fmt: skip
        self._client = client
        self._hearing = hearing
        door = None if signing_secret is None else SlackDoor(self._dispatch, signing_secret=signing_secret)
        self.door: AsgiApp = door or _shut
        self._app = _bolt(home, client)
        self._app.use(self._hear_before_acknowledging)
        self._working: set[asyncio.Task[None]] = set()
        self._app.action(_ANY)(self._counted(clicks))
        self._app.view(_FORMS)(self._counted(submissions))
        self._app.view(_ANY)(_closes)
        self._app.view_closed(_ANY)(_closes)
        self._app.event(_ANY)(self._counted(self._say_back))

    @classmethod
    async def connect(
        cls, *, client: AsyncWebClient, signing_secret: str | None, desk: Desk, store: Store, deliverer: Deliverer,
        channel: Channel, account: Callable[[Any], str], tz: tzinfo = UTC, patience: float = PATIENCE,
        connecting: Connecting | None = None,
    ) -> SlackListener:  # fmt: skip
        """Ask Slack who we are, once, so that no click has to wait for it. Raises what the client raises.

        Args:
            signing_secret: None where nothing comes over HTTP.
        """
        me = (await client.auth_test()).data
        assert isinstance(me, dict)
        home = AuthorizeResult(
            enterprise_id=me.get("enterprise_id"), team_id=me["team_id"], bot_id=me["bot_id"],
            bot_user_id=me["user_id"], bot_token=client.token,
        )  # fmt: skip
        typed = TypedAnswers(desk=desk, store=store, channel=channel, tz=tz)
        return cls(
            client=client, home=home, signing_secret=signing_secret,
            clicks=Clicks(desk=desk, deliverer=deliverer, account=account, tz=tz, connecting=connecting),
            submissions=Submissions(desk=desk, tz=tz, patience=patience),
            hearing=Hearing(
                desk=desk, typed=typed, bot_user=str(me["user_id"]), revive=deliverer.revive, tz=tz
            ),
        )  # fmt: skip

    async def answer(self, payload: dict[str, Any], token: str) -> BoltResponse:
        """What the connection vouches for: the same handlers as behind the door.

        Args:
            token: As in `Delivery`.
        """
        request = AsyncBoltRequest(body=payload, mode="socket_mode", context={DELIVERY: token})
        answer: BoltResponse = await self._app.async_dispatch(request)
        return answer

    async def finish(self) -> None:
        """Wait a while for what was acknowledged and is still being done: nobody sends it again."""
        if self._working:
            _, left = await asyncio.wait(set(self._working), timeout=_FINISH_SECONDS)
            if left:
                log.warning("slack.not_finished handlers=%d", len(left))

    def _counted(self, handler: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        """The handler, waited for by `finish`; Bolt lets it run on after its acknowledgement and forgets it."""

        async def counted(**given: Any) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._working.add(task)
            try:
                await handler(**given)
            finally:
                self._working.discard(task)

        counted.__wrapped__ = handler  # type: ignore[attr-defined] # by it Bolt sees what to give
        return counted

    async def _dispatch(self, delivery: Delivery) -> Response:
        request = AsyncBoltRequest(
            body=delivery.body, headers=dict(delivery.headers), context={DELIVERY: delivery.token}
        )
        answer: BoltResponse = await self._app.async_dispatch(request)
        status = 503 if answer.status >= 500 else answer.status  # a listener of ours broke: Slack tries again
        return Response(
            content=answer.body, status_code=status, headers=answer.first_headers_without_set_cookie()
        )

    async def _hear_before_acknowledging(
        self, body: dict[str, Any], context: dict[str, Any], next: Callable[[], Awaitable[None]]
    ) -> None:
        if body.get("type") == "event_callback":
            context[_REPLY] = await self._hearing.hear(body, str(context[DELIVERY]))
        await next()

    async def _say_back(self, body: dict[str, Any], context: dict[str, Any]) -> None:
        if context.get(_REPLY) is not None:
            await say_back(self._client, context[_REPLY], body["event"])


async def _shut(scope: Scope, receive: Receive, send: Send) -> None:
    """No door: nothing that comes over HTTP is believed."""
    await PlainTextResponse("There is nothing here.", status_code=404)(scope, receive, send)


async def _closes(ack: AsyncAck) -> None:
    """A view that asks nothing, or one from an older version: let it close."""
    await ack()


def _bolt(home: AuthorizeResult, client: AsyncWebClient) -> AsyncApp:
    """Bolt with our client and without its own signature check: the door has done it."""

    async def authorize() -> AuthorizeResult:
        return home

    plain = AsyncWebClient(
        base_url=client.base_url, timeout=client.timeout, retry_handlers=client.retry_handlers
    )  # `authorize` brings the token
    return AsyncApp(client=plain, authorize=authorize, request_verification_enabled=False, logger=log)
