"""People as drivers: what they say, see, click and submit reads like a user manual."""

from __future__ import annotations

import html
import re
import secrets
import time

from ..loopback import Json
from . import payloads
from .forms import CannotDoThat, NoSuchButton
from .places import BOT_USER_ID, Channel, User
from .results import Backstage, ClickResult, SubmitResult
from .screen import Message, View, clickables
from .submission import after_submission
from .workspace import ResponseUrl, Trigger


class Person:
    """One member of the workspace at their screen; get one by `slack.person("alex")`."""

    def __init__(self, user: User, backstage: Backstage) -> None:
        self.user = user
        self._stage = backstage
        self._workspace = backstage.workspace

    def __repr__(self) -> str:
        return f"<{self.user.name}>"

    @property
    def id(self) -> str:
        """Slack's user id."""
        return self.user.id

    @property
    def ephemerals(self) -> list[Message]:
        """Everything that was whispered to them so far."""
        return [message for message in self._workspace.ephemerals if message.ephemeral_to == self.id]

    @property
    def modal(self) -> View | None:
        """The modal in front of them."""
        return self._workspace.modals.get(self.id)

    @property
    def home(self) -> View | None:
        """The app's Home tab, once it was published."""
        return self._workspace.homes.get(self.id)

    def sees(self, channel: str) -> list[Message]:
        """What stands in "#channel" (or with "@sayso"), threads included, oldest first; nothing for outsiders."""
        place = self._place(channel)
        return self._workspace.timeline(place.id) if self.id in place.members else []

    async def waits_for(self, channel: str, words: str, *, timeout: float = 10) -> Message:
        """The newest message in "#channel" (or with "@sayso") that shows `words`. Raises: NotInTime."""

        def found() -> list[Message]:
            return [message for message in self.sees(channel) if words in message.text_as_seen()]

        what = f"a message with {words!r} in {channel}"
        return (await self._stage.changes.until(found, timeout=timeout, what=what))[-1]

    def sees_in_thread(self, message: Message) -> list[Message]:
        """The thread of a message: its root first."""
        root = message.thread_ts or message.ts
        if self.id not in self._workspace.channels[message.channel].members:
            return []
        return [one for one in self._workspace.timeline(message.channel) if root in (one.ts, one.thread_ts)]

    def direct_messages(self) -> list[Message]:
        """The conversation with the bot."""
        return self._workspace.timeline(f"D{self.id[1:]}")

    async def says(self, channel: str, text: str, *, thread: Message | None = None) -> Message:
        """Write in "#channel", or to "@sayso" directly; `@name` becomes a mention.

        The app gets a `message` event, and an `app_mention` where it is mentioned; both are delivered in the
        background, as Slack does (`await slack.settled()` waits for them).

        Raises:
            CannotDoThat: Not a member, deactivated, or the channel is archived.
        """
        if self.user.deleted:
            raise CannotDoThat(f"{self.user.name} cannot use Slack")
        place = self._place(channel)
        if self.id not in place.members or place.is_archived:
            raise CannotDoThat(f"{self.user.name} cannot write in {channel}")
        message = Message(
            channel=place.id, ts=self._workspace.new_ts(), user=self.id, text=self._with_mentions(text),
            thread_ts=(thread.thread_ts or thread.ts) if thread else "", name_of=self._workspace.name_of,
            bot_id=f"B{self.id[1:]}" if self.user.is_bot else "",
        )  # fmt: skip
        self._workspace.post(message)
        self._stage.changes.happened()
        if BOT_USER_ID in place.members:
            self._announce(message, place)
        return message

    async def clicks(self, screen: Message | View, label: str, *, value: str | None = None) -> ClickResult:
        """Press the button (or overflow option) with this label, saying yes to its confirmation.

        Args:
            value: Of the button, where several have the label; None takes the first.

        Raises:
            CannotDoThat: The person does not see the message; NoSuchButton, when there is no such button.
        """
        if isinstance(screen, View):
            return await self._click_in_view(screen, label, value)
        current = self._on_screen(screen)
        return await self._click_on_message(current, current, label, value)

    async def clicks_old(self, snapshot: Message, label: str) -> ClickResult:
        """Press a button as it was when `snapshot` was taken, though it may be gone: a slow screen."""
        current = self._workspace.message(snapshot.channel, snapshot.ts) or snapshot
        return await self._click_on_message(snapshot, current, label)

    async def uses_shortcut(self, message: Message, callback_id: str) -> ClickResult:
        """Choose a message shortcut of the app."""
        current = self._on_screen(message)
        trigger_id = self._trigger(None)
        payload = payloads.message_action(
            self.user, current, self._workspace.channels[current.channel], callback_id,
            trigger_id=trigger_id, response_url=self._response_url(current),
        )  # fmt: skip
        return await self._clicked(payload, trigger_id, current)

    async def submits(self, view: View) -> SubmitResult:
        """Press Submit. Slack first checks the fields itself; then the app is asked.

        Raises:
            CannotDoThat: The view is not on top of the person's screen, or has no submit button.
        """
        self._must_see_modal(view)
        if "submit" not in view.content:
            raise CannotDoThat(f"{view.title!r} has no submit button")
        view.errors = view.complaints()
        if view.errors:
            return SubmitResult(view=view)
        trigger_id = self._trigger(view)
        payload = payloads.view_submission(self.user, view, trigger_id=trigger_id)
        request, answer = await self._stage.courier.interaction(payload)
        result = after_submission(self._stage, view, request, answer, trigger_id)
        self._stage.changes.happened()
        return result

    async def closes(self, view: View) -> SubmitResult:
        """Press Cancel. The app hears of it only if it asked to (`notify_on_close`)."""
        self._must_see_modal(view)
        cleared = bool(view.content.get("clear_on_close"))
        self._workspace.close_view(view, whole_stack=cleared)
        self._stage.changes.happened()
        if not view.content.get("notify_on_close"):
            return SubmitResult(view=view)
        payload = payloads.view_closed(self.user, view, is_cleared=cleared)
        request, answer = await self._stage.courier.interaction(payload)
        return SubmitResult(view=view, answer=answer, request=request)

    async def opens_home(self) -> None:
        """Look at the app's Home tab; the event is delivered in the background."""
        self._must_be_active()
        self._stage.courier.event(payloads.event_callback(payloads.app_home_opened(self.user, self.home)))

    async def _click_on_message(
        self, shown: Message, current: Message, label: str, value: str | None = None
    ) -> ClickResult:
        self._must_be_active()
        block_action = _action(shown.blocks, label, shown.text, value)
        trigger_id = self._trigger(None)
        payload = payloads.block_actions_on_message(
            self.user, current, self._workspace.channels[current.channel], block_action,
            trigger_id=trigger_id, response_url=self._response_url(current),
        )  # fmt: skip
        return await self._clicked(payload, trigger_id, current)

    async def _click_in_view(self, view: View, label: str, value: str | None) -> ClickResult:
        self._must_be_active()
        if not view.open or (view is not self.modal and view is not self.home):
            raise CannotDoThat(f"{self.user.name} does not see {view.title!r}")
        action = _action(view.blocks, label, view.title, value)
        trigger_id = self._trigger(view)
        payload = payloads.block_actions_in_view(self.user, view, action, trigger_id=trigger_id)
        return await self._clicked(payload, trigger_id, None)

    async def _clicked(self, payload: Json, trigger_id: str, message: Message | None) -> ClickResult:
        heard, edits = len(self.ephemerals), message.edits if message else 0
        request, answer = await self._stage.courier.interaction(payload)
        return ClickResult(
            answer=answer, request=request, trigger_id=trigger_id, user_id=self.id, stage=self._stage,
            message=message, edits_before=edits, heard_before=heard,
        )  # fmt: skip

    def _announce(self, message: Message, place: Channel) -> None:
        kinds = ["message"]
        if f"<@{BOT_USER_ID}>" in message.text and not place.with_user:
            kinds.insert(0, "app_mention")
        for kind in kinds:
            event = payloads.message_event(kind, message, place, self.user.team_id)
            self._stage.courier.event(payloads.event_callback(event))

    def _place(self, channel: str) -> Channel:
        bot = self._workspace.users[BOT_USER_ID]
        if channel.removeprefix("@") == bot.name:
            return self._workspace.direct_channel(self.id)
        return self._workspace.channel_named(channel)

    def _with_mentions(self, text: str) -> str:
        names = {user.name: user.id for user in self._workspace.users.values()}
        escaped = html.escape(text, quote=False)
        return re.sub(
            r"(?<![\w.])@(\w+)",
            lambda found: f"<@{names[found[1]]}>" if found[1] in names else found[0],
            escaped,
        )

    def _must_be_active(self) -> None:
        if self.user.deleted or self.user.is_bot:
            raise CannotDoThat(f"{self.user.name} cannot use Slack")

    def _must_see_modal(self, view: View) -> None:
        self._must_be_active()
        if view is not self.modal:
            raise CannotDoThat(f"{view.title!r} is not in front of {self.user.name}")

    def _on_screen(self, message: Message) -> Message:
        if message.ephemeral_to:
            if message.ephemeral_to != self.id or message.deleted:
                raise CannotDoThat(f"{self.user.name} does not see this message")
            return message
        current = self._workspace.message(message.channel, message.ts)
        if current is None or self.id not in self._workspace.channels[message.channel].members:
            raise CannotDoThat(f"{self.user.name} does not see this message")
        return current

    def _trigger(self, view: View | None) -> str:
        trigger_id = f"{time.time_ns()}.{secrets.token_hex(8)}"
        self._workspace.triggers[trigger_id] = Trigger(user=self.id, at=time.monotonic(), view=view)
        return trigger_id

    def _response_url(self, message: Message) -> str:
        id = secrets.token_urlsafe(12)
        self._workspace.response_urls[id] = ResponseUrl(user=self.id, at=time.monotonic(), message=message)
        return f"{self._stage.response_base()}/response/{id}"


def _action(blocks: list[Json], label: str, where: str, value: str | None) -> Json:
    """The payload's action for the button with this label, and value if given. Raises: NoSuchButton."""
    offered = clickables(blocks)
    for text, _, action in offered:
        if text == label and value in (None, (action.get("selected_option") or action).get("value")):
            return action
    raise NoSuchButton(f"no button {label!r} on {where!r}; there are {[text for text, _, _ in offered]}")
