"""Slack as its driver sees it: where it listens, its people, its switches, and waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..loopback import LoopbackServer
from ..watching import Changes, Violations
from . import payloads
from .courier import Answer, Courier, SignedRequest
from .person import Person
from .places import BOT_USER_ID
from .rates import Rate
from .results import Backstage
from .screen import Message
from .server import Call, SlackServer
from .socket import Links
from .workspace import SlackTimes, Workspace

T = TypeVar("T")


class Slack:
    """A workspace on loopback with one installed app.

    For the app: `api_url` (its `base_url`), `bot_token`, `signing_secret`, `bot_user_id`; then set
    `app_url = "http://127.0.0.1:PORT/slack/events"`, or `links.enabled = True` for Socket Mode (`links.app_token`).
    Cast (`person(name)`): alex asks; bo, cy approve; sue supervises; kim is on call; ned has no say; gil, uma
    are guests; zoe is from elsewhere; dee is deactivated; robo is a bot.
    Channels: #support, #finance-approvals, #ops-approvals, #second-line, #on-call; traps: #old-project
    (archived), #partners (shared outside, zoe is in it), #random (bot is no member), #board (private).
    Groups: finance-approvers (bo, cy), ops-approvers (bo, cy, sue), supervisors (sue), sre-oncall (kim),
    nobody (empty), retired (disabled).
    Faults: `faults.add(Fail("internal_error"), on="chat.postMessage")`, Status, RateLimited, LostReply,
    Dropped, Delay; `on="response_url"` for response URLs.
    State: `workspace` (plain collections), `calls`, `delivered` ((request, answer) in order).
    """

    def __init__(
        self, *, violations: Violations, changes: Changes, port: int = 0, times: SlackTimes = SlackTimes()
    ) -> None:
        self.violations = violations
        self.workspace = Workspace(times)
        self._changes = changes
        self._server = SlackServer(self.workspace, violations, changes)
        self.faults = self._server.faults
        self.links = Links(ack=times.ack, faults=self.faults, violations=violations, changes=changes)
        self.courier = Courier(times, violations, changes, self.links)
        application = self._server.application()
        self.links.join(application)
        self._listener = LoopbackServer(application, port=port)
        self.bot_token = self._server.bot_token
        self.signing_secret = self.courier.signing_secret
        self.bot_user_id = BOT_USER_ID
        stage = Backstage(
            workspace=self.workspace, courier=self.courier, changes=changes, violations=violations,
            response_base=lambda: self._listener.url,
        )  # fmt: skip
        self._people = {user.name: Person(user, stage) for user in self.workspace.users.values()}

    @property
    def api_url(self) -> str:
        """For `AsyncWebClient(base_url=...)`; ends in a slash."""
        return f"{self._listener.url}/api/"

    @property
    def app_url(self) -> str:
        """Where Slack delivers events and clicks."""
        return self.courier.app_url

    @app_url.setter
    def app_url(self, url: str) -> None:
        self.courier.app_url = url

    @property
    def calls(self) -> list[Call]:
        """Every Web API call so far."""
        return self._server.calls

    @property
    def delivered(self) -> list[tuple[SignedRequest, Answer]]:
        """Every delivery to the app so far, with its answer."""
        return self.courier.delivered

    async def start(self) -> None:
        """Listen and be ready to deliver."""
        await self._listener.start()
        await self.courier.start()

    async def stop(self) -> None:
        """Stop delivering and hang up."""
        await self.courier.stop()
        await self.links.stop()
        await self._listener.stop()

    def person(self, name: str) -> Person:
        """One of the cast. Raises: LookupError."""
        self.workspace.user_named(name)
        return self._people[name.removeprefix("@")]

    def messages(self, channel: str) -> list[Message]:
        """What stands in "#channel", whoever may see it."""
        return self.workspace.timeline(self.workspace.channel_named(channel).id)

    def channel_id(self, name: str) -> str:
        """Raises: LookupError."""
        return self.workspace.channel_named(name).id

    def group_id(self, handle: str) -> str:
        """Raises: LookupError."""
        return self.workspace.group_named(handle).id

    async def until(self, seen: Callable[[], T], *, timeout: float = 10, what: str = "it") -> T:
        """The first truthy `seen()`. Raises: NotInTime."""
        return await self._changes.until(seen, timeout=timeout, what=what)

    async def settled(self) -> None:
        """Every event said so far was acknowledged or given up."""
        await self.courier.settled()

    async def verify_url(self) -> bool:
        """Ask the app to prove that it answers at `app_url`."""
        return await self.courier.verify_url()

    async def replay(self, request: SignedRequest) -> Answer:
        """The same bytes with the same signature again, as an eavesdropper would."""
        return await self.courier.replay(request)

    async def redeliver(self, request: SignedRequest, *, retry: int = 1) -> Answer:
        """The same body freshly signed, as Slack re-delivers."""
        return await self.courier.redeliver(request, retry=retry)

    def sign(self, body: bytes, *, at: float | None = None) -> dict[str, str]:
        """Signature headers for a hand-made body; `at` in seconds since 1970."""
        return self.courier.sign(body, at=at)

    def advance(self, seconds: float) -> None:
        """From now on messages are stamped that much later; signatures keep this machine's time, as the app does."""
        self.workspace.ahead += seconds
        self._changes.happened()

    def limit_rate(self, method: str, *, per_second: float, burst: int) -> None:
        """From now on `method` answers 429 with Retry-After when called more often, per channel."""
        self._server.rates[method] = Rate(per_second=per_second, burst=burst)

    def deactivate(self, name: str) -> None:
        """The person's account is closed."""
        self.workspace.user_named(name).deleted = True
        self._changes.happened()

    def remove_from_group(self, handle: str, name: str) -> None:
        """Raises: LookupError, ValueError when not in it."""
        self.workspace.group_named(handle).members.remove(self.workspace.user_named(name).id)
        self._changes.happened()

    def add_to_group(self, handle: str, name: str) -> None:
        """Raises: LookupError."""
        self.workspace.group_named(handle).members.append(self.workspace.user_named(name).id)
        self._changes.happened()

    def kick_bot(self, channel: str) -> None:
        """The app is removed from "#channel"."""
        self.workspace.channel_named(channel).members.discard(BOT_USER_ID)
        self._changes.happened()

    def invite_bot(self, channel: str) -> None:
        """The app becomes a member of "#channel", and hears of it."""
        place = self.workspace.channel_named(channel)
        place.members.add(BOT_USER_ID)
        self._changes.happened()
        if self.app_url:
            self.courier.event(payloads.event_callback(payloads.bot_joined(place)))

    def archive(self, channel: str) -> None:
        """Nobody can write in "#channel" any more."""
        self.workspace.channel_named(channel).is_archived = True
        self._changes.happened()

    def revoke_bot_token(self) -> None:
        """Every call answers `token_revoked` from now on."""
        self._server.token_revoked = True
