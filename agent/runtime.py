"""What gate and tools find around them while a worker runs a graph: the store, the policy, who they act for."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from ..approvals.errors import SaysoError
from ..approvals.request import Run
from ..approvals.signing import Verifier
from ..approvals.store import Store
from ..approvals.verdict import RequestId
from .credentials import Broker, Token
from .policy import Policy

#: How long a started tool is believed to be alive without a sign of life.
LEASE = timedelta(seconds=10)


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
    """One call of one tool; `tokens` has one of each provider that the action names."""

    key: RequestId
    tokens: tuple[Token, ...]


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


class AccessToken(str):
    """The text of a token; awaiting it gives the same text, so that `await token(...)` reads as what it is."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, str]:
        return _itself(self).__await__()


async def _itself(text: str) -> str:
    return str(text)


def token(provider: str = "") -> AccessToken:
    """The fresh access token of the running tool, as text or awaited; never keep, log or return it.

    It was fetched after people decided and before the approval was used up, so there is nothing left to wait for.

    Args:
        provider: Whose token the tool expects, by its name in the settings; empty is the only one that the action names.

    Raises: NotActing outside of a tool, when its action names no credential, none of this provider, or several.
    """
    try:
        call = _CALL.get()
    except LookupError:
        raise NotActing from None
    if not call.tokens:
        raise NotActing("This action names no credential, so there is no token for it.")
    named = " and ".join(one.provider for one in call.tokens)
    if not provider and len(call.tokens) > 1:
        raise NotActing(f"This action names credentials of {named}: say whose token is meant.")
    for one in call.tokens:
        if provider in ("", one.provider):
            return AccessToken(one.value)
    raise NotActing(f"This action names a credential of {named}, so there is no token of {provider}.")


def is_acting() -> bool:
    """Whether this code was called by a tool that runs behind a gate."""
    return _CALL.get(None) is not None


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
def acting(key: RequestId, tokens: tuple[Token, ...]) -> Iterator[None]:
    """Run a tool in this block with this key and these tokens."""
    mark = _CALL.set(_Call(key, tokens))
    try:
        yield
    finally:
        _CALL.reset(mark)
