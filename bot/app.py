"""The composition root: the only file that knows everybody. It reads as the architecture: bot, scheduler, worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..approvals.errors import BadSetting, SaysoError, StoreDown
from ..approvals.people import Person, PersonId
from ..approvals.redis_store import RedisStore
from .directory import Accounts, ApproverSet, ConfiguredDirectory
from .front import AsgiApp, Front
from .halting import Halting
from .langgraph_version import check_langgraph
from .one_policy import LOOK_EVERY, OnePolicy
from .roles import BOT, SCHEDULER, WORKER
from .settings import Settings
from .shadowing import LOOK_EVERY as SHADOW_EVERY
from .shadowing import Shadow
from .signing_keys import load_signer

if TYPE_CHECKING:  # a worker has no Slack packages, a bot loads no agents
    from ..scheduler.paging import Pages
    from .api.calls import Api
    from .channel import Channel
    from .confirming import Confirming
    from .connecting import Connecting
    from .delivery import Deliverer
    from .desk import Desk
    from .platform import Platform

log = logging.getLogger(__name__)

#: How often each scheduler looks for what is due.
SWEEP_EVERY = timedelta(seconds=1)
#: How often each of them looks whether the hour of the daily line has come.
DAILY_LOOK = timedelta(minutes=1)
#: How often each scheduler puts away pauses that are over; they hold no longer anyhow.
HALTS_EVERY = timedelta(seconds=10)


async def run(
    parts: frozenset[str],
    settings: Settings,
    store: RedisStore,
    *,
    url: str,
    front: Front,
    stopped: asyncio.Event,
) -> None:
    """Build the parts and run them until `stopped`. Raises: SaysoError when one cannot be built."""
    async with AsyncExitStack() as stack:
        parts_running: list[_Running] = []
        one_policy, confirming = OnePolicy(store, settings.policy), None
        if parts & {BOT, SCHEDULER}:
            platforms = await stack.enter_async_context(_connected(settings))
            schedules = await stack.enter_async_context(_schedules(settings))
            directory = directory_of(settings, platforms, schedules, now=store.now)
            if BOT in parts:
                deliverer, confirming = await stack.enter_async_context(
                    _bot(settings, store, directory, platforms, url=url, front=front, one_policy=one_policy)
                )
                parts_running.append(_Running("delivery", deliverer.run))
            if SCHEDULER in parts:
                await stack.enter_async_context(_ticking(settings, store, directory))
            await stack.enter_async_context(_linking(settings, store))
        if WORKER in parts:
            from .agents import open_worker

            worker = await stack.enter_async_context(open_worker(settings, store, url))
            parts_running.append(_Running("worker", worker.run_forever, worker.stop))
        await stack.enter_async_context(_comparing(settings, store, one_policy, confirming))
        at = f" address={front.address}" if front.address else ""
        log.info("serve.ready roles=%s%s", ",".join(sorted(parts)), at)
        await _run_until(stopped, parts_running)


class PartEnded(SaysoError):
    """A part of sayso stopped although nobody had asked it to."""


@dataclass(frozen=True, slots=True)
class _Running:
    """A part that runs until it is stopped: by its own `stop`, which lets it finish, or by being cancelled."""

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]
    stop: Callable[[], None] | None = None

    async def until(self, stopped: asyncio.Event) -> None:
        """Raises: PartEnded, when it ends before `stopped`."""
        await self.run()
        if not stopped.is_set():
            raise PartEnded(f"The {self.name} stopped although nobody had asked it to; start sayso again.")


async def _run_until(stopped: asyncio.Event, parts: Iterable[_Running]) -> None:
    """Run all of them; the first that breaks or ends by itself ends the others."""
    async with asyncio.TaskGroup() as tasks:
        started = [(part, tasks.create_task(part.until(stopped), name=part.name)) for part in parts]
        await stopped.wait()
        for part, task in started:
            if part.stop is None:
                task.cancel()
            else:
                part.stop()


def warm(parts: frozenset[str], settings: Settings) -> None:
    """Import what these parts need, away from the event loop. Raises: BadSetting, for a LangGraph that is too old."""
    from ..scheduler import ticking  # noqa: F401

    if parts & {BOT, SCHEDULER}:
        from ..scheduler import sweep  # noqa: F401
        from .evidence import jobs as _jobs  # noqa: F401

        if settings.slack is not None:
            from .slack import platform as _slack  # noqa: F401
        if settings.teams is not None:
            from .teams import platform as _teams

            _teams.transport_class(settings.teams)
    if BOT in parts:
        from . import delivery, desk  # noqa: F401

        if settings.api is not None:
            from .api import calls as _calls  # noqa: F401
    if WORKER in parts:
        check_langgraph()
        from . import agents  # noqa: F401


# ---- people


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[Mapping[str, Platform]]:
    """The platforms that the settings name. Raises: BadSetting."""
    async with AsyncExitStack() as stack:
        platforms: dict[str, Platform] = {}
        if settings.slack is not None:
            from .slack.platform import SlackPlatform

            platforms["slack"] = SlackPlatform(settings, settings.slack)
        if settings.teams is not None:
            from .teams.platform import TeamsPlatform

            platforms["teams"] = TeamsPlatform(settings, settings.teams)
        for platform in platforms.values():
            stack.push_async_callback(platform.close)
        yield platforms


@asynccontextmanager
async def _schedules(settings: Settings) -> AsyncIterator[Mapping[str, Accounts]]:
    """PagerDuty, where the settings name it: it says who is on call. Raises: BadSetting."""
    if settings.pagerduty is None:
        yield {}
        return
    import httpx

    from .pagerduty_schedules import PagerDutySchedules

    token = settings.secret(settings.pagerduty.token, "[pagerduty] needs it.")
    async with httpx.AsyncClient() as http:
        yield {"pagerduty": PagerDutySchedules(http, settings.pagerduty.api, token)}


@asynccontextmanager
async def directory_opened(
    settings: Settings, *, now: Callable[[], Awaitable[datetime]]
) -> AsyncIterator[ConfiguredDirectory]:
    """Everybody of the settings, for a command that asks and ends. Raises: BadSetting."""
    async with _connected(settings) as platforms, _schedules(settings) as schedules:
        yield directory_of(settings, platforms, schedules, now=now)


def directory_of(
    settings: Settings, platforms: Mapping[str, Platform], schedules: Mapping[str, Accounts], *,
    now: Callable[[], Awaitable[datetime]],
) -> ConfiguredDirectory:  # fmt: skip
    """Everybody of the settings, checked against the platforms; `now` says which turn of a rotation it is."""
    return ConfiguredDirectory(
        people=[
            Person(id=PersonId(id), name=table.name, accounts=table.accounts)
            for id, table in settings.people.items()
        ],
        sets={
            name: ApproverSet(
                people=tuple(map(PersonId, table.people)), groups=table.groups,
                rotation=settings.rotations.get(name), fallback=table.fallback,
            )
            for name, table in settings.sets.items()
        },
        platforms={**{name: platform.accounts for name, platform in platforms.items()}, **schedules}, now=now,
    )  # fmt: skip


# ---- the bot


@asynccontextmanager
async def _bot(
    settings: Settings, store: RedisStore, directory: ConfiguredDirectory, platforms: Mapping[str, Platform], *,
    url: str, front: Front, one_policy: OnePolicy,
) -> AsyncIterator[tuple[Deliverer, Confirming]]:  # fmt: skip
    """Desk, delivery, pages and platforms, wired; people are let in when all stand."""
    from ..agent.risk import assess
    from .delivery import Deliverer
    from .desk import Desk
    from .platform import Inside

    desk = Desk(
        store=store, directory=directory, rules=settings.policy, signer=load_signer(settings), operators=settings.operators, glass=settings.glass,
        assess=lambda action: assess(action, settings.policy), graphs=tuple(settings.graphs),
    )  # fmt: skip
    channels = {name: platform.channel(directory) for name, platform in platforms.items()}
    async with (
        _pages(settings, store, desk, channels) as pages, _api(settings, store) as api,
        _connecting(settings, store, desk, directory, url) as connecting, _metrics(settings, store) as metrics,
    ):  # fmt: skip
        deliverer = Deliverer(
            store=store, channels={**channels, "api": api.channel} if api else channels, directory=directory,
            pages=pages.bring_up_to_date, wall=store.now,
        )  # fmt: skip
        doors = {}
        for name, platform in platforms.items():
            inside = Inside(
                desk=desk,
                store=store,
                directory=directory,
                channel=channels[name],
                deliverer=deliverer,
                connecting=connecting,
            )
            doors[platform.path] = await platform.door(inside)
        await one_policy.publish()
        ready = _readiness(store, platforms.values(), one_policy)
        front.open(doors, ready=ready, api=api.door if api else None, connect=connecting, metrics=metrics)
        yield deliverer, desk.trusting.confirming


@asynccontextmanager
async def _api(settings: Settings, store: RedisStore) -> AsyncIterator[Api | None]:
    """What services call; None where no key is set up."""
    if settings.api is None:
        yield None
        return
    from .api.calls import open_api

    async with open_api(settings, settings.api, store) as api:
        yield api


@asynccontextmanager
async def _connecting(
    settings: Settings, store: RedisStore, desk: Desk, directory: ConfiguredDirectory, url: str
) -> AsyncIterator[Connecting | None]:
    """What lets people sign in to a provider from a card; None where browsers cannot reach us, or there is none."""
    if settings.server.url is None or not settings.credentials:
        yield None
        return
    from .connecting import Connecting, connectable
    from .credentials import connection, grants_seal
    from .tickets import Tickets

    async with connection(url) as client:
        if not (providers := connectable(settings, client, url)):
            yield None
            return
        yield Connecting(
            desk=desk, directory=directory, store=store, url=settings.server.url, providers=providers,
            tickets=Tickets(client, grants_seal(settings), prefix=settings.store.prefix),
        )  # fmt: skip


@asynccontextmanager
async def _metrics(settings: Settings, store: RedisStore) -> AsyncIterator[AsgiApp | None]:
    """What Prometheus reads; None where nobody is to. Raises: BadSetting."""
    if settings.metrics is None:
        yield None
        return
    token = settings.secret(settings.metrics.token, "whoever reads /metrics has to know it.")
    try:
        from .metrics import open_metrics
    except ModuleNotFoundError as error:
        raise BadSetting("[metrics] needs a library: pip install 'sayso[metrics]'.") from error
    async with open_metrics(store, token) as door:
        yield door


def _readiness(
    store: RedisStore, platforms: Collection[Platform], one_policy: OnePolicy
) -> Callable[[], Awaitable[str]]:
    async def ready() -> str:
        try:
            await store.now()
        except StoreDown as error:
            return str(error)
        return " ".join(filter(None, (*(platform.problem() for platform in platforms), one_policy.problem)))

    return ready


@asynccontextmanager
async def _pages(
    settings: Settings, store: RedisStore, desk: Desk, channels: Mapping[str, Channel]
) -> AsyncIterator[Pages]:
    """What keeps pages as the record wants them. Raises: BadSetting, for a secret that is none."""
    from ..scheduler.paging import Pages
    from .page_words import PageWriter
    from .pagers import open_pagers

    async with open_pagers(settings) as pagers:
        words = PageWriter(store=store, channels=channels, name=desk.name)
        yield Pages(store=store, pagers=pagers, words=words, source="sayso")


# ---- the policy


@asynccontextmanager
async def _comparing(
    settings: Settings, store: RedisStore, one_policy: OnePolicy, confirming: Confirming | None
) -> AsyncIterator[None]:
    """Holds this process's policy against the published one; in a bot, which has a `confirming`, each action against the
    next policy, and whoever trusts something against the directory.
    """
    from ..scheduler.ticking import Job, ticking

    jobs = [Job(name="policy", every=LOOK_EVERY, run=one_policy.look)]
    if confirming is not None:
        from .confirming import EVERY

        jobs.append(Job(name="trust", every=EVERY, run=confirming.look))
    if confirming is not None and settings.shadow:
        shadow = Shadow(store, live=settings.policy, other=settings.shadow)
        jobs.append(Job(name="shadow", every=SHADOW_EVERY, run=shadow.look))
    async with ticking(*jobs):
        yield


# ---- the audit trail


@asynccontextmanager
async def _linking(settings: Settings, store: RedisStore) -> AsyncIterator[None]:
    """Links what is recorded, anchors it outside, and clears away what is too old. Raises: BadSetting."""
    from ..scheduler.ticking import ticking
    from .evidence.jobs import jobs

    async with ticking(*jobs(settings, store)):
        yield


# ---- the scheduler


@asynccontextmanager
async def _ticking(
    settings: Settings, store: RedisStore, directory: ConfiguredDirectory
) -> AsyncIterator[None]:
    """Fires what is due, once a second, at once when it starts; says once a day what ran freely, and outside that all is well."""
    from ..scheduler.daily import DailyLines, Hour
    from ..scheduler.sweep import Sweeper
    from ..scheduler.ticking import Job, ticking
    from ..scheduler.watchdog import Watchdog
    from .heartbeat import EVERY, open_heartbeat

    sweeper, halting = Sweeper(store, directory), Halting(store=store, operators=())
    jobs = [
        Job(name="sweep", every=SWEEP_EVERY, run=sweeper.sweep),
        Job(name="pauses", every=HALTS_EVERY, run=halting.end_by_itself),
    ]
    if daily := settings.daily:
        usual = Hour(hour=daily.hour, zone=daily.time_zone)
        others = {
            name: Hour(hour=usual.hour if one.hour is None else one.hour, zone=one.time_zone or usual.zone)
            for name, one in daily.routes.items()
        }
        lines = DailyLines(
            store, settings.policy.routes, default_route=settings.policy.default_route, usual=usual, others=others
        )  # fmt: skip
        jobs.append(Job(name="daily", every=DAILY_LOOK, run=lines.look))
    async with open_heartbeat(settings) as beat:
        watchdog = Watchdog(store, beat)
        async with ticking(*jobs, Job(name="watchdog", every=EVERY, run=watchdog.look)):
            yield
