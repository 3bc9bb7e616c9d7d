"""What a click or a submission led to, as its driver looks at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..watching import Changes, Violations
from .courier import APP_DID_NOT_ANSWER, Answer, Courier, SignedRequest
from .screen import Message, View
from .workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Backstage:
    """What people's actions go through; not for drivers.

    Attributes:
        response_base: Base URL of Slack's own server, once it listens.
    """

    workspace: Workspace
    courier: Courier
    changes: Changes
    violations: Violations
    response_base: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickResult:
    """What a click led to; `ephemerals`, `words`, `opened` and `changed` are looked up anew each time.

    Attributes:
        answer: The app's acknowledgement.
        request: The signed request, for `slack.replay` and `slack.redeliver`.
        trigger_id: What the app may open one modal with.
    """

    answer: Answer
    request: SignedRequest
    trigger_id: str
    user_id: str
    stage: Backstage = field(repr=False)
    message: Message | None = field(repr=False)
    edits_before: int = field(repr=False)
    heard_before: int = field(repr=False)

    @property
    def status(self) -> int:
        """HTTP status of the acknowledgement; 0 for none in time."""
        return self.answer.status

    @property
    def ms(self) -> float:
        """Milliseconds until the acknowledgement."""
        return self.answer.ms

    @property
    def error_shown(self) -> str:
        """What Slack told the person when the app failed; empty when it did not."""
        return "" if self.answer.ok else APP_DID_NOT_ANSWER

    @property
    def ephemerals(self) -> list[Message]:
        """What was whispered to the person since the click."""
        heard = [one for one in self.stage.workspace.ephemerals if one.ephemeral_to == self.user_id]
        return heard[self.heard_before :]

    @property
    def words(self) -> str:
        """The same as text."""
        return "\n".join(message.text_as_seen() for message in self.ephemerals)

    @property
    def opened(self) -> View | None:
        """The modal this click opened, if it is still in front of the person."""
        view = self.stage.workspace.modals.get(self.user_id)
        return view if view is not None and view.trigger_id == self.trigger_id else None

    @property
    def changed(self) -> bool:
        """The message that was clicked was redrawn or taken away since."""
        return self.message is not None and (self.message.edits > self.edits_before or self.message.deleted)

    async def whispered(self, timeout: float = 10) -> str:
        """Wait for words that only this person sees. Raises: NotInTime."""
        await self._until(lambda: self.ephemerals, timeout, "words for whoever clicked")
        return self.words

    async def modal(self, timeout: float = 10) -> View:
        """Wait for the modal. Raises: NotInTime."""
        view: list[View] = []

        def opened() -> bool:
            view[:] = [self.opened] if self.opened else []
            return bool(view)

        await self._until(opened, timeout, "the modal")
        return view[0]

    async def redrawn(self, timeout: float = 10) -> Message:
        """Wait until the message that was clicked is redrawn. Raises: NotInTime."""
        await self._until(lambda: self.changed, timeout, "the redrawn message")
        assert self.message is not None
        return self.message

    async def _until(self, seen: Callable[[], object], timeout: float, what: str) -> None:
        await self.stage.changes.until(seen, timeout=timeout, what=what)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitResult:
    """What pressing Submit or Cancel led to.

    Attributes:
        view: The modal that was submitted.
        answer: The app's answer; None when Slack did not ask the app.
        request: The signed request; None likewise.
        updated: The modal shows something else now.
        pushed: The modal on top of it, if the app pushed one.
        error_shown: Slack's words when the app failed; empty otherwise.
    """

    view: View
    answer: Answer | None = None
    request: SignedRequest | None = None
    updated: bool = False
    pushed: View | None = None
    error_shown: str = ""

    @property
    def errors(self) -> dict[str, str]:
        """Complaints under the fields, by label: Slack's own, or the app's."""
        return self.view.errors

    @property
    def closed(self) -> bool:
        """The modal is gone."""
        return not self.view.open

    @property
    def status(self) -> int:
        """HTTP status of the app's answer; 0 for none in time, or when Slack did not ask."""
        return 0 if self.answer is None else self.answer.status
