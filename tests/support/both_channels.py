"""Delivery over the sandbox's Slack, Teams and pager, without a desk: the store's time stands still until told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import httpx
from desk_scene import Doorman
from office import SIGNER
from sayso.approvals import machine
from sayso.approvals.change import Event
from sayso.approvals.memory import MemoryStore
from sayso.approvals.people import Person, PersonId, Place
from sayso.approvals.request import OutcomeKind, Request
from sayso.approvals.route import Route
from sayso.bot.channel import Channel
from sayso.bot.delivery import Deliverer
from sayso.bot.directory import ApproverSet, ConfiguredDirectory
from sayso.bot.page_words import PageWriter
from sayso.bot.slack.transport import SlackChannel, slack_client
from sayso.sandbox.pager import Pager as PagerStandIn
from sayso.sandbox.slack import Slack
from sayso.sandbox.teams import Teams
from sayso.scheduler.pagerduty import PagerDuty, PagerDutyPager, RoutingKey
from sayso.scheduler.paging import Pages
from scenes import FINANCE, a_request, a_run, a_vote
from teams_bot import Bot, teams_bot


@dataclass
class BothChannels:
    """What a scene needs."""

    bot: Bot
    slack: Slack
    teams: Teams
    store: MemoryStore
    deliverer: Deliverer
    doorman: Doorman
    pager: PagerStandIn

    def there(self, name: str = "#finance-approvals") -> Place:
        """A channel of Teams."""
        return Place(f"teams:{self.teams.channel_id(name)}")

    @property
    def route(self) -> Route:
        """Finance decides in Slack and in Teams."""
        return replace(FINANCE, places=(Place("slack:C0FINANCE"), self.there()))

    async def asks(self, **overrides: object) -> Request:
        """Something is asked from the command line, and shown where that works at once."""
        values: dict[str, object] = {
            "run": a_run(origin=""), "route": self.route, "opened_at": await self.store.now(), **overrides,
        }  # fmt: skip
        request = await self.store.open(machine.opened(a_request(**values).ask))
        await self.deliverer.deliver_due()
        return request

    async def approve(self, request: Request) -> None:
        """Bo approves, as far as the record is concerned."""
        may = frozenset({PersonId("bo")})
        vote = a_vote(await self.now(request), signer=SIGNER)
        await self.store.change(request.id, lambda r, now: machine.vote(r, vote, may, 1, now))

    async def close(self, request: Request) -> None:
        """The tool has run."""
        await self.store.change(
            request.id, lambda r, now: machine.closed(r, OutcomeKind.EXECUTED, "Refunded.", now)
        )

    async def later(self, *, seconds: float = 0, by: float = 5) -> int:
        """Time passes in steps of `by` seconds; how many targets were tried."""
        tried = await self.deliverer.deliver_due()
        for _ in range(round(seconds / by)):
            self.store.advance(timedelta(seconds=by))
            self.bot.clock[0] += by
            tried += await self.deliverer.deliver_due()
        return tried

    async def now(self, request: Request) -> Request:
        """The record as it stands."""
        return await self.store.get(request.id)

    async def events(self, request: Request) -> list[Event]:
        """The audit trail of its run."""
        return [record.entry.event for record in await self.store.trail(request.ask.run.thread)]

    async def letters(self) -> list[str]:
        """Where the dead letters were to stand, oldest first."""
        return [place for letter in await self.store.dead_letters() for place in letter.places]

    def cards(self, channel: str = "#finance-approvals") -> list[bool]:
        """Whether it can be approved, for every card in both channels of that name: Slack's, then Teams'."""
        found: Sequence[list[str]] = [
            *(one.buttons() for one in self.slack.messages(channel)),
            *(one.buttons() for one in self.teams.messages(channel)),
        ]
        return ["Approve" in buttons for buttons in found if "Details" in buttons]


@asynccontextmanager
async def both_channels(
    *, jitter: float = 0.0, store: MemoryStore | None = None, first: str = "slack"
) -> AsyncIterator[BothChannels]:
    """Bo has an account in both, cy in Slack only, sue in Teams only; at the end no vendor's rule may be broken.

    Args:
        first: The platform on which a person with both accounts is written to.
    """
    async with teams_bot() as bot, httpx.AsyncClient(trust_env=False) as http:
        slack, teams, doorman = bot.workplace.slack, bot.teams, Doorman()
        accounts = {
            "bo": {"slack": "U0BO", "teams": teams.person("bo").aad}, "cy": {"slack": "U0CY"},
            "sue": {"teams": teams.person("sue").aad}, "alex": {"slack": "U0ALEX"}, "kim": {"slack": "U0KIM"},
        }  # fmt: skip
        directory = ConfiguredDirectory(
            people=[Person(id=PersonId(id), name=id.capitalize(), accounts=of) for id, of in accounts.items()],
            sets={
                "finance": ApproverSet(people=(PersonId("bo"), PersonId("cy"), PersonId("sue"))),
                "on-call": ApproverSet(people=(PersonId("kim"),)), "far": ApproverSet(groups=("teams:far",)),
            },
            platforms={"teams": doorman}, monotonic=lambda: bot.clock[0],
        )  # fmt: skip
        client = slack_client(slack.bot_token, base_url=slack.api_url)
        slack_channel = SlackChannel(client, monotonic=lambda: 1_000 + bot.clock[0])
        channels: dict[str, Channel] = {"slack": slack_channel, "teams": bot.channel}
        channels = {name: channels[name] for name in sorted(channels, key=lambda name: name != first)}
        store, phone = store or MemoryStore(), bot.workplace.pager
        pager = PagerDutyPager(sender=PagerDuty(phone.url, http), key=RoutingKey(phone.routing_key))
        pages = Pages(
            store=store, pagers={"primary": pager}, source="sayso", jitter=lambda: jitter,
            words=PageWriter(store=store, channels=channels, name=str),
        )  # fmt: skip
        deliverer = Deliverer(
            store=store,
            channels=channels,
            directory=directory,
            pages=pages.bring_up_to_date,
            jitter=lambda: jitter,
        )
        yield BothChannels(bot, slack, teams, store, deliverer, doorman, phone)
