"""A press in Teams is about what stood on the card: what the store says meanwhile does not count."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sayso.approvals.change import Change, Event
from sayso.approvals.request import Request, State
from teams_office import TeamsOffice, teams_office


async def swap(o: TeamsOffice, request: Request) -> None:
    """Somebody who can write to Redis turns the small refund into a large one, under the same revision."""
    first = request.ask.first
    large = replace(first, frozen=first.frozen.replace("129.90", "9129.90"))
    assert large.digest != first.digest
    await o.store.change(request.id, lambda r, _: Change(request=replace(r, ask=replace(r.ask, first=large))))


async def untouched(o: TeamsOffice, request: Request) -> bool:
    now = await o.now(request)
    return (now.state, now.votes, now.circles) == (State.OPEN, (), ())


async def test_an_action_swapped_under_its_card_is_not_approved_by_a_press_on_it() -> None:
    """P5: Every button carries the digest of what was shown, and Teams keeps it where no Redis writer can reach."""
    async with teams_office() as o:
        request = await o.asks()
        await swap(o, request)
        click = await o.teams.person("bo").clicks(o.card(), "Approve")
        assert "older revision" in click.refusal
        assert await untouched(o, request)
        assert (await o.events(request))[-1] is Event.REFUSED_ANSWER


@pytest.mark.parametrize("title", ["Modify…", "Reject…"])
async def test_an_action_swapped_under_an_open_form_is_not_answered_by_it(title: str) -> None:
    """P5: The same for what was typed into a form over it, in the card and in a dialog."""
    typed = {"Why?": "the wrong order"} if title == "Reject…" else {"amount": "100.00"}
    async with teams_office() as o:
        request = await o.asks()
        bo = o.teams.person("bo")
        dialog = await bo.opens_dialog(o.card(), title.replace("…", " in a dialog…"))
        await bo.clicks(o.card(), title)
        await swap(o, request)
        sent = await bo.clicks(bo.fills(o.card(), typed), "Send")
        assert "older revision" in sent.refusal
        assert "older revision" in (await bo.submits(dialog.fill(typed))).words
        assert await untouched(o, request)
        assert (await o.events(request)).count(Event.REFUSED_ANSWER) == 2


async def test_an_action_swapped_under_open_details_is_not_approved_from_there() -> None:
    """What stood in Details is what Approve below them is about."""
    async with teams_office() as o:
        request = await o.asks()
        bo = o.teams.person("bo")
        await bo.clicks(o.card(), "Details")
        await swap(o, request)
        assert "older revision" in (await bo.clicks(o.card(), "Approve")).refusal
        assert await untouched(o, request)
