"""“I am on it” in Slack and in Teams: whoever may decide holds the next step, every card says so, nobody else can."""

from __future__ import annotations

from datetime import timedelta

from office import office
from sayso.approvals import machine
from sayso.approvals.change import Event
from sayso.approvals.request import Request
from teams_office import teams_office

ON_IT = "I am on it"
HALF = timedelta(hours=12, minutes=1)


def held(request: Request) -> bool:
    return request.looking is not None


async def test_somebody_in_slack_is_on_it_and_all_cards_say_so() -> None:
    """The button comes with the reminder; Bo presses, the cards name him, the button is gone, and he may still decide."""
    async with office() as o:
        request = await o.asks()
        assert ON_IT not in o.card().buttons()
        o.store.advance(HALF)
        await o.store.change(request.id, machine.fire)
        await o.deliver()
        await o.slack.person("bo").clicks(o.card(), ON_IT)
        record = await o.until(request, held)
        assert record.looking is not None
        assert (record.looking.person, record.ask.deadline) == ("bo", request.ask.deadline)
        await o.deliver()
        for channel in ("#finance-approvals", "#support"):
            assert "On it" in o.card(channel).text_as_seen()
            assert ON_IT not in o.card(channel).buttons()
        await o.slack.person("bo").clicks(o.card(), "Approve")
        await o.until(request, lambda one: one.decision is not None)


async def test_who_may_not_decide_holds_nothing_in_slack() -> None:
    """Alex asked for it: refused with the reason, on record, and nothing waits."""
    async with office() as o:
        request = await o.asks()
        o.store.advance(HALF)
        await o.store.change(request.id, machine.fire)
        await o.deliver()
        click = await o.slack.person("alex").clicks(o.card("#support"), ON_IT)
        assert "You asked for this" in await click.whispered()
        assert (await o.now(request)).looking is None
        assert (await o.events(request))[-1] is Event.REFUSED_ANSWER


async def test_somebody_in_teams_is_on_it() -> None:
    """The press is answered with the card that says so; a stranger reads why not."""
    async with teams_office() as o:
        request = await o.asks()
        o.store.advance(HALF)
        await o.store.change(request.id, machine.fire)
        await o.deliver()
        click = await o.teams.person("kim").clicks(o.card(), ON_IT)
        assert "not an approver" in click.refusal
        bo = o.teams.person("bo")
        await bo.clicks(o.card(), ON_IT)
        assert "On it" in bo.reads(o.card())
        assert (await o.until(request, held)).ask.deadline == request.ask.deadline
        await o.deliver()
        assert ON_IT not in o.card().buttons()
