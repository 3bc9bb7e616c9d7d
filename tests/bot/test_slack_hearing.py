"""What people say in Slack: mentions start runs, and typed answers count only where it is certain what they answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from office import ROUTE, Office, office, the_policy
from sayso.approvals import machine
from sayso.approvals.change import Change, Event
from sayso.approvals.people import PersonId, Place
from sayso.approvals.request import Request, State
from sayso.approvals.verdict import Approve, Modify, Reject, Rule, ThreadId
from sayso.bot.hearing import addressed
from sayso.sandbox.slack import Message, SlackTimes
from scenes import an_action

TWO = replace(ROUTE, rule=Rule(approvers=("finance",), needed=2))


async def whispered(o: Office, name: str) -> str:
    person = o.slack.person(name)
    await o.slack.until(lambda: person.ephemerals)
    return "\n".join(message.text_as_seen() for message in person.ephemerals)


async def says_in_thread(o: Office, name: str, text: str, card: Message) -> Message:
    said = await o.slack.person(name).says("#finance-approvals", text, thread=card)
    await o.slack.settled()
    return said


async def test_a_mention_starts_a_run_in_its_thread() -> None:
    """The run's id follows from the message, so a redelivered event starts nothing again."""
    async with office() as o:
        said = await o.slack.person("alex").says("#support", "@sayso refund order 1042 <129.90 & a smile>")
        await o.slack.settled()
        run = await o.store.run(ThreadId(f"slack:T0WORKPLACE:C0SUPPORT:{said.ts}"))
        assert run is not None
        assert (run.asked_by, run.origin) == (PersonId("alex"), Place(f"slack:C0SUPPORT/{said.ts}"))
        assert run.goal == "refund order 1042 <129.90 & a smile>"
        await o.slack.until(lambda: len(o.slack.person("alex").sees_in_thread(said)) == 2)
        mention = next(request for request, _ in o.slack.delivered if request.what == "event app_mention")
        assert (await o.slack.redeliver(mention)).ok
        assert len(await o.store.unfinished()) == 1
        assert len(o.slack.person("alex").sees_in_thread(said)) == 2


@pytest.mark.parametrize(
    ("said", "graph", "goal"),
    [
        ("refund order 1042", "ops", "refund order 1042"),
        ("mails: write to Dana", "mails", "write to Dana"),
        ("MAILS : write to Dana", "mails", "write to Dana"),
        ("nobody: write to Dana", "ops", "nobody: write to Dana"),
        ("mails:", "ops", "mails:"),
    ],
)
def test_an_agent_is_chosen_by_its_name(said: str, graph: str, goal: str) -> None:
    """Otherwise it is the first of the settings."""
    assert addressed(said, ("ops", "mails")) == (graph, goal)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gil", "Guests cannot ask"),
        ("ned", "I do not know you"),
    ],
)
async def test_who_is_not_known_starts_nothing(name: str, words: str) -> None:
    """The reason is whispered to them."""
    async with office() as o:
        await o.slack.person(name).says("#support", "@sayso refund order 1042")
        assert words in await whispered(o, name)
        assert await o.store.unfinished() == []


async def test_help_and_what_waits_for_me() -> None:
    """`help`, nothing at all, and `pending`."""
    async with office() as o:
        await o.asks()
        for text, words in (
            ("@sayso", "Mention me"),
            ("@sayso help", "Mention me"),
            ("@sayso pending", "Refund 129.90"),
        ):
            seen = len(o.slack.person("bo").ephemerals)
            await o.slack.person("bo").says("#support", text)
            await o.slack.until(lambda seen=seen: len(o.slack.person("bo").ephemerals) > seen)  # type: ignore[misc]
            assert words in o.slack.person("bo").ephemerals[-1].text_as_seen()
        await o.slack.person("alex").says("#support", "@sayso pending")
        assert "Nothing waits for you" in await whispered(o, "alex")


async def test_other_bots_and_ordinary_talk_are_left_alone() -> None:
    """No run, no answer."""
    async with office() as o:
        await o.asks()
        await o.slack.person("bo").says("#finance-approvals", "approve")
        await o.slack.person("bo").says("#finance-approvals", "I would approve of it", thread=o.card())
        await o.slack.settled()
        assert o.slack.person("bo").ephemerals == []
        assert await o.store.unfinished() == [
            one for one in await o.store.unfinished() if one.thread.startswith("t-")
        ]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("Approve", Approve()), ("reject wrong order", Reject("wrong order")), ("modify order=1043", Modify({"order": 1043}))],
)  # fmt: skip
async def test_a_typed_answer_counts(text: str, verdict: object) -> None:
    """Exactly one request stands in the thread and was there before the message."""
    async with office() as o:
        request = await o.asks()
        await says_in_thread(o, "bo", text, o.card())
        after = await o.now(request)
        assert after.decision is not None
        assert after.decision.verdict == verdict
        assert await whispered(o, "bo")


@pytest.mark.parametrize("text", ["approve", "reject too late", "modify amount=3.00"])
async def test_an_answer_to_a_closed_card_is_told_that_it_is_too_late(text: str) -> None:
    """As the buttons say, and it is on record; talk about it is left alone."""
    async with office() as o:
        request = await o.asks()
        card = o.card()
        await o.store.change(
            request.id, lambda r, now: machine.withdrawn(r, PersonId("alex"), "never mind", now)
        )
        for talk in ("I would have approved", "ok", "modify", "approve!"):
            await says_in_thread(o, "bo", talk, card)
        assert o.slack.person("bo").ephemerals == []
        await says_in_thread(o, "bo", text, card)
        assert "your answer was not counted" in await whispered(o, "bo")
        assert (await o.events(request))[-1] is Event.REFUSED_ANSWER
        assert (await o.now(request)).state is State.CLOSED


async def test_a_counted_answer_that_slack_delivers_again_reads_as_the_first_time() -> None:
    """Also when the request has closed since: it was this very answer."""
    async with office() as o:
        request = await o.asks()
        said = await says_in_thread(o, "bo", "reject wrong order", o.card())
        first = await whispered(o, "bo")
        assert (await o.now(request)).state is State.DECIDED
        await o.store.change(request.id, lambda r, _: Change(request=replace(r, state=State.CLOSED)))
        before = await o.events(request)
        await o.slack.redeliver(next(r for r, _ in o.slack.delivered if said.ts.encode() in r.body))
        await o.slack.until(lambda: len(o.slack.person("bo").ephemerals) == 2)
        assert o.slack.person("bo").ephemerals[-1].text_as_seen() == first
        assert await o.events(request) == before


async def test_of_several_closed_cards_the_newest_before_the_message_is_meant() -> None:
    """The one that was there when somebody answered."""
    async with office() as o:
        first = await o.asks()
        thread = Place(f"slack:C0FINANCE/{o.card().ts}")
        o.store.advance(timedelta(minutes=1))
        second = await o.asks(route=replace(ROUTE, places=(thread,)), interrupt="i2")
        for request in (second, first):
            await o.store.change(request.id, lambda r, now: machine.withdrawn(r, PersonId("alex"), "no", now))
        await says_in_thread(o, "bo", "approve", o.card())
        await whispered(o, "bo")
        assert Event.REFUSED_ANSWER in await o.events(second)
        assert Event.REFUSED_ANSWER not in await o.events(first)


async def test_the_hint_names_an_argument_of_that_card() -> None:
    """An example that would fit there."""
    async with office() as o:
        await o.asks(action=an_action(arguments={"reason": "two words", "before": "2024-01-01"}))
        await says_in_thread(o, "bo", "modify 2022-01-01", o.card())
        assert "like “modify before=2024-01-01”" in await whispered(o, "bo")


@pytest.mark.parametrize(
    "text", ["reject", "modify", "Modify amount", "nope", "LGTM!", "Go ahead.", "👍",
             "Approve!", "approve before=2022-01-01", "approved, thanks", "reject: wrong order"],
)  # fmt: skip
async def test_half_an_answer_is_told_what_is_missing(text: str) -> None:
    """Nobody waits for a reaction that never comes."""
    async with office() as o:
        request = await o.asks()
        await says_in_thread(o, "bo", text, o.card())
        assert (await whispered(o, "bo")).startswith("Nothing was counted")
        assert (await o.now(request)).state is State.OPEN


async def test_a_typed_answer_by_who_may_not_is_refused() -> None:
    """Kim sees the card, but decides nothing."""
    async with office() as o:
        request = await o.asks()
        await says_in_thread(o, "kim", "approve", o.card())
        assert "not an approver" in await whispered(o, "kim")
        assert (await o.now(request)).state is State.OPEN


async def test_with_two_requests_in_a_thread_nothing_is_guessed() -> None:
    """The answer is a link to each card."""
    async with office() as o:
        first = await o.asks()
        thread = Place(f"slack:C0FINANCE/{o.card().ts}")
        second = await o.asks(route=replace(ROUTE, places=(thread,)), interrupt="i2")
        await says_in_thread(o, "bo", "approve", o.card())
        words = await whispered(o, "bo")
        assert "cannot be sure which card" in words
        assert words.count("workplace.slack.com/archives/C0FINANCE") == 2
        assert {(await o.now(first)).state, (await o.now(second)).state} == {State.OPEN}


async def test_an_answer_to_a_revision_that_was_drawn_later_does_not_count() -> None:
    """The card was edited and redrawn after Bo pressed Enter; Slack delivers the message late."""
    async with office(policy=the_policy(routes={"finance": TWO}), times=SlackTimes(retries=())) as o:
        request = await o.asks(route=TWO)
        card = o.card()
        url, o.slack.app_url = o.slack.app_url, "http://127.0.0.1:9/nobody"
        said = await o.slack.person("bo").says("#finance-approvals", "approve", thread=card)
        await o.slack.settled()
        o.workplace.violations.take()
        o.slack.app_url = url
        await edit(o, request)
        await o.deliver()
        late = next(r for r, _ in o.slack.delivered if said.ts.encode() in r.body)
        await o.slack.redeliver(late)
        assert "cannot be sure which card" in await whispered(o, "bo")
        assert "bo" not in [vote.person for vote in (await o.now(request)).votes]


async def test_typed_and_drawn_but_not_shown_yet_does_not_count() -> None:
    """The record was edited, the card still shows the old revision: nobody can have answered the new one."""
    async with office(policy=the_policy(routes={"finance": TWO})) as o:
        request = await o.asks(route=TWO)
        await edit(o, request)
        await says_in_thread(o, "bo", "approve", o.card())
        assert "cannot be sure which card" in await whispered(o, "bo")


async def test_a_mention_that_is_an_answer_is_no_new_run() -> None:
    """`@sayso approve` under a card means the card."""
    async with office() as o:
        request = await o.asks()
        await says_in_thread(o, "bo", "@sayso approve", o.card())
        assert (await o.now(request)).state is State.DECIDED
        assert len(await o.store.unfinished()) == 1


async def edit(o: Office, request: Request) -> None:
    """Cy changes the amount."""
    view = await (await o.slack.person("cy").clicks(o.card(), "Modify…")).modal()
    await o.workplace.until(lambda: view.title == "Modify")
    await o.slack.person("cy").submits(view.fill({"amount": "100.00"}))
    await o.until(request, lambda r: r.revision == 2)


async def test_a_direct_message_is_meant_for_sayso() -> None:
    """It needs no mention; what is said in a thread there is a remark, and starts nothing."""
    async with office() as o:
        alex = o.slack.person("alex")
        said = await alex.says("@sayso", "refund order 1042")
        await o.slack.settled()
        run = await o.store.run(ThreadId(f"slack:T0WORKPLACE:{said.channel}:{said.ts}"))
        assert run is not None
        assert run.origin == Place(f"slack:{said.channel}/{said.ts}")
        await alex.says("@sayso", "thank you", thread=said)
        await o.slack.settled()
        assert len(await o.store.unfinished()) == 1
        await o.slack.person("bo").says("@sayso", "pending")
        assert "Nothing waits" in await whispered(o, "bo")


async def test_back_in_a_channel_what_was_dead_there_is_tried_again() -> None:
    """Invited again, it posts the card that could not stand there."""
    async with office() as o:
        o.slack.kick_bot("#finance-approvals")
        await o.asks()
        assert len(await o.store.dead_letters()) == 1
        o.slack.invite_bot("#finance-approvals")
        await o.slack.settled()
        await o.deliver()
        assert o.card("#finance-approvals").buttons()
        assert await o.store.dead_letters() == []
