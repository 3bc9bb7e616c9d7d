"""What gate and tools find around them while a worker runs a graph: the store, the policy, who they act for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from ..approvals.errors import SaysoError
from ..approvals.request import Run
from ..approvals.signing import Verifier
from ..approvals.store import Store
from ..approvals.verdict import RequestId
from .credentials import Broker, Token
from .policy import Policy

#: How long a started tool is believed to be alive without a sign of life.
LEASE = timedelta(seconds=10)
#: How the names of graphs begin whose runs are resumed by the process that asked for them, and by no worker.
OWN = "own:"


class NotInWorker(SaysoError):
    """A graph with a gate has to be run by a sayso worker (`sayso run` or `sayso serve`): nothing was done."""


class NotActing(SaysoError):
    """Only a running tool has a token and an idempotency key."""


class LeaseKeeper(Protocol):
    """Shows that this process lives while a tool runs, also when the event loop is busy."""

    def effect(self, request: RequestId) -> AbstractContextManager[None]:
        """Renew the lease of a started tool until the block ends."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Everything a gate needs from its worker.

    Attributes:
        worker: Name of this process's worker; no other process, before or after, has the same.
        lease: How long a started tool is believed alive without a renewal.
        late: Tools that outlived their limit and may still report.
    """

    store: Store
    policy: Policy
    verifier: Verifier
    broker: Broker
    keeper: LeaseKeeper
    run: Run
    worker: str
    lease: timedelta = LEASE
    late: set[asyncio.Task[None]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of one tool; `token` is None where the action names no credential."""

    key: RequestId
    token: Token | None


_RUNTIME: ContextVar[Runtime] = ContextVar("sayso_runtime")
_LOOP: ContextVar[asyncio.AbstractEventLoop] = ContextVar("sayso_loop")
_CALL: ContextVar[_Call] = ContextVar("sayso_call")


def current() -> Runtime:
    """The runtime of the graph that is running here. Raises: NotInWorker."""
    try:
        return _RUNTIME.get()
    except LookupError:
        raise NotInWorker from None


def worker_loop() -> asyncio.AbstractEventLoop:
    """The event loop that this graph's worker runs on, for code in another thread. Raises: NotInWorker."""
    try:
        return _LOOP.get()
    except LookupError:
        raise NotInWorker from None


def token(provider: str = "") -> str:
    """The fresh access token of the running tool; never keep, log or return it.

    Args:
        provider: Whose token the tool expects, by its name in the settings; empty is whatever the action names.

    Raises: NotActing outside of a tool, when its action names no credential, or one of another provider.
    """
    try:
        call = _CALL.get()
    except LookupError:
        raise NotActing from None
    if call.token is None:
        raise NotActing("This action names no credential, so there is no token for it.")
    if provider not in ("", call.token.provider):
        raise NotActing(
            f"This action names a credential of {call.token.provider}, so there is no token of {provider}."
        )
    return call.token.value


def idempotency_key() -> str:
    """The same for every run of the same approved action: hand it to the tool's backend. Raises: NotActing."""
    try:
        return _CALL.get().key
    except LookupError:
        raise NotActing from None


@contextmanager
def running(runtime: Runtime) -> Iterator[None]:
    """Run a graph in this block with this runtime."""
    mark, loop = _RUNTIME.set(runtime), _LOOP.set(asyncio.get_running_loop())
    try:
        yield
    finally:
        _LOOP.reset(loop)
        _RUNTIME.reset(mark)


@contextmanager
def acting(key: RequestId, token: Token | None) -> Iterator[None]:
    """Run a tool in this block with this key and token."""
    mark = _CALL.set(_Call(key, token))
    try:
        yield
    finally:
        _CALL.reset(mark)
