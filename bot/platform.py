"""The port to one platform as a whole: whose accounts it vouches for, its channel, and the door its deliveries use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..approvals.store import Store
from .channel import Channel
from .delivery import Deliverer
from .desk import Desk
from .directory import Accounts, ConfiguredDirectory
from .front import AsgiApp

if TYPE_CHECKING:  # most bots connect nothing
    from .connecting import Connecting


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What a door leads to.

    Attributes:
        connecting: Gives links with which people sign in to a provider; None where browsers cannot reach us.
    """

    desk: Desk
    store: Store
    directory: ConfiguredDirectory
    channel: Channel
    deliverer: Deliverer
    connecting: Connecting | None = None


class Platform(Protocol):
    """Slack or Teams, as the settings name it; the scheduler needs no more of it than its accounts.

    Attributes:
        path: Where it delivers to.
    """

    path: str

    @property
    def accounts(self) -> Accounts:
        """What it says about accounts and groups."""
        ...

    def channel(self, directory: ConfiguredDirectory) -> Channel:
        """Where cards go."""
        ...

    async def door(self, inside: Inside) -> AsgiApp:
        """What answers its deliveries, once it has let us in. Raises: SaysoError, when our credentials are refused."""
        ...

    def problem(self) -> str:
        """Why people do not reach us through it at the moment, in words; empty when they do."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
