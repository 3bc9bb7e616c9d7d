"""The card of every state as a reviewer of this repository can read it; `SAYSO_GOLDEN=write` draws them anew."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from card_states import states
from sayso.approvals.people import PersonId
from sayso.approvals.request import OutcomeKind, Request, State
from sayso.cards import blockkit, plaintext
from sayso.cards.card import card_of

GOLDEN = Path(__file__).parent / "golden"
STATES = states()


def name(person: PersonId) -> str:
    return person.title()


def drawn(request: Request) -> dict[str, str]:
    """Both forms by file ending."""
    card = card_of(request, name=name)
    message = blockkit.message(card)
    slack = {"text": message.text, "metadata": message.metadata, "blocks": message.blocks}
    return {"txt": plaintext.text(card), "json": json.dumps(slack, indent=1, ensure_ascii=False) + "\n"}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("form", ["txt", "json"])
def test_every_state_has_its_card(state: str, form: str) -> None:
    """What people see changes only when somebody means it to."""
    file = GOLDEN / f"{state}.{form}"
    text = drawn(STATES[state])[form]
    if os.environ.get("SAYSO_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_the_forms_are_kept_too() -> None:
    """Details, the modify form and the reject form of an open request."""
    request = STATES["open"]
    views = {
        "details": blockkit.details_view(request, name=name),
        "modify": blockkit.modify_view(request),
        "reject": blockkit.reject_view(request),
    }
    for kind, view in views.items():
        file = GOLDEN / f"view_{kind}.json"
        text = json.dumps(view, indent=1, ensure_ascii=False) + "\n"
        if os.environ.get("SAYSO_GOLDEN") == "write":
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over() -> None:
    """A state that is gone takes its pictures with it."""
    wanted = {f"{state}.{form}" for state in STATES for form in ("txt", "json")}
    views = {f"view_{kind}.json" for kind in ("details", "modify", "reject")}
    assert {file.name for file in GOLDEN.iterdir()} == wanted | views


def test_no_state_and_no_outcome_is_forgotten() -> None:
    """The scenes reach every value of the state machine."""
    assert {request.state for request in STATES.values()} == set(State)
    ended = {request.outcome.kind for request in STATES.values() if request.outcome}
    assert ended == set(OutcomeKind) - {OutcomeKind.ANSWERED}, "a dialect's answer comes with the dialects"
