"""Where a person reads the answer to a press: in place of the card, for them alone, or in the dialog in front of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ...approvals.errors import AnswerRefused, BadChange, NotAllowed, RequestNotFound, SaysoError
from ...approvals.request import Request
from ...cards import adaptive
from ...cards.adaptive import Surface
from ...cards.answers import BadPress

#: What goes back to Teams; None closes a dialog.
Body = Mapping[str, Any]
Drawing = dict[str, Any]

STILL_COUNTING = "This is still being counted. The card shows it as soon as it is done."
TOO_SLOW = "I could not look that up in time. Please press the button once more."


class Screen(Protocol):
    """What a person looks at."""

    surface: Surface

    def show(self, title: str, card: Drawing) -> Body:
        """A form, or Details."""
        ...

    def counted(self, request: Request, words: str) -> Body:
        """Their answer has been counted; `request` is how it stands now."""
        ...

    def refused(self, error: SaysoError, words: str) -> Body:
        """Nothing was counted; what they typed stays where it can."""
        ...

    def still_counting(self, press: str) -> Body:
        """We do not know in time; the card follows by itself."""
        ...

    def too_slow(self) -> Body:
        """What they asked to see is not there in time."""
        ...


class InCard:
    """A press on a card: the answer takes its place, for this person only."""

    surface = Surface.VIEW

    def __init__(self, draw: Callable[[Request], Drawing]) -> None:
        self._draw = draw

    def show(self, title: str, card: Drawing) -> Body:
        """In place of the card; its title is on the button that was pressed."""
        return adaptive.answer(card)

    def counted(self, request: Request, words: str) -> Body:
        """The card as it stands says it all."""
        return adaptive.answer(self._draw(request))

    def refused(self, error: SaysoError, words: str) -> Body:
        """A sentence under the card."""
        return adaptive.error(words, status=status_of(error), code=type(error).__name__)

    def still_counting(self, press: str) -> Body:
        """The sentence in place of the card, and the way to look again."""
        return adaptive.answer(adaptive.words_view(STILL_COUNTING, press))

    def too_slow(self) -> Body:
        """A sentence under the card."""
        return adaptive.error(TOO_SLOW, status=503, code="TooSlow")


class InDialog:
    """A dialog that opens, or a button in one: it shows something else, or a last sentence."""

    surface = Surface.DIALOG

    def show(self, title: str, card: Drawing) -> Body:
        """The dialog with this card."""
        return adaptive.dialog(title, card)

    def counted(self, request: Request, words: str) -> Body:
        """The last sentence; the card behind it is redrawn for everybody."""
        return adaptive.closing(words)

    def refused(self, error: SaysoError, words: str) -> Body:
        """The last sentence."""
        return adaptive.closing(words)

    def still_counting(self, press: str) -> Body:
        """The last sentence."""
        return adaptive.closing(STILL_COUNTING)

    def too_slow(self) -> Body:
        """The last sentence."""
        return adaptive.closing(TOO_SLOW)


def status_of(error: SaysoError) -> int:
    """The status inside a refusal; clients and logs tell refusals apart by it."""
    match error:
        case NotAllowed():
            return 403
        case BadChange() | BadPress():
            return 400
        case RequestNotFound():
            return 404
        case AnswerRefused():  # settled, or outdated
            return 409
        case _:
            return 503
