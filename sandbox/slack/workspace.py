"""The state of the workspace and the rules for changing it; knows neither HTTP nor the app."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from ..loopback import Json
from .limits import (
    METADATA_BYTES,
    TEXT_CHARACTERS,
    Surface,
    problems_of_blocks,
    problems_of_view,
)
from .places import (
    BOT_ID,
    BOT_USER_ID,
    Channel,
    User,
    Usergroup,
    the_channels,
    the_groups,
    the_people,
)
from .screen import Message, View, blocks_with_ids, with_ids

T = TypeVar("T")

MODALS_DEEP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackTimes:
    """Slack's patience, all in seconds; tests make it short.

    Attributes:
        ack: The app must have answered; then the person reads an error.
        trigger: A trigger id may be used.
        retries: Pauses before each of the re-deliveries of an event (Slack: 0, 60, 300).
        response_url: A response_url may be used, at most `response_url_uses` times.
    """

    ack: float = 3.0
    trigger: float = 3.0
    retries: tuple[float, ...] = (0.0, 1.0, 5.0)
    response_url: float = 1800.0
    response_url_uses: int = 5


class SlackError(Exception):
    """The Web API answers `ok: false`.

    Attributes:
        error: Slack's word.
        messages: For `response_metadata.messages`.
    """

    def __init__(self, error: str, *messages: str) -> None:
        super().__init__(error, *messages)
        self.error = error
        self.messages = messages


@dataclass(slots=True, kw_only=True)
class Trigger:
    """The right to open one modal after a click; `at` is monotonic seconds."""

    user: str
    at: float
    view: View | None = None
    used: bool = False


@dataclass(slots=True, kw_only=True)
class ResponseUrl:
    """The right to answer a click a few times; `at` is monotonic seconds."""

    user: str
    at: float
    message: Message
    uses: int = 0


class Workspace:
    """Everything Slack would remember.

    Plain collections, for looking at: `users`, `channels`, `groups` by id, `messages` and `ephemerals` in
    order of arrival, `modals` (top of each person's stack) and `homes` by user id.

    Attributes:
        ahead: Seconds by which what is written here is stamped later than this machine's clock says.
    """

    def __init__(self, times: SlackTimes) -> None:
        self.times = times
        self.users: dict[str, User] = {user.id: user for user in the_people()}
        self.channels: dict[str, Channel] = {channel.id: channel for channel in the_channels()}
        self.groups: dict[str, Usergroup] = {group.id: group for group in the_groups()}
        self.messages: list[Message] = []
        self.ephemerals: list[Message] = []
        self.views: dict[str, View] = {}
        self.modals: dict[str, View] = {}
        self.homes: dict[str, View] = {}
        self.triggers: dict[str, Trigger] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self.ahead = 0.0
        self._last_ts = 0

    def name_of(self, id: str) -> str:
        """The name people see for a user, channel or group; the id itself when unknown."""
        if id in self.users:
            return self.users[id].name
        if id in self.channels:
            return self.channels[id].name
        return self.groups[id].handle if id in self.groups else id

    def user_named(self, name: str) -> User:
        """Raises: LookupError."""
        return _named(self.users.values(), name.removeprefix("@"), "name")

    def channel_named(self, name: str) -> Channel:
        """By "#name". Raises: LookupError."""
        return _named(self.channels.values(), name.removeprefix("#"), "name")

    def group_named(self, handle: str) -> Usergroup:
        """By "@handle". Raises: LookupError."""
        return _named(self.groups.values(), handle.removeprefix("@"), "handle")

    def new_ts(self) -> str:
        """The next message id; always larger than the one before."""
        self._last_ts = max(self._last_ts + 1, int((time.time() + self.ahead) * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def direct_channel(self, user_id: str) -> Channel:
        """The conversation between the bot and one person. Raises: SlackError."""
        user = self.users.get(user_id)
        if user is None:
            raise SlackError("user_not_found")
        if user.is_bot:
            raise SlackError("cannot_dm_bot")
        if user.deleted:
            raise SlackError("user_disabled")
        channel = Channel(id=f"D{user_id[1:]}", members={BOT_USER_ID, user_id}, with_user=user_id)
        return self.channels.setdefault(channel.id, channel)

    def visible_channel(self, id: str) -> Channel:
        """A channel the bot can know of. Raises: SlackError."""
        channel = self.channels.get(id)
        if channel is None or (channel.is_private and BOT_USER_ID not in channel.members):
            raise SlackError("channel_not_found")
        return channel

    def writable_channel(self, id: str) -> Channel:
        """Where the bot may post; a user's id stands for the direct message. Raises: SlackError."""
        if id in self.users:
            return self.direct_channel(id)
        channel = self.visible_channel(id)
        if channel.is_archived:
            raise SlackError("is_archived")
        if BOT_USER_ID not in channel.members:
            raise SlackError("not_in_channel")
        return channel

    def post(self, message: Message) -> Message:
        """Add a message, by whomever; its thread must exist. Raises: SlackError."""
        if message.thread_ts:
            root = self.message(message.channel, message.thread_ts)
            if root is None or root.thread_ts not in ("", root.ts):
                raise SlackError("thread_not_found")
            root.thread_ts = root.ts
        (self.ephemerals if message.ephemeral_to else self.messages).append(message)
        return message

    def bot_message(
        self, channel: str, text: str, blocks: list[Json], *, thread_ts: str = "", ephemeral_to: str = "",
        metadata: Json | None = None,
    ) -> Message:  # fmt: skip
        """A message of the bot, checked but not posted. Raises: SlackError."""
        check_content(text, blocks)
        return Message(
            channel=channel, ts=self.new_ts(), user=BOT_USER_ID, bot_id=BOT_ID, text=text,
            blocks=blocks_with_ids(blocks), thread_ts=thread_ts, ephemeral_to=ephemeral_to,
            metadata=checked_metadata(metadata), name_of=self.name_of,
        )  # fmt: skip

    def message(self, channel: str, ts: str) -> Message | None:
        """A message that is there for everybody; ephemeral and deleted ones are not."""
        for message in reversed(self.messages):
            if (message.channel, message.ts) == (channel, ts) and not message.deleted:
                return message
        return None

    def own_message(self, channel: str, ts: str, otherwise: str) -> Message:
        """A message that the bot may change. Raises: SlackError, `otherwise` for somebody else's."""
        message = self.message(channel, ts)
        if message is None:
            raise SlackError("message_not_found")
        if message.bot_id != BOT_ID:
            raise SlackError(otherwise)
        return message

    def timeline(self, channel: str) -> list[Message]:
        """What stands in a channel, threads included, oldest first."""
        return [message for message in self.messages if message.channel == channel and not message.deleted]

    def open_view(self, trigger_id: str, content: Json) -> View:
        """Show a modal to whoever clicked. Raises: SlackError."""
        trigger = self._trigger(trigger_id)
        check_view(content, "modal")
        self._close_stack(trigger.user)
        return self._show(trigger, trigger_id, content, None)

    def push_view(self, trigger_id: str, content: Json) -> View:
        """Show a modal on top of the one that was clicked in. Raises: SlackError."""
        trigger = self._trigger(trigger_id)
        check_view(content, "modal")
        if trigger.view is None or not trigger.view.open:
            raise SlackError("not_found")
        below = self.modals[trigger.user]
        self.check_depth(below)
        return self._show(trigger, trigger_id, content, below)

    def check_depth(self, below: View) -> None:
        """Raises: SlackError, when three modals are already on top of each other."""
        depth, view = 1, below
        while view.previous is not None:
            depth, view = depth + 1, view.previous
        if depth >= MODALS_DEEP:
            raise SlackError("push_limit_reached")

    def show_view(self, owner: str, content: Json, trigger_id: str, below: View | None) -> View:
        """Put a checked modal on the person's screen."""
        view = View(
            owner=owner,
            content=with_ids(content),
            trigger_id=trigger_id,
            previous=below,
            name_of=self.name_of,
        )
        self.views[view.id] = self.modals[owner] = view
        return view

    def update_view(self, view: View, content: Json, hash: str = "") -> View:
        """Replace what a view shows. Raises: SlackError."""
        check_view(content, view.content["type"])
        if not view.open:
            raise SlackError("not_found")
        if hash and hash != view.hash:
            raise SlackError("hash_conflict")
        view.replace_content(content)
        return view

    def publish_home(self, user_id: str, content: Json, hash: str = "") -> View:
        """Show a Home tab. Raises: SlackError."""
        if user_id not in self.users:
            raise SlackError("user_not_found")
        check_view(content, "home")
        home = self.homes.get(user_id)
        if home is not None:
            return self.update_view(home, content, hash)
        home = View(owner=user_id, content=with_ids(content), name_of=self.name_of)
        self.views[home.id] = self.homes[user_id] = home
        return home

    def close_view(self, view: View, *, whole_stack: bool) -> None:
        """Take a modal (or its whole stack) off the screen."""
        if whole_stack or view.previous is None:
            self._close_stack(view.owner)
            return
        view.open = False
        self.modals[view.owner] = view.previous

    def _show(self, trigger: Trigger, trigger_id: str, content: Json, below: View | None) -> View:
        trigger.used = True
        return self.show_view(trigger.user, content, trigger_id, below)

    def _close_stack(self, owner: str) -> None:
        view = self.modals.pop(owner, None)
        while view is not None:
            view.open, view = False, view.previous

    def _trigger(self, trigger_id: str) -> Trigger:
        trigger = self.triggers.get(trigger_id)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if trigger.used:
            raise SlackError("exchanged_trigger_id")
        if time.monotonic() - trigger.at > self.times.trigger:
            raise SlackError("expired_trigger_id")
        return trigger


def check_content(text: str, blocks: list[Json]) -> None:
    """Raises: SlackError, for a message Slack would not take."""
    if not text and not blocks:
        raise SlackError("no_text")
    if len(text) > TEXT_CHARACTERS:
        raise SlackError("msg_too_long")
    problems = problems_of_blocks(blocks, Surface.MESSAGE)
    if problems:
        raise SlackError("invalid_blocks", *problems)


def checked_metadata(metadata: Json | None) -> Json | None:
    """Raises: SlackError."""
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_payload"), dict):
        raise SlackError("invalid_metadata_format")
    if not metadata.get("event_type"):
        raise SlackError("invalid_metadata_format")
    if len(str(metadata)) > METADATA_BYTES:
        raise SlackError("metadata_too_large")
    return metadata


def check_view(content: Json, kind: str) -> None:
    """Raises: SlackError, for a view Slack would not take."""
    problems = problems_of_view(content)
    if not problems and content["type"] != kind:
        problems = [f"[ERROR] must be a {kind} view [json-pointer:/view/type]"]
    if problems:
        raise SlackError("invalid_arguments", *problems)


def _named(among: Iterable[T], name: str, attribute: str) -> T:
    found = [one for one in tuple(among) if getattr(one, attribute) == name and name]
    if not found:
        raise LookupError(f"nothing here is called {name!r}")
    return found[0]
