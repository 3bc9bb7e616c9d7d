"""What can be typed at the prompt about Teams: say things there, press buttons, fill in the forms in the cards."""

from __future__ import annotations

import contextlib
import re

from ...approvals.request import Request, State
from ...cards.form_words import INSTRUCTION_LABEL, REASON_LABEL
from ...sandbox.teams import ClickResult, Message
from .stage import FINANCE, OPS, SUPPORT, Stage, soon
from .story import TourFailed


def in_teams(stage: Stage, said: str) -> None:
    """Do one thing in Teams and show what came of it. Raises: LookupError, CannotDoThat."""
    if found := re.fullmatch(r"(\w+): *(.+)", said):
        _ask(stage, found[1].lower(), found[2])
    elif found := re.fullmatch(r"(\w+) (approve|reject|modify)\b *(.*)", said):
        _answer(stage, found[1].lower(), found[2], found[3])
    elif found := re.fullmatch(r"see #?([\w-]+)", said):
        for message in stage.teams.person("bo").sees(f"#{found[1]}")[-6:]:
            stage.story.shows(f"Teams, #{found[1]}", message.text_as_seen())
    else:
        raise LookupError(f"I do not understand {said!r} in Teams; help lists what I do.")


def _ask(stage: Stage, who: str, goal: str) -> None:
    person = stage.teams.person(who)
    before = len(person.direct_messages())
    asked = stage.teams.asks(SUPPORT, goal, who=who)

    def answers() -> list[Message]:
        return [*person.sees_in_thread(asked)[1:], *person.direct_messages()[before:]]

    with contextlib.suppress(TourFailed):
        soon(lambda: len(answers()) > 1 or person.direct_messages()[before:], "an answer", seconds=4)
    for message in answers():
        stage.story.shows(f"Teams, {SUPPORT}, in the thread", message.text_as_seen())


def _answer(stage: Stage, who: str, verb: str, words: str) -> None:
    request = stage.waiting()
    channel, card = _card(stage, who, request)
    does = "presses Approve" if verb == "approve" else f"fills in the form: {verb} {words}"
    stage.story.says(f"@{who} in Teams, {channel}", does)
    if "Back to the card" in stage.teams.person(who).offered(card):  # a form from before is still open
        stage.teams.clicks(card, "Back to the card", who=who)
    press = _pressed(stage, card, who, verb, words)
    if press.words or "Send" in stage.teams.person(who).offered(card):
        stage.story.shows(f"only @{who} sees", press.words or stage.teams.person(who).reads(card))
        return
    with contextlib.suppress(TourFailed):
        soon(lambda: "Outcome" in card.text_as_seen() or not _goes_on(stage, request), "the end", seconds=4)
    stage.story.shows(f"Teams, {channel}", card.text_as_seen())


def _goes_on(stage: Stage, request: Request) -> bool:
    """Whether it is decided and the agent is at work, so that the card will be redrawn once more."""
    return stage.now(request).state is not State.OPEN


def _pressed(stage: Stage, card: Message, who: str, verb: str, words: str) -> ClickResult:
    match verb:
        case "approve":
            return stage.teams.clicks(card, "Approve", who=who)
        case "reject":
            return stage.teams.sends_form(card, "Reject…", {REASON_LABEL: words}, who=who)
        case _:
            values = dict(re.findall(r"(\w+)=(\S+)", words)) or {INSTRUCTION_LABEL: words}
            return stage.teams.sends_form(card, "Modify…", values, who=who)


def _card(stage: Stage, who: str, request: Request) -> tuple[str, Message]:
    """Where this person sees the request's card in Teams. Raises: LookupError."""
    copies = stage.teams.cards(request)
    for channel in (FINANCE, OPS, SUPPORT, "@sayso"):
        for message in reversed(stage.teams.person(who).sees(channel)):
            if message in copies:
                return channel, message
    raise LookupError(f"@{who} sees no card that waits in Teams.")
