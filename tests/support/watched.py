"""A note that an agent adds without asking, and what takes it off again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sayso.agent.effect import effect
from sayso.agent.policy import Policy
from sayso.agent.watching import with_undo
from sayso.approvals import effects, machine
from sayso.approvals.change import Change
from sayso.approvals.request import Ask, Request
from sayso.approvals.risk import Oversight
from sayso.approvals.store import Store
from sayso.approvals.verdict import RequestId
from scenes import an_action, an_ask, an_assessment

POLICY = Policy(tools={}, routes={}, chains={}, default_route="finance")
ANSWER = '{"note":7}'


@effect(name="remove_note")
def remove_note(order: int, result: dict[str, int]) -> str:
    """Takes a note off an order."""
    return f"Note {result['note']} was removed from {order}."


@effect(name="add_note", undo=remove_note)
def add_note(order: int, text: str) -> str:
    """Adds a note to an order."""
    return f"{text} was added to {order}."


def a_note(**overrides: object) -> Ask:
    """What is on record of adding one."""
    note = an_action(
        tool="add_note", arguments={"order": 1042, "text": "Parcel arrived broken"}, category="internal_change",
        summary="Add a note to order 1042", confidence=0.95, unsure="",
    )  # fmt: skip
    medium = an_assessment(oversight=Oversight.WATCH, flags=(), reasons=("Irreversibility is high.",))
    return replace(an_ask(action=note, assessment=medium, **overrides), watched=True)  # type: ignore[arg-type]


def begun(request: Request, now: datetime) -> Change:
    """Its tool was started."""
    return effects.begin(request, attempt=1, worker="worker-1", lease=timedelta(minutes=1), now=now)


def done(request: Request, now: datetime, *, undoable: bool = True) -> Change:
    """Its tool reported."""
    change = effects.done(request, "worker-1", ANSWER, "Note 7 was added.", now)
    return with_undo(change, add_note, POLICY, now) if undoable else change


async def noted(store: Store, *, undoable: bool = True, **overrides: object) -> Request:
    """An agent has added a note: the offer to undo it, or its log where there is none."""
    ask = a_note(opened_at=await store.now(), **overrides)
    request = await store.open(machine.opened_unasked(ask, "worker-1"))
    await store.change(request.id, begun)
    after = (await store.change(request.id, lambda r, now: done(r, now, undoable=undoable))).request
    return await store.get(RequestId(after.undo)) if after.undo else after
