"""The modify and reject forms in Teams, in the card and as dialogs: checked on the server, counted once, kept when wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sayso.approvals.change import Event
from sayso.approvals.request import State
from sayso.approvals.verdict import Modify, Reject, Rule
from sayso.cards.adaptive_lint import lint_card
from sayso.sandbox.teams import Client, Dialog, SubmitResult
from scenes import a_request, an_action
from teams_bot import stall_during
from teams_office import ROUTE, TeamsOffice, teams_office, teams_policy

TWO = replace(ROUTE, rule=Rule(approvers=("finance",), needed=2))
HAND_ON = "Not mine to decide: hand it to the next line instead"
BOTH = pytest.mark.parametrize("dialog", [False, True], ids=["card", "dialog"])


@dataclass
class Form:
    """A form in front of somebody, in the card or in a dialog."""

    o: TeamsOffice
    name: str
    dialog: Dialog | None

    @property
    def text(self) -> str:
        """What they read."""
        return self.o.teams.person(self.name).reads(self.dialog or self.o.card())

    async def sends(self, answers: Mapping[str, str]) -> str:
        """Fill it in and press Send; the sentence they read, empty when a form or a card stands there again."""
        person = self.o.teams.person(self.name)
        if self.dialog is not None:
            sent: SubmitResult = await person.submits(self.dialog.fill(answers), "Send")
            assert sent.error_shown == ""
            return sent.words
        click = await person.clicks(person.fills(self.o.card(), answers), "Send")
        assert click.error_shown == ""
        return click.words


async def a_form(o: TeamsOffice, verb: str, name: str = "bo", *, dialog: bool = False) -> Form:
    """The form behind a button of the newest card."""
    person = o.teams.person(name)
    if dialog:
        return Form(o, name, await person.opens_dialog(o.card(), f"{verb} in a dialog…"))
    await person.clicks(o.card(), f"{verb}…")
    return Form(o, name, None)


@BOTH
async def test_a_changed_amount_is_approved_as_changed(dialog: bool) -> None:
    """The form holds the present values; only the changed one is taken, as the text it was; the card shows both."""
    async with teams_office() as o:
        request = await o.asks()
        form = await a_form(o, "Modify", dialog=dialog)
        assert "129.90" in form.text
        words = await form.sends({"amount": "100.00"})
        after = await o.now(request)
        assert after.current.proposal.changes == {"amount": ("129.90", "100.00")}
        assert after.revision == 2
        assert "for order 1042" in words if dialog else "100.00" in form.text
        await o.deliver()
        assert "100.00" in o.card().text_as_seen()


@BOTH
async def test_a_wrong_value_comes_back_beside_its_field(dialog: bool) -> None:
    """The form stays, with the sentence and with what was typed; then it is put right and counts."""
    async with teams_office() as o:
        request = await o.asks()
        form = await a_form(o, "Modify", dialog=dialog)
        await form.sends({"amount": "a lot", "Instruction to the agent": "and hurry"})
        assert "a lot" in form.text
        assert "and hurry" in form.text
        assert "must be a number, like 129.90" in form.text
        assert (await o.now(request)).revision == 1
        await form.sends({"amount": "100.00", "Instruction to the agent": ""})
        assert (await o.now(request)).current.proposal.changes == {"amount": ("129.90", "100.00")}


async def test_nothing_changed_and_nothing_written_is_said() -> None:
    """An empty modification is no answer."""
    async with teams_office() as o:
        request = await o.asks()
        form = await a_form(o, "Modify")
        await form.sends({})
        assert "Change a value" in form.text
        assert (await o.now(request)).votes == ()


async def test_an_emptied_input_is_missing_and_still_means_empty() -> None:
    """Clients leave it out; it is not taken for untouched."""
    async with teams_office() as o:
        request = await o.asks(action=an_action(arguments={"order": 1042, "note": "call first"}), schema="{}")
        form = await a_form(o, "Modify")
        await form.sends({"note": ""})
        assert (await o.now(request)).current.proposal.changes == {"note": ("call first", "")}


async def test_an_instruction_sends_it_back_to_the_agent() -> None:
    """Written in the person's own words."""
    async with teams_office() as o:
        request = await o.asks()
        form = await a_form(o, "Modify")
        await form.sends({"Instruction to the agent": "ask Dana first"})
        decision = (await o.now(request)).decision
        assert decision is not None
        assert decision.verdict == Modify({}, "ask Dana first")


@BOTH
async def test_a_rejection_needs_a_reason_and_the_thread_reads_it(dialog: bool) -> None:
    """The client insists on one, the server on more than blanks; the agent and the thread get it."""
    async with teams_office() as o:
        request = await o.asks()
        form = await a_form(o, "Reject", dialog=dialog)
        await form.sends({"Why?": ""})
        assert "Please say why" in form.text
        await form.sends({"Why?": " \u200b "})
        assert "the requester read it" in form.text
        await form.sends({"Why?": "the wrong order"})
        decision = (await o.now(request)).decision
        assert decision is not None
        assert decision.verdict == Reject("the wrong order")
        await o.deliver()
        thread = o.teams.person("bo").sees_in_thread(o.card())
        assert any("the wrong order" in message.text_as_seen() for message in thread)


@BOTH
async def test_not_mine_to_decide(dialog: bool) -> None:
    """Handed to the next line at once; the tick stays while the reason is still missing."""
    async with teams_office() as o:
        request = await o.asks()
        form = await a_form(o, "Reject", dialog=dialog)
        await form.sends({"Why?": " ", HAND_ON: "on"})
        words = await form.sends({"Why?": "above my pay"})
        assert (await o.now(request)).circles == ("seniors",)
        assert words == ("The next line is asked now." if dialog else "")


@pytest.mark.parametrize(
    ("verb", "answers", "dialog"),
    [
        ("Reject", {"Why?": "no"}, False),
        ("Modify", {}, False),
        ("Modify", {"amount": "1"}, True),
    ],
)
async def test_a_form_over_an_older_revision_is_refused(
    verb: str, answers: dict[str, str], dialog: bool
) -> None:
    """Cy edited while Bo's form was open: Bo answers about something that is not asked any more."""
    async with teams_office(policy=teams_policy(routes={"finance": TWO})) as o:
        request = await o.asks(route=TWO)
        form = await a_form(o, verb, dialog=dialog)
        changing = await a_form(o, "Modify", name="cy")
        await changing.sends({"amount": "100.00"})
        assert (await o.now(request)).revision == 2
        assert "older revision" in await form.sends(answers)
        assert (await o.now(request)).state is State.OPEN


async def test_a_removal_between_form_and_sending_counts() -> None:
    """P4: Bo left the group while the form was open: refused, audited, and no value of the request is shown again."""
    async with teams_office() as o:
        request = await o.asks()
        form = await a_form(o, "Modify", dialog=True)
        o.teams.remove_from_group("finance-approvers", "bo")
        o.clock[0] += 15
        assert "not an approver" in await form.sends({})
        assert (await o.events(request))[-1] is Event.REFUSED_ANSWER


async def test_a_dialog_that_does_not_say_where_it_was_opened_counts() -> None:
    """What it is about travels in its button; some clients send no message with it."""
    async with teams_office() as o:
        request = await o.asks()
        o.teams.person("bo").client = Client(names_card=False)
        form = await a_form(o, "Reject", dialog=True)
        await form.sends({"Why?": "the wrong order"})
        assert (await o.now(request)).state is State.DECIDED


@BOTH
async def test_too_late_is_said_with_who_was_faster(dialog: bool) -> None:
    """Somebody decided while the form was open."""
    async with teams_office() as o:
        await o.asks()
        form = await a_form(o, "Reject", dialog=dialog)
        await o.teams.person("cy").clicks(o.card(), "Approve")
        assert "Approved by @Cy" in await form.sends({"Why?": "no"})


@BOTH
async def test_a_form_delivered_again_is_answered_as_the_first_time(dialog: bool) -> None:
    """Also one that has changed what it was about: the same answer, counted once."""
    async with teams_office(policy=teams_policy(routes={"finance": TWO})) as o:
        request = await o.asks(route=TWO)
        form = await a_form(o, "Modify", dialog=dialog)
        await form.sends({"amount": "100.00"})
        delivery, first = o.teams.delivered[-1]
        again = await o.teams.redeliver(delivery)
        assert (again.status, again.body) == (200, first.body)
        now = await o.now(request)
        assert (now.revision, len(now.votes)) == (2, 1)


async def test_whose_client_has_only_one_of_the_two_uses_that() -> None:
    """Forms in the card where there are no dialogs; dialogs where nobody sees a view of their own."""
    poor = ((Client(dialogs=False, trigger=False), False), (Client(own_views=False), True))
    async with teams_office() as o:
        bo = o.teams.person("bo")
        for bo.client, dialog in poor:
            request = await o.asks()
            form = await a_form(o, "Reject", dialog=dialog)
            await form.sends({"Why?": "the wrong order"})
            assert (await o.now(request)).state is State.DECIDED
            await o.deliver()
            assert "Rejected by @Bo" in bo.reads(o.card())


async def test_a_form_can_be_left_for_the_card() -> None:
    """Whatever is typed in it by then."""
    async with teams_office() as o:
        request = await o.asks()
        bo = o.teams.person("bo")
        await a_form(o, "Reject")
        await bo.clicks(o.card(), "Back to the card")
        assert "Approve" in bo.offered(o.card())
        assert (await o.now(request)).state is State.OPEN


async def test_an_action_that_is_too_long_for_its_card_is_changed_from_details() -> None:
    """The card offers Details only; there the form has an input for what fits, and says what has none."""
    arguments = {"note": "x" * 5_000, "order": 1042, "amount": "129.90"}
    async with teams_office() as o:
        request = await o.asks(action=an_action(arguments=arguments), schema="{}")
        bo = o.teams.person("bo")
        assert o.card().buttons() == ["Details", "Details in a dialog…"]
        dialog = await bo.opens_dialog(o.card(), "Details in a dialog…")
        await bo.submits(dialog, "Modify…")
        form = Form(o, "bo", dialog)
        assert "Too long to be edited here, change them by an instruction: note" in form.text
        await form.sends({"amount": "100.00"})
        assert (await o.now(request)).current.proposal.changes == {"amount": ("129.90", "100.00")}


LONG = "東" * 100_000
HOSTILE: list[tuple[str, object]] = [
    ("amount", LONG), ("amount", "1e999"), ("amount", "NaN"), ("amount", "-Infinity"), ("amount", "\u202e00.1"),
    ("amount", "<at>Bo</at> [x](https://evil.example) {{DATE(2030-01-01T00:00:00Z)}}"), ("amount", "9" * 4_000),
    ("order", "1e999"), ("order", "12.5"), ("order", "१२"), ("order", float("nan")), ("order", True), ("order", ""),
    ("tags", "[1e999]"), ("tags", "[NaN]"), ("tags", "[" * 100_000), ("tags", LONG), ("tags", "{"),
    ("size", "99"), ("size", LONG), ("before", "2024-13-01"), ("before", LONG), ("amount", "\ud800"),
]  # fmt: skip
SCHEMA = json.dumps({
    "type": "object",
    "properties": {
        "order": {"type": "integer"}, "amount": {"type": "string", "pattern": "^[0-9.]+$"},
        "tags": {"type": "array", "items": {"type": "number"}}, "size": {"enum": ["s", "m"]},
        "before": {"type": "string", "format": "date"},
    },
})  # fmt: skip
ARGUMENTS: dict[str, Any] = {
    "order": 1042, "amount": "129.90", "tags": [1], "size": "s", "before": "2024-01-01",
}  # fmt: skip


async def test_hostile_values_are_refused_field_by_field_and_nothing_comes_alive() -> None:
    """Sent by a client of somebody's own making: each comes back as a form of proper size, or as a sentence."""
    async with teams_office() as o:
        request = await o.asks(action=an_action(arguments=ARGUMENTS), schema=SCHEMA)
        form = await a_form(o, "Modify")
        await form.sends({})
        delivery, _ = o.teams.delivered[-1]
        data = delivery.activity["value"]["action"]["data"]
        ids = dict(zip(ARGUMENTS, sorted(id for id in data if id.startswith("arg.")), strict=True))
        for name, value in HOSTILE:
            told = await o.sends(delivery, {ids[name]: value})
            assert told["type"] == "application/vnd.microsoft.card.adaptive", (name, value, told)
            assert lint_card(told["value"]) == (), (name, value)
            assert "<at>" not in "".join(part.get("text", "") for part in told["value"]["body"])
        strange: object
        for strange in ({"deep": [1]}, [1], [[]]):
            told = await o.sends(delivery, {ids["amount"]: strange})
            assert told["statusCode"] == 400
        assert (await o.now(request)).votes == ()


async def test_everything_too_long_at_once_still_comes_back() -> None:
    """Every input wrong, every one as long as it may be: the form is sent, without what has no room in it."""
    names = [f"argument {number}" for number in range(29)]
    request = a_request(action=an_action(arguments=dict.fromkeys(names, 7)), schema="{}")
    async with teams_office() as o:
        asked = await o.asks(action=request.proposal.action, schema=request.ask.schema)
        bo = o.teams.person("bo")
        dialog = await bo.opens_dialog(o.card(), "Details in a dialog…")
        await bo.submits(dialog, "Modify…")
        form = Form(o, "bo", dialog)
        await form.sends({})
        delivery, _ = o.teams.delivered[-1]
        filled = {id: "東" * 2_900 for id in delivery.activity["value"]["data"] if id.startswith("arg.")}
        told = await o.sends(delivery, {**filled, "instruction": "東" * 2_900})
        assert lint_card(told["task"]["value"]["card"]["content"]) == ()
        assert (await o.now(asked)).votes == ()


async def test_the_largest_action_holds_up_nobody() -> None:
    """2,000 arguments take a tenth of a second to draw: the loop goes on turning meanwhile."""
    async with teams_office() as o:
        await o.asks(action=an_action(arguments={f"argument {n}": "x" * 90 for n in range(2_000)}))
        for title in ("Details", "Modify…"):
            stall = await stall_during(o.teams.person("bo").clicks(o.card(), title))
            assert stall.worked < 0.05
