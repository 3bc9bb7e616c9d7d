"""What a click or a dialog led to, as its driver looks at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..loopback import Json
from ..own_thread import OwnThread
from ..watching import Changes, Violations
from .courier import Answer, Courier, Delivery
from .screen import Dialog, Message
from .tenant import Tenant

#: Shown to whoever clicked when the bot did not answer rightly in time.
BOT_DID_NOT_ANSWER = "Something went wrong. Please try again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Backstage:
    """What people's actions go through; not for drivers.

    Attributes:
        thread: Microsoft's own thread, where all of it happens.
        service_url: The Connector's address at this moment.
    """

    tenant: Tenant
    courier: Courier
    changes: Changes
    violations: Violations
    thread: OwnThread
    service_url: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What an invoke's answer put before the person; empty where it did not.

    Attributes:
        card: The card that only this person sees now.
        words: A message of the bot for this person.
        refusal: The sentence of an error answer, as it stands under the card.
        error_shown: Teams' own words when the bot failed.
    """

    card: Json | None = None
    words: str = ""
    refusal: str = ""
    error_shown: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickResult:
    """What a click led to.

    Attributes:
        message: What was clicked on.
        answer: The bot's answer; None when the client did not ask the bot.
        delivery: The signed request, for `teams.replay` and `teams.redeliver`; None likewise.
        dialog: What opened in front of the person.
        errors: The client's complaints under the fields, by label.
        opened_url: Where the button led to.
    """

    message: Message
    stage: Backstage = field(repr=False)
    edits_before: int = field(repr=False)
    answer: Answer | None = None
    delivery: Delivery | None = None
    shown: Shown = Shown()
    dialog: Dialog | None = None
    errors: dict[str, str] = field(default_factory=dict)
    opened_url: str = ""

    @property
    def status(self) -> int:
        """HTTP status of the answer; 0 for none."""
        return 0 if self.answer is None else self.answer.status

    @property
    def ms(self) -> float:
        """Milliseconds until the answer."""
        return 0.0 if self.answer is None else self.answer.ms

    @property
    def card(self) -> Json | None:
        """The card that only this person sees now."""
        return self.shown.card

    @property
    def words(self) -> str:
        """What the person reads, whoever says it: the bot's message, its refusal, or Teams' own words."""
        return self.shown.words or self.shown.refusal or self.shown.error_shown

    @property
    def refusal(self) -> str:
        """The sentence of a typed error answer."""
        return self.shown.refusal

    @property
    def error_shown(self) -> str:
        """What Teams told the person when the bot failed; empty when it did not."""
        return self.shown.error_shown

    @property
    def changed(self) -> bool:
        """The message that was clicked was redrawn for everybody, or taken away, since."""
        return self.message.edits > self.edits_before or self.message.deleted

    async def redrawn(self, timeout: float = 10) -> Message:
        """Wait until everybody sees it redrawn. Raises: NotInTime."""
        await self.stage.changes.until(lambda: self.changed, timeout=timeout, what="the redrawn card")
        return self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitResult:
    """What pressing a button in a dialog led to.

    Attributes:
        answer: The bot's answer; None when the client did not ask the bot.
        delivery: The signed request; None likewise.
        words: What the bot said as the dialog closed.
        error_shown: Teams' words when the bot failed; empty otherwise.
        updated: The dialog shows something else now.
    """

    dialog: Dialog
    answer: Answer | None = None
    delivery: Delivery | None = None
    words: str = ""
    error_shown: str = ""
    updated: bool = False

    @property
    def errors(self) -> dict[str, str]:
        """The client's complaints under the fields, by label."""
        return self.dialog.errors

    @property
    def closed(self) -> bool:
        """The dialog is gone."""
        return not self.dialog.open

    @property
    def status(self) -> int:
        """HTTP status of the bot's answer; 0 for none in time, or when it was not asked."""
        return 0 if self.answer is None else self.answer.status
