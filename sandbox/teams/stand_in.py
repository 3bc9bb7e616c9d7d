"""Teams as its driver sees it: where it listens, its people, its switches, and waiting."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from aiohttp import web

from ..loopback import Json, LoopbackServer
from ..own_thread import OwnThread
from ..slack.rates import Rate
from ..tokens import TokenService
from ..watching import Changes, Violations
from . import payloads
from .connector import AUDIENCE, Call, Connector
from .courier import Answer, Courier, Delivery
from .graph import Graph
from .keys import ISSUER, bad_authorizations, claims_for
from .person import Person
from .results import Backstage
from .screen import Message
from .tenant import TeamsTimes, Tenant

T = TypeVar("T")


class Teams:
    """A tenant on loopback with one installed bot, on a thread of its own: the bot may block and still be served.

    For the bot: `app_id` and secret are the token service's (`w.tokens`), `scope` is what it asks a token for,
    `issuer`, `open_id_metadata_url`, `emulator_metadata_url`, `service_url`, `tenant_id`, `bot_id`; then set
    `app_url = "http://127.0.0.1:PORT/api/messages"`. Microsoft Graph is `graph` at `graph_url`.
    Cast (`person(name)`): alex asks; bo, cy approve; sue supervises; kim is on call; ned has no say and no bot in
    his personal chats; gil is a guest; zoe is from another tenant; dee's account is closed.
    Channels: #support, #finance-approvals, #ops-approvals, #second-line, #on-call; traps: #old-project (team
    archived), #partners (zoe is in it), #random (the bot is not in that team).
    Entra groups: finance-approvers (bo, cy), ops-approvers (bo, cy, sue), supervisors (sue), sre-oncall (kim),
    nested (finance-approvers, sue, a guest, a closed account, a printer), nobody (empty).
    That zoe is a stranger shows in the roster, and in the tenant of her personal chat; in a channel her activities
    carry the tenant of the channel. That gil is a guest shows in the roster and in Graph only.
    Faults: `faults.add(Fail("BotNotInConversationRoster"), on="post")` with any code of `tenant.STATUS_OF`; Status,
    RateLimited, LostReply, Dropped, Delay, Ignored; `on` is create, post, reply, update, delete, members,
    pagedmembers or member.
    State: `tenant` (plain collections), `calls`, `delivered` ((delivery, answer) in order).
    """

    def __init__(
        self, *, violations: Violations, changes: Changes, tokens: TokenService, thread: OwnThread,
        port: int = 0, times: TeamsTimes = TeamsTimes(),
    ) -> None:  # fmt: skip
        self.violations = violations
        self.tenant = Tenant(tokens.tenant, tokens.client_id)
        self.graph = Graph(self.tenant, tokens, violations, changes)
        self.scope, self.issuer = f"{AUDIENCE}/.default", ISSUER
        self.tenant_id, self.app_id, self.bot_id = self.tenant.id, self.tenant.app_id, self.tenant.bot_id
        self._changes = changes
        self._connector = Connector(self.tenant, tokens, violations, changes)
        self.faults = self._connector.faults
        self.courier = Courier(times, violations, changes, lambda: f"Bearer {self.token()}")
        self._listener = LoopbackServer(self._application(), port=port)
        self._thread = thread
        stage = Backstage(
            tenant=self.tenant, courier=self.courier, changes=changes, violations=violations, thread=thread,
            service_url=lambda: self.service_url,
        )  # fmt: skip
        self._people = {user.name: Person(user, stage) for user in self.tenant.users.values()}

    @property
    def service_url(self) -> str:
        """Where the Connector listens at this moment; ends in a slash."""
        return f"{self._listener.url}/{self._connector.region}/"

    @property
    def open_id_metadata_url(self) -> str:
        """Where the Connector's keys are described."""
        return f"{self._listener.url}/v1/.well-known/openidconfiguration"

    @property
    def emulator_metadata_url(self) -> str:
        """Where the Bot Framework Emulator's keys are described: not to be trusted in production."""
        return f"{self._listener.url}/emulator/.well-known/openidconfiguration"

    @property
    def graph_url(self) -> str:
        """For `GET {graph_url}/groups/{id}/members`; without a slash at the end."""
        return f"{self._listener.url}/graph/v1.0"

    @property
    def app_url(self) -> str:
        """Where Teams delivers activities."""
        return self.courier.app_url

    @app_url.setter
    def app_url(self, url: str) -> None:
        self.courier.app_url = url

    @property
    def calls(self) -> list[Call]:
        """Every call of the Connector so far."""
        return self._connector.calls

    @property
    def delivered(self) -> list[tuple[Delivery, Answer]]:
        """Every delivery to the bot so far, with its answer."""
        return self.courier.delivered

    async def start(self) -> None:
        """Listen and be ready to deliver; called on Microsoft's thread."""
        await self._listener.start()
        await self.courier.start()

    async def stop(self) -> None:
        """Stop delivering and hang up; called on Microsoft's thread."""
        await self.courier.stop()
        await self._listener.stop()

    def person(self, name: str) -> Person:
        """One of the cast. Raises: LookupError."""
        return self._people[self.tenant.user_named(name).name]

    def messages(self, channel: str) -> list[Message]:
        """What stands in "#channel", whoever may see it."""
        return self.tenant.timeline(self.tenant.channel_named(channel))

    def channel_id(self, name: str) -> str:
        """Conversation id of "#channel". Raises: LookupError."""
        return self.tenant.channel_named(name).id

    def group_id(self, handle: str) -> str:
        """Object id of an Entra group. Raises: LookupError."""
        return self.tenant.group_named(handle).id

    async def until(self, seen: Callable[[], T], *, timeout: float = 10, what: str = "it") -> T:
        """The first truthy `seen()`. Raises: NotInTime."""
        return await self._changes.until(seen, timeout=timeout, what=what)

    async def on_its_thread(self, action: Coroutine[Any, Any, T]) -> T:
        """Do it where all of this lives, so that nothing changes while it looks."""
        return await self._thread.run(action)

    async def settled(self) -> None:
        """Every message said so far was taken or refused."""
        await self._thread.run(self.courier.settled())

    def token(self, **changed: object) -> str:
        """A token of the Connector for the bot; `exp=...` changes a claim, `exp=None` leaves it out."""
        return self._connector.keys.signed(claims_for(self.app_id, self.service_url, **changed))

    def bad_authorizations(self) -> dict[str, str | None]:
        """`Authorization` headers the bot must answer with 401, by what is wrong; None is no header at all."""
        keys, emulator = self._connector.keys, self._connector.emulator_keys
        return bad_authorizations(keys, emulator, app_id=self.app_id, service_url=self.service_url)

    def activity(self, name: str, channel: str, text: str, **changed: object) -> Json:
        """A message as `name` would write it, not delivered, for changing it and for `deliver`."""
        place = self.tenant.channel_named(channel)
        written, entities = payloads.mentions_in(text, self.tenant)
        id, user = self.tenant.new_id(), self.tenant.user_named(name)
        said = Message(conversation=place.id, id=id, root=id, sender=user.id, text=written, entities=entities)
        whole = {**payloads.message(self.tenant, self.service_url, user, place, said), **changed}
        return {name: value for name, value in whole.items() if value is not None}

    async def deliver(self, activity: Json, *, authorization: str | None = "fresh") -> Answer:
        """Post a hand-made activity; "fresh" is a good token, None no header at all."""
        delivery = self.courier.signed(activity, None if authorization == "fresh" else authorization or "")
        kept = {
            name: value
            for name, value in delivery.headers.items()
            if name != "Authorization" or authorization is not None
        }
        return await self.deliver_raw(Delivery(what=delivery.what, body=delivery.body, headers=kept))

    async def deliver_raw(self, delivery: Delivery) -> Answer:
        """Post these bytes with these headers."""
        return await self._thread.run(self.courier.send(delivery))

    async def replay(self, delivery: Delivery) -> Answer:
        """The same bytes with the same token again, as an eavesdropper would."""
        return await self.deliver_raw(delivery)

    async def redeliver(self, delivery: Delivery) -> Answer:
        """The same body with a fresh token, as Teams would after a lost answer."""
        return await self.deliver_raw(self.courier.resigned(delivery))

    def advance(self, seconds: float) -> None:
        """From now on activities are stamped that much later; tokens keep this machine's time, as the bot does."""
        self.tenant.ahead += seconds
        self._changes.happened()

    def rotate_keys(self, *, keep_old: bool = False) -> None:
        """Sign with a new key from now on; the old one is no longer published unless `keep_old`."""
        self._connector.keys.rotate(keep_old=keep_old)

    def endorse(self, *channels: str) -> None:
        """The channels the Connector's keys may speak for ("msteams" at the start)."""
        self._connector.keys.endorsements[:] = channels

    def move_to(self, region: str) -> None:
        """Use another service URL from now on; the old one still works, `calls` tell which was used."""
        self._connector.region = region

    def limit_rate(self, call: str, *, per_second: float, burst: int) -> None:
        """From now on `call` answers 429 with Retry-After when made more often, per conversation."""
        self._connector.rates[call] = Rate(per_second=per_second, burst=burst)

    def small_pages(self, size: int) -> None:
        """`pagedmembers` and Graph answer with at most `size` entries at a time."""
        self._connector.page_size = self.graph.page_size = size

    def close_account(self, name: str) -> None:
        """The person's account is disabled."""
        self.tenant.user_named(name).enabled = False
        self._changes.happened()

    def remove_from_group(self, handle: str, name: str) -> None:
        """Raises: LookupError, ValueError when not in it."""
        self.tenant.group_named(handle).members.remove(self.tenant.user_named(name).name)
        self._changes.happened()

    def add_to_group(self, handle: str, name: str) -> None:
        """Raises: LookupError."""
        self.tenant.group_named(handle).members.append(self.tenant.user_named(name).name)
        self._changes.happened()

    async def kick_bot(self, channel: str, *, by: str = "sue") -> None:
        """The bot is taken out of the team of "#channel", and hears of it."""
        await self._install(channel, by, added=False)

    async def invite_bot(self, channel: str, *, by: str = "sue") -> None:
        """The bot is put into the team of "#channel", and hears of it."""
        await self._install(channel, by, added=True)

    def archive(self, channel: str) -> None:
        """Nobody can write in the team of "#channel" any more."""
        team = self.tenant.channel_named(channel).team
        assert team is not None, "a channel belongs to a team"
        team.archived = True
        self._changes.happened()

    async def _install(self, channel: str, by: str, *, added: bool) -> None:
        place, user = self.tenant.channel_named(channel), self.tenant.user_named(by)
        assert place.team is not None, "a channel belongs to a team"
        place.team.bot_installed = added
        self._changes.happened()
        for activity in payloads.installation(self.tenant, self.service_url, user, place, added=added):
            if self.app_url:
                await self._thread.run(self.courier.send(self.courier.signed(activity)))

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=2_000_000)
        self._connector.add_routes(app)
        self.graph.add_routes(app)
        app.router.add_route("*", "/{path:.*}", self._unknown)
        return app

    async def _unknown(self, request: web.Request) -> web.Response:
        self.violations.note("teams", f"unexpected call {request.method} {request.path}")
        return web.Response(status=404, text="not found")
