"""Teams as a channel of cards: places, paces, links, and people who are really called."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import cast
from urllib.parse import parse_qs, urlsplit

import pytest
from sayso.approvals.people import PersonId, Place
from sayso.bot.channel import Dead, Gone, RetryLater
from sayso.bot.teams.channel import TeamsChannel
from sayso.bot.teams.pace import WINDOWS, Pace
from sayso.bot.teams.port import Conversation, Member, Transport
from sayso.cards.card import card_of
from sayso.cards.spans import Row, Text, Who
from sayso.sandbox.faults import Fail, RateLimited
from scenes import a_request
from teams_bot import TRANSPORTS, Bot, stall_during, teams_bot


@pytest.fixture(params=TRANSPORTS)
async def bot(request: pytest.FixtureRequest) -> AsyncIterator[Bot]:
    async with teams_bot(request.param) as bot:
        yield bot


def place(bot: Bot, name: str = "#support", thread: str = "") -> Place:
    return Place(f"teams:{bot.teams.channel_id(name)}" + (f"/{thread}" if thread else ""))


async def test_a_card_is_posted_redrawn_and_followed_up(bot: Bot) -> None:
    """In a channel it begins a thread; words go into the thread that its reference names."""
    ref = await bot.channel.post_card(place(bot), card_of(a_request(), name=str))
    await bot.channel.update_card(ref, card_of(a_request(), name=str))
    await bot.channel.say(Place(f"teams:{ref.channel}/{ref.thread}"), [Row("", (Text("Still waiting."),))])
    (root, reply) = bot.teams.person("bo").sees("#support")
    assert "Refund 129.90" in root.text_as_seen()
    assert root.edits == 1
    assert (reply.root, reply.text_as_seen()) == (root.id, "Still waiting.")
    assert await bot.channel.find_card(place(bot), a_request().id) is None


async def test_no_card_stands_where_another_tenant_reads_along(bot: Bot) -> None:
    """Words may be said there; what a card shows is for our own people. A new member is noticed in minutes."""
    partners = place(bot, "#partners")
    with pytest.raises(Dead, match="shared with people of another tenant"):
        await bot.channel.post_card(partners, card_of(a_request(), name=str))
    await bot.channel.say(partners, [Row("", (Text("Somebody has to look at this."),))])
    bot.teams.tenant.teams["Partners"].members.remove("zoe")
    bot.clock[0] += 301
    await bot.channel.post_card(partners, card_of(a_request(), name=str))
    assert len(bot.teams.person("bo").sees("#partners")) == 2


async def test_where_nobody_can_say_who_reads_along_no_card_stands(bot: Bot) -> None:
    """The doubt is not remembered: let in again, the card is posted at once. Words are said, and call nobody."""
    bot.teams.faults.add(Fail("BotNotInConversationRoster"), on="pagedmembers", times=2)
    with pytest.raises(Dead, match="has to be installed"):
        await bot.channel.post_card(place(bot), card_of(a_request(), name=str))
    await bot.channel.say(place(bot), [Row("", (Who(PersonId("bo"), "Bo"),))])
    await bot.channel.post_card(place(bot), card_of(a_request(), name=str))
    assert len(bot.teams.messages("#support")) == 2


async def test_who_reads_along_is_not_asked_earlier_than_teams_said(bot: Bot) -> None:
    """A 429 to that question holds back the next one, whatever card it is for; words that call nobody are said."""
    bot.teams.faults.add(RateLimited(30), on="pagedmembers")
    for _ in range(3):
        with pytest.raises(RetryLater) as later:
            await bot.channel.post_card(place(bot), card_of(a_request(), name=str))
        assert later.value.after == timedelta(seconds=30)
    assert [call.name for call in bot.teams.calls] == ["pagedmembers"]
    await bot.channel.say(place(bot), [Row("", (Text("x"),))])


@pytest.mark.parametrize("chat", ["19:meeting_abc@thread.v2", "19:abc@thread.v2", "19:abc@unq.gbl.spaces"])
async def test_in_a_group_chat_it_is_asked_too_who_reads_along(chat: str) -> None:
    """The app is not made for them, but somebody may have put it there with a package of their own."""

    class Meeting:
        async def members(self, of: Conversation) -> list[Member]:
            return [
                Member(id="29:1", object_id="o1", tenant="t1"),
                Member(id="29:2", object_id="o2", tenant="t2"),
            ]

    channel = TeamsChannel(cast("Transport", Meeting()), tenant="t1")
    with pytest.raises(Dead, match="people of another tenant"):
        await channel.post_card(Place(f"teams:{chat}"), card_of(a_request(), name=str))


async def test_the_largest_team_stops_nothing() -> None:
    """25,000 people, every second one of another tenant: told apart in no time."""

    class Crowd:
        async def members(self, of: Conversation) -> list[Member]:
            return [Member(id=f"29:{n}", object_id=f"o{n}", tenant=f"t{n % 2}") for n in range(25_000)]

    channel = TeamsChannel(cast("Transport", Crowd()), tenant="t1")
    stall = await stall_during(channel._ask_readers("19:x@thread.tacv2"))
    assert stall.worked < 1.0


async def test_a_direct_place_is_asked_for_once(bot: Bot) -> None:
    """Cards there need no thread; whoever has no app is dead, and so is somebody nobody knows."""
    bo, ned = bot.teams.person("bo"), bot.teams.person("ned")
    chats = [await bot.channel.direct(bo.aad) for _ in range(3)]
    assert len(set(chats)) == 1
    assert [call.name for call in bot.teams.calls] == ["create"]
    ref = await bot.channel.post_card(chats[0], card_of(a_request(), name=str))
    await bot.channel.say(Place(f"{chats[0]}/{ref.thread}"), [Row("", (Text("Reminder."),))])
    assert len(bo.direct_messages()) == 2
    with pytest.raises(Dead, match="installed"):
        await bot.channel.direct(ned.aad)
    bot.teams.faults.add(Fail("NotFound"), on="create")
    with pytest.raises(Dead, match="no such person"):
        await bot.channel.direct("nobody")


async def test_people_are_called_by_their_entra_id(bot: Bot) -> None:
    """A mention with its entity, in the card itself; those without an account are named only."""
    accounts = {PersonId("bo"): bot.teams.person("bo").aad}
    channel = TeamsChannel(
        bot.transport, tenant=bot.teams.tenant_id, account=lambda person: accounts.get(person, "")
    )
    words = (Who(PersonId("bo"), "Bo"), Text(" and "), Who(PersonId("cy"), "Cy"))
    await channel.say(place(bot), [Row("", words)])
    (message,) = bot.teams.messages("#support")
    assert message.live_mentions() == ["<at>Bo</at>"]
    assert message.text_as_seen() == "@Bo and @Cy"


async def test_a_missing_channel_is_dead_and_a_missing_thread_is_gone(bot: Bot) -> None:
    """A lost thread may be begun anew; a place that does not exist may not."""
    nowhere = Place("teams:19:no@thread.tacv2")
    with pytest.raises(Dead, match="does not exist"):
        await bot.channel.post_card(nowhere, card_of(a_request(), name=str))
    with pytest.raises(Gone):
        await bot.channel.post_card(place(bot, thread="1"), card_of(a_request(), name=str))


async def test_links_lead_to_the_message(bot: Bot) -> None:
    """With thread and tenant; a personal message has no address, so its link opens the chat."""
    ref = await bot.channel.post_card(place(bot), card_of(a_request(), name=str))
    link = urlsplit(await bot.channel.link(ref))
    assert (link.scheme, link.hostname) == ("https", "teams.microsoft.com")
    assert link.path.endswith(f"%40thread.tacv2/{ref.message}")
    assert parse_qs(link.query) == {"tenantId": [bot.teams.tenant_id], "parentMessageId": [ref.thread]}
    direct = await bot.channel.direct(bot.teams.person("bo").aad)
    chat = urlsplit(await bot.channel.link(await bot.channel.say(direct, [Row("", (Text("x"),))])))
    assert (chat.path, parse_qs(chat.query)) == ("/l/chat/0/0", {"users": [bot.teams.bot_id]})


async def test_after_a_429_that_conversation_is_left_alone(bot: Bot) -> None:
    """P16: For as long as Teams said, and no other one: the sandbox complains about whoever comes earlier."""
    bot.teams.faults.add(RateLimited(30), on="create")
    for _ in range(3):
        with pytest.raises(RetryLater) as later:
            await bot.channel.say(place(bot), [Row("", (Text("x"),))])
        assert later.value.after == timedelta(seconds=30)
    assert len(bot.teams.calls) == 1
    await bot.channel.say(place(bot, "#ops-approvals"), [Row("", (Text("x"),))])


def test_no_conversation_gets_more_than_microsoft_allows() -> None:
    """7 in a second, 60 in half a minute, 1,800 an hour; the answer says exactly when there is room again."""
    now = [0.0]
    pace = Pace(lambda: now[0])
    sent: list[float] = []
    while now[0] < 7_200:
        try:
            pace.take("a")
            sent.append(now[0])
        except RetryLater as later:
            now[0] += later.after.total_seconds()
    for most, long in WINDOWS:
        assert all(after - before >= long - 0.001 for before, after in zip(sent, sent[most:], strict=False))
    assert len(sent) == 3_600
    pace.take("b")


def test_idle_conversations_are_forgotten() -> None:
    """A thousand chats a day do not stay for ever."""
    now = [0.0]
    pace = Pace(lambda: now[0])
    for chat in range(2_000):
        now[0] += 60
        pace.take(f"chat {chat}")
        pace.block(f"chat {chat}", timedelta(seconds=1))
    assert len(pace._sent) <= 700
    assert len(pace._blocked) <= 700
