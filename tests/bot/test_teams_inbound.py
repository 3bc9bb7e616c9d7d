"""What people do in Teams arrives in plain types, and what a handler answers arrives on their screens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from sayso.bot.teams.inbound import FAILED
from sayso.bot.teams.port import Added, Asking, Conversation, Pressed, Removed, Said
from sayso.cards import adaptive
from sayso.cards.card import card_of
from scenes import a_request
from teams_bot import TRANSPORTS, Bot, teams_bot, words


@pytest.fixture(params=TRANSPORTS)
async def bot(request: pytest.FixtureRequest) -> AsyncIterator[Bot]:
    async with teams_bot(request.param) as bot:
        yield bot


async def a_card(bot: Bot) -> None:
    """An open request's card in #finance-approvals."""
    channel = bot.teams.channel_id("#finance-approvals")
    await bot.transport.post_root(channel, adaptive.message(card_of(a_request(), name=str)))


async def test_a_mention_is_heard(bot: Bot) -> None:
    """The words without the mention, who said them, and where."""
    said = await bot.teams.person("alex").says("#support", "@sayso please refund order 1042")
    await bot.teams.settled()
    (heard,) = bot.heard
    assert isinstance(heard, Said)
    assert (heard.text, heard.to_bot) == ("please refund order 1042", True)
    assert heard.sender.object_id == bot.teams.person("alex").aad
    assert (heard.ref.channel, heard.ref.message, heard.ref.thread) == (said.conversation, said.id, said.id)
    assert heard.ref.facts["tenant"] == bot.teams.tenant_id


async def test_a_reply_in_a_thread_names_the_thread(bot: Bot) -> None:
    """So that a typed answer finds the request that stands there."""
    await a_card(bot)
    (card,) = bot.teams.messages("#finance-approvals")
    said = await bot.teams.person("bo").says("#finance-approvals", "@sayso approve", thread=card)
    await bot.teams.settled()
    (heard,) = bot.heard
    assert (heard.ref.message, heard.ref.thread) == (said.id, card.id)


async def test_in_a_personal_chat_no_mention_is_needed(bot: Bot) -> None:
    """And a stranger's tenant is told, whoever they say they are."""
    for name in ("bo", "zoe"):
        await bot.teams.person(name).says("@sayso", "pending")
    await bot.teams.settled()
    assert all(isinstance(one, Said) and one.to_bot and one.text == "pending" for one in bot.heard)
    assert [one.ref.facts["tenant"] == bot.teams.tenant_id for one in bot.heard] == [True, False]
    assert [one.ref.thread == one.ref.message for one in bot.heard] == [True, True]


async def test_words_to_somebody_else_are_not_for_the_bot(bot: Bot) -> None:
    """Teams sends them where the app may read along."""
    await bot.teams.deliver(bot.teams.activity("alex", "#support", "@bo look at this"))
    (heard,) = bot.heard
    assert isinstance(heard, Said)
    assert (heard.to_bot, heard.text) == (False, "<at>Bo Berg</at> look at this")


async def test_a_click_gets_the_handlers_body_as_it_is(bot: Bot) -> None:
    """The SDK would serialise it twice and fail; here it is the next card of whoever clicked."""
    await a_card(bot)
    (card,) = bot.teams.messages("#finance-approvals")
    bot.answers.append(adaptive.answer(words("Approved by you.").card))
    click = await bot.teams.person("bo").clicks(card, "Approve")
    (heard,) = bot.heard
    assert isinstance(heard, Pressed)
    assert (heard.asking, heard.ref.message, heard.ref.thread) == (Asking.EXECUTE, card.id, card.id)
    assert adaptive.pressed(heard.value).verb == "approve"
    assert heard.sender.object_id == bot.teams.person("bo").aad
    assert (click.status, bot.teams.person("bo").reads(card)) == (200, "Approved by you.")


async def test_a_refusal_is_a_sentence_under_the_card(bot: Bot) -> None:
    """With HTTP 200, or the client would show its own words."""
    await a_card(bot)
    (card,) = bot.teams.messages("#finance-approvals")
    bot.answers.append(adaptive.error("Guests cannot decide."))
    click = await bot.teams.person("bo").clicks(card, "Approve")
    assert (click.status, click.refusal) == (200, "Guests cannot decide.")


async def test_a_broken_handler_says_so(bot: Bot) -> None:
    """In words, for clicks and dialogs; with the SDK alone it would be a 501 without any. No traceback leaves."""
    await a_card(bot)
    (card,) = bot.teams.messages("#finance-approvals")
    bot.answers.append(RuntimeError("secret words"))
    click = await bot.teams.person("bo").clicks(card, "Approve")
    assert click.refusal == FAILED
    assert click.answer is not None
    assert "secret" not in click.answer.body
    bot.answers.append(RuntimeError("secret words"))
    over = {"type": "invoke", "name": "task/submit", "value": {"data": {}}, "replyToId": card.id}
    answer = await bot.teams.deliver({**bot.teams.activity("bo", "#support", ""), **over})
    assert (answer.status, json.loads(answer.body)) == (200, adaptive.closing(FAILED))
    assert "do not know whether" in FAILED


async def test_a_message_that_was_not_taken_is_not_acknowledged(bot: Bot) -> None:
    """503: Teams may bring it again."""
    bot.answers.append(RuntimeError("the store is down"))
    assert (await bot.teams.deliver(bot.teams.activity("alex", "#support", "@sayso hi"))).status == 503


async def test_a_dialog_closes_on_an_empty_answer(bot: Bot) -> None:
    """None is JSON's null."""
    over = {"type": "invoke", "name": "task/submit", "value": {"data": {}}}
    answer = await bot.teams.deliver({**bot.teams.activity("bo", "#support", ""), **over})
    assert (answer.status, answer.body) == (200, "null")


async def test_the_same_delivery_carries_the_same_token(bot: Bot) -> None:
    """Replayed or delivered again, it is the same transition; two clicks are two."""
    await a_card(bot)
    (card,) = bot.teams.messages("#finance-approvals")
    bot.answers += [adaptive.error("no")] * 4
    first = await bot.teams.person("bo").clicks(card, "Approve")
    assert first.delivery is not None
    await bot.teams.replay(first.delivery)
    await bot.teams.redeliver(first.delivery)
    await bot.teams.person("bo").clicks(card, "Approve")
    tokens = [one.token for one in bot.heard]
    assert len(set(tokens[:3])) == 1
    assert tokens[3] != tokens[0]


async def test_coming_and_going_is_heard(bot: Bot) -> None:
    """A place that was dead may work again; each is told once."""
    await bot.teams.kick_bot("#support")
    await bot.teams.invite_bot("#support")
    assert [type(one) for one in bot.heard] == [Removed, Added]
    assert bot.heard[0].ref.channel == bot.heard[1].ref.channel


@pytest.mark.parametrize(
    ("id", "channel", "root"),
    [
        ("19:a@thread.tacv2;messageid=17", "19:a@thread.tacv2", "17"),
        ("19:a@thread.tacv2", "19:a@thread.tacv2", ""),
        ("a:1xyz", "a:1xyz", ""),
        ("19:meeting_x@thread.v2", "19:meeting_x@thread.v2", ""),
    ],
)
def test_conversations_are_taken_apart_and_put_together(id: str, channel: str, root: str) -> None:
    """Only channels of a team have threads."""
    parsed = Conversation.parse(id)
    assert (parsed.channel, parsed.root, parsed.id) == (channel, root, id)
    assert Conversation.at("a:1xyz", "17").id == "a:1xyz"
    assert Conversation.at("19:meeting_x@thread.v2", "17").id == "19:meeting_x@thread.v2"
