"""A whole workplace on this machine: Slack, Teams, a pager, a token service and a mailbox, all on 127.0.0.1."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from .mailbox import Mailbox
from .own_thread import OwnThread
from .pager import Pager
from .slack import Slack, SlackTimes
from .teams import Teams, TeamsTimes
from .tokens import TokenService
from .watching import Changes, Violations

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """TCP ports to listen on; 0 lets the system choose."""

    slack: int = 0
    teams: int = 0
    pager: int = 0
    tokens: int = 0
    mail: int = 0


class Workplace:
    """Owns `slack`, `teams`, `pager`, `tokens`, `mail`, and the one list of `violations` they share.

    In an event loop: `async with Workplace.running() as w: ...`, or `await w.start()` and `await w.stop()`.
    From synchronous code: `with Workplace.in_thread() as t: t.run(t.slack.person("alex").says(...))`.

    Args:
        token_lifetime: Seconds an access token lives.
        slack_times: Slack's patience; make it short in tests.
        teams_times: The same for Teams.

    What is Microsoft's (`teams` and `tokens`) answers on a thread of its own, because its client libraries block.
    """

    def __init__(
        self, *, ports: Ports = Ports(), token_lifetime: float = 3600, slack_times: SlackTimes = SlackTimes(),
        teams_times: TeamsTimes = TeamsTimes(),
    ) -> None:  # fmt: skip
        self.violations = Violations()
        self.changes = Changes()
        shared: dict[str, Any] = {"violations": self.violations, "changes": self.changes}
        self.slack = Slack(**shared, port=ports.slack, times=slack_times)
        self.pager = Pager(**shared, port=ports.pager)
        self.tokens = TokenService(**shared, port=ports.tokens, lifetime=token_lifetime)
        self.mail = Mailbox(**shared, port=ports.mail)
        self._microsoft = OwnThread("microsoft")
        self.teams = Teams(
            **shared, tokens=self.tokens, thread=self._microsoft, port=ports.teams, times=teams_times
        )

    @classmethod
    @asynccontextmanager
    async def running(
        cls, *, ports: Ports = Ports(), token_lifetime: float = 3600, slack_times: SlackTimes = SlackTimes(),
        teams_times: TeamsTimes = TeamsTimes(),
    ) -> AsyncIterator[Workplace]:  # fmt: skip
        """Start, stop, and at a normal end assert that no rule was broken. Raises: NotClean."""
        workplace = cls(
            ports=ports, token_lifetime=token_lifetime, slack_times=slack_times, teams_times=teams_times
        )
        try:
            await workplace.start()
            yield workplace
        finally:
            await workplace.stop()
        workplace.assert_clean()

    @classmethod
    @contextmanager
    def in_thread(
        cls, *, ports: Ports = Ports(), token_lifetime: float = 3600, slack_times: SlackTimes = SlackTimes(),
        teams_times: TeamsTimes = TeamsTimes(),
    ) -> Iterator[ThreadedWorkplace]:  # fmt: skip
        """The same on a thread and loop of its own, driven by `run`. Raises: NotClean at a normal end."""
        threaded = ThreadedWorkplace(cls(
            ports=ports, token_lifetime=token_lifetime, slack_times=slack_times, teams_times=teams_times
        ))  # fmt: skip
        try:
            threaded.start()
            yield threaded
        finally:
            threaded.stop()
        threaded.workplace.assert_clean()

    async def start(self) -> None:
        """Open every door."""
        self._microsoft.start()
        await self._microsoft.run(self.tokens.start())
        await self._microsoft.run(self.teams.start())
        for service in (self.slack, self.pager, self.mail):
            await service.start()

    async def stop(self) -> None:
        """Close every door."""
        for service in (self.slack, self.pager, self.mail):
            await service.stop()
        await self._microsoft.run(self.teams.stop())
        await self._microsoft.run(self.tokens.stop())
        self._microsoft.stop()

    def advance(self, seconds: float) -> None:
        """Push the clocks of the chats and of the token service forward; from any thread."""
        for service in (self.slack, self.teams, self.tokens):
            service.advance(seconds)

    @property
    def ahead(self) -> float:
        """Seconds by which the chats' clock was pushed."""
        return self.slack.workspace.ahead

    def assert_clean(self) -> None:
        """Raises: NotClean, when the program under test broke a vendor's rule."""
        self.violations.assert_clean()

    async def until(self, seen: Callable[[], T], *, timeout: float = 10, what: str = "it") -> T:
        """The first truthy `seen()`, looked at after every change in any service. Raises: NotInTime."""
        return await self.changes.until(seen, timeout=timeout, what=what)


class ThreadedWorkplace:
    """A workplace on its own thread, for synchronous drivers.

    Actions are coroutines: `t.run(alex.says("#support", "hello"))`. Plain looks (`bo.ephemerals`,
    `t.pager.incidents`) may be taken directly: they read lists that only grow.
    """

    def __init__(self, workplace: Workplace) -> None:
        self.workplace = workplace
        self.slack = workplace.slack
        self.teams = workplace.teams
        self.pager = workplace.pager
        self.tokens = workplace.tokens
        self.mail = workplace.mail
        self.violations = workplace.violations
        self._thread = OwnThread("sandbox")

    def start(self) -> None:
        """Start the thread and every service."""
        self._thread.start()
        self.run(self.workplace.start())

    def stop(self) -> None:
        """Stop every service and the thread."""
        self.run(self.workplace.stop())
        self._thread.stop()

    def run(self, action: Coroutine[Any, Any, T], *, timeout: float = 60) -> T:
        """Do it on the workplace's loop and wait; what it raises is raised here.

        Args:
            timeout: Seconds; then TimeoutError.
        """
        return self._thread.wait(action, timeout=timeout)

    def together(self, *actions: Coroutine[Any, Any, T], timeout: float = 60) -> list[T]:
        """Do all of them at once: `t.together(bo.clicks(card, "Approve"), cy.clicks(card, "Reject..."))`."""

        async def all_of_them() -> list[T]:
            return list(await asyncio.gather(*actions))

        return self.run(all_of_them(), timeout=timeout)

    def until(self, seen: Callable[[], T], *, timeout: float = 10, what: str = "it") -> T:
        """As `Workplace.until`; `seen` is called on the workplace's thread. Raises: NotInTime."""
        return self.run(self.workplace.until(seen, timeout=timeout, what=what), timeout=timeout + 5)
