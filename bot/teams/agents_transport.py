"""Teams through the Microsoft 365 Agents SDK: the one file that imports it.

Its operations write, with connections, tokens and failures of our own. Its adapter is not used (a client and a token for
each turn, errors told to whoever writes), nor its way to read rosters (one person without a name fails them all).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
from microsoft_agents.activity import (
    Activity,
    Attachment,
    ChannelAccount,
    ConversationAccount,
    ConversationParameters,
)
from microsoft_agents.hosting.core.connector.client.connector_client import ConversationsOperations

from ...approvals.store import MessageRef
from ...cards import adaptive
from ...cards.adaptive import AdaptiveMessage
from ..channel import RetryLater, Unclear
from .auth import Keys
from .credentials import EntraToken
from .failures import SOON, TokenRefused, refused
from .inbound import Inbound
from .pace import AT_ONCE, MOST_PAGES, PAGE, PATIENCE
from .port import Conversation, Dispatch, Member, Posted, Reply
from .registration import Registration, on_this_machine
from .whereabouts import Whereabouts

#: The SDK cuts ids that are longer than it is told, and then writes to nobody; no id is as long as this.
_LONGEST_ID = 10_000
#: The call cannot have reached Teams.
_NEVER_LEFT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)


class AgentsTransport:
    """A `Transport`."""

    def __init__(self, registration: Registration, *, token: EntraToken, keys: Keys) -> None:
        self._registration = registration
        self._token = token
        self._whereabouts = Whereabouts(registration)
        self._inbound = Inbound(registration, keys, self._whereabouts)
        self._lines = _Lines(token)

    async def handle(self, posted: Posted, dispatch: Dispatch) -> Reply:
        """Check what came in, hand it to `dispatch`, and answer."""
        return await self._inbound.handle(posted, dispatch)

    async def post_root(self, channel: str, message: AdaptiveMessage) -> MessageRef:
        """Begin a new thread. Raises: Dead, RetryLater, Unclear, Gone when there is no such channel."""
        home = {"channel": {"id": channel}, "tenant": {"id": self._registration.tenant}}
        where = await self._create(
            self._whereabouts.of(channel), is_group=True, channel_data=home, activity=self._drawn(message)
        )
        if not where.root:
            raise Unclear
        return self._whereabouts.ref(where, where.root)

    async def reply(self, to: Conversation, message: AdaptiveMessage) -> MessageRef:
        """Write into a thread or chat. Raises: Gone, Dead, RetryLater, Unclear."""
        conversations = await self._conversations(self._whereabouts.of(to.channel))
        with _understood():
            written = await conversations.send_to_conversation(_segment(to.id), self._drawn(message, to.id))
        if not written.id:
            raise Unclear
        return self._whereabouts.ref(to, written.id)

    async def update(self, ref: MessageRef, message: AdaptiveMessage) -> None:
        """Redraw a message. Raises: Gone, Dead, RetryLater, Unclear."""
        to = Conversation.at(ref.channel, ref.thread)
        conversations = await self._conversations(self._whereabouts.of(ref.channel, ref))
        drawn = self._drawn(message, to.id, ref.message)
        with _understood():
            await conversations.update_activity(_segment(to.id), _segment(ref.message), drawn)

    async def direct(self, object_id: str) -> Conversation:
        """The personal chat with somebody. Raises: Dead, RetryLater, Unclear, Gone."""
        return await self._create(
            self._whereabouts.of(object_id), is_group=False, members=[ChannelAccount(id=object_id)],
            channel_data={"tenant": {"id": self._registration.tenant}},
        )  # fmt: skip

    async def members(self, of: Conversation) -> Sequence[Member]:
        """Everybody who can read it. Raises: Gone, Dead, RetryLater, Unclear."""
        found: list[Member] = []
        asked = {"pageSize": str(PAGE)}
        address = f"v3/conversations/{_segment(of.channel)}/pagedmembers"
        for _ in range(MOST_PAGES):
            line = await self._lines.to(self._whereabouts.of(of.channel))
            with _understood():
                async with line.get(address, params=asked) as answer:
                    page = await answer.json()
                found.extend(_member(one) for one in page.get("members") or ())
                more = page.get("continuationToken")
            if not more:
                return found
            asked["continuationToken"] = str(more)
        raise Unclear

    def close(self) -> None:
        """Let go of connections; inside the loop that made them."""
        self._lines.close()

    # ---- inside

    async def _conversations(self, service_url: str) -> ConversationsOperations:
        """Raises: Dead, RetryLater."""
        line = await self._lines.to(service_url)
        return ConversationsOperations(line, max_conversation_id_length=_LONGEST_ID)

    async def _create(self, service_url: str, **parameters: Any) -> Conversation:
        """Begin a conversation. Raises: ChannelError."""
        described = ConversationParameters(
            bot=ChannelAccount(id=self._registration.bot_id),
            tenant_id=self._registration.tenant,
            **parameters,
        )
        conversations = await self._conversations(service_url)
        with _understood():
            began = await conversations.create_conversation(described)
        if not began.id:
            raise Unclear
        return Conversation.parse(began.id)

    def _drawn(self, message: AdaptiveMessage, conversation: str = "", id: str = "") -> Activity:
        """The card alone: Teams splits a message that has a text beside it, and gives no id back."""
        card = adaptive.attachment(message.card)
        # Only what is given: the SDK would send everything else that is named here as null.
        told: dict[str, Any] = {"id": id} if id else {}
        if conversation:
            told["conversation"] = ConversationAccount(id=conversation)
        if message.summary:
            told["summary"] = message.summary
        return Activity(
            type="message",
            from_property=ChannelAccount(id=self._registration.bot_id),
            channel_data={"tenant": {"id": self._registration.tenant}},
            attachments=[Attachment(content_type=card["contentType"], content=card["content"])],
            **told,
        )


class _Lines:
    """One session per service URL, made in the running loop when first needed; all of them share connections."""

    def __init__(self, token: EntraToken) -> None:
        self._token = token
        self._connections: aiohttp.TCPConnector | None = None
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._closing: asyncio.Future[None] | None = None

    async def to(self, service_url: str) -> aiohttp.ClientSession:
        """A session whose calls are signed and whose failures have names. Raises: Dead, RetryLater."""
        await self._token.ready()
        if self._connections is None:
            self._connections = aiohttp.TCPConnector(limit=AT_ONCE)
        if service_url not in self._sessions:
            self._sessions[service_url] = aiohttp.ClientSession(
                base_url=service_url.rstrip("/") + "/", connector=self._connections, connector_owner=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=PATIENCE, sock_read=PATIENCE),
                trust_env=not on_this_machine(service_url), middlewares=[self._called],
            )  # fmt: skip
        return self._sessions[service_url]

    def close(self) -> None:
        """Hang up."""
        if self._connections is not None:
            self._closing = asyncio.ensure_future(self._connections.close())

    async def _called(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """A token that is refused is replaced, once: it may have ended early. Raises: ChannelError."""
        token = self._token.held()
        try:
            return await self._once(request, handler)
        except TokenRefused:
            self._token.forget(token)
            await self._token.ready()
            return await self._once(request, handler)

    async def _once(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """What fails leaves here under our name, or the session would send some of it again. Raises: ChannelError."""
        request.headers["Authorization"] = f"Bearer {self._token.held()}"
        try:
            answer = await handler(request)
            if answer.status < 300:
                return answer
            async with answer:
                said = await answer.text(errors="replace")
        except _NEVER_LEFT as error:
            raise RetryLater(SOON) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unclear from error
        # A redirect is refused like any other answer: the token is for Teams and for nobody Teams names.
        raise refused(answer.status, said, retry_after=answer.headers.get("Retry-After", ""))


@contextmanager
def _understood() -> Iterator[None]:
    """A success whose body breaks off or makes no sense. Raises: Unclear."""
    try:
        yield
    except (aiohttp.ClientError, OSError, ValueError, TypeError, AttributeError) as error:
        raise Unclear from error


def _segment(id: str) -> str:
    """One part of an address, whatever is in it: the SDK takes ids as they are."""
    return quote(id, safe="")


def _member(one: dict[str, Any]) -> Member:
    return Member(
        id=str(one.get("id") or ""), object_id=one.get("aadObjectId") or "", name=one.get("name") or "",
        tenant=one.get("tenantId") or "", guest=one.get("userRole") == "guest",
    )  # fmt: skip
