"""Cards with inputs and dialogs: typed by label, checked by the client, sent as texts."""

from __future__ import annotations

from typing import Any

import pytest
from sayso.sandbox import Workplace
from sayso.sandbox.teams import BOT_DID_NOT_ANSWER, CannotDoThat, Client, Message
from sayso.sandbox.teams.limits import CARD_TYPE
from tiny_bot import ConnectorClient, TinyBot, a_card, card_answer, execute, showing

AMOUNT = {"type": "Input.Number", "id": "amount", "label": "Amount", "value": 129.9, "min": 1, "max": 500,
          "isRequired": True, "errorMessage": "Between 1 and 500."}  # fmt: skip
REASON = {"type": "Input.Text", "id": "reason", "label": "Reason", "isMultiline": True, "maxLength": 20}
WHO = {"type": "Input.ChoiceSet", "id": "who", "label": "Who pays", "choices": [
    {"title": "We do", "value": "us"}, {"title": "They do", "value": "them"}]}  # fmt: skip
HURRY = {"type": "Input.Toggle", "id": "hurry", "title": "Hurry", "valueOn": "yes", "valueOff": "no"}
WHEN = {"type": "Input.Date", "id": "when", "label": "When", "min": "2026-01-01"}
FETCH = {"type": "Action.Submit", "title": "Dialog...",
         "data": {"msteams": {"type": "task/fetch"}, "press": "r1.1"}}  # fmt: skip
SEND = {"type": "Action.Submit", "title": "Send", "data": {"press": "r1.1"}}


def dialog(card: Any, **more: Any) -> dict[str, Any]:
    shown = {"title": "Reject", "height": "medium", "width": 400,
             "card": {"contentType": CARD_TYPE, "content": card}, **more}  # fmt: skip
    return {"task": {"type": "continue", "value": shown}}


async def posted(workplace: Workplace, connector: ConnectorClient, card: Any) -> Message:
    await connector.posts_root("#support", showing(card))
    return workplace.teams.messages("#support")[-1]


async def test_everything_travels_as_text(
    workplace: Workplace, connector: ConnectorClient, bot: TinyBot
) -> None:
    """Numbers, dates, choices and toggles; what is empty is left out."""
    form = a_card(AMOUNT, REASON, WHO, HURRY, WHEN, actions=[execute("Send", "modify")])
    card, bo = await posted(workplace, connector, form), workplace.teams.person("bo")
    bo.fills(card, {"Amount": "620", "Who pays": "They do", "Hurry": "on", "When": "2026-11-23"})
    refused = await bo.clicks(card, "Send")
    assert (refused.errors, bot.received) == ({"Amount": "Between 1 and 500."}, [])
    bot.will_answer(card_answer(a_card()))
    await bo.clicks(bo.fills(card, {"Amount": "62.50"}), "Send")
    assert bot.received[0]["value"]["action"]["data"] == {
        "press": "r1.1", "amount": "62.50", "who": "them", "hurry": "yes", "when": "2026-11-23"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [({"Amount": ""}, "Amount"), ({"Amount": "a lot"}, "Amount"), ({"Amount": "0.5"}, "Amount"),
     ({"Reason": "x" * 21}, "Reason"), ({"When": "2025-12-31"}, "When"), ({"When": "tomorrow"}, "When")],
)  # fmt: skip
async def test_the_client_checks_first(
    workplace: Workplace, connector: ConnectorClient, bot: TinyBot, answers: dict[str, str], complaint: str
) -> None:
    """Required, range, length and form; the bot is not asked."""
    card = await posted(
        workplace, connector, a_card(AMOUNT, REASON, WHEN, actions=[execute("Send", "modify")])
    )
    bo = workplace.teams.person("bo")
    result = await bo.clicks(bo.fills(card, answers), "Send")
    assert list(result.errors) == [complaint]
    assert bo.reads(card).endswith(f"! {complaint}: {result.errors[complaint]}")
    assert bot.received == []


async def test_a_button_may_leave_the_inputs_alone(
    workplace: Workplace, connector: ConnectorClient, bot: TinyBot
) -> None:
    """`associatedInputs: none` sends nothing of them and checks nothing."""
    plain = execute("Details", "details", associatedInputs="none")
    card = await posted(workplace, connector, a_card({**AMOUNT, "value": 0}, actions=[plain]))
    bot.will_answer(card_answer(a_card()))
    await workplace.teams.person("bo").clicks(card, "Details")
    assert bot.received[0]["value"]["action"]["data"] == {"press": "r1.1"}


async def test_a_form_inside_a_card_unfolds(
    workplace: Workplace, connector: ConnectorClient, bot: TinyBot
) -> None:
    """On this person's screen only; until then its fields and buttons are not there."""
    form = {"type": "AdaptiveCard", "body": [REASON], "actions": [execute("Send", "reject")]}
    show = {"type": "Action.ShowCard", "title": "Reject...", "card": form}
    card = await posted(workplace, connector, a_card(actions=[execute("Approve", "approve"), show]))
    bo, cy = workplace.teams.person("bo"), workplace.teams.person("cy")
    with pytest.raises(CannotDoThat, match="no button 'Send'"):
        await bo.clicks(card, "Send")
    await bo.clicks(card, "Reject...")
    bo.fills(card, {"Reason": "not broken"})
    assert bo.reads(card).endswith("Reason: [not broken]\n[Send]")
    assert "Reason" not in cy.reads(card)
    with pytest.raises(CannotDoThat, match="no field 'Reason'"):
        cy.fills(card, {"Reason": "x"})
    bot.will_answer(card_answer(a_card()))
    await bo.clicks(card, "Send")
    assert bot.received[0]["value"]["action"]["data"] == {"press": "r1.1", "reason": "not broken"}


async def test_what_cannot_be_typed(workplace: Workplace, connector: ConnectorClient) -> None:
    """No such field, choice or switch."""
    card = await posted(workplace, connector, a_card(WHO, HURRY, actions=[execute("Send", "modify")]))
    for answers in ({"Nothing": "x"}, {"Who pays": "Nobody"}, {"Hurry": "maybe"}):
        with pytest.raises(CannotDoThat):
            workplace.teams.person("bo").fills(card, answers)


async def test_a_dialog_opens_complains_and_closes(
    workplace: Workplace, connector: ConnectorClient, bot: TinyBot
) -> None:
    """Fetch, submit, shown again with a complaint, submitted again with a word of thanks."""
    card, bo = await posted(workplace, connector, a_card(actions=[FETCH])), workplace.teams.person("bo")
    needed = a_card({**REASON, "isRequired": True}, actions=[SEND])
    bot.will_answer(dialog(needed))
    opened = await bo.opens_dialog(card, "Dialog...")
    fetched = bot.received[0]
    assert (fetched["name"], fetched["value"]["data"]) == ("task/fetch", FETCH["data"])
    assert (opened.title, opened.labels(), opened.buttons()) == ("Reject", ["Reason"], ["Send"])
    assert (await bo.submits(opened)).errors == {"Reason": "This field is required."}
    bot.will_answer(dialog(a_card({"type": "TextBlock", "text": "Say more."}, REASON, actions=[SEND])))
    again = await bo.submits(bo.fills(opened, {"Reason": "no"}))
    assert (again.updated, again.closed, "Say more." in opened.text_as_seen()) == (True, False, True)
    bot.will_answer({"task": {"type": "message", "value": "Rejected."}})
    last = await bo.submits(opened.fill({"Reason": "not broken"}), "Send")
    assert (last.closed, last.words) == (True, "Rejected.")
    submitted = bot.received[-1]
    assert (submitted["name"], submitted["value"]["data"]) == (
        "task/submit",
        {"press": "r1.1", "reason": "not broken"},
    )
    with pytest.raises(CannotDoThat):
        await bo.submits(opened)


@pytest.mark.parametrize(
    ("answer", "closed"), [((None, 200), True), (({}, 200), True), ((None, 500), False), (({"task": {"type": "x"}}, 200), False)]
)  # fmt: skip
async def test_how_a_dialog_may_end(
    workplace: Workplace, connector: ConnectorClient, bot: TinyBot, answer: Any, closed: bool
) -> None:
    """Nothing closes it; nonsense leaves it open with Teams' own words."""
    card, bo = await posted(workplace, connector, a_card(actions=[FETCH])), workplace.teams.person("bo")
    bot.will_answer(dialog(a_card(REASON, actions=[SEND])))
    opened = await bo.opens_dialog(card, "Dialog...")
    bot.will_answer(answer[0], status=answer[1])
    result = await bo.submits(opened)
    assert (result.closed, result.error_shown) == (closed, "" if closed else BOT_DID_NOT_ANSWER)
    assert bool(workplace.violations.take()) is not closed


async def test_some_clients_have_no_dialogs(
    workplace: Workplace, connector: ConnectorClient, bot: TinyBot
) -> None:
    """And an answer without one is no dialog either; buttons that do nothing in it are reported."""
    card, bo = await posted(workplace, connector, a_card(actions=[FETCH])), workplace.teams.person("bo")
    bot.will_answer({"task": {"type": "message", "value": "Too late."}})
    with pytest.raises(CannotDoThat, match="Too late"):
        await bo.opens_dialog(card, "Dialog...")
    bot.will_answer(dialog(a_card(actions=[execute("Approve", "approve")]), title="", height="tall"))
    bo.closes(await bo.opens_dialog(card, "Dialog..."))
    assert len(workplace.violations.take()) == 3
    bo.client = Client(dialogs=False)
    with pytest.raises(CannotDoThat, match="no dialogs"):
        await bo.opens_dialog(card, "Dialog...")
