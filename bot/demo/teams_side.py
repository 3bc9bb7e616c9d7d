"""What the scenes see and do in Teams: people there, their words, the cards in front of them, the forms in the cards."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ...approvals.request import Request
from ...sandbox.teams import ClickResult, Message, Person
from ...sandbox.workplace import ThreadedWorkplace
from .story import Story


class TeamsSide:
    """The workplace's Teams, with the few things every scene does there. Messages show how they stand now."""

    def __init__(self, work: ThreadedWorkplace, story: Story) -> None:
        self._work = work
        self._story = story

    def person(self, name: str) -> Person:
        """Somebody of the tenant. Raises: LookupError."""
        return self._work.teams.person(name)

    def asks(self, channel: str, goal: str, *, who: str = "alex") -> Message:
        """Somebody mentions the bot."""
        self._story.says(f"@{who} in Teams, {channel}", f"@sayso {goal}")
        return self._work.run(self.person(who).says(channel, f"@sayso {goal}"))

    def card(self, channel: str, words: str, *, who: str = "bo", within: float = 15) -> Message:
        """The newest message in a channel that shows `words` and can be approved. Raises: NotInTime."""

        def seen() -> Message | None:
            shown = [one for one in self.person(who).sees(channel) if words in one.text_as_seen()]
            return next((one for one in reversed(shown) if "Approve" in one.buttons()), None)

        found = self._work.until(seen, timeout=within, what=f"a card with {words!r} in Teams, {channel}")
        assert found is not None
        return found

    def cards(self, request: Request) -> list[Message]:
        """Every card of a request, oldest first: its buttons name the request."""
        messages = tuple(self._work.teams.tenant.messages)
        return [
            one for one in messages if one.card and not one.deleted and request.id in json.dumps(one.card)
        ]

    def replies(self, message: Message, words: str, *, who: str = "alex", within: float = 15) -> Message:
        """The first message in its thread that shows `words`, cards left out. Raises: NotInTime."""

        def seen() -> Message | None:
            thread = [one for one in self.person(who).sees_in_thread(message)[1:] if not one.buttons()]
            return next((one for one in thread if words in one.text_as_seen()), None)

        found = self._work.until(seen, timeout=within, what=f"{words!r} in the thread in Teams")
        assert found is not None
        return found

    def shows(self, card: Message, words: str, *, within: float = 15) -> None:
        """A card was redrawn so that everybody reads `words`. Raises: NotInTime."""
        self._work.until(
            lambda: words in card.text_as_seen(), timeout=within, what=f"{words!r} on the card in Teams"
        )

    def clicks(self, card: Message, button: str, *, who: str) -> ClickResult:
        """Press a button of a card. Raises: CannotDoThat."""
        return self._work.run(self.person(who).clicks(card, button))

    def sends_form(self, card: Message, button: str, answers: Mapping[str, str], *, who: str) -> ClickResult:
        """Press a button that opens a form in the card, fill it in by its labels, and send it. Raises: CannotDoThat.

        Whoever is refused the form gets the refusal.
        """
        asked = self.clicks(card, button, who=who)
        if asked.words:
            return asked
        self.person(who).fills(card, answers)
        return self.clicks(card, "Send", who=who)
