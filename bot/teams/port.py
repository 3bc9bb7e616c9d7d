"""The port to Teams in plain types: what arrives, what is answered, and the few verbs every transport has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from ...approvals.store import MessageRef
from ...cards.adaptive import AdaptiveMessage

PLATFORM = "teams"

#: How Teams writes the thread into the id of a conversation.
_THREAD = ";messageid="
#: Only channels of a team have threads; personal and group chats have none.
_CHANNELS = ("@thread.tacv2", "@thread.skype")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A channel, one thread of it, or a chat.

    Attributes:
        channel: "19:...@thread.tacv2" of a channel, "a:1..." of a personal chat.
        root: Id of the message that begins the thread; empty for the channel itself, and always in chats.
    """

    channel: str
    root: str = ""

    @classmethod
    def parse(cls, id: str) -> Conversation:
        """From Teams' own id."""
        channel, _, root = id.partition(_THREAD)
        return cls.at(channel, root)

    @classmethod
    def at(cls, channel: str, root: str) -> Conversation:
        """A thread, or the whole chat where there are none."""
        return cls(channel=channel, root=root if channel.endswith(_CHANNELS) else "")

    @property
    def id(self) -> str:
        """As Teams writes it."""
        return f"{self.channel}{_THREAD}{self.root}" if self.root else self.channel

    @property
    def in_team(self) -> bool:
        """Whether a whole team may read it."""
        return self.channel.endswith(_CHANNELS)

    @property
    def is_personal(self) -> bool:
        """Whether it is the chat of the bot and one person."""
        return self.channel.startswith("a:")

    @property
    def is_channel(self) -> bool:
        """Whether a new message in it begins a thread."""
        return self.in_team and not self.root


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody as Teams names them.

    Attributes:
        id: "29:1...", for mentions; another one towards every bot.
        object_id: In Entra; empty for bots and whenever Teams does not say.
        name: For people to read; never used to recognise anybody.
        tenant: Where a roster says the account lives; empty in what arrives.
        guest: A roster says so.
    """

    id: str
    object_id: str = ""
    name: str = ""
    tenant: str = ""
    guest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Somebody wrote a message.

    Attributes:
        token: The same for the same message delivered again.
        ref: The message.
        text: Without the bot's mention.
        to_bot: The bot is mentioned, or this is its personal chat.
    """

    token: str
    sender: Member
    ref: MessageRef
    text: str
    to_bot: bool


class Asking(StrEnum):
    """What a client wants to have answered; the value is Teams' own word."""

    EXECUTE = "adaptiveCard/action"
    DIALOG = "task/fetch"
    SUBMIT = "task/submit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """Somebody pressed a button or sent a form (or the client asked for the card anew).

    Attributes:
        token: The same for the same press delivered again.
        ref: The card it stands on; its message is empty where Teams does not say.
        value: As it came, well formed but trusted in nothing; for `adaptive.pressed`.
    """

    token: str
    sender: Member
    ref: MessageRef
    asking: Asking
    value: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """The bot was put into a team or chat: what was dead there may work again."""

    token: str
    sender: Member
    ref: MessageRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """The bot was taken out of a team or chat."""

    token: str
    sender: Member
    ref: MessageRef


Arrived = Said | Pressed | Added | Removed

#: The body that answers a `Pressed` (see `cards.adaptive`); None closes a dialog, and for all others is no answer.
Dispatch = Callable[[Arrived], Awaitable[Mapping[str, Any] | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What came in over HTTP.

    Attributes:
        authorization: The header; empty when there is none.
        body: Not looked at yet.
    """

    authorization: str = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back over HTTP.

    Attributes:
        body: JSON, or empty.
    """

    status: int
    body: bytes = b""


class Transport(Protocol):
    """One SDK that speaks to Teams. All that follow up on a message raise Gone besides what is named here."""

    async def post_root(self, channel: str, message: AdaptiveMessage) -> MessageRef:
        """Begin a new thread. Raises: Dead, RetryLater, Unclear."""
        ...

    async def reply(self, to: Conversation, message: AdaptiveMessage) -> MessageRef:
        """Write into a thread or chat. Raises: Gone, Dead, RetryLater, Unclear."""
        ...

    async def update(self, ref: MessageRef, message: AdaptiveMessage) -> None:
        """Redraw a message; safe to repeat. Raises: Gone, Dead, RetryLater, Unclear."""
        ...

    async def direct(self, object_id: str) -> Conversation:
        """The personal chat with somebody. Raises: Dead, RetryLater, Unclear."""
        ...

    async def members(self, of: Conversation) -> Sequence[Member]:
        """Everybody who can read it. Raises: Gone, Dead, RetryLater, Unclear."""
        ...

    async def handle(self, posted: Posted, dispatch: Dispatch) -> Reply:
        """Check what came in, hand it to `dispatch`, and answer; never raises because of what was sent."""
        ...

    def close(self) -> None:
        """Let go of threads and connections."""
        ...
