"""The modify and reject forms: checked by field, counted once, answered in time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from office import ROUTE, Office, WatchedStore, office, the_policy
from sayso.approvals.change import Applied, Event
from sayso.approvals.request import Request, State
from sayso.approvals.store import PureStep
from sayso.approvals.verdict import Modify, Reject, RequestId, Rule
from sayso.sandbox.slack import View

TWO = replace(ROUTE, rule=Rule(approvers=("finance",), needed=2))


async def a_form(o: Office, label: str, name: str = "bo", title: str = "") -> View:
    """The form behind a button of the newest card."""
    view = await (await o.slack.person(name).clicks(o.card(), label)).modal()
    await o.workplace.until(lambda: view.title == (title or label.rstrip("…")))
    return view


def settled(request: Request) -> bool:
    return request.state is State.DECIDED


async def test_a_changed_amount_is_approved_as_changed() -> None:
    """The form holds the present values; only the changed one is sent; the card shows the difference."""
    async with office() as o:
        request = await o.asks()
        view = await a_form(o, "Modify…")
        assert view.value("amount") == "129.90"
        sent = await o.slack.person("bo").submits(view.fill({"amount": "100.00"}))
        after = await o.until(request, lambda r: r.revision == 2)
        assert after.current.proposal.changes == {"amount": ("129.90", "100.00")}
        assert after.state is State.DECIDED
        assert sent.closed
        await o.deliver()
        assert "100.00" in o.card().text_as_seen()


async def test_a_wrong_value_is_said_beside_its_field() -> None:
    """The form stays open with the complaint under the input, and nothing is counted."""
    async with office() as o:
        request = await o.asks()
        view = await a_form(o, "Modify…")
        sent = await o.slack.person("bo").submits(view.fill({"amount": "a lot"}))
        assert set(sent.errors) == {"amount"}
        assert not sent.closed
        assert (await o.now(request)).revision == 1


async def test_nothing_changed_and_nothing_written_is_said() -> None:
    """An empty modification is no answer."""
    async with office() as o:
        await o.asks()
        view = await a_form(o, "Modify…")
        sent = await o.slack.person("bo").submits(view)
        assert "Change a value" in "".join(sent.errors.values())


async def test_an_instruction_sends_it_back_to_the_agent() -> None:
    """Written in the person's own words."""
    async with office() as o:
        request = await o.asks()
        view = await a_form(o, "Modify…")
        sent = await o.slack.person("bo").submits(view.fill({"Instruction to the agent": "ask Dana first"}))
        assert sent.closed
        decision = (await o.until(request, settled)).decision
        assert decision is not None
        assert decision.verdict == Modify({}, "ask Dana first")


async def test_a_rejection_needs_a_reason_and_the_thread_reads_it() -> None:
    """Slack itself insists on the reason; the agent and the thread get it."""
    async with office() as o:
        request = await o.asks()
        view = await a_form(o, "Reject…")
        assert "Why?" in (await o.slack.person("bo").submits(view)).errors
        assert "Why?" in (await o.slack.person("bo").submits(view.fill({"Why?": "   "}))).errors
        sent = await o.slack.person("bo").submits(view.fill({"Why?": "the wrong order"}))
        assert sent.closed
        decision = (await o.until(request, settled)).decision
        assert decision is not None
        assert decision.verdict == Reject("the wrong order")
        await o.deliver()
        thread = o.slack.person("bo").sees_in_thread(o.card())
        assert any("the wrong order" in message.text_as_seen() for message in thread[1:])


async def test_not_mine_to_decide() -> None:
    """Handed to the next line at once, who are named in the threads."""
    async with office() as o:
        request = await o.asks()
        view = await a_form(o, "Reject…")
        view.fill({"Why?": "above my pay", "Or": ["Not mine to decide: hand it to the next line instead"]})
        assert (await o.slack.person("bo").submits(view)).closed
        assert (await o.until(request, lambda r: r.circles)).circles == ("seniors",)
        await o.deliver()
        said = o.slack.person("bo").sees_in_thread(o.card())
        assert any("above my pay" in message.text_as_seen() for message in said)
        assert any("<@U0SUE>" in message.live_mentions() for message in said)


async def test_a_form_over_an_older_revision_is_refused() -> None:
    """Cy edited while Bo's form was open: Bo answers about something that is not asked any more."""
    async with office(policy=the_policy(routes={"finance": TWO})) as o:
        request = await o.asks(route=TWO)
        view = await a_form(o, "Reject…")
        changing = await a_form(o, "Modify…", name="cy")
        await o.slack.person("cy").submits(changing.fill({"amount": "100.00"}))
        await o.until(request, lambda r: r.revision == 2)
        sent = await o.slack.person("bo").submits(view.fill({"Why?": "no"}))
        assert sent.updated
        assert "older revision" in view.text_as_seen()
        assert (await o.now(request)).state is State.OPEN


async def test_a_removal_between_form_and_submission_counts() -> None:
    """P4: Bo left the group while the form was open: refused in the form, and audited."""
    async with office() as o:
        request = await o.asks()
        view = await a_form(o, "Reject…")
        o.slack.remove_from_group("finance-approvers", "bo")
        o.clock[0] += 15
        await o.slack.person("bo").submits(view.fill({"Why?": "no"}))
        assert "not an approver" in view.text_as_seen()
        assert (await o.events(request))[-1] is Event.REFUSED_ANSWER


async def test_too_late_is_said_in_the_form() -> None:
    """Somebody was faster while the form was open: who, and what they decided."""
    async with office() as o:
        request = await o.asks()
        view = await a_form(o, "Reject…")
        await o.slack.person("cy").clicks(o.card(), "Approve")
        await o.until(request, settled)
        sent = await o.slack.person("bo").submits(view.fill({"Why?": "no"}))
        assert sent.updated
        assert "Approved by @Cy" in view.text_as_seen()


async def test_a_store_that_is_slower_than_slack_s_patience_still_answers() -> None:
    """P12: The form says that it is at it, and then what came of it; the answer is counted once."""

    class Slow(WatchedStore):
        async def change(self, id: RequestId, step: PureStep, *, token: str = "") -> Applied:
            await asyncio.sleep(0.3)
            return await super().change(id, step, token=token)

    async with office(store=Slow(), patience=0.1) as o:
        request = await o.asks()
        view = await a_form(o, "Reject…")
        sent = await o.slack.person("bo").submits(view.fill({"Why?": "the wrong order"}))
        assert sent.updated
        assert "Still working" in view.text_as_seen()
        await o.until(request, settled)
        await o.workplace.until(lambda: "Counted" in view.text_as_seen())


async def test_the_same_submission_twice_is_one_answer() -> None:
    """A replayed submission is answered as the first one and changes nothing."""
    async with office(policy=the_policy(routes={"finance": TWO})) as o:
        request = await o.asks(route=TWO)
        view = await a_form(o, "Reject…")
        sent = await o.slack.person("bo").submits(view.fill({"Why?": "no"}))
        assert sent.request is not None
        assert (await o.slack.replay(sent.request)).ok
        assert (await o.events(request)).count(Event.DECIDED) == 1
