"""What a program may show on the page beside the chats, the pager and the mail."""

from __future__ import annotations

from typing import Protocol

from ..loopback import Json


class Panel(Protocol):
    """Some facts with a few buttons; called on the workplace's loop, so it never blocks.

    Attributes:
        name: Its key under `panels` in the state; acts name it so.
    """

    name: str

    async def state(self, viewer: str, selected: str) -> Json:
        """What it shows now; asked again after every change of the workplace, and cut off after two seconds.

        Args:
            viewer: Name of the person who looks.
            selected: What the tab has chosen to follow; empty for the newest.
        """
        ...

    async def act(self, what: str, told: Json) -> str:
        """Do what was pressed; the words are for whoever pressed it, and may be empty.

        Args:
            told: The other fields of the act, as the browser sent them.

        Raises:
            CannotDoThat, LookupError: Not now, or no such thing; one sentence.
        """
        ...
