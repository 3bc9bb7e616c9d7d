"""What cannot be delivered in Slack or Teams: fallback, direct messages, page, dead letters, and the way back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from both_channels import both_channels
from sayso.approvals.change import AuditEntry, Event, Notice, NoticeKind
from sayso.approvals.errors import StoreDown
from sayso.approvals.memory import MemoryStore
from sayso.approvals.people import Place
from sayso.approvals.request import State
from sayso.approvals.store import DeadLetter, TargetKind, Told
from sayso.approvals.verdict import Rule
from sayso.sandbox.faults import FOREVER, Fail, LostReply, Status
from scenes import FINANCE, NOON, a_run

DISABLED = Fail("BotDisabledByAdmin")


async def test_the_fallback_gets_the_card_when_no_channel_is_left() -> None:
    """P15: Archived in Slack, thrown out in Teams; nobody is disturbed, and both dead places are listed."""
    async with both_channels() as o:
        o.slack.archive("#finance-approvals")
        await o.teams.kick_bot("#finance-approvals")
        request = await o.asks(route=replace(o.route, fallback=o.there("#second-line")))
        assert o.cards("#second-line") == [True]
        assert sorted(await o.letters()) == sorted(request.ask.places)
        assert (await o.now(request)).places == (request.ask.fallback,)
        why = {letter.why for letter in await o.store.dead_letters()}
        assert why == {
            "the channel is archived", "sayso is not a member there: the app has to be installed",
        }  # fmt: skip
        await o.approve(request)
        await o.later(seconds=10)
        assert o.cards("#second-line") == [False]


async def test_a_dead_fallback_leaves_direct_messages_on_whatever_platform_takes_them() -> None:
    """P15: Slack's token is revoked: who has an account in Teams too gets it there."""
    async with both_channels() as o:
        o.slack.revoke_bot_token()
        await o.teams.kick_bot("#finance-approvals")
        request = await o.asks(route=replace(o.route, fallback=Place("slack:C0OPS")))
        for name in ("bo", "sue"):
            offered = [one.buttons() for one in o.teams.person(name).direct_messages()]
            assert len([buttons for buttons in offered if "Approve" in buttons]) == 1
        assert (await o.now(request)).paged_at is None
        assert "person:cy" in await o.letters()


async def test_a_chat_that_is_gone_leaves_the_persons_other_account() -> None:
    """Teams has lost Bo's chat: the card stands in Slack, and the chat is looked for anew the next time."""
    async with both_channels(first="teams") as o:
        chat = await o.bot.channel.direct(o.teams.person("bo").aad)
        o.teams.faults.add(Fail("ConversationNotFound"), on="post")
        await o.asks(route=replace(FINANCE, places=(Place("person:bo"),)))
        assert [("Approve" in one.buttons()) for one in o.slack.person("bo").direct_messages()] == [True]
        assert await o.letters() == []
        assert await o.bot.channel.direct(o.teams.person("bo").aad) == chat
        assert [call.name for call in o.teams.calls] == ["create", "post", "create"]


async def test_when_everything_is_dead_on_call_is_paged_once_and_it_ends_there() -> None:
    """P15: A revoked token and a disabled app: a page, a dead letter for each target, no loop; the decision closes it."""
    async with both_channels() as o:
        o.slack.revoke_bot_token()
        for call in ("create", "post", "reply", "update"):
            o.teams.faults.add(DISABLED, on=call, times=FOREVER)
        request = await o.asks(route=replace(o.route, fallback=o.there("#second-line")))
        assert (await o.now(request)).paged_at == await o.store.now()
        assert (await o.events(request)).count(Event.PAGED) == 1
        (incident,) = o.pager.open_incidents()
        await o.later(seconds=300)  # notices wait for a card, and give up
        assert await o.later(seconds=600) == 0
        places = {"slack:C0FINANCE", o.there(), request.ask.fallback, "person:bo", "person:cy", "person:sue"}
        assert places | {"person:kim"} == set(await o.letters())
        letters = await o.store.dead_letters()
        assert any(letter.target.kind is TargetKind.NOTICE and not letter.places for letter in letters)
        await o.approve(request)
        await o.later()
        assert incident.history == ["trigger", "resolve"]


async def test_a_page_that_the_pager_refuses_is_a_dead_letter_too() -> None:
    """With everything else dead, the list is all there is; replayed, the page goes out."""
    async with both_channels() as o:
        o.pager.faults.add(Status(400), on="/v2/enqueue", times=FOREVER)
        o.slack.revoke_bot_token()
        await o.asks(
            route=replace(o.route, places=(Place("slack:C0FINANCE"),), rule=Rule(approvers=("nobody",)))
        )
        await o.later(seconds=5)
        (page,) = [one for one in await o.store.dead_letters() if one.target.kind is TargetKind.PAGE]
        assert (page.places, page.since) == (("primary",), NOON)
        assert o.pager.open_incidents() == []
        o.pager.faults.clear()
        assert await o.store.replay(page.target)
        await o.later()
        assert len(o.pager.open_incidents()) == 1
        assert page.target not in [one.target for one in await o.store.dead_letters()]


async def test_replayed_letters_show_the_final_state() -> None:
    """P15: The app is allowed again after the decision: no live button anywhere, nothing left on the list."""
    async with both_channels() as o:
        request = await o.asks()
        o.teams.faults.add(DISABLED, on="update", times=2)
        await o.approve(request)
        await o.later()
        await o.close(request)
        await o.later()
        assert o.cards() == [False, True]
        (letter,) = await o.store.dead_letters()
        assert (letter.target.where, letter.tries) == (o.there(), 2)
        assert await o.store.replay(letter.target)
        await o.later()
        assert o.cards() == [False, False]
        assert await o.letters() == []


async def test_back_in_the_conversation_everything_there_is_tried_again() -> None:
    """Put into the team again: card and record are as if nothing had happened; another channel's letters stay."""
    async with both_channels() as o:
        o.slack.archive("#finance-approvals")
        await o.teams.kick_bot("#finance-approvals")
        request = await o.asks()
        assert len(await o.letters()) == 2
        assert await o.deliverer.revive(o.there("#ops-approvals").__eq__) == 0
        await o.teams.invite_bot("#finance-approvals")
        assert await o.deliverer.revive(o.there().__eq__) == 1
        await o.later()
        assert len(o.cards()) == 1
        assert await o.letters() == ["slack:C0FINANCE"]
        assert (await o.now(request)).unreachable == ("slack:C0FINANCE",)


async def test_back_in_a_personal_chat_its_person_gets_the_card() -> None:
    """Who had blocked the app installs it again."""
    async with both_channels() as o:
        sue = o.teams.tenant.user_named("sue")
        sue.bot_installed = False
        await o.asks(route=replace(o.route, places=(Place("slack:C0NOWHERE"),)))
        assert "person:sue" in await o.letters()
        sue.bot_installed = True
        chat = o.teams.tenant.personal_chat(sue)
        assert await o.deliverer.revive(Place(f"teams:{chat.id}").__eq__) == 1
        await o.later()
        (direct,) = o.teams.person("sue").direct_messages()
        assert "Approve" in direct.buttons()


async def test_a_directory_that_is_down_is_waited_for_but_not_for_ever() -> None:
    """A hiccup wakes nobody; after some minutes in which nobody can be found, on-call is paged."""
    async with both_channels() as o:
        route = replace(FINANCE, places=(Place("slack:C0NOWHERE"),), rule=Rule(approvers=("far",)))
        o.doorman.down = True
        hiccup = await o.asks(route=route)
        o.doorman.down = False
        o.doorman.groups["far"] = frozenset({o.teams.person("bo").aad})
        await o.later(seconds=60, by=20)
        assert ((await o.now(hiccup)).places, (await o.now(hiccup)).paged_at) == (("person:bo",), None)
        o.doorman.down = True
        outage = await o.asks(route=route, run=a_run("t2", origin=""))
        await o.later(seconds=60, by=20)
        assert (await o.now(outage)).paged_at is None
        await o.later(seconds=240, by=20)
        assert (await o.now(outage)).paged_at is not None


class Breaks(MemoryStore):
    """Goes away once, right before a dead letter is written down."""

    broken = False

    async def bury(self, letter: DeadLetter, told: Told, *, version: int = 0) -> None:
        if not self.broken:
            self.broken = True
            raise StoreDown
        await super().bury(letter, told, version=version)


async def test_a_crash_before_the_letter_is_written_costs_nothing() -> None:
    """The record has gone round the place already; whoever claims the target next writes the letter, and no more."""
    async with both_channels(store=Breaks()) as o:
        o.slack.archive("#finance-approvals")
        with pytest.raises(StoreDown):
            await o.asks(route=replace(o.route, places=(Place("slack:C0FINANCE"),)))
        (request,) = await o.store.live()
        assert await o.letters() == []
        await o.later(seconds=30)
        assert await o.letters() == ["slack:C0FINANCE"]
        assert (await o.events(request)).count(Event.UNDELIVERABLE) == 1
        offered = [one.buttons() for one in o.slack.person("bo").direct_messages()]
        assert len([buttons for buttons in offered if "Approve" in buttons]) == 1


async def test_words_that_nobody_heard_are_a_dead_letter_and_said_when_replayed() -> None:
    """An agent's report into an archived channel, and one whose answers were lost."""
    async with both_channels() as o:
        o.slack.archive("#support")
        for number, place in enumerate((Place("slack:C0SUPPORT"), o.there())):
            run = a_run(f"t{number}", origin=place)
            await o.store.start(run)
            notice = Notice(
                key="report", kind=NoticeKind.REPORT, place=place, thread=run.thread, text="All done."
            )
            o.teams.faults.add(LostReply(), on="create", times=2 if number else 0)
            await o.store.finish_run(
                run.thread, AuditEntry(event=Event.RUN_FINISHED, words="ended"), (notice,)
            )
        await o.later(seconds=60)
        archived, lost = await o.store.dead_letters()
        assert (archived.places, archived.request, archived.thread) == (("slack:C0SUPPORT",), None, "t0")
        assert archived.why == "slack:C0SUPPORT: the channel is archived"
        assert lost.why.endswith("the answer was lost twice; it may have been said")
        before = len(o.teams.messages("#finance-approvals"))
        assert await o.store.replay(lost.target)
        await o.later()
        assert len(o.teams.messages("#finance-approvals")) == before + 1
        assert await o.store.dead_letters() == [archived]


async def test_a_decided_request_disturbs_nobody_any_more() -> None:
    """Its card cannot be redrawn: a dead letter, but no direct message and no page."""
    async with both_channels() as o:
        request = await o.asks(route=replace(o.route, places=(o.there(),)))
        await o.approve(request)
        await o.teams.kick_bot("#finance-approvals")
        await o.later(seconds=5)
        record = await o.now(request)
        assert (record.state, record.places, record.paged_at) == (State.DECIDED, (), None)
        card, decided = await o.store.dead_letters()
        assert (card.places, decided.target.kind) == ((o.there(),), TargetKind.NOTICE)
