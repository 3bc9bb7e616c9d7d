"""From a signed click to an executed tool: bot and worker in two processes, over real HTTP, on the embedded store.

The runs are put straight into the store, and each card is laid into the sandbox's Slack right before it is clicked,
because Slack takes one message a second per channel and this is about what comes after the click. Times are read
from the audit trail, which has the store's own clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from sayso.approvals.change import Event
from sayso.approvals.people import PersonId, Place
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request, Run, State
from sayso.approvals.verdict import ThreadId
from sayso.bench import plain_langgraph
from sayso.bench.figures import line, machine, rate
from sayso.bot.demo.office import Office, opened
from sayso.cards import blockkit
from sayso.cards.card import card_of
from sayso.sandbox.slack.screen import Message

CHANNEL = "#finance-approvals"
#: What is on record one after the other; the last one is "the tool was executed".
STAGES = (Event.DECIDED, Event.RESUMING, Event.EFFECT_STARTED, Event.EFFECT_DONE)
#: Clicks that are on their way at once; a person clicks one at a time, so this is a lively company.
TOGETHER = 32


class Bench:
    """An office, the store seen from outside, and the people who click."""

    def __init__(self, office: Office, store: RedisStore) -> None:
        self._work = office.workplace
        self._store = store

    async def pending(self, name: str, count: int) -> list[Request]:
        """Start `count` runs and wait until each of them waits for a person."""
        for number in range(count):
            run = Run(
                thread=ThreadId(f"{name}-{number}"), graph="ops", asked_by=PersonId("alex"), origin=Place(""),
                goal="refund order 1042 0.01",
            )  # fmt: skip
            await self._store.start(run)
        while True:
            live = [r for r in await self._store.live() if r.ask.run.thread.startswith(f"{name}-")]
            if len(live) == count:
                return live
            await asyncio.sleep(0.25)

    def lay(self, request: Request) -> Message:
        """The card of a request, in its channel."""
        drawn = blockkit.message(card_of(request, name=str))
        space = self._work.slack.workspace
        channel = space.channel_named(CHANNEL).id
        return space.post(space.bot_message(channel, drawn.text, json.loads(json.dumps(drawn.blocks))))

    async def click(self, card: Message) -> None:
        """Bo approves. Raises: AssertionError when the bot did not take it."""
        clicking = self._work.slack.person("bo").clicks(card, "Approve")
        result = await asyncio.to_thread(self._work.run, clicking)
        assert result.answer.ok, result.answer

    async def ended(self, request: Request) -> Request:
        """The record once it is closed."""
        while (now := await self._store.get(request.id)).state is not State.CLOSED:  # noqa: ASYNC110 another process ends it
            await asyncio.sleep(0.01)
        return now

    async def times(self, request: Request) -> list[float]:
        """When each of `STAGES` was on record, seconds since 1970 on the store's clock."""
        trail = await self._store.trail(request.ask.run.thread)
        at = {record.entry.event: record.at.timestamp() for record in trail}
        return [at[event] for event in STAGES]

    async def one_by_one(self, count: int) -> list[float]:
        """Seconds from click to executed tool, each click after the last one's tool."""
        stages: list[list[float]] = []
        for request in await self.pending("alone", count):
            card = self.lay(request)
            began = time.time()
            await self.click(card)
            await self.ended(request)
            stages.append([at - began for at in await self.times(request)])
        for place, event in enumerate(STAGES):
            print(line(f"sayso: click -> {event}", [times[place] for times in stages]))
        return [times[-1] for times in stages]

    async def at_once(self, count: int) -> float:
        """Decisions of `count` pending requests together, until the last tool has run; executed a second."""
        requests = await self.pending("together", count)
        cards = [self.lay(request) for request in requests]
        turns, began = asyncio.Semaphore(TOGETHER), time.time()

        async def turn(card: Message) -> None:
            async with turns:
                await self.click(card)

        await asyncio.gather(*map(turn, cards))
        clicked = time.time() - began
        for request in requests:
            await self.ended(request)
        last = max([(await self.times(request))[-1] for request in requests]) - began
        print(rate(f"sayso: {count} pending, {TOGETHER} clicks at a time: clicks answered", count, clicked))
        print(rate(f"sayso: {count} pending: tools executed", count, last))
        return count / last


async def measured(clicks: int, together: int) -> tuple[list[float], float]:
    """Sayso's figures, in an office of its own."""
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as office:
        store = await RedisStore.connect(office.redis_url, demo=True)
        try:
            bench = Bench(office, store)
            return await bench.one_by_one(clicks), await bench.at_once(together)
        finally:
            await store.close()


async def main(clicks: int, together: int) -> None:
    """Print sayso's figures beside the yardstick's."""
    print(f"Click -> tool executed; bot and worker are two processes. {machine()}")
    ours, ours_together = await measured(clicks, together)
    for saver in plain_langgraph.SAVERS:
        alone, seconds = await plain_langgraph.measure(saver, clicks, together)
        print(line(f"plain LangGraph, {saver}: answer -> tool", alone))
        print(rate(f"plain LangGraph, {saver}: {together} at once", together, seconds))
        print(compared(saver, ours, alone, ours_together, together / seconds))
    print(f"After the run: {machine()}")


def compared(
    saver: str, ours: Sequence[float], theirs: Sequence[float], ours_rate: float, their_rate: float
) -> str:
    """One line with the ratios of the medians and of the rates."""
    slower = statistics.median(ours) / statistics.median(theirs)
    return f"    sayso's median is {slower:.1f} x {saver}'s, its rate {ours_rate / their_rate:.2f} x"


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--clicks", type=int, default=200, help="clicks one after the other")
    options.add_argument("--together", type=int, default=1000, help="pending requests decided at once")
    chosen = options.parse_args()
    asyncio.run(main(chosen.clicks, chosen.together))
