"""Cards that are redrawn because somebody pressed them: never over what is not theirs, never older than the record."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from office import WatchedStore
from sayso.approvals import machine
from sayso.approvals.people import PersonId, Place
from sayso.approvals.store import Applied, PureStep, Target, TargetKind, Told
from sayso.approvals.verdict import RequestId
from sayso.cards.spans import Row, Text
from sayso.sandbox.faults import Delay
from sayso.sandbox.teams import Message
from teams_office import ROUTE, teams_office


class Slow(WatchedStore):
    """A store that counts nothing before `let`."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()
        self.let.set()

    async def change(self, id: RequestId, step: PureStep, *, token: str = "") -> Applied:
        if token:
            await self.let.wait()
        return await super().change(id, step, token=token)


def claimed(message: Message) -> dict[str, Any]:
    """What a client says that pretends to have been pressed on this message."""
    place = {"id": f"{message.conversation};messageid={message.root}", "conversationType": "channel"}
    return {"replyToId": message.id, "conversation": place}


async def test_a_late_refusal_overwrites_no_other_card() -> None:
    """Pressed, as the client says, on the card of another request, and refused after a while: that card stays."""
    store = Slow()
    async with teams_office(store=store, patience=0.2) as o:
        request, mine = await o.asks(), o.card()
        await o.asks()
        theirs = o.card()
        click = await o.teams.person("bo").clicks(mine, "Details")
        assert click.delivery is not None
        store.let.clear()
        approve = {**click.delivery.activity["value"]["action"], "verb": "approve"}
        told = await o.sends(click.delivery, value={"action": approve}, **claimed(theirs))
        assert "still being counted" in str(told)
        await store.change(request.id, lambda r, now: machine.withdrawn(r, PersonId("alex"), "No.", now))
        store.let.set()
        await o.listener.close()
        assert theirs.edits == 0
        assert "Approve" in theirs.buttons()


async def test_no_press_takes_a_card_where_it_does_not_belong() -> None:
    """Alex sees the card in #support; what sayso said where another tenant reads along does not become one."""
    async with teams_office() as o:
        await o.asks()
        partners = Place(f"teams:{o.teams.channel_id('#partners')}")
        await o.channel.say(partners, [Row("", (Text("Hello."),))])
        (theirs,) = o.teams.messages("#partners")
        click = await o.teams.person("alex").clicks(o.card("#support"), "Details")
        assert click.delivery is not None
        await o.sends(click.delivery, **claimed(theirs))
        await o.listener.close()
        assert theirs.edits == 0
        assert [one.text_as_seen() for one in o.teams.person("zoe").sees("#partners")] == ["Hello."]


async def test_a_stray_card_that_is_redrawn_while_it_is_decided_ends_up_decided() -> None:
    """The slow redraw of the open card comes last; nobody is left with a button that looks alive."""
    async with teams_office() as o:
        request = await o.asks()
        stray = o.card()
        target = Target(kind=TargetKind.CARD, id=request.id, where=ROUTE.places[0])
        await o.store.set_told(target, Told(), again=timedelta(0))
        await o.deliver()
        assert o.card() is not stray
        o.teams.faults.add(Delay(0.5), on="update")
        await o.teams.person("cy").clicks(stray, "Details")
        await o.teams.person("bo").clicks(o.card(), "Approve")
        await o.listener.close()
        assert "Approve" not in stray.buttons()
