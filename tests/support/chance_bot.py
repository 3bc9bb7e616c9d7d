"""A place for bots among random requests: `python chance_bot.py REDIS_URL FOLDER SLOT SEED RUNS PAGER_URL KEY PAGER_URL KEY`.

Each of them sweeps, keeps pages, and lets people answer: the right ones and the wrong ones, by button and by words.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import chance_world
import httpx
from desk_scene import Doorman
from sayso.agent.risk import assess
from sayso.approvals.errors import AnswerRefused, DirectoryDown, StoreDown
from sayso.approvals.people import Identity
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import EffectState, Request, State
from sayso.approvals.signing import Signer
from sayso.approvals.store import Lane
from sayso.approvals.verdict import Approve, Modify, Reject, RequestId, Verdict
from sayso.bot.asked import WayOn
from sayso.bot.delivery import Deliverer
from sayso.bot.desk import Desk
from sayso.bot.directory import ConfiguredDirectory
from sayso.bot.page_words import PageWriter
from sayso.cards.answers import typed_answer
from sayso.scheduler.pagerduty import PagerDuty, PagerDutyPager, RoutingKey
from sayso.scheduler.paging import Pages
from sayso.scheduler.sweep import Sweeper
from storm_slot import Slot

POINTS = (
    "page-begun", "page-triggered", "page-resolved", "step-before-fired", "step-after-fired", "decide-before-commit",
    "decide-after-commit",
)  # fmt: skip
#: Of a hundred requests, so many are overlooked by everybody.
OVERLOOKED = 40
#: What somebody may say to a card: by button, by form, or typed below it.
ANSWERS: tuple[Callable[[], Verdict | None], ...] = (
    Approve, Approve, Approve, Approve, lambda: typed_answer("approve"), lambda: Reject("Not this one."),
    lambda: typed_answer("reject wrong customer"), lambda: Modify({"amount": "7.00"}),
    lambda: typed_answer("modify amount=8.00"), lambda: Modify(instruction="9.99"), lambda: Modify({"amount": "much"}),
)  # fmt: skip


def is_overlooked(id: RequestId) -> bool:
    """The same ones for everybody."""
    return int(id[3:11], 16) % 100 < OVERLOOKED


@dataclass(kw_only=True)
class Bot:
    """Everything that one process does."""

    store: RedisStore
    desk: Desk
    deliverer: Deliverer
    sweeper: Sweeper
    accounts: Doorman
    dice: random.Random
    name: str
    tokens: itertools.count[int]

    async def pages(self) -> None:
        """Bring every page that is due up to date, in whatever partition."""
        await self.store.woken((Lane.PAGE,), timedelta(0))
        await self.deliverer.deliver_due((Lane.PAGE,))

    async def look(self) -> None:
        """People look at what there is, and some of them say something."""
        self.accounts.down = self.dice.random() < 0.05
        said = list[Awaitable[None]]()
        for request in await self.store.live():
            if request.effect is not None and request.effect.state is EffectState.UNKNOWN:
                said.append(self.settles(request))
            elif request.state is State.OPEN and self.dice.random() < 0.4:
                said += self._says(request)
        await asyncio.gather(*said)

    def _says(self, request: Request) -> list[Awaitable[None]]:
        """One or two people at once; whatever is overlooked is only ever answered by those who may not."""
        if is_overlooked(request.id):
            return [self._answers(request, name, Approve()) for name in ("alex", "zoe", "ned")]
        verdicts = [self.dice.choice(ANSWERS)() for _ in range(self.dice.choice((1, 1, 2)))]
        return [self._answers(request, self.dice.choice(chance_world.CAST), one) for one in verdicts if one]

    async def _answers(self, request: Request, name: str, verdict: Verdict) -> None:
        token, shown = self._token(), request.question[:24]
        try:
            for _ in range(self.dice.choice((1, 1, 2))):  # the platform delivers some of them twice
                await self.desk.answer(
                    request.id, request.revision, verdict, _who(name), token=token, shown=shown
                )
        except (AnswerRefused, DirectoryDown):
            return

    async def settles(self, request: Request, way: WayOn | None = None) -> None:
        """Somebody says what became of a tool that nobody has heard of."""
        said = way or self.dice.choice((WayOn.HAPPENED, WayOn.GIVE_UP))
        for name in ("bo", "eve", "sue", "kim"):
            shown, token = request.question[:24], self._token()
            try:
                await self.desk.settle(
                    request.id, request.revision, said, _who(name), token=token, shown=shown
                )
            except (AnswerRefused, DirectoryDown):
                continue
            return

    def _token(self) -> str:
        return f"{self.name}-{next(self.tokens)}"


def _who(name: str) -> Identity:
    return Identity(platform="slack", tenant="T1", user=name)


@asynccontextmanager
async def a_bot(
    url: str, folder: Path, seed: str, name: str, pagers: Sequence[tuple[str, str]]
) -> AsyncIterator[Bot]:
    """Over the store and both pagers; it writes no cards."""
    policy = chance_world.policy(seed)
    store, accounts = await RedisStore.connect(url, demo=True), Doorman()
    directory = ConfiguredDirectory(
        people=chance_world.people(), sets=chance_world.sets(), platforms={"slack": accounts}
    )
    signer = Signer((folder / "private").read_bytes())
    desk = Desk(
        store=store, directory=directory, rules=policy, signer=signer, assess=lambda one: assess(one, policy)
    )
    async with httpx.AsyncClient(trust_env=False) as http:
        keepers = {
            one: PagerDutyPager(sender=PagerDuty(address, http), key=RoutingKey(key))
            for one, (address, key) in zip(("primary", "backup"), pagers, strict=True)
        }
        words = PageWriter(store=store, channels={}, name=desk.name)
        pages = Pages(store=store, pagers=keepers, words=words, source="sayso")
        yield Bot(
            store=store, desk=desk, sweeper=Sweeper(store, directory), accounts=accounts,
            deliverer=Deliverer(store=store, channels={}, directory=directory, pages=pages.bring_up_to_date),
            dice=random.Random(f"{seed} {name}"), name=name, tokens=itertools.count(),
        )  # fmt: skip
    await store.close()


async def again_and_again(
    act: Callable[[], Awaitable[object]], pause: timedelta, stopped: asyncio.Event
) -> None:
    """Until it is stopped, whatever becomes of the store."""
    while not stopped.is_set():
        try:
            await act()
        except StoreDown:
            continue
        await asyncio.sleep(pause.total_seconds())


def main(url: str, folder: Path, slot: str, seed: str, runs: str, *pagers: str) -> None:
    """One bot after the other, each killed somewhere, until all points were had."""
    points = list(POINTS) * (1 + int(runs) // 100)
    random.Random(f"{seed} {slot}").shuffle(points)
    pairs = list(zip(pagers[::2], pagers[1::2], strict=True))

    async def live(number: int, stopped: asyncio.Event) -> None:
        soon = timedelta(milliseconds=300)
        async with a_bot(url, folder, seed, f"{slot}.{number}", pairs) as bot:
            await asyncio.gather(
                again_and_again(bot.look, soon, stopped), again_and_again(bot.pages, soon, stopped),
                again_and_again(bot.sweeper.sweep, soon, stopped),
            )  # fmt: skip

    Slot(live, points, folder).run()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
