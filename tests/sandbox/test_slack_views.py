"""Modals: opening in time, filling in, submitting, and what the app may answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from sayso.sandbox import Workplace
from sayso.sandbox.slack import CannotDoThat, View
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

SUPPORT = "C0SUPPORT"


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def field(label: str, element: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "input", "block_id": label.lower(), "label": plain(label),
            "element": {"action_id": "entry", **element}, **more}  # fmt: skip


def option(label: str) -> dict[str, Any]:
    return {"text": plain(label), "value": label.lower()}


BUTTONS = [{"type": "actions", "block_id": "b", "elements": [
    {"type": "button", "action_id": "modify", "text": plain("Modify..."), "value": "r1.1"}
]}]  # fmt: skip
AMOUNT = field("Amount", {"type": "number_input", "is_decimal_allowed": True, "min_value": "0", "max_value": "500",
                          "initial_value": "129.90"})  # fmt: skip
FORM = {
    "type": "modal", "title": plain("Modify"), "submit": plain("Send"), "close": plain("Cancel"),
    "callback_id": "modify", "private_metadata": "r1.1", "notify_on_close": True,
    "blocks": [
        AMOUNT,
        field("Currency", {"type": "static_select", "options": [option("USD"), option("EUR")],
                           "initial_option": option("USD")}),
        field("Before", {"type": "datepicker"}, optional=True),
        field("Reason", {"type": "plain_text_input", "min_length": 3, "max_length": 10}),
        *BUTTONS,
    ],
}  # fmt: skip


async def a_form(workplace: Workplace, client: AsyncWebClient, app: Any, form: Any = FORM) -> View:
    """Bo clicks and the app opens the form."""

    async def open_it(payload: dict[str, Any]) -> web.Response:
        await client.views_open(trigger_id=payload["trigger_id"], view=form)
        return web.Response()

    posted = await client.chat_postMessage(channel=SUPPORT, text="Refund?", blocks=BUTTONS)
    card = workplace.slack.workspace.message(SUPPORT, posted["ts"])
    assert card is not None
    app.will(open_it)
    return await (await workplace.slack.person("bo").clicks(card, "Modify...")).modal()


async def test_a_form_is_filled_in_by_label(workplace: Workplace, client: AsyncWebClient, app: Any) -> None:
    """What is untouched keeps its default; the payload has every key Slack sends."""
    view = await a_form(workplace, client, app)
    assert view.labels() == ["Amount", "Currency", "Before", "Reason"]
    view.fill({"Amount": "100", "Currency": "EUR", "Before": "2024-01-01", "Reason": "too much"})
    result = await workplace.slack.person("bo").submits(view)
    assert "Amount: [100]\nCurrency: [EUR]\nBefore: [2024-01-01]\nReason: [too much]" in view.text_as_seen()
    (payload,) = app.of_type("view_submission")
    values = payload["view"]["state"]["values"]
    assert values["amount"]["entry"] == {"type": "number_input", "value": "100"}
    assert values["currency"]["entry"]["selected_option"] == option("EUR")
    assert values["before"]["entry"] == {"type": "datepicker", "selected_date": "2024-01-01"}
    assert {
        "id", "team_id", "type", "blocks", "private_metadata", "callback_id", "state", "hash", "title", "submit",
        "close", "clear_on_close", "notify_on_close", "previous_view_id", "root_view_id", "app_id",
        "external_id", "app_installed_team_id", "bot_id",
    } == set(payload["view"])  # fmt: skip
    assert (result.closed, result.errors, workplace.slack.person("bo").modal) == (True, {}, None)


#: What is entered, and Slack's own complaint.
NOT_TAKEN = [
    ({}, {"Reason": "Please complete this required field."}),
    ({"Reason": "no"}, {"Reason": "Please enter at least 3 characters."}),
    ({"Reason": "x" * 11}, {"Reason": "Please enter at most 10 characters."}),
    ({"Reason": "fine", "Amount": ""}, {"Amount": "Please complete this required field."}),
    ({"Reason": "fine", "Amount": "much"}, {"Amount": "Please enter a valid number."}),
    ({"Reason": "fine", "Amount": "-1"}, {"Amount": "Please enter a number that is at least 0."}),
    ({"Reason": "fine", "Amount": "501"}, {"Amount": "Please enter a number that is at most 500."}),
    ({"Reason": "fine", "Amount": "NaN"}, {"Amount": "Please enter a valid number."}),
    ({"Reason": "fine", "Before": "2024-02-30"}, {"Before": "Please enter a valid date, as YYYY-MM-DD."}),
    ({"Reason": "fine", "Before": "20240229"}, {"Before": "Please enter a valid date, as YYYY-MM-DD."}),
]


@pytest.mark.parametrize(("answers", "complaints"), NOT_TAKEN, ids=[str(one[0]) for one in NOT_TAKEN])
async def test_slack_itself_complains_first(
    workplace: Workplace,
    client: AsyncWebClient,
    app: Any,
    answers: dict[str, str],
    complaints: dict[str, str],
) -> None:
    """The app is not even asked."""
    view = await a_form(workplace, client, app)
    result = await workplace.slack.person("bo").submits(view.fill(answers))
    assert (result.errors, result.closed, result.request) == (complaints, False, None)
    assert app.of_type("view_submission") == []


async def test_a_person_cannot_choose_what_is_not_there(
    workplace: Workplace, client: AsyncWebClient, app: Any
) -> None:
    """Neither an option nor a field."""
    view = await a_form(workplace, client, app)
    with pytest.raises(CannotDoThat, match="no option 'GBP'"):
        view.fill({"Currency": "GBP"})
    with pytest.raises(CannotDoThat, match="no field 'Colour'"):
        view.fill({"Colour": "red"})
    with pytest.raises(CannotDoThat, match="not in front of cy"):
        await workplace.slack.person("cy").submits(view)


async def submitted(workplace: Workplace, client: AsyncWebClient, app: Any, answer: Any) -> Any:
    view = await a_form(workplace, client, app)
    app.will_answer(answer)
    return await workplace.slack.person("bo").submits(view.fill({"Reason": "fine"}))


async def test_the_app_complains_by_block(workplace: Workplace, client: AsyncWebClient, app: Any) -> None:
    """Shown under the label; the modal stays."""
    answer = {"response_action": "errors", "errors": {"amount": "More than was paid."}}
    result = await submitted(workplace, client, app, answer)
    assert (result.errors, result.closed) == ({"Amount": "More than was paid."}, False)
    assert "! Amount: More than was paid." in result.view.text_as_seen()


async def test_the_app_updates_and_pushes(workplace: Workplace, client: AsyncWebClient, app: Any) -> None:
    """Typed values survive an update where the ids do; a third modal is the last."""
    bo = workplace.slack.person("bo")
    shorter = {**FORM, "blocks": [AMOUNT]}
    result = await submitted(workplace, client, app, {"response_action": "update", "view": shorter})
    view = result.view.fill({"Amount": "7"})
    assert (result.updated, view.labels()) == (True, ["Amount"])
    await client.views_update(view_id=view.id, view={**shorter, "title": plain("Once more")})
    assert (view.title, view.value("Amount")) == ("Once more", "7")
    for _ in range(2):
        app.will_answer({"response_action": "push", "view": shorter})
        view = (await bo.submits(view)).pushed
        assert view is not None
    app.will_answer({"response_action": "push", "view": shorter})
    assert (await bo.submits(view)).error_shown
    assert "push_limit_reached" in str(workplace.violations.take()[0])
    app.will_answer({"response_action": "clear"})
    assert (await bo.submits(view)).closed
    assert bo.modal is None


#: Answers to a submission that Slack does not understand.
WRONG_ANSWERS = [
    {"response_action": "errors", "errors": {"b": "not an input"}},
    {"response_action": "errors", "errors": {"nowhere": "no such block"}},
    {"response_action": "errors"},
    {"response_action": "dance"},
    {"response_action": "update", "view": {"type": "modal"}},
]


@pytest.mark.parametrize("answer", WRONG_ANSWERS, ids=str)
async def test_a_wrong_answer_is_trouble(
    workplace: Workplace, client: AsyncWebClient, app: Any, answer: dict[str, Any]
) -> None:
    """The person reads that something went wrong, and it counts."""
    result = await submitted(workplace, client, app, answer)
    assert (result.error_shown, result.closed) == ("We had some trouble connecting. Try again?", False)
    assert workplace.violations.take()


@pytest.mark.impatient
async def test_a_submission_has_the_same_deadline(
    workplace: Workplace, client: AsyncWebClient, app: Any
) -> None:
    """Silence is trouble; the modal stays."""
    view = await a_form(workplace, client, app)
    app.will_stay_silent()
    result = await workplace.slack.person("bo").submits(view.fill({"Reason": "fine"}))
    assert (result.status, result.closed, bool(result.error_shown)) == (0, False, True)
    assert "http_timeout" in str(workplace.violations.take()[0])


async def test_closing_is_told_to_who_asked(workplace: Workplace, client: AsyncWebClient, app: Any) -> None:
    """`view_closed` only with `notify_on_close`; a closed view cannot be updated."""
    bo = workplace.slack.person("bo")
    view = await a_form(workplace, client, app)
    await bo.closes(view)
    assert app.of_type("view_closed")[0]["is_cleared"] is False
    with pytest.raises(SlackApiError, match="not_found"):
        await client.views_update(view_id=view.id, view=FORM)
    quiet = await a_form(workplace, client, app, {**FORM, "notify_on_close": False})
    await bo.closes(quiet)
    assert len(app.of_type("view_closed")) == 1


async def test_a_trigger_is_good_for_one_modal(
    workplace: Workplace, client: AsyncWebClient, app: Any
) -> None:
    """A second one is refused."""
    await a_form(workplace, client, app)
    trigger_id = app.received[0]["trigger_id"]
    with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
        await client.views_open(trigger_id=trigger_id, view=FORM)


@pytest.mark.impatient
async def test_a_trigger_expires(workplace: Workplace, client: AsyncWebClient, app: Any) -> None:
    """Three seconds in Slack, a quarter here; a view that is refused does not use it up."""
    posted = await client.chat_postMessage(channel=SUPPORT, text="Refund?", blocks=BUTTONS)
    card = workplace.slack.workspace.message(SUPPORT, posted["ts"])
    assert card is not None
    result = await workplace.slack.person("bo").clicks(card, "Modify...")
    with pytest.raises(SlackApiError, match="invalid_arguments"):
        await client.views_open(trigger_id=result.trigger_id, view={"type": "modal", "blocks": []})
    await asyncio.sleep(0.3)
    with pytest.raises(SlackApiError, match="expired_trigger_id"):
        await client.views_open(trigger_id=result.trigger_id, view=FORM)
    workplace.violations.take()


async def test_a_stale_hash_conflicts(workplace: Workplace, client: AsyncWebClient, app: Any) -> None:
    """Two updates from the same state: the second is refused."""
    view = await a_form(workplace, client, app)
    before = view.hash
    await client.views_update(view_id=view.id, hash=before, view=FORM)
    with pytest.raises(SlackApiError, match="hash_conflict"):
        await client.views_update(view_id=view.id, hash=before, view=FORM)


async def test_buttons_in_a_modal_push_and_page(
    workplace: Workplace, client: AsyncWebClient, app: Any
) -> None:
    """`views.push` needs a click in the modal; what was typed travels with the click."""
    bo = workplace.slack.person("bo")
    view = (await a_form(workplace, client, app)).fill({"Reason": "because"})

    async def push_it(payload: dict[str, Any]) -> web.Response:
        assert payload["view"]["state"]["values"]["reason"]["entry"]["value"] == "because"
        await client.views_push(trigger_id=payload["trigger_id"], view=FORM)
        return web.Response()

    app.will(push_it)
    on_top = await (await bo.clicks(view, "Modify...")).modal()
    assert on_top.previous is view
    await bo.closes(on_top)
    assert bo.modal is view
