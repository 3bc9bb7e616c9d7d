"""The contract of every transport to Teams: posts, replies, updates, rosters, and each failure by its name."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from urllib.parse import unquote

import pytest
from sayso.approvals.errors import SaysoError
from sayso.approvals.store import MessageRef
from sayso.bot.channel import ChannelError, Dead, Gone, RetryLater, Unclear
from sayso.bot.teams import agents_transport, transport
from sayso.bot.teams.port import Conversation, Member, Transport
from sayso.sandbox.faults import Delay, Dropped, Fail, Fault, LostReply, RateLimited, Status
from teams_bot import TRANSPORTS, Bot, registration_in, stall_during, teams_bot, words

FIVE = timedelta(seconds=5)


@pytest.fixture(params=TRANSPORTS)
async def bot(request: pytest.FixtureRequest) -> AsyncIterator[Bot]:
    async with teams_bot(request.param) as bot:
        yield bot


def support(bot: Bot) -> str:
    return bot.teams.channel_id("#support")


def seen(bot: Bot, channel: str = "#support") -> list[str]:
    return [one.text_as_seen() for one in bot.teams.messages(channel)]


async def raised(work: Awaitable[object]) -> SaysoError | None:
    try:
        await work
    except ChannelError as error:
        return error
    return None


async def test_a_new_post_begins_a_thread(bot: Bot) -> None:
    """The reference says everything any other process needs to redraw it."""
    ref = await bot.transport.post_root(support(bot), words("Refund?"))
    (message,) = bot.teams.messages("#support")
    assert (ref.platform, ref.channel, ref.message, ref.thread) == (
        "teams", message.conversation, message.id, message.id,
    )  # fmt: skip
    assert ref.facts == {
        "tenant": bot.teams.tenant_id, "service_url": bot.teams.service_url, "bot_id": bot.teams.bot_id,
    }  # fmt: skip
    assert (message.push_text, message.text) == ("Refund?", "")


async def test_a_reply_stands_in_its_thread(bot: Bot) -> None:
    """Written as it is, and not as the answer to an activity that the SDK made up."""
    root = await bot.transport.post_root(support(bot), words("Refund?"))
    ref = await bot.transport.reply(Conversation.at(root.channel, root.message), words("Still waiting."))
    first, second = bot.teams.messages("#support")
    assert (second.root, ref.message, ref.thread) == (first.id, second.id, first.id)
    assert bot.teams.calls[-1].name == "post"
    assert "replyToId" not in bot.teams.calls[-1].body


async def test_any_process_redraws_a_post(bot: Bot) -> None:
    """In place, with nothing but the reference; roots, replies and personal messages alike."""
    root = await bot.transport.post_root(support(bot), words("root"))
    reply = await bot.transport.reply(Conversation.at(root.channel, root.message), words("reply"))
    chat = await bot.transport.direct(bot.teams.person("bo").aad)
    direct = await bot.transport.reply(chat, words("direct"))
    elsewhere = bot.another(registration_in(bot.teams, service_url="http://127.0.0.1:9/"))
    for ref in (root, reply, direct):
        await elsewhere.update(ref, words("decided"))
    assert seen(bot) == ["decided", "decided"]
    assert [one.text_as_seen() for one in bot.teams.person("bo").direct_messages()] == ["decided"]


async def test_a_personal_chat_is_found_by_the_entra_id(bot: Bot) -> None:
    """The same chat each time; a person without the app cannot be written to, and an unknown one neither."""
    bo = bot.teams.person("bo")
    chats = [await bot.transport.direct(bo.aad) for _ in range(2)]
    assert chats[0] == chats[1]
    await bot.transport.reply(chats[0], words("A request waits."))
    assert [one.text_as_seen() for one in bo.direct_messages()] == ["A request waits."]
    with pytest.raises(Dead, match="the app has to be installed"):
        await bot.transport.direct(bot.teams.person("ned").aad)


async def test_a_roster_is_read_to_its_end(bot: Bot) -> None:
    """Page by page; guests and strangers are told apart, which their activities alone do not do."""
    bot.teams.small_pages(3)
    found = await bot.transport.members(Conversation(channel=support(bot)))
    assert len(found) == 8
    assert [one.name for one in found if one.guest] == ["Gil Guest"]
    bo = next(one for one in found if one.name == "Bo Berg")
    assert (bo.id, bo.object_id) == (bot.teams.person("bo").id, bot.teams.person("bo").aad)
    partners = await bot.transport.members(Conversation(channel=bot.teams.channel_id("#partners")))
    assert [one.name for one in partners if one.tenant != bot.teams.tenant_id] == ["Zoe Zone"]


async def test_a_roster_without_end_is_given_up(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the cause, such a list is no answer, and nobody waits for ever."""
    for module in (transport, agents_transport):
        monkeypatch.setattr(module, "MOST_PAGES", 2)
    bot.teams.small_pages(3)
    with pytest.raises(Unclear):
        await bot.transport.members(Conversation(channel=support(bot)))
    assert len(bot.teams.calls) == 2


TROUBLES: tuple[tuple[Fault, type[ChannelError], str], ...] = (
    (Fail("PreconditionFailed"), RetryLater, ""),
    (Status(502), RetryLater, ""),
    (Status(503), RetryLater, ""),
    (Status(504), RetryLater, ""),
    (Fail("BotNotInConversationRoster"), Dead, "the app has to be installed"),
    (Fail("BotDisabledByAdmin"), Dead, "an administrator has disabled the app"),
    (Fail("ConversationBlockedByUser"), Dead, "has blocked the app"),
    (Fail("MessageWritesBlocked"), Dead, "archived or locked"),
    (Fail("MessageSizeTooBig"), Dead, "too big"),
    (Fail("BadArgument"), Dead, "Teams says BadArgument"),
    (Status(418), Dead, "Teams says ServiceError"),
    (Fail("ConversationNotFound"), Gone, "ConversationNotFound"),
    (Fail("ActivityNotFoundInConversation"), Gone, "ActivityNotFoundInConversation"),
    (Status(500), Unclear, ""),
    (LostReply(), Unclear, ""),
    (Dropped(), Unclear, ""),
    (RateLimited(None), RetryLater, ""),
    (RateLimited(7), RetryLater, ""),  # last: nobody may call again before
)


@pytest.mark.parametrize("verb", ["create", "post", "update", "pagedmembers"])
async def test_every_failure_has_its_name(bot: Bot, verb: str) -> None:
    """One call each, never repeated by the SDK; whatever it was, the next call works."""
    root = await bot.transport.post_root(support(bot), words("root"))
    thread = Conversation.at(root.channel, root.message)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "create": lambda: bot.transport.post_root(support(bot), words("x")),
        "post": lambda: bot.transport.reply(thread, words("x")),
        "update": lambda: bot.transport.update(root, words("x")),
        "pagedmembers": lambda: bot.transport.members(thread),
    }
    for fault, kind, why in TROUBLES:
        before = len(bot.teams.calls)
        bot.teams.faults.add(fault, on=verb)
        error = await raised(calls[verb]())
        assert type(error) is kind or isinstance(error, kind), fault
        assert why in str(error), fault
        assert len(bot.teams.calls) - before == 1, fault
        if isinstance(error, RetryLater):
            assert error.after == (timedelta(seconds=7) if fault == RateLimited(7) else FIVE), fault


async def test_a_lost_answer_is_unclear_because_it_may_stand_there(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that broke, and an answer that took too long: both cards stand, though nobody said so."""
    monkeypatch.setattr(sys.modules[type(bot.transport).__module__], "PATIENCE", 0.3)
    bot.teams.faults.add(LostReply(), on="create")
    assert isinstance(await raised(bot.transport.post_root(support(bot), words("lost"))), Unclear)
    bot.teams.faults.add(Delay(0.5), on="create")
    assert isinstance(await raised(bot.transport.post_root(support(bot), words("late"))), Unclear)
    await bot.teams.until(lambda: seen(bot) == ["lost", "late"])


async def test_nobody_listening_means_that_nothing_was_sent(bot: Bot) -> None:
    """A refused connection may be tried again."""
    nowhere = bot.another(registration_in(bot.teams, service_url="http://127.0.0.1:9/"))
    assert isinstance(await raised(nowhere.post_root(support(bot), words("x"))), RetryLater)


async def test_the_newest_service_url_wins(bot: Bot) -> None:
    """Teams moves a conversation: what it said last is where cards are posted and redrawn, old ones too."""
    old = await bot.transport.post_root(support(bot), words("old"))
    bot.teams.move_to("amer")
    await bot.teams.person("alex").says("#support", "@sayso hello")
    await bot.teams.settled()
    new = await bot.transport.post_root(support(bot), words("new"))
    await bot.transport.update(old, words("redrawn"))
    assert [call.region for call in bot.teams.calls] == ["emea", "amer", "amer"]
    assert new.facts["service_url"] == bot.teams.service_url


async def test_a_strangers_tenant_does_not_say_where_ours_lives(bot: Bot) -> None:
    """It may be in another part of the world; its own chat is written to there."""
    bot.teams.move_to("amer")
    await bot.teams.person("zoe").says("@sayso", "hello")
    await bot.teams.settled()
    await bot.transport.post_root(support(bot), words("ours"))
    await bot.transport.reply(Conversation(channel=bot.heard[0].ref.channel), words("theirs"))
    assert [call.region for call in bot.teams.calls] == ["emea", "amer"]


async def test_a_bad_token_teaches_no_address(bot: Bot) -> None:
    """Or the bot's own token would go wherever a stranger says."""
    activity = bot.teams.activity("bo", "#support", "hi", serviceUrl="http://127.0.0.1:9/")
    assert (await bot.teams.deliver(activity)).status == 401
    await bot.transport.post_root(support(bot), words("safe"))
    assert seen(bot) == ["safe"]


async def test_one_token_request_per_lifetime(bot: Bot) -> None:
    """For twenty calls at once and for every turn; the next one comes five minutes before the token dies."""
    chats = await asyncio.gather(*(bot.transport.direct(bot.teams.person("bo").aad) for _ in range(20)))
    await bot.teams.person("alex").says("#support", "@sayso hello")
    await bot.teams.settled()
    assert bot.token_requests() == 1
    bot.clock[0] = 54 * 60
    await bot.transport.reply(chats[0], words("x"))
    assert bot.token_requests() == 1
    bot.clock[0] = 56 * 60
    await bot.transport.reply(chats[0], words("x"))
    assert bot.token_requests() == 2


async def test_a_token_that_teams_refuses_is_replaced(bot: Bot) -> None:
    """It ended early by Teams' clock: the same call goes through with another one, whatever it is."""
    root = await bot.transport.post_root(support(bot), words("first"))
    calls: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: bot.transport.post_root(support(bot), words("second")),
        lambda: bot.transport.reply(Conversation.at(root.channel, root.message), words("third")),
        lambda: bot.transport.update(root, words("redrawn")),
        lambda: bot.transport.members(Conversation(channel=root.channel)),
    )
    for number, call in enumerate(calls, start=2):
        bot.workplace.tokens.advance(bot.workplace.tokens.lifetime + 1)
        await call()
        assert bot.token_requests() == number
    assert seen(bot) == ["redrawn", "second", "third"]


async def test_credentials_that_teams_refuses_are_said_so(bot: Bot) -> None:
    """With another token it is no better: it is not tried a third time."""
    await bot.transport.post_root(support(bot), words("first"))
    for _ in range(2):
        bot.teams.faults.add(Fail("Unauthorized"), on="create")
    error = await raised(bot.transport.post_root(support(bot), words("x")))
    assert isinstance(error, Dead)
    assert "does not accept sayso's credentials" in str(error)
    await bot.transport.post_root(support(bot), words("second"))
    assert (bot.token_requests(), len(bot.teams.calls), seen(bot)) == (2, 4, ["first", "second"])


async def test_without_a_token_nothing_is_sent(bot: Bot) -> None:
    """The token service is down: later. It refuses the secret: dead, in words an operator understands."""
    bot.workplace.tokens.faults.add(Status(503), on="/oauth2/v2.0/token")
    assert isinstance(await raised(bot.transport.post_root(support(bot), words("x"))), RetryLater)
    bot.workplace.tokens.client_secret = "another one"
    error = await raised(bot.transport.post_root(support(bot), words("x")))
    assert isinstance(error, Dead)
    assert "sayso cannot sign in to Teams" in str(error)
    assert bot.teams.calls == []


async def test_nothing_stands_still_while_a_token_is_fetched(bot: Bot) -> None:
    """Nor while Teams takes its time: the loop goes on turning, and does less than 50 ms of work in one go."""
    bot.workplace.tokens.faults.add(Delay(0.8), on="/oauth2/v2.0/token")
    bot.teams.faults.add(Delay(0.8), on="create")
    stall = await stall_during(bot.transport.post_root(support(bot), words("x")))
    # Work of ours is counted in processor time: a busy machine is not our stall. Waiting is counted by the wall.
    assert stall.worked < 0.05
    assert stall.waited < 0.7


async def test_a_slow_teams_holds_up_nobody_else(bot: Bot) -> None:
    """Calls that hang keep threads of their own busy, and none of those that everybody shares."""
    await bot.transport.post_root(support(bot), words("the token is there"))
    bot.teams.faults.add(Delay(2), on="create", times=40)
    posts = [asyncio.create_task(bot.transport.post_root(support(bot), words("x"))) for _ in range(40)]
    for _ in range(100):
        await asyncio.sleep(0)  # all of them are on their way
    others = asyncio.gather(*(asyncio.to_thread(threading.get_ident) for _ in range(8)))
    await asyncio.wait_for(others, 1.5)
    assert not any(post.done() for post in posts)
    for post in posts:
        post.cancel()
    await asyncio.gather(*posts, return_exceptions=True)


async def test_no_proxy_stands_before_our_own_machine(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment may name one for everybody else: keys, token and messages go straight."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    await bot.transport.post_root(support(bot), words("straight"))
    activity = bot.teams.activity("bo", "#support", "@sayso hello")
    assert (await bot.teams.deliver(activity)).status == 200
    assert seen(bot) == ["straight"]


@asynccontextmanager
async def somebody(answer: bytes) -> AsyncIterator[tuple[str, list[str]]]:
    """A service URL where everybody gets this answer, and the addresses that were asked for."""
    asked: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head.split(" ")[1])
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        await reader.readexactly(int(length[1]) if length else 0)
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/teams", asked


def saying(body: bytes) -> bytes:
    """A success over HTTP."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


Calls = dict[str, Callable[[], Awaitable[object]]]


def calls_of(transport: Transport, channel: str = "19:a@thread.tacv2") -> Calls:
    """Every verb that writes into a conversation or reads its roster, by the sandbox's name for it."""
    ref = MessageRef(platform="teams", channel=channel, message="1", thread="1")
    return {
        "create": lambda: transport.post_root(channel, words("x")),
        "post": lambda: transport.reply(Conversation.at(channel, "1"), words("x")),
        "update": lambda: transport.update(ref, words("x")),
        "pagedmembers": lambda: transport.members(Conversation(channel=channel)),
    }


async def test_nobody_is_followed_elsewhere(bot: Bot) -> None:
    """A redirect is a refusal: neither card nor token goes where somebody else points."""
    async with somebody(saying(b"{}")) as (elsewhere, asked_there):
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        async with somebody(moved) as (here, asked_here):
            for call in calls_of(bot.another(registration_in(bot.teams, service_url=here))).values():
                assert isinstance(await raised(call()), Dead)
    assert (len(asked_here), asked_there) == (4, [])


async def test_an_id_is_one_part_of_an_address_whatever_is_in_it(bot: Bot) -> None:
    """And however long it is: a shortened one would be somebody else's."""
    id = f"a:1{'x' * 300}/../v3;?#%2F@ü"
    async with somebody(saying(b'{"id": "1"}')) as (here, asked):
        calls = calls_of(bot.another(registration_in(bot.teams, service_url=here)), id)
        for verb in ("post", "update", "pagedmembers"):
            await calls[verb]()
    parts = [[unquote(part) for part in one.partition("?")[0].split("/")] for one in asked]
    assert parts == [
        ["", "teams", "v3", "conversations", id, "activities"],
        ["", "teams", "v3", "conversations", id, "activities", "1"],
        ["", "teams", "v3", "conversations", id, "pagedmembers"],
    ]


async def test_a_success_without_an_id_is_unclear(bot: Bot) -> None:
    """The card may stand there, but nobody knows where."""
    for body in (b"", b"null", b"[]", b"{}", b'{"id": ""}', b'{"id": null}', b"no JSON", b"\xff"):
        async with somebody(saying(body)) as (here, asked):
            calls = calls_of(bot.another(registration_in(bot.teams, service_url=here)))
            for verb in ("create", "post"):
                assert isinstance(await raised(calls[verb]()), Unclear), (verb, body)
        assert len(asked) == 2


async def test_a_roster_may_leave_things_out(bot: Bot) -> None:
    """Somebody without a name or Entra id does not hide all the others."""
    told = [
        {"id": "29:1", "name": None, "aadObjectId": None},
        {"id": "29:2", "name": "Bo", "aadObjectId": "b", "more": {}},
    ]
    page = json.dumps({"members": told, "continuationToken": None}).encode()
    async with somebody(saying(page)) as (here, _):
        transport = bot.another(registration_in(bot.teams, service_url=here))
        found = await transport.members(Conversation(channel="19:a@thread.tacv2"))
    assert found == [Member(id="29:1"), Member(id="29:2", object_id="b", name="Bo")]


async def test_a_gone_post_is_told_apart_from_a_gone_place(bot: Bot) -> None:
    """What was deleted or never was is Gone; where the bot may not write is Dead."""
    ref = await bot.transport.post_root(support(bot), words("x"))
    assert isinstance(await raised(bot.transport.update(replace(ref, message="1"), words("y"))), Gone)
    unknown = MessageRef(platform="teams", channel="19:no@thread.tacv2", message="1", thread="1")
    assert isinstance(await raised(bot.transport.update(unknown, words("y"))), Gone)
    for channel in ("#random", "#old-project"):
        assert isinstance(
            await raised(bot.transport.post_root(bot.teams.channel_id(channel), words("y"))), Dead
        )
