"""A click in Slack is about what stood on the card: what the store says meanwhile does not count."""

from __future__ import annotations

from dataclasses import replace

from office import Office, office
from sayso.approvals.change import Change, Event
from sayso.approvals.request import Request, State


async def swap(o: Office, request: Request) -> None:
    """Somebody who can write to Redis turns the small refund into a large one, under the same revision."""
    first = request.ask.first
    large = replace(first, frozen=first.frozen.replace("129.90", "9129.90"))
    assert large.digest != first.digest
    await o.store.change(request.id, lambda r, _: Change(request=replace(r, ask=replace(r.ask, first=large))))


async def test_an_action_swapped_under_its_card_is_not_approved_by_a_click_on_it() -> None:
    """P5: The button carries the digest of what was shown, and Slack keeps it where no Redis writer can reach."""
    async with office() as o:
        request = await o.asks()
        card = o.card()
        await swap(o, request)
        click = await o.slack.person("bo").clicks(card, "Approve")
        assert "older revision" in await click.whispered()
        assert (await o.now(request)).votes == ()


async def test_an_action_swapped_under_an_open_form_is_not_changed_by_it() -> None:
    """P5: The same for what was typed into a form over it."""
    async with office() as o:
        request = await o.asks()
        form = await (await o.slack.person("bo").clicks(o.card(), "Reject…")).modal()
        await o.workplace.until(lambda: form.title == "Reject")
        await swap(o, request)
        await o.slack.person("bo").submits(form.fill({"Why?": "the wrong order"}))
        now = await o.now(request)
        assert (now.state, now.votes) == (State.OPEN, ())


async def test_an_action_swapped_under_its_card_is_not_approved_by_a_typed_answer() -> None:
    """A reply carries no digest, so what the card shows is asked of Slack itself."""
    async with office() as o:
        request = await o.asks()
        card = o.card()
        await swap(o, request)
        await o.slack.person("bo").says("#finance-approvals", "approve", thread=card)
        await o.slack.settled()
        now = await o.now(request)
        assert (now.state, now.votes) == (State.OPEN, ())
        assert (await o.events(request))[-1] is Event.REFUSED_ANSWER
