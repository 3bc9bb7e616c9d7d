"""Answers in Teams that take longer than anybody waits: counted or not, whoever gave them learns which."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from office import WatchedStore
from sayso.approvals import machine
from sayso.approvals.change import Applied
from sayso.approvals.people import PersonId
from sayso.approvals.request import Request, State
from sayso.approvals.store import PureStep
from sayso.approvals.verdict import RequestId, Rule
from teams_office import ROUTE, teams_office

TWO = replace(ROUTE, rule=Rule(approvers=("finance",), needed=2))
LOOK = ["Details", "Details in a dialog…"]


class Slow(WatchedStore):
    """A store that needs its time; `let` lets it go on."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()

    async def change(self, id: RequestId, step: PureStep, *, token: str = "") -> Applied:
        await self.let.wait()
        return await super().change(id, step, token=token)


@pytest.mark.parametrize("title", ["Approve", "Reject…"])
async def test_an_answer_that_takes_long_is_counted_and_its_card_follows(title: str) -> None:
    """Bo reads in time that it is being counted; the update shows what came of it."""
    store = Slow()
    async with teams_office(store=store, patience=0.4) as o:
        request = await o.asks()
        bo = o.teams.person("bo")
        await bo.clicks(o.card(), title)
        if title == "Reject…":
            await bo.clicks(bo.fills(o.card(), {"Why?": "the wrong order"}), "Send")
        assert "still being counted" in bo.reads(o.card())
        assert bo.offered(o.card()) == ["Back to the card"]
        store.let.set()
        await o.until(request, lambda r: r.state is State.DECIDED)
        await o.deliver()
        assert "@Bo" in bo.reads(o.card())
        assert bo.offered(o.card()) == LOOK


async def test_an_answer_that_is_refused_late_is_said_to_whoever_gave_it() -> None:
    """Cy was faster meanwhile: nobody goes home believing that they decided."""

    class Overtaken(Slow):
        overtaking = False

        async def change(self, id: RequestId, step: PureStep, *, token: str = "") -> Applied:
            if self.overtaking:
                return await WatchedStore.change(self, id, step, token=token)
            return await super().change(id, step, token=token)

    store = Overtaken()
    async with teams_office(store=store, patience=0.05) as o:
        request = await o.asks()
        bo = o.teams.person("bo")
        await bo.clicks(o.card(), "Approve")
        assert "still being counted" in bo.reads(o.card())
        store.overtaking = True
        await store.change(
            request.id, lambda r, now: machine.withdrawn(r, PersonId("alex"), "Alex took it back.", now)
        )
        store.let.set()
        said = await bo.waits_for("@sayso", "not counted")
        assert "ended already" in said.text_as_seen()
        await o.workplace.until(lambda: "still being counted" not in bo.reads(o.card()))


async def test_an_answer_that_breaks_late_is_not_left_being_counted() -> None:
    """Nobody knows what became of it: Bo is told so, and the card stands as the record has it."""

    class Broken(Slow):
        async def change(self, id: RequestId, step: PureStep, *, token: str = "") -> Applied:
            await self.let.wait()
            raise RuntimeError("a defect of ours")

    store = Broken()
    async with teams_office(store=store, patience=0.05) as o:
        await o.asks()
        bo = o.teams.person("bo")
        await bo.clicks(o.card(), "Approve")
        assert "still being counted" in bo.reads(o.card())
        store.let.set()
        assert (
            "I do not know whether that was counted" in (await bo.waits_for("@sayso", "broke")).text_as_seen()
        )
        await o.workplace.until(lambda: "still being counted" not in bo.reads(o.card()))


async def test_what_cannot_be_looked_up_in_time_is_asked_for_once_more() -> None:
    """Nothing was to be counted: the person reads that, and presses again."""

    class Sluggish(WatchedStore):
        pause = 0.0

        async def get(self, id: RequestId) -> Request:
            await asyncio.sleep(self.pause)
            return await super().get(id)

    store = Sluggish()
    async with teams_office(store=store, patience=0.02) as o:
        await o.asks()
        store.pause = 0.1
        bo = o.teams.person("bo")
        assert "once more" in (await bo.clicks(o.card(), "Details")).refusal
        assert "once more" in (await bo.clicks(o.card(), "Details in a dialog…")).words
