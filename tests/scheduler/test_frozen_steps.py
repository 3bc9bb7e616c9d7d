"""A policy, a set and its people change while a request waits: its steps stay, and who is called is found anew. Over real Valkey."""

from __future__ import annotations

from datetime import timedelta

import pytest
from desk_scene import SIGNER, Doorman, who
from sayso.agent.policy import Policy
from sayso.approvals import machine
from sayso.approvals.change import Event
from sayso.approvals.deadline import CHAINS, Chain, Planned, StepKind
from sayso.approvals.errors import NotAllowed
from sayso.approvals.people import Person, PersonId
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import State
from sayso.approvals.verdict import Approve
from sayso.bot.desk import Desk
from sayso.bot.directory import ApproverSet, ConfiguredDirectory
from sayso.scheduler.sweep import Sweeper
from scenes import FINANCE, a_request, an_assessment

HOUR = timedelta(hours=1)
CHAIN = Chain.written("as-asked", (
    Planned(after=HOUR, kind=StepKind.REMIND), Planned(after=2 * HOUR, kind=StepKind.WIDEN, to="seniors"),
    Planned(after=3 * HOUR, kind=StepKind.PAGE), Planned(after=4 * HOUR, kind=StepKind.EXPIRE),
))  # fmt: skip


def a_directory(**sets: str) -> ConfiguredDirectory:
    """A process that was started with these sets."""
    people = [
        Person(id=PersonId(name), name=name, accounts={"slack": name}) for name in ("bo", "cy", "di", "kim")
    ]
    listed = {name: ApproverSet(people=tuple(map(PersonId, ids.split()))) for name, ids in sets.items()}
    return ConfiguredDirectory(people=people, sets=listed, platforms={"slack": Doorman()})


async def test_a_policy_that_changes_leaves_the_steps_and_the_people_are_todays(redis_url: str) -> None:
    """P19: The chain, the second line's member and then the whole route are replaced in three processes, one after the other."""
    store = await RedisStore.connect(redis_url, demo=True)
    request = await store.open(machine.opened(a_request(chain=CHAIN, opened_at=await store.now()).ask))
    asked = Sweeper(store, a_directory(finance="bo", seniors="cy"))
    await store.push_clock(HOUR)
    await asked.sweep()
    other = a_directory(
        finance="bo", seniors="di"
    )  # cy left, di came; the chain is not in this policy any more
    await store.push_clock(HOUR)
    await Sweeper(store, other).sweep()
    widened = await store.get(request.id)
    assert (widened.circles, widened.places) == (("seniors",), ("person:di",))
    gone = Policy(tools={}, routes={}, chains=CHAINS, default_route="finance")
    desk = Desk(
        store=store,
        directory=a_directory(finance="bo"),
        rules=gone,
        signer=SIGNER,
        assess=lambda _: an_assessment(),
    )
    with pytest.raises(NotAllowed):
        await desk.answer(request.id, 1, Approve(), who("bo"), token="late")
    await store.push_clock(HOUR)
    await Sweeper(store, a_directory()).sweep()
    paged = await store.get(request.id)
    await store.push_clock(HOUR)
    await Sweeper(store, a_directory()).sweep()
    ended = await store.get(request.id)
    events = [record.entry.event for record in await store.trail(request.ask.run.thread)]
    await store.close()
    assert (paged.state, paged.paged_at is not None, ended.state) == (State.OPEN, True, State.EXPIRED)
    assert ended.ask.deadline == FINANCE.clock(CHAIN, request.ask.opened_at)
    assert events == [Event.OPENED, Event.STEP, Event.STEP, Event.REFUSED_ANSWER, Event.PAGED, Event.EXPIRED]
