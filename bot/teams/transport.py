"""Teams through botbuilder-core: the one file that imports it, and the one to delete when it goes.

The SDK only writes. What arrives does not pass through it: its `CloudAdapter` answers bad tokens with 500, serialises
invoke bodies twice, forgets that keys rotate, and asks for a token per turn (measured with 4.17.1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any

import requests
from botbuilder.core import CloudAdapterBase, TurnContext
from botbuilder.schema import (
    Activity,
    Attachment,
    ChannelAccount,
    ConversationAccount,
    ConversationParameters,
    ConversationReference,
)
from botframework.connector.aio import ConnectorClient
from botframework.connector.auth import (
    BotFrameworkAuthentication,
    ConnectorFactory,
)
from botframework.connector.bot_framework_sdk_client_async import BotFrameworkConnectorConfiguration
from msrest.exceptions import ClientException, ClientRequestError, HttpOperationError
from msrest.pipeline import Response, SansIOHTTPPolicy
from msrest.pipeline.async_abc import AsyncHTTPSender, AsyncPipeline
from msrest.pipeline.universal import RawDeserializer
from msrest.universal_http.requests import RequestsHTTPSender
from urllib3.exceptions import NewConnectionError

from ...approvals.store import MessageRef
from ...cards import adaptive
from ...cards.adaptive import AdaptiveMessage
from ..channel import ChannelError, RetryLater, Unclear
from .auth import CHANNEL, Keys
from .credentials import EntraToken
from .failures import SOON, TokenRefused, refused
from .inbound import Inbound
from .pace import AT_ONCE, MOST_PAGES, PAGE, PATIENCE
from .port import Conversation, Dispatch, Member, Posted, Reply
from .registration import Registration, on_this_machine
from .whereabouts import Whereabouts


class BotbuilderTransport:
    """A `Transport`."""

    def __init__(self, registration: Registration, *, token: EntraToken, keys: Keys) -> None:
        self._registration = registration
        self._token = token
        self._whereabouts = Whereabouts(registration)
        self._inbound = Inbound(registration, keys, self._whereabouts)
        self._authentication = _Authentication(token)
        self._adapter = CloudAdapterBase(self._authentication)

    async def handle(self, posted: Posted, dispatch: Dispatch) -> Reply:
        """Check what came in, hand it to `dispatch`, and answer."""
        return await self._inbound.handle(posted, dispatch)

    async def post_root(self, channel: str, message: AdaptiveMessage) -> MessageRef:
        """Begin a new thread. Raises: Dead, RetryLater, Unclear, Gone when there is no such channel."""
        home = {"channel": {"id": channel}, "tenant": {"id": self._registration.tenant}}
        began = await self._create(
            self._whereabouts.of(channel), is_group=True, channel_data=home, activity=self._drawn(message)
        )
        where = Conversation.parse(began)
        if not where.root:
            raise Unclear
        return self._whereabouts.ref(where, where.root)

    async def reply(self, to: Conversation, message: AdaptiveMessage) -> MessageRef:
        """Write into a thread or chat. Raises: Gone, Dead, RetryLater, Unclear."""
        written: list[Any] = []

        async def write(context: TurnContext) -> None:
            # Not by the context, which would make it a reply to an activity that does not exist.
            written.extend(await self._adapter.send_activities(context, [self._drawn(message, to.id)]))

        await self._continue(to, self._whereabouts.of(to.channel), write)
        if not written or not written[0].id:
            raise Unclear
        return self._whereabouts.ref(to, str(written[0].id))

    async def update(self, ref: MessageRef, message: AdaptiveMessage) -> None:
        """Redraw a message. Raises: Gone, Dead, RetryLater, Unclear."""
        to = Conversation.at(ref.channel, ref.thread)

        async def redraw(context: TurnContext) -> None:
            await self._adapter.update_activity(context, self._drawn(message, to.id, ref.message))

        await self._continue(to, self._whereabouts.of(ref.channel, ref), redraw)

    async def direct(self, object_id: str) -> Conversation:
        """The personal chat with somebody. Raises: Dead, RetryLater, Unclear, Gone."""
        home = {"tenant": {"id": self._registration.tenant}}
        chat = await self._create(
            self._whereabouts.of(object_id), is_group=False, channel_data=home,
            members=[ChannelAccount(id=object_id)],
        )  # fmt: skip
        return Conversation.parse(chat)

    async def members(self, of: Conversation) -> Sequence[Member]:
        """Everybody who can read it. Raises: Gone, Dead, RetryLater, Unclear."""
        found: list[Member] = []

        async def read(context: TurnContext) -> None:
            client = context.turn_state[CloudAdapterBase.BOT_CONNECTOR_CLIENT_KEY]
            more: str | None = None
            for _ in range(MOST_PAGES):
                page = await client.conversations.get_teams_conversation_paged_members(of.channel, PAGE, more)
                found.extend(_member(one) for one in page.members or ())
                more = page.continuation_token
                if not more:
                    return
            raise Unclear

        await self._continue(of, self._whereabouts.of(of.channel), read)
        return found

    def close(self) -> None:
        """Let go of threads and connections."""
        self._authentication.close()

    # ---- inside

    async def _create(self, service_url: str, **parameters: Any) -> str:
        """Begin a conversation; its id. Raises: ChannelError."""
        began: list[str] = []

        async def note(context: TurnContext) -> None:
            began.append(str(context.activity.conversation.id or ""))

        described = ConversationParameters(
            bot=ChannelAccount(id=self._registration.bot_id),
            tenant_id=self._registration.tenant,
            **parameters,
        )
        await self._send(
            lambda: self._adapter.create_conversation(
                self._registration.app_id, note, described, CHANNEL, service_url
            )
        )
        if not began or not began[0]:
            raise Unclear
        return began[0]

    async def _continue(
        self, to: Conversation, service_url: str, turn: Callable[[TurnContext], Awaitable[None]]
    ) -> None:
        reference = ConversationReference(
            channel_id=CHANNEL, service_url=service_url, conversation=ConversationAccount(id=to.id),
            bot=ChannelAccount(id=self._registration.bot_id),
        )  # fmt: skip
        await self._send(
            lambda: self._adapter.continue_conversation(reference, turn, self._registration.app_id)
        )

    async def _send(self, call: Callable[[], Awaitable[Any]]) -> None:
        """A token that is refused is replaced, once: it may have ended early. Raises: ChannelError."""
        await self._token.ready()
        token = self._token.held()
        try:
            await self._once(call)
        except TokenRefused:
            self._token.forget(token)
            await self._token.ready()
            await self._once(call)

    async def _once(self, call: Callable[[], Awaitable[Any]]) -> None:
        """Raises: ChannelError."""
        try:
            await call()
        except HttpOperationError as error:
            raise _answered(error) from error
        except ClientRequestError as error:
            raise _unanswered(error) from error
        except (ClientException, ValueError, TypeError, AttributeError) as error:
            raise Unclear from error  # a success whose body makes no sense

    def _drawn(self, message: AdaptiveMessage, conversation: str = "", id: str = "") -> Any:
        """The card alone: Teams splits a message that has a text beside it, and gives no id back."""
        card = adaptive.attachment(message.card)
        return Activity(
            type="message", id=id or None, summary=message.summary,
            from_property=ChannelAccount(id=self._registration.bot_id),
            conversation=ConversationAccount(id=conversation) if conversation else None,
            channel_data={"tenant": {"id": self._registration.tenant}},
            attachments=[Attachment(content_type=card["contentType"], content=card["content"])],
        )  # fmt: skip


class _HeldToken(SansIOHTTPPolicy):  # type: ignore[type-arg]  # msrest says nothing about what it wants
    """Puts the token that is held already on each call, so that nothing blocks the event loop."""

    def __init__(self, token: EntraToken) -> None:
        self._token = token

    def on_request(self, request: Any, **_: Any) -> None:
        """Sign one call."""
        request.http_request.headers["Authorization"] = f"Bearer {self._token.held()}"


class _OwnThreads(AsyncHTTPSender):  # type: ignore[type-arg]  # msrest says nothing about what it wants
    """The SDK's HTTP, on threads of our own: in the loop's own pool a slow Teams would hold up everybody else."""

    def __init__(self, http: RequestsHTTPSender, threads: Executor) -> None:
        self._http = http
        self._threads = threads

    def build_context(self) -> None:
        """Each thread has its own session."""

    async def send(self, request: Any, **options: Any) -> Any:
        """Send one call. Raises: ClientRequestError."""
        call = partial(self._http.send, request.http_request, **options)
        return Response(request, await asyncio.get_running_loop().run_in_executor(self._threads, call))

    async def __aexit__(self, *_: object) -> None:
        """The threads are closed by whoever made them."""


class _Clients(ConnectorFactory):  # type: ignore[misc]  # published without types
    """One client per service URL: it takes milliseconds to make, and the SDK would make one per turn."""

    def __init__(self, token: EntraToken) -> None:
        self._token = _HeldToken(token)
        self._threads = ThreadPoolExecutor(AT_ONCE, "teams")
        self._by_url: dict[str, Any] = {}

    async def create(self, service_url: str, audience: str = "") -> Any:
        """The client for this address."""
        if service_url not in self._by_url:
            told = BotFrameworkConnectorConfiguration(self._token, service_url, pipeline_type=self._pipeline)
            told.connection.timeout = PATIENCE
            told.redirect_policy.allow = False  # cards are for Teams, and for nobody Teams names
            told.proxies.use_env_settings = not on_this_machine(service_url)
            self._by_url[service_url] = ConnectorClient(
                self._token, base_url=service_url, custom_configuration=told
            )
        return self._by_url[service_url]

    def close(self) -> None:
        """Let the threads end once their calls have."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _pipeline(self, told: Any) -> Any:
        # The SDK would sleep and retry in its threads, and in the end hide the status.
        told.retry_policy.retries = 0
        told.retry_policy.policy.status_forcelist = ()
        sender = _OwnThreads(RequestsHTTPSender(told), self._threads)
        return AsyncPipeline([told.user_agent_policy, self._token, RawDeserializer()], sender)


class _Authentication(BotFrameworkAuthentication):  # type: ignore[misc]  # published without types
    """What the adapter asks about credentials: it writes only, nobody comes in through it."""

    def __init__(self, token: EntraToken) -> None:
        self._clients = _Clients(token)

    def create_connector_factory(self, claims_identity: Any) -> Any:
        """Clients that all share one token."""
        return self._clients

    def close(self) -> None:
        self._clients.close()

    async def create_user_token_client(self, claims_identity: Any) -> None:
        """There is none: nobody signs in through this bot."""

    async def authenticate_request(self, activity: Any, auth_header: str) -> Any:
        """Refuse: no delivery may reach the adapter unchecked."""
        raise PermissionError

    async def authenticate_streaming_request(self, auth_header: str, channel_id_header: str) -> Any:
        """Refuse: the bot has no streaming door."""
        raise PermissionError


def _member(one: Any) -> Member:
    return Member(
        id=str(one.id), object_id=one.aad_object_id or "", name=one.name or "", tenant=one.tenant_id or "",
        guest=one.user_role == "guest",
    )  # fmt: skip


def _answered(error: Any) -> ChannelError:
    answer = error.response
    return refused(answer.status_code, answer.text, retry_after=answer.headers.get("Retry-After", ""))


def _unanswered(error: ClientRequestError) -> ChannelError:
    """Later, when it cannot have been sent; else it may have been."""
    cause, never_left = error.__context__, (requests.ConnectTimeout, requests.exceptions.SSLError)
    reason = getattr(cause.args[0], "reason", None) if cause is not None and cause.args else None
    if isinstance(cause, never_left) or isinstance(reason, NewConnectionError):
        return RetryLater(SOON)
    return Unclear()
