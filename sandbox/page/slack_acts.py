"""What people do in Slack's pane; each act goes the way it goes for the people of the tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from ..slack import CannotDoThat, Message, Slack, View
from ..slack.person import Person
from ..slack.workspace import SlackError
from .slack_screen import channels_of
from .told import Told
from .turns import Turns

#: Does it; words for the person, mostly none. Raises: CannotDoThat, LookupError, WrongAct.
Act = Callable[[str, Told], Awaitable[str]]

GONE = "That message is not there any more."
CHANGED = "That form has changed in the meantime; look at it again."
CLOSED = "That dialog is not in front of you any more."


class SlackActs:
    """Called on the workplace's loop."""

    def __init__(self, slack: Slack, turns: Turns) -> None:
        self._slack = slack
        self._turns = turns
        self.acts: Mapping[str, Act] = {
            "slack.say": self._say, "slack.click": self._click, "slack.submit": self._submit,
            "slack.close": self._close, "slack.home": self._home,
        }  # fmt: skip

    async def _say(self, name: str, told: Told) -> str:
        person, channel = self._slack.person(name), told.text("channel")
        thread, place = told.text_or_nothing("thread"), self._place(person, channel)
        root = self._slack.workspace.message(channel, thread) if thread else None
        if thread and root is None:
            raise CannotDoThat(GONE)
        if not told.text("text").strip():
            raise CannotDoThat("There is nothing to send yet.")
        try:
            await person.says(place, told.text("text"), thread=root)
        except SlackError:  # the root of the thread was taken away
            raise CannotDoThat(GONE) from None
        return ""

    async def _click(self, name: str, told: Told) -> str:
        person, label = self._slack.person(name), told.text("label")
        value = told.text("value") if told.fields.get("value") is not None else None
        async with self._turns.of("slack", name):
            result = await person.clicks(self._screen(person, told), label, value=value)
        must_have_worked(result.error_shown, {})
        return ""

    async def _submit(self, name: str, told: Told) -> str:
        person, answers = self._slack.person(name), told.answers("values")
        async with self._turns.of("slack", name):
            view = _modal(person, told.text("view"))
            if not set(answers) <= set(view.labels()):
                raise CannotDoThat(CHANGED)
            result = await person.submits(view.fill(answers))
        must_have_worked(result.error_shown, result.errors)
        return ""

    async def _close(self, name: str, told: Told) -> str:
        person = self._slack.person(name)
        async with self._turns.of("slack", name):
            await person.closes(_modal(person, told.text("view")))
        return ""

    async def _home(self, name: str, told: Told) -> str:
        await self._slack.person(name).opens_home()
        return ""

    def _place(self, person: Person, channel: str) -> str:
        """As people call it. Raises: LookupError, also for a channel they cannot know of."""
        for one in channels_of(person, self._slack.workspace):
            if one.id == channel:
                return "@sayso" if one.with_user else f"#{one.name}"
        raise LookupError("You are in no such channel.")

    def _screen(self, person: Person, told: Told) -> Message | View:
        if "view" in told.fields:
            if person.home is not None and person.home.id == told.text("view"):
                return person.home
            return _modal(person, told.text("view"))
        channel, ts = told.text("channel"), told.text("ts")
        for whispered in person.ephemerals:
            if (whispered.channel, whispered.ts) == (channel, ts):
                return whispered
        message = self._slack.workspace.message(channel, ts)
        if message is None:
            raise CannotDoThat(GONE)
        return message


def must_have_worked(no: str, complaints: Mapping[str, str]) -> None:
    """Raises: CannotDoThat, when the platform said `no`, or complained about fields."""
    if no or complaints:
        raise CannotDoThat(no or " ".join(f"{label}: {problem}" for label, problem in complaints.items()))


def _modal(person: Person, id: str) -> View:
    if person.modal is None or person.modal.id != id:
        raise CannotDoThat(CLOSED)
    return person.modal
