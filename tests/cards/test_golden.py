"""The card of every state as a reviewer of this repository can read it; `SAYSO_GOLDEN=write` draws them anew."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from card_states import states
from sayso.approvals.errors import BadChange
from sayso.approvals.people import PersonId
from sayso.approvals.request import OutcomeKind, Request, State
from sayso.cards import adaptive, blockkit, plaintext
from sayso.cards.card import card_of

GOLDEN = Path(__file__).parent / "golden"
STATES = states()


def name(person: PersonId) -> str:
    return person.title()


def written(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def views() -> dict[str, object]:
    """Details and the forms of an open request by file name."""
    request = STATES["open"]
    dialog = adaptive.Surface.DIALOG
    typed = {"arg.0": "1042", "arg.1": "a lot", "arg.2": "0", "instruction": "and hurry"}
    wrong = BadChange({"amount": "This must be a number, like 129.90."})
    again = adaptive.modify_retry(request, typed, wrong)
    return {
        "view_details.json": blockkit.details_view(request, name=name),
        "view_modify.json": blockkit.modify_view(request),
        "view_reject.json": blockkit.reject_view(request),
        "view_details.adaptive.json": adaptive.details(request, name=name),
        "view_modify.adaptive.json": adaptive.modify_form(request),
        "view_reject.adaptive.json": adaptive.reject_form(request),
        "view_modify_again.adaptive.json": adaptive.modify_form(request, retry=again),
        "view_words.adaptive.json": adaptive.words_view("This is still being counted.", "07-a.1"),
        "view_modify_dialog.adaptive.json": adaptive.modify_form(request, surface=dialog),
        "view_reject_dialog.adaptive.json": adaptive.reject_form(request, surface=dialog),
        "view_pending.adaptive.json": adaptive.pending([request, STATES["unknown"]], name=name).card,
    }


def drawn(request: Request) -> dict[str, str]:
    """Every form by file ending."""
    card = card_of(request, name=name)
    message = blockkit.message(card)
    slack = {"text": message.text, "metadata": message.metadata, "blocks": message.blocks}
    teams = adaptive.message(card)
    return {"txt": plaintext.text(card), "json": written(slack), "adaptive.json": written(teams.card)}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("form", ["txt", "json", "adaptive.json"])
def test_every_state_has_its_card(state: str, form: str) -> None:
    """What people see changes only when somebody means it to."""
    file = GOLDEN / f"{state}.{form}"
    text = drawn(STATES[state])[form]
    if os.environ.get("SAYSO_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_the_forms_are_kept_too() -> None:
    """Details, the modify form and the reject form of an open request; in Teams as dialogs as well."""
    for file, view in views().items():
        if os.environ.get("SAYSO_GOLDEN") == "write":
            (GOLDEN / file).write_text(written(view), encoding="utf-8")
        assert written(view) == (GOLDEN / file).read_text(encoding="utf-8")


def test_no_golden_file_is_left_over() -> None:
    """A state that is gone takes its pictures with it."""
    wanted = {f"{state}.{form}" for state in STATES for form in ("txt", "json", "adaptive.json")}
    assert {file.name for file in GOLDEN.iterdir()} == wanted | set(views())


def test_no_state_and_no_outcome_is_forgotten() -> None:
    """The scenes reach every value of the state machine."""
    assert {request.state for request in STATES.values()} == set(State)
    ended = {request.outcome.kind for request in STATES.values() if request.outcome}
    assert ended == set(OutcomeKind)
