"""People as drivers: what they say, see, fill in and click reads like a user manual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from ..loopback import Json
from ..slack.forms import CannotDoThat, NoSuchButton
from . import payloads
from .answers import Task, after_action, after_task
from .courier import Answer, Delivery
from .forms import complaints, values_of
from .places import Channel, User
from .rendering import text_of_card
from .results import BOT_DID_NOT_ANSWER, Backstage, ClickResult, SubmitResult
from .screen import Dialog, Message, Sheet, actions_of
from .tenant import BOT_NAME

Screen = TypeVar("Screen", Message, Dialog)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What a person's Teams can do; old and mobile ones can do less.

    Attributes:
        dialogs: Opens task modules.
        own_views: Shows the card of an invoke's answer; else only an update for everybody changes it.
        trigger: Says whether a click was made by hand (`"trigger": "manual"`).
        names_card: Says of a dialog that is sent on which message it was opened (`replyToId`).
    """

    dialogs: bool = True
    own_views: bool = True
    trigger: bool = True
    names_card: bool = True


class Person:
    """One member at their screen; get one by `teams.person("alex")`. `client` may be set to a poorer one."""

    def __init__(self, user: User, backstage: Backstage) -> None:
        self.user = user
        self.client = Client()
        self._stage = backstage
        self._tenant = backstage.tenant

    def __repr__(self) -> str:
        return f"<{self.user.name}>"

    @property
    def id(self) -> str:
        """The id Teams gives them towards the bot."""
        return self.user.id

    @property
    def aad(self) -> str:
        """The Entra object id."""
        return self.user.aad

    def sees(self, channel: str) -> list[Message]:
        """What stands in "#channel" (or with "@sayso"), threads included, oldest first; nothing for outsiders."""
        place = self._place(channel)
        return self._tenant.timeline(place) if self.user in self._tenant.members_of(place) else []

    def sees_in_thread(self, message: Message) -> list[Message]:
        """The thread of a message: its root first."""
        place = self._tenant.channels[message.conversation]
        if self.user not in self._tenant.members_of(place):
            return []
        return [one for one in self._tenant.timeline(place) if one.root == message.root]

    def direct_messages(self) -> list[Message]:
        """The chat with the bot."""
        return self.sees(f"@{BOT_NAME}")

    def reads(self, screen: Message | Dialog) -> str:
        """The words on their own screen: their view of the card, with what they have entered."""
        if isinstance(screen, Dialog):
            return screen.text_as_seen()
        card, sheet = screen.card_for(self.user.name), screen.sheet_of(self.user.name)
        complained = [f"! {label}: {problem}" for label, problem in sheet.errors.items()]
        drawn = text_of_card(card, sheet.typed, sheet.shown) if card else screen.text_as_seen()
        return "\n".join([drawn, *complained])

    def offered(self, message: Message) -> list[str]:
        """Titles of the buttons on their own view of a message."""
        card = message.card_for(self.user.name)
        return [title for title, _, _ in actions_of(card)] if card else []

    async def waits_for(self, channel: str, words: str, *, timeout: float = 10) -> Message:
        """The newest message in "#channel" (or with "@sayso") that shows `words`. Raises: NotInTime."""

        def found() -> list[Message]:
            return [message for message in self.sees(channel) if words in message.text_as_seen()]

        what = f"a message with {words!r} in {channel}"
        return (await self._stage.changes.until(found, timeout=timeout, what=what))[-1]

    async def says(self, channel: str, text: str, *, thread: Message | None = None) -> Message:
        """Write in "#channel", or to "@sayso" directly; `@name` becomes a mention.

        In a channel the bot hears of it only when it is mentioned; delivered in the background, once.

        Raises:
            CannotDoThat: Not a member, account closed, or the team is archived.
        """
        return await self._stage.thread.run(self._says(channel, text, thread))

    def fills(self, screen: Screen, answers: Mapping[str, str]) -> Screen:
        """Enter answers by label (choices by title; toggles "on" or "off"; "" empties). Raises: CannotDoThat."""
        if isinstance(screen, Dialog):
            screen.fill(answers)
            return screen
        current = self._on_screen(screen)
        card = current.card_for(self.user.name)
        if card is None:
            raise CannotDoThat("there is no card to fill in")
        current.sheet_of(self.user.name).fill(card, answers)
        return screen

    async def clicks(self, message: Message, title: str, *, data: object = None) -> ClickResult:
        """Press the button with this title; what was filled in goes with it.

        Args:
            data: Of the button, where several have the title; None takes the first.

        Raises:
            CannotDoThat: The person does not see the message; NoSuchButton, when there is no such button.
        """
        current = self._on_screen(message)
        return await self._stage.thread.run(self._clicks(current, current, title, data))

    async def clicks_old(self, snapshot: Message, title: str) -> ClickResult:
        """Press a button as it was when `snapshot` was taken, though it may be gone: a slow screen."""
        current = self._tenant.message(snapshot.conversation, snapshot.id) or snapshot
        return await self._stage.thread.run(self._clicks(snapshot, current, title))

    async def opens_dialog(self, message: Message, title: str) -> Dialog:
        """Press a button that opens a dialog. Raises: CannotDoThat, also when none opened."""
        result = await self.clicks(message, title)
        if result.dialog is None:
            raise CannotDoThat(f"{title!r} opened no dialog: {result.words or result.errors}")
        return result.dialog

    async def submits(self, dialog: Dialog, title: str = "") -> SubmitResult:
        """Press a button of a dialog; its only one unless `title` names it. The client checks the fields first.

        Raises:
            CannotDoThat: The dialog is closed, or has no such button.
        """
        return await self._stage.thread.run(self._submits(dialog, title))

    def closes(self, dialog: Dialog) -> None:
        """Close a dialog by its cross; the bot does not hear of it."""
        dialog.open = False
        self._stage.changes.happened()

    async def looks_at(self, message: Message) -> ClickResult | None:
        """Scroll a card into view: if it is to be refreshed for this person the bot is asked, else None."""
        refresh = (self._on_screen(message).card or {}).get("refresh") or {}
        if not self.client.own_views or self.id not in refresh.get("userIds", []):
            return None
        return await self._stage.thread.run(self._executes(message, refresh["action"], [], "automatic"))

    async def refreshes(self, message: Message) -> ClickResult:
        """Choose "Refresh card" in the message's menu. Raises: CannotDoThat, when it has no refresh."""
        refresh = (self._on_screen(message).card or {}).get("refresh")
        if refresh is None:
            raise CannotDoThat("this card cannot be refreshed")
        return await self._stage.thread.run(self._executes(message, refresh["action"], [], "manual"))

    async def _says(self, channel: str, text: str, thread: Message | None) -> Message:
        place = self._place(channel)
        archived = place.team is not None and place.team.archived
        if self.user not in self._tenant.members_of(place) or archived or not self.user.enabled:
            raise CannotDoThat(f"{self.user.name} cannot write in {channel}")
        written, entities = payloads.mentions_in(text, self._tenant)
        id = self._tenant.new_id()
        root = (thread.root if thread else id) if place.team else ""
        message = self._tenant.add(Message(
            conversation=place.id, id=id, root=root, sender=self.id, text=written, entities=entities
        ))  # fmt: skip
        self._stage.changes.happened()
        told = place.team is None or any(
            entity["mentioned"]["id"] == self._tenant.bot_id for entity in entities
        )
        if told and (place.team is None or place.team.bot_installed):
            url = self._stage.service_url()
            self._stage.courier.tell(payloads.message(self._tenant, url, self.user, place, message))
        return message

    async def _clicks(self, shown: Message, current: Message, title: str, data: object = None) -> ClickResult:
        if not self.user.enabled:
            raise CannotDoThat(f"{self.user.name} cannot use Teams")
        sheet, card = current.sheet_of(self.user.name), shown.card_for(self.user.name)
        unfolded = None if shown is not current else sheet.shown
        action, inputs = _found(actions_of(card, unfolded) if card else [], title, data)
        nothing = ClickResult(message=current, stage=self._stage, edits_before=current.edits)
        match action["type"]:
            case "Action.ShowCard":
                sheet.shown = sheet.shown ^ {title}
                return nothing
            case "Action.ToggleVisibility":
                return nothing
            case "Action.OpenUrl":
                return replace(nothing, opened_url=str(action["url"]))
            case "Action.Execute":
                return await self._executes(current, action, inputs, "manual")
            case _:
                return await self._submits_card(current, action, inputs, nothing)

    async def _executes(
        self, message: Message, action: Json, inputs: list[Json], trigger: str
    ) -> ClickResult:
        sheet, before = message.sheet_of(self.user.name), message.edits
        collected = _collected(action, inputs, sheet)
        if sheet.errors:
            return ClickResult(message=message, stage=self._stage, edits_before=before, errors=sheet.errors)
        sent = {name: action[name] for name in ("type", "id", "title", "verb") if name in action}
        value: Json = {"action": {**sent, "data": collected}}
        if self.client.trigger:
            value["trigger"] = trigger
        delivery, answer = await self._invokes(message, "adaptiveCard/action", value)
        shown = after_action(self._stage, answer)
        if shown.card is not None and self.client.own_views:
            message.own_cards[self.user.name] = shown.card
            message.sheets.pop(self.user.name, None)
            self._stage.changes.happened()
        return ClickResult(message=message, stage=self._stage, edits_before=before, answer=answer,
                           delivery=delivery, shown=shown)  # fmt: skip

    async def _submits_card(
        self, message: Message, action: Json, inputs: list[Json], nothing: ClickResult
    ) -> ClickResult:
        sheet, features = message.sheet_of(self.user.name), _features(action)
        collected = _collected(action, inputs, sheet)
        if sheet.errors:
            return replace(nothing, errors=sheet.errors)
        if features.get("type") == "task/fetch":
            return await self._fetches(message, collected, nothing)
        if features:
            raise CannotDoThat(f"this Teams has no {features.get('type')!r}")
        place, url = self._tenant.channels[message.conversation], self._stage.service_url()
        told = payloads.submitted(self._tenant, url, self.user, place, message, value=collected)
        self._stage.courier.tell(told)
        return nothing

    async def _fetches(self, message: Message, collected: Json, nothing: ClickResult) -> ClickResult:
        if not self.client.dialogs:
            raise CannotDoThat(f"the Teams of {self.user.name} has no dialogs")
        value = {"data": collected, "context": {"theme": "default"}}
        delivery, answer = await self._invokes(message, "task/fetch", value)
        task = after_task(self._stage, answer)
        shown = replace(
            nothing.shown, words=task.words, error_shown=BOT_DID_NOT_ANSWER if task.failed else ""
        )
        dialog = None
        if task.content is not None:
            dialog = Dialog(owner=self.user.name, content=task.content, over=message)
            self._tenant.dialogs[self.user.name] = dialog
            self._stage.changes.happened()
        return replace(nothing, answer=answer, delivery=delivery, shown=shown, dialog=dialog)

    async def _submits(self, dialog: Dialog, title: str) -> SubmitResult:
        if not dialog.open or dialog.owner != self.user.name:
            raise CannotDoThat(f"{dialog.title!r} is not in front of {self.user.name}")
        offered = actions_of(dialog.card)
        if not title and len(offered) != 1:
            raise CannotDoThat(f"which button of {dialog.buttons()}?")
        action, inputs = _found(offered, title or offered[0][0])
        if action["type"] != "Action.Submit":
            raise CannotDoThat(f"{title!r} does not submit")
        collected = _collected(action, inputs, dialog.sheet)
        if dialog.sheet.errors:
            return SubmitResult(dialog=dialog)
        value = {"data": collected, "context": {"theme": "default"}}
        delivery, answer = await self._invokes(dialog.over, "task/submit", value)
        result = _after_submission(dialog, delivery, answer, after_task(self._stage, answer))
        self._stage.changes.happened()
        return result

    async def _invokes(self, message: Message, name: str, value: Json) -> tuple[Delivery, Answer]:
        place, url = self._tenant.channels[message.conversation], self._stage.service_url()
        activity = payloads.invoke(self._tenant, url, self.user, place, message, name=name, value=value)
        if name == "task/submit" and not self.client.names_card:
            del activity["replyToId"]
        return await self._stage.courier.ask(activity)

    def _place(self, channel: str) -> Channel:
        if channel.removeprefix("@") == BOT_NAME:
            return self._tenant.personal_chat(self.user)
        return self._tenant.channel_named(channel)

    def _on_screen(self, message: Message) -> Message:
        current = self._tenant.message(message.conversation, message.id)
        readers = self._tenant.members_of(self._tenant.channels[message.conversation])
        if current is None or current.deleted or self.user not in readers or not self.user.enabled:
            raise CannotDoThat(f"{self.user.name} does not see this message")
        return current


def _found(
    offered: list[tuple[str, Json, list[Json]]], title: str, data: object = None
) -> tuple[Json, list[Json]]:
    for text, action, inputs in offered:
        if text == title and data in (None, action.get("data")):
            return action, inputs
    raise NoSuchButton(f"no button {title!r}; there are {[text for text, _, _ in offered]}")


def _features(action: Json) -> Json:
    """The `msteams` part of an Action.Submit's data: what Teams itself is to do with it."""
    features = action["data"].get("msteams") if isinstance(action.get("data"), dict) else None
    return features or {}


def _collected(action: Json, inputs: list[Json], sheet: Sheet) -> Json:
    """The action's data with what was entered; complaints go to the sheet."""
    own = action["data"] if isinstance(action.get("data"), dict) else {}
    if action.get("associatedInputs") == "none":
        sheet.errors = {}
        return dict(own)
    sheet.errors = complaints(inputs, sheet.typed)
    return {**own, **values_of(inputs, sheet.typed)}


def _after_submission(dialog: Dialog, delivery: Delivery, answer: Answer, task: Task) -> SubmitResult:
    result = SubmitResult(dialog=dialog, answer=answer, delivery=delivery, words=task.words)
    if task.failed:
        return replace(result, error_shown=BOT_DID_NOT_ANSWER)
    if task.content is None:
        dialog.open = False
        return result
    dialog.content, dialog.sheet = task.content, Sheet()
    return replace(result, updated=True)
