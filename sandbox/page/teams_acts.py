"""What people do in Teams' pane; each act goes the way it goes for the people of the tests."""

from __future__ import annotations

from collections.abc import Mapping

from ..teams import CannotDoThat, Dialog, Message, Teams
from ..teams.person import Person
from ..teams.screen import every_input
from ..teams.tenant import BOT_NAME
from .slack_acts import CHANGED, CLOSED, GONE, Act, must_have_worked
from .teams_screen import channels_of
from .told import Told
from .turns import Turns


class TeamsActs:
    """Called on the workplace's loop; what touches Teams is done on its thread."""

    def __init__(self, teams: Teams, turns: Turns) -> None:
        self._teams = teams
        self._turns = turns
        self.acts: Mapping[str, Act] = {
            "teams.say": self._say, "teams.click": self._click, "teams.submit": self._submit,
            "teams.close": self._close,
        }  # fmt: skip

    async def _say(self, name: str, told: Told) -> str:
        channel, text, root = told.text("channel"), told.text("text"), told.text_or_nothing("root")
        if not text.strip():
            raise CannotDoThat("There is nothing to send yet.")

        async def said() -> str:
            person = self._teams.person(name)
            place, thread = self._place(person, channel), None
            if root and (thread := self._teams.tenant.message(channel, root)) is None:
                raise CannotDoThat(GONE)
            await person.says(place, text, thread=thread)
            return ""

        return await self._teams.on_its_thread(said())

    async def _click(self, name: str, told: Told) -> str:
        conversation, id, title = told.text("conversation"), told.text("id"), told.text("title")
        inputs, data = told.texts("inputs"), told.fields.get("data")

        async def clicked() -> str:
            person = self._teams.person(name)
            message = self._teams.tenant.message(conversation, id)
            if message is None or message not in person.sees_in_thread(message):
                raise CannotDoThat(GONE)
            if inputs:
                _take(message, name, inputs)
            result = await person.clicks(message, title, data=data)
            must_have_worked(result.refusal or result.error_shown, result.errors)
            return result.words

        async with self._turns.of("teams", name):
            return await self._teams.on_its_thread(clicked())

    async def _submit(self, name: str, told: Told) -> str:
        id, title, inputs = told.text("dialog"), told.text("title"), told.texts("inputs")

        async def submitted() -> str:
            dialog = self._dialog(name, id)
            if not set(inputs) <= {str(one["id"]) for one in every_input(dialog.card)}:
                raise CannotDoThat(CHANGED)
            dialog.sheet.take(dialog.card, inputs)
            result = await self._teams.person(name).submits(dialog, title)
            must_have_worked(result.error_shown, result.errors)
            return result.words

        async with self._turns.of("teams", name):
            return await self._teams.on_its_thread(submitted())

    async def _close(self, name: str, told: Told) -> str:
        id = told.text("dialog")

        async def closed() -> str:
            self._teams.person(name).closes(self._dialog(name, id))
            return ""

        async with self._turns.of("teams", name):
            return await self._teams.on_its_thread(closed())

    def _place(self, person: Person, channel: str) -> str:
        """As people call it. Raises: LookupError, also for a channel they cannot know of."""
        for one in channels_of(person.user, self._teams.tenant):
            if one.id == channel:
                return f"#{one.name}" if one.team else f"@{BOT_NAME}"
        raise LookupError("You are in no such channel.")

    def _dialog(self, name: str, id: str) -> Dialog:
        dialog = self._teams.tenant.dialogs.get(name)
        if dialog is None or dialog.id != id or not dialog.open:
            raise CannotDoThat(CLOSED)
        return dialog


def _take(message: Message, name: str, inputs: dict[str, str]) -> None:
    """Fill in their view of the card as the browser says it is filled in. Raises: CannotDoThat."""
    card = message.card_for(name)
    if card is None or not set(inputs) <= {str(one["id"]) for one in every_input(card)}:
        raise CannotDoThat(CHANGED)
    message.sheet_of(name).take(card, inputs)
