"""An answer in Slack and one in Teams at the same instant, by two people, to one request: one decision each."""

from __future__ import annotations

import asyncio
import itertools
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from both_offices import BothOffices, both_offices, settings_file
from both_races import Ring, check, race
from sayso.approvals.redis_store import RedisStore
from sayso.bot.demo.process import Served
from sayso.bot.front import SLACK_PATH, TEAMS_PATH
from sayso.bot.settings import load_settings
from sayso.bot.slack.pace import Pace as SlackPace
from sayso.bot.slack.transport import SlackChannel
from sayso.bot.teams import platform
from sayso.bot.teams.channel import TeamsChannel
from sayso.bot.teams.listener import TeamsListener
from sayso.bot.teams.pace import Pace as TeamsPace
from sayso.sandbox.teams import TeamsTimes
from sayso.sandbox.workplace import Workplace


@asynccontextmanager
async def at_work(o: BothOffices) -> AsyncIterator[None]:
    """Cards go out by themselves, on a clock that makes a morning of clicks as many hours as the vendors want."""
    hours = itertools.count(start=1_000, step=3)
    slack, teams = o.channels["slack"], o.channels["teams"]
    assert isinstance(slack, SlackChannel)
    assert isinstance(teams, TeamsChannel)
    slack._pace = SlackPace(lambda: next(hours))
    teams._pace = TeamsPace(lambda: next(hours))
    delivering = asyncio.create_task(o.deliverer.run())
    try:
        yield
    finally:
        delivering.cancel()
        with suppress(asyncio.CancelledError):
            await delivering


async def test_two_hundred_races_between_slack_and_teams(
    monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    """P1: Approve, reject and change at the same instant on both sides: one decision each, and both cards are right."""
    # On a busy machine nobody reads "still being counted": that has scenes of its own.
    monkeypatch.setattr(platform, "TeamsListener", partial(TeamsListener, patience=25))
    async with both_offices(teams_times=TeamsTimes(invoke=30)) as o, at_work(o):
        began = time.perf_counter()
        tally = await race(Ring(o.workplace, o.store, o.route), 200)
        sys.stdout.write(f"{tally}, in {time.perf_counter() - began:.1f} s\n")
    record_property("figures", str(tally))
    check(tally, 200)


@pytest.mark.chaos
async def test_races_between_the_doors_of_three_processes(
    redis_url: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """P1: Slack knocks at one bot and Teams at another, in turn, all over one Redis; any of them redraws any card."""
    async with Workplace.running() as workplace:
        file, env = settings_file(tmp_path, workplace)
        route = load_settings(file, env).policy.routes["finance"]
        async with three_bots(workplace, tmp_path, {**env, "REDIS_URL": redis_url}) as urls:
            store, ways = await RedisStore.connect(redis_url), itertools.permutations(urls, 2)

            def other_doors() -> None:
                slack, teams = next(ways)
                workplace.slack.app_url, workplace.teams.app_url = slack + SLACK_PATH, teams + TEAMS_PATH

            tally = await race(Ring(workplace, store, route), 60, before_wave=other_doors)
            await store.close()
    sys.stdout.write(f"{tally}, through three processes\n")
    record_property("figures", str(tally))
    check(tally, 60)


@asynccontextmanager
async def three_bots(
    workplace: Workplace, folder: Path, env: Mapping[str, str]
) -> AsyncIterator[tuple[str, ...]]:
    """Three `sayso serve --role bot`; their addresses."""
    bots: dict[str, Served] = {}
    for number in range(3):
        home, url = folder / f"bot{number}", f"http://127.0.0.1:{free_port()}"
        home.mkdir()
        file, _ = settings_file(home, workplace, port=int(url.rpartition(":")[2]))
        bots[url] = Served(
            f"bot {number}", ("bot",), settings=file, env=env, log=home / "log", ready_url=f"{url}/readyz"
        )  # fmt: skip
    try:
        for bot in bots.values():
            bot.start()
        for bot in bots.values():
            await asyncio.to_thread(bot.wait_ready)
        yield tuple(bots)
    finally:
        for bot in bots.values():
            await asyncio.to_thread(bot.stop)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
