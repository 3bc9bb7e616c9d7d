"""What people say in Teams: mentions start runs, what is private is said alone, and typed answers count nothing."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
from sayso.approvals import machine
from sayso.approvals.change import Event
from sayso.approvals.people import Identity, PersonId, Place
from sayso.approvals.request import OutcomeKind, State
from sayso.approvals.verdict import Approve
from sayso.bot.teams import hearing
from sayso.bot.teams.hearing import typed
from sayso.sandbox.faults import FOREVER, Delay, Fail, Status
from sayso.sandbox.loopback import Json
from teams_bot import TRANSPORTS
from teams_speech import CARDS, Speech, teams_speech

#: What Teams sends, with `@name` for a mention, and what was meant.
WISHES = {
    "refund @sayso order 1042": "refund order 1042",
    "@sayso ask @sayso": "ask",
    "@sayso tell @bo and @cy": "tell @Bo Berg and @Cy Chen",
    "@sayso <p>refund</p><p>order&nbsp;1042 &amp; 1043</p>": "refund\norder 1042 & 1043",
    "@sayso one<br>two<br/>three\r\nfour": "one\ntwo\nthree\nfour",
    "@sayso 1 < 2 > 0 and &lt;b&gt;": "1 < 2 > 0 and <b>",
    "@sayso https://shop.example/?a=1&copy=2": "https://shop.example/?a=1&copy=2",
    '@sayso <strong>now</strong>, <a href="https://evil.example">please</a>': "now, please",
    "@sayso half a \ud83d character": "half a ? character",
}


@pytest.fixture
async def o() -> AsyncIterator[Speech]:
    async with teams_speech() as o:
        yield o


def written(o: Speech, said: str, **changed: object) -> Json:
    """Alex in #support, as Teams would send it, with `changed` on top; not on anybody's screen."""
    activity: Json = {**o.teams.activity("alex", "#support", said), **changed}
    return {name: value for name, value in activity.items() if value is not None}


# ---- asking


@pytest.mark.parametrize("sdk", TRANSPORTS)
async def test_a_mention_starts_a_run_in_its_thread(sdk: str) -> None:
    """The run's id follows from the message, so one that is delivered again starts nothing and says nothing."""
    async with teams_speech(sdk) as o:
        said = await o.says("alex", "#support", "@sayso refund order 1042")
        run = await o.store.run(o.run_of(said))
        assert run is not None
        assert (run.asked_by, run.goal) == (PersonId("alex"), "refund order 1042")
        assert run.origin == Place(f"teams:{said.conversation}/{said.id}")
        assert o.heard_in(said) == [
            "I am on it. Whatever needs somebody's say-so will be asked, and I report here."
        ]
        delivery, _ = o.teams.delivered[-1]
        for again in (o.teams.redeliver, o.teams.replay):
            assert (await again(delivery)).ok
        assert len(await o.runs()) == 1
        assert len(o.heard_in(said)) == 1


async def test_asked_in_a_thread_it_is_reported_there(o: Speech) -> None:
    """Two mentions in one thread are two runs; both belong to that thread."""
    root = await o.says("bo", "#support", "Dana Smith is angry")
    said = [
        await o.says("alex", "#support", text, thread=root)
        for text in ("@sayso refund her", "@sayso and call")
    ]
    runs = [await o.store.run(o.run_of(one)) for one in said]
    assert [run.origin for run in runs if run] == [Place(f"teams:{root.conversation}/{root.id}")] * 2
    assert len(o.heard_in(root)) == 2


async def test_in_the_personal_chat_no_mention_is_needed(o: Speech) -> None:
    """It is answered right there."""
    said = await o.says("alex", "@sayso", "refund order 1042")
    run = await o.store.run(o.run_of(said))
    assert run is not None
    assert run.origin == Place(f"teams:{said.conversation}/{said.id}")
    assert [one[:10] for one in o.told("alex")] == ["I am on it"]


@pytest.mark.parametrize(
    ("name", "channel", "words"),
    [
        ("gil", "#support", "Guests cannot ask"),
        ("zoe", "@sayso", "outside this workspace cannot ask"),
        ("zoe", "#partners", "I do not know you"),
    ],
)
async def test_who_is_not_known_starts_nothing(o: Speech, name: str, channel: str, words: str) -> None:
    """The reason is told to them alone; a foreign tenant is told by the chat, elsewhere Entra does not know them."""
    said = await o.says(
        name, channel, "refund order 1042" if channel == "@sayso" else "@sayso refund order 1042"
    )
    assert await o.runs() == []
    assert words in o.told(name)[-1]
    assert o.heard_in(said) == (o.told(name) if channel == "@sayso" else [])


async def test_where_nobody_can_be_told_alone_the_reason_stands_in_the_thread(o: Speech) -> None:
    """Ned has not added the app to a chat of his own."""
    said = await o.says("ned", "#support", "@sayso refund order 1042")
    assert o.heard_in(said) == ["I do not know you: you are not in sayso's list of people."]
    assert await o.runs() == []


async def test_while_nobody_can_be_recognised_nothing_starts(o: Speech) -> None:
    """Microsoft Graph is down; whoever asked reads that, and Teams does not send it again."""
    o.teams.graph.faults.add(Status(503), on="users", times=FOREVER)
    await o.says("alex", "#support", "@sayso refund order 1042")
    assert o.told("alex")[0].startswith("I cannot check who you are right now")
    assert await o.runs() == []


async def test_a_message_without_an_account_is_refused(o: Speech) -> None:
    """Teams leaves the object id out for whoever joined a meeting by a link: a name is no account."""
    root = await o.says("bo", "#support", "Dana Smith is angry")
    where = {"conversation": {"id": root.thread, "conversationType": "channel"}}
    sender = {"from": {"id": "29:1anonymous", "name": "Bo Berg"}}
    for text in ("@sayso refund order 1042", "@sayso pending"):
        assert (await o.teams.deliver(written(o, text, **where, **sender))).ok
    words = "Teams does not tell me whose account this message comes from, so I do nothing about it."
    assert o.heard_in(root) == [words] * 2
    assert await o.runs() == []


async def test_other_bots_and_ordinary_talk_are_left_alone(o: Speech) -> None:
    """Nor is a message without an id taken: it could not be told from the next one."""
    bot = {"id": "28:another-bot", "name": "Bo Berg", "aadObjectId": o.teams.person("bo").aad}
    strange: list[Json] = [{"from": bot}, {"id": None}, {"entities": []}]
    for changed in strange:
        assert (await o.teams.deliver(written(o, "@sayso refund order 1042", **changed))).ok
    assert await o.runs() == []
    assert o.teams.calls == []


async def test_too_long_a_wish_is_refused_in_words(o: Speech) -> None:
    """Nothing is cut off and then acted on."""
    await o.says("alex", "#support", "@sayso " + "refund everybody " * 150)
    assert o.told("alex") == ["That is longer than 2,000 characters; please say it shorter."]
    assert await o.runs() == []


# ---- asking what there is


async def test_help_is_said_where_it_was_asked_for(o: Speech) -> None:
    """A mention and nothing else asks for it, too."""
    for text in ("@sayso", "@sayso help", "@sayso  ?", "  @sayso\xa0HELP&nbsp;"):
        said = await o.says("bo", "#support", text)
        (words,) = o.heard_in(said)
        assert words.startswith("Mention me and say what you need done")
        assert "buttons" in words
    assert o.told("bo") == []


async def test_what_waits_for_me_is_listed_for_me_alone(o: Speech) -> None:
    """Whoever reads along in the channel learns nothing about it."""
    await o.asks()
    said = await o.says("bo", "#support", "@sayso Pending")
    assert o.heard_in(said) == []
    (listed,) = o.told("bo")
    assert "Refund 129.90" in listed
    await o.says("bo", "@sayso", "pending")
    assert o.told("bo") == [listed, listed]
    await o.says("alex", "#support", "@sayso pending")
    assert o.told("alex") == ["Nothing waits for you."]


async def test_without_a_chat_of_ones_own_no_list_is_shown(o: Speech) -> None:
    """The thread says why, and not what is on it."""
    await o.asks()
    o.teams.tenant.user_named("bo").bot_installed = False
    said = await o.says("bo", "#support", "@sayso pending")
    (words,) = o.heard_in(said)
    assert "cannot write to you alone" in words
    assert "129.90" not in words


# ---- answers that were typed


async def test_a_typed_answer_counts_nothing_and_leads_to_the_card(o: Speech) -> None:
    """What the card showed when it was typed cannot be known, so the answer is a link; and it is no new run."""
    request = await o.asks()
    card = o.card()
    for text in ("approve", "APPROVE", "reject wrong order", "modify order=1043", "reject", "Modify amount"):
        await o.says("bo", "#finance-approvals", f"@sayso {text}", thread=card)
        answer = o.teams.messages("#finance-approvals")[-1]
        assert answer.root == card.id
        assert answer.text_as_seen().startswith("Nothing was counted")
        ((label, address),) = answer.live_links()
        assert label == "teams.microsoft.com"
        assert f"/{card.id}?" in address
    after = await o.now(request)
    assert (after.state, after.votes) == (State.OPEN, ())
    assert await o.runs() == []


async def test_each_card_of_the_thread_is_linked(o: Speech) -> None:
    """Two requests were asked in one thread."""
    await o.asks()
    card = o.card()
    await o.asks(Place(f"{CARDS}/{card.id}"), interrupt="i2")
    await o.says("bo", "#finance-approvals", "@sayso approve", thread=card)
    addresses = [address for _, address in o.teams.messages("#finance-approvals")[-1].live_links()]
    assert len({address.partition("?")[0] for address in addresses}) == 2


async def test_in_a_chat_the_card_is_above(o: Speech) -> None:
    """Sue has it in her personal chat, where messages have no address of their own."""
    chat = o.teams.tenant.personal_chat(o.teams.tenant.user_named("bo")).id
    request = await o.asks(Place(f"teams:{chat}"))
    await o.says("bo", "@sayso", "approve")
    assert o.told("bo")[-1] == (
        "Nothing was counted: in Teams a card is answered with its own buttons. Please press one on the card above."
    )
    assert (await o.now(request)).votes == ()
    said = await o.says("cy", "@sayso", "reject the invoice of ACME")
    assert await o.store.run(o.run_of(said)) is not None


@pytest.mark.parametrize("said", ["approve", "Approve", "modify amount=5.00"])
async def test_an_answer_to_a_closed_card_of_a_chat_starts_nothing(o: Speech, said: str) -> None:
    """The card above is closed, and a chat has no threads: it is told so, and is no wish of its own."""
    chat = o.teams.tenant.personal_chat(o.teams.tenant.user_named("bo")).id
    request = await o.asks(Place(f"teams:{chat}"))
    await o.store.change(
        request.id, lambda r, now: machine.closed(r, OutcomeKind.EXPIRED, "Nobody decided in time.", now)
    )
    await o.says("bo", "@sayso", said)
    assert o.told("bo")[-1].startswith("Nothing in this chat waits for an answer any more")
    assert await o.runs() == []


async def test_an_answer_that_comes_too_late_is_told_so(o: Speech) -> None:
    """Bo has pressed the button already."""
    request = await o.asks()
    bo = Identity(platform="teams", tenant=o.teams.tenant_id, user=o.teams.person("bo").aad)
    await o.desk.answer(request.id, 1, Approve(), bo, token="a click")
    said = await o.says("cy", "#finance-approvals", "@sayso approve", thread=o.card())
    (words,) = o.heard_in(said)
    assert words.startswith("Approved by @Bo")
    assert words.endswith("Your answer came later and was not counted.")
    assert await o.runs() == []


async def test_an_answer_to_a_closed_card_is_told_so(o: Speech) -> None:
    """It is on record as well, and no new run."""
    request = await o.asks()
    card = o.card()
    await o.store.change(request.id, lambda r, now: machine.withdrawn(r, PersonId("alex"), "never mind", now))
    said = await o.says("bo", "#finance-approvals", "@sayso reject too late", thread=card)
    (words,) = o.heard_in(said)
    assert "your answer was not counted" in words
    trail = [record.entry.event for record in await o.store.trail(request.ask.run.thread)]
    assert trail[-1] is Event.REFUSED_ANSWER
    assert await o.runs() == []


async def test_where_no_card_stands_it_is_a_wish_like_any_other(o: Speech) -> None:
    """“Reject …” may be what somebody wants done."""
    await o.asks()
    said = await o.says("alex", "#support", "@sayso reject the invoice of ACME")
    run = await o.store.run(o.run_of(said))
    assert run is not None
    assert run.goal == "reject the invoice of ACME"


# ---- when something is down


async def test_what_cannot_be_kept_is_not_taken(o: Speech) -> None:
    """503 while the store is down; delivered once more it starts, once."""
    wish = written(o, "@sayso refund order 1042")
    o.store.down = True
    assert (await o.teams.deliver(wish)).status == 503
    assert await o.runs() == []
    o.store.down = False
    for _ in range(2):
        assert (await o.teams.deliver(wish)).status == 200
    assert len(await o.runs()) == 1


@pytest.mark.parametrize("code", ["BotNotInConversationRoster", "ConversationNotFound", "ServiceUnavailable"])
async def test_what_is_done_is_done_even_when_it_cannot_be_said(o: Speech, code: str) -> None:
    """The run has started; Teams reads 200 and does not send it again."""
    o.teams.faults.add(Fail(code), on="post")
    o.teams.faults.add(Fail(code), on="reply")
    assert (await o.teams.deliver(written(o, "@sayso refund order 1042"))).status == 200
    assert len(await o.runs()) == 1


async def test_a_slow_teams_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own patience with us ends after fifteen seconds, and then it would send the message again."""
    monkeypatch.setattr(hearing, "PATIENCE", 0.05)
    async with teams_speech("agents") as o:
        o.teams.faults.add(Delay(1), on="post")
        o.teams.faults.add(Delay(1), on="reply")
        assert (await o.teams.deliver(written(o, "@sayso refund order 1042"))).status == 200
        assert o.teams.calls == []  # whatever was sent has no answer yet
        assert len(await o.runs()) == 1


# ---- coming and going


async def test_where_it_comes_it_greets_once_and_what_was_dead_is_tried_again(o: Speech) -> None:
    """However often it is taken out and put back; in all of the team, for Teams names only one of its channels."""
    for _ in range(2):
        await o.teams.kick_bot("#support")
        await o.teams.invite_bot("#support")
    (greeting,) = o.teams.messages("#support")
    assert greeting.text_as_seen().startswith("I am sayso")
    places = [Place(f"teams:{o.teams.channel_id(name)}") for name in ("#support", "#ops-approvals")]
    assert [[*map(back, places)] for back in o.revived.asked] == [[True, True]] * 2
    assert not any(back(Place("slack:C0SUPPORT")) or back(Place("teams:a:1chat")) for back in o.revived.asked)


async def test_what_was_dead_is_not_forgotten_while_the_store_is_down(o: Speech) -> None:
    """Teams is told 503 and says it once more; the greeting comes then."""
    o.revived.down = True
    await o.teams.invite_bot("#support")
    delivery, answer = o.teams.delivered[-1]
    assert answer.status == 503
    assert o.teams.messages("#support") == []
    o.revived.down = False
    assert (await o.teams.redeliver(delivery)).ok
    assert len(o.teams.messages("#support")) == len(o.revived.asked) == 1


# ---- what people typed


async def test_the_wish_is_what_the_person_typed(o: Speech) -> None:
    """Without our own mention, wherever it stands, and without Teams' markup."""
    for text, wish in WISHES.items():
        before = len(await o.runs())
        assert (await o.teams.deliver(written(o, text))).ok
        assert [run.goal for run in (await o.runs())[before:]] == [wish]


async def test_a_bot_is_known_by_its_id_whatever_it_is_called(o: Speech) -> None:
    """An administrator renamed the app; somebody else has taken its old name."""
    entity = {
        "type": "mention",
        "text": "<at>Say &amp; So</at>",
        "mentioned": {"id": o.teams.bot_id, "name": "Say & So"},
    }
    text = "<at>Say &amp; So</at> refund order 1042"
    assert (await o.teams.deliver(written(o, "@sayso", text=text, entities=[entity]))).ok
    namesake = {**entity, "mentioned": {"id": "28:namesake", "name": "sayso"}}
    assert (await o.teams.deliver(written(o, "@sayso", text=text, entities=[namesake]))).ok
    assert [run.goal for run in await o.runs()] == ["refund order 1042"]


@pytest.mark.parametrize(
    "text", ["<at>" * 100_000, "<at " * 100_000, "<br " * 100_000, "&" * 300_000, "&#" + "1" * 300_000, " \t" * 200_000]
)  # fmt: skip
def test_hostile_markup_costs_no_time(text: str) -> None:
    """As much as fits into one delivery."""
    began = time.process_time()
    typed(f"x{text}y")
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("&#0;&#xD800;&#x110000;", "\ufffd" * 3), ("&nosuch;", "&nosuch;"), ("&amp;lt;", "&lt;"),
        ("a   b\xa0\xa0c  ", "a b c"), ("a\n   indented", "a\n   indented"), ('<AT id="0">Bo</AT>', "@Bo"),
        ("<script>x</script>", "<script>x</script>"), ("&lt;at&gt;Bo&lt;/at&gt;", "<at>Bo</at>"), ("", ""),
    ],
)  # fmt: skip
def test_markup_is_taken_off_once(text: str, bare: str) -> None:
    """What remains is text, and is escaped like any other wherever it is shown."""
    assert typed(text) == bare
