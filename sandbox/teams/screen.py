"""What people have on their screens: messages with their cards, and dialogs."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..loopback import Json
from ..slack.forms import CannotDoThat
from .forms import entered, inputs_of, label_of, must_offer
from .limits import card_texts
from .rendering import live_links, live_mentions, readable, text_of_card


@dataclass(slots=True)
class Sheet:
    """What one person has done to one card: answers by input id, and the forms they unfolded."""

    typed: dict[str, str] = field(default_factory=dict)
    shown: frozenset[str] = frozenset()
    errors: dict[str, str] = field(default_factory=dict)

    def fill(self, card: Json, answers: Mapping[str, str]) -> None:
        """Enter answers by label. Raises: CannotDoThat."""
        seen = list(inputs_of(card))
        for form in unfolded(card, self.shown):
            seen += inputs_of(form)
        by_label = {name: element for element in seen for name in (element["id"], label_of(element))}
        for label, answer in answers.items():
            if label not in by_label:
                raise CannotDoThat(f"no field {label!r}; there are {[label_of(one) for one in seen]}")
            element = by_label[label]
            self.typed[str(element["id"])] = entered(element, answer)

    def take(self, card: Json, values: Mapping[str, str]) -> None:
        """Enter values by input id, as they travel; forms count as unfolded. Raises: CannotDoThat."""
        inputs = {str(one["id"]): one for one in every_input(card)}
        if strange := sorted(set(values) - set(inputs)):
            raise CannotDoThat(f"no fields {strange}; there are {list(inputs)}")
        for id, value in values.items():
            must_offer(inputs[id], value)
        self.typed.update(values)
        self.shown = frozenset(
            title for title, one, _ in actions_of(card) if one["type"] == "Action.ShowCard"
        )


@dataclass(slots=True, kw_only=True, eq=False)
class Message:
    """One message; the object stays the same when it is edited, so keep a `snapshot()` to compare.

    Attributes:
        conversation: Channel id, or the id of the personal chat.
        id: Within its conversation: milliseconds since 1970.
        root: Id of the message its thread began with; its own id for a root; empty in personal chats.
        sender: Teams id of whoever wrote it.
        card: The card everybody sees; None for words.
        own_cards: The card that one person sees instead, by person: what an Action.Execute answered them.
        edits: How often it was redrawn for everybody.
    """

    conversation: str
    id: str
    root: str
    sender: str
    text: str = ""
    card: Json | None = None
    entities: list[Json] = field(default_factory=list)
    summary: str = ""
    edits: int = 0
    deleted: bool = False
    own_cards: dict[str, Json] = field(default_factory=dict)
    sheets: dict[str, Sheet] = field(default_factory=dict)

    @property
    def thread(self) -> str:
        """The conversation id a bot is given: with `;messageid=` in a channel."""
        return f"{self.conversation};messageid={self.root}" if self.root else self.conversation

    @property
    def push_text(self) -> str:
        """What a phone shows on its lock screen."""
        return self.summary or readable(self.text) or "Sent a card"

    def text_as_seen(self) -> str:
        """The message as plain text, as somebody sees it who has not touched it."""
        return text_of_card(self.card) if self.card else readable(self.text)

    def buttons(self) -> list[str]:
        """Titles of everything that can be clicked, in order."""
        return [title for title, _, _ in actions_of(self.card)] if self.card else []

    def live_mentions(self) -> list[str]:
        """Every `<at>` in text and card."""
        return live_mentions(self.text, self.card)

    def live_links(self) -> list[tuple[str, str]]:
        """(label, address) of every link in text and card that is not a button."""
        return live_links(self.text, self.card)

    def texts(self) -> list[str]:
        """The raw texts in which Teams looks for Markdown."""
        return [self.text, *(card_texts(self.card) if self.card else [])]

    def card_for(self, person: str) -> Json | None:
        """The card as one person sees it."""
        return self.own_cards.get(person, self.card)

    def sheet_of(self, person: str) -> Sheet:
        """What one person has entered so far."""
        return self.sheets.setdefault(person, Sheet())

    def redraw(self, *, text: str, card: Json | None, entities: list[Json], summary: str) -> None:
        """Show something else to everybody: own views and answers are gone."""
        self.text, self.card, self.entities, self.summary = text, card, entities, summary
        self.own_cards, self.sheets = {}, {}
        self.edits += 1

    def snapshot(self) -> Message:
        """The message as it is now, for clicking on it after it was redrawn."""
        return replace(
            self, card=copy.deepcopy(self.card), own_cards=copy.deepcopy(self.own_cards), sheets={}
        )


@dataclass(slots=True, kw_only=True, eq=False)
class Dialog:
    """A dialog (task module) in front of one person.

    Attributes:
        owner: Name of the person.
        id: Names it among the dialogs of its owner.
        content: What the app answered: title, card, height, width.
        over: The message whose button opened it.
        open: Still on the screen.
    """

    owner: str
    content: Json
    over: Message = field(repr=False)
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    open: bool = True
    sheet: Sheet = field(default_factory=Sheet)

    @property
    def title(self) -> str:
        """Its heading."""
        return str(self.content.get("title", ""))

    @property
    def card(self) -> Json:
        """The card inside."""
        card: Json = self.content["card"]["content"]
        return card

    @property
    def errors(self) -> dict[str, str]:
        """Complaints of the client under the fields, by label."""
        return self.sheet.errors

    def labels(self) -> list[str]:
        """Labels of the fields that can be filled in, in order."""
        return [label_of(element) for element in inputs_of(self.card)]

    def buttons(self) -> list[str]:
        """Titles of the buttons, in order."""
        return [title for title, _, _ in actions_of(self.card)]

    def fill(self, answers: Mapping[str, str]) -> Dialog:
        """Enter answers by label; choices by title. Raises: CannotDoThat."""
        self.sheet.fill(self.card, answers)
        return self

    def text_as_seen(self) -> str:
        """Title, card and complaints as plain text."""
        complaints = [f"! {label}: {problem}" for label, problem in self.errors.items()]
        return "\n".join([self.title, text_of_card(self.card, self.sheet.typed), *complaints])


def actions_of(card: Json, shown: frozenset[str] | None = None) -> list[tuple[str, Json, list[Json]]]:
    """(title, action, inputs it carries) of every button one can reach.

    Args:
        shown: Titles of the unfolded ShowCards; None counts them all as unfolded.
    """
    return _actions_in(card, list(inputs_of(card)), shown)


def every_input(card: Json) -> list[Json]:
    """The inputs of a card and of all its forms, folded or not."""
    titles = frozenset(title for title, _, _ in actions_of(card))
    return [one for form in (card, *unfolded(card, titles)) for one in inputs_of(form)]


def unfolded(card: Json, shown: frozenset[str]) -> list[Json]:
    """The ShowCard forms that are open, outermost first."""
    found = []
    for action in _own_actions(card):
        if action["type"] == "Action.ShowCard" and action.get("title") in shown:
            found += [action["card"], *unfolded(action["card"], shown)]
    return found


def _actions_in(
    card: Json, inputs: list[Json], shown: frozenset[str] | None
) -> list[tuple[str, Json, list[Json]]]:
    found = []
    for action in _own_actions(card):
        title = str(action.get("title", ""))
        found.append((title, action, inputs))
        if action["type"] == "Action.ShowCard" and (shown is None or title in shown):
            found += _actions_in(action["card"], inputs + list(inputs_of(action["card"])), shown)
    return found


def _own_actions(value: object) -> list[Json]:
    """Actions of a card, its action sets and what can be selected; not those inside its ShowCards."""
    if isinstance(value, list):
        return [action for entry in value for action in _own_actions(entry)]
    if not isinstance(value, dict):
        return []
    found = [action for name in ("selectAction", "inlineAction") if (action := value.get(name))]
    for name in ("body", "items", "columns", "rows", "cells", "inlines"):
        found += _own_actions(value.get(name))
    return found + list(value.get("actions", []))
