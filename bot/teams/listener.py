"""Teams' side of the bot: what arrives goes to who answers it, behind a door that checks every delivery."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any, Protocol, assert_never

from ..delivery import Deliverer
from ..desk import Desk
from .door import TeamsDoor
from .port import Added, Arrived, Pressed, Removed, Said, Transport
from .presses import PATIENCE, Presses

if TYPE_CHECKING:  # most bots connect nothing
    from ..connecting import Connecting


class Hears(Protocol):
    """Who answers what people say, and notices where the bot is put. What must not be lost is done on return."""

    async def hear(self, said: Said) -> None:
        """Raises: StoreDown (Teams reads that it did not work)."""
        ...

    async def added(self, added: Added) -> None:
        """The bot may write there from now on."""
        ...

    async def removed(self, removed: Removed) -> None:
        """The bot may not write there any more."""
        ...


class TeamsListener:
    """Everything Teams sends; `door` is the ASGI application to mount."""

    def __init__(
        self, *, transport: Transport, desk: Desk, deliverer: Deliverer, hearing: Hears, tz: tzinfo = UTC, patience: float = PATIENCE,
        connecting: Connecting | None = None,
    ) -> None:  # fmt: skip
        self._hearing = hearing
        self._presses = Presses(
            desk=desk,
            deliverer=deliverer,
            transport=transport,
            tz=tz,
            patience=patience,
            connecting=connecting,
        )
        self.door = TeamsDoor(transport, self.dispatch)

    async def dispatch(self, arrived: Arrived) -> Mapping[str, Any] | None:
        """The body that answers a press; None for everything else."""
        match arrived:
            case Pressed():
                return await self._presses(arrived)
            case Said():
                await self._hearing.hear(arrived)
            case Added():
                await self._hearing.added(arrived)
            case Removed():
                await self._hearing.removed(arrived)
            case _:
                assert_never(arrived)
        return None

    async def close(self) -> None:
        """Wait for what presses have begun."""
        await self._presses.close()
