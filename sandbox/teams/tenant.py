"""The state of the tenant and the rules for changing it; knows neither HTTP nor the bot."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

from .places import Channel, Group, Team, User, conversation_id, the_groups, the_people, the_teams
from .screen import Dialog, Message

BOT_NAME = "sayso"

#: HTTP status of Microsoft's error codes.
STATUS_OF: Mapping[str, int] = {
    "BadArgument": 400, "BadSyntax": 400, "ExpiredAuthenticationToken": 401, "Unauthorized": 401,
    "BotDisabledByAdmin": 403,
    "BotNotInConversationRoster": 403, "ConversationBlockedByUser": 403, "ForbiddenOperationException": 403,
    "MessageWritesBlocked": 403, "ActivityNotFoundInConversation": 404, "ConversationNotFound": 404,
    "NotFound": 404, "MemberNotFoundInConversation": 404, "PreconditionFailed": 412, "MessageSizeTooBig": 413,
    "UnsupportedMediaType": 415, "TooManyRequests": 429, "ServiceError": 500, "BadGateway": 502,
    "ServiceUnavailable": 503, "GatewayTimeout": 504,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamsTimes:
    """Teams' patience, in seconds; tests make it short.

    Attributes:
        invoke: A click or dialog must have been answered; then the person reads an error.
        message: A message must have been taken.
    """

    invoke: float = 5.0
    message: float = 15.0


class TeamsError(Exception):
    """The Connector refuses a call.

    Attributes:
        code: Microsoft's word; `STATUS_OF` knows the HTTP status.
    """

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message or code


class Tenant:
    """Everything Teams would remember.

    Plain collections, for looking at: `users` by name, `teams` and `groups` by name, `channels` by conversation
    id (personal chats too, once begun), `messages` in order of arrival, `dialogs` by name of the person: the one
    that opened last, though it may be closed by now.
    """

    def __init__(self, id: str, app_id: str) -> None:
        self.id = id
        self.app_id = app_id
        self.bot_id = f"28:{app_id}"
        self.users: dict[str, User] = {user.name: user for user in the_people(id)}
        self.teams: dict[str, Team] = {team.name: team for team in the_teams()}
        self.groups: dict[str, Group] = {group.handle: group for group in the_groups()}
        self.channels: dict[str, Channel] = {}
        for team in self.teams.values():
            self.channels[team.id] = Channel(id=team.id, name="General", team=team)
            for name in team.channels:
                self.channels[conversation_id(name)] = Channel(id=conversation_id(name), name=name, team=team)
        self.messages: list[Message] = []
        self.dialogs: dict[str, Dialog] = {}
        self.ahead = 0.0
        self._last_id = 0

    def user_named(self, name: str) -> User:
        """Raises: LookupError."""
        if name.removeprefix("@") not in self.users:
            raise LookupError(f"nobody here is called {name!r}")
        return self.users[name.removeprefix("@")]

    def user_with_id(self, id: str) -> User | None:
        """By Teams id (`29:...`) or Entra object id."""
        return next((user for user in self.users.values() if id in (user.id, user.aad)), None)

    def channel_named(self, name: str) -> Channel:
        """By "#name". Raises: LookupError."""
        for channel in tuple(self.channels.values()):  # another thread may begin a personal chat meanwhile
            if channel.name == name.removeprefix("#") and channel.name not in ("", "General"):
                return channel
        raise LookupError(f"no channel here is called {name!r}")

    def group_named(self, handle: str) -> Group:
        """By "@handle". Raises: LookupError."""
        if handle.removeprefix("@") not in self.groups:
            raise LookupError(f"no group here is called {handle!r}")
        return self.groups[handle.removeprefix("@")]

    def personal_chat(self, user: User) -> Channel:
        """The chat of the bot and one person, begun if need be."""
        id = f"a:1{hashlib.sha256((user.name + self.app_id).encode()).hexdigest()}"
        return self.channels.setdefault(id, Channel(id=id, name="", with_user=user.name))

    def members_of(self, channel: Channel) -> list[User]:
        """Whoever can read it."""
        names = channel.team.members if channel.team else [channel.with_user]
        return [self.users[name] for name in names]

    def found(self, conversation: str) -> tuple[Channel, str]:
        """A conversation the bot may know of, and the root of the thread it names. Raises: TeamsError."""
        id, _, root = conversation.partition(";messageid=")
        channel = self.channels.get(id)
        if channel is None:
            raise TeamsError("ConversationNotFound", "Conversation not found.")
        installed = (
            channel.team.bot_installed if channel.team else self.users[channel.with_user].bot_installed
        )
        if not installed:
            raise TeamsError("BotNotInConversationRoster", "The bot is not part of the conversation roster.")
        if root and self.message(id, root) is None:
            raise TeamsError("ConversationNotFound", "Conversation not found: no such thread.")
        return channel, root

    def writable(self, conversation: str) -> tuple[Channel, str]:
        """As `found`, and somebody may still write there. Raises: TeamsError."""
        channel, root = self.found(conversation)
        if channel.team is not None and channel.team.archived:
            raise TeamsError("MessageWritesBlocked", "The team is archived.")
        return channel, root

    def now(self) -> float:
        """Seconds since 1970 on the clock that stamps what is written here."""
        return time.time() + self.ahead

    def new_id(self) -> str:
        """The next message id; always larger than the one before."""
        self._last_id = max(self._last_id + 1, int(self.now() * 1000))
        return str(self._last_id)

    def add(self, message: Message) -> Message:
        """Put a message on everybody's screen."""
        self.messages.append(message)
        return message

    def message(self, conversation: str, id: str) -> Message | None:
        """A message, though it may be deleted: threads outlive their root."""
        for message in reversed(self.messages):
            if (message.conversation, message.id) == (conversation, id):
                return message
        return None

    def own_message(self, channel: Channel, id: str) -> Message:
        """A message the bot may change. Raises: TeamsError."""
        message = self.message(channel.id, id)
        if message is None or message.deleted:
            raise TeamsError(
                "ActivityNotFoundInConversation", "The activity was not found in the conversation."
            )
        if message.sender != self.bot_id:
            raise TeamsError("ForbiddenOperationException", "Only its author may change a message.")
        return message

    def timeline(self, channel: Channel) -> list[Message]:
        """What stands in a channel, threads included, oldest first."""
        return [one for one in self.messages if one.conversation == channel.id and not one.deleted]
