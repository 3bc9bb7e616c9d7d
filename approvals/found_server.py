"""Connections that look for their server first: the primary that Sentinels name, or whichever Cluster node answers.

Each new connection asks, so a client finds the new primary after a failover by itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError
from redis.retry import Retry

from .address import Address

#: A Sentinel that has not answered after this long is passed over, seconds.
SENTINEL_SECONDS = 2.0

Place = tuple[str, int]


class PrimaryNotFound(RedisConnectionError):
    """No Sentinel names a primary."""


class AsyncFound:
    """Mixed into a connection: whenever it connects, it asks `find` where to.

    redis-py's own connection for Sentinels asks only when it is taken out of its pool: sent again after a failure,
    a command would look for the dead primary until its retries are used up.
    """

    def __init__(self, *, find: Callable[[], Awaitable[Place]], **options: Any) -> None:
        super().__init__(**options)
        self._find = find

    async def _connect(self) -> None:
        self.host, self.port = await self._find()
        await super()._connect()  # type: ignore[misc]

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)  # type: ignore[misc]
        except ReadOnlyError as error:
            await self.disconnect()  # type: ignore[attr-defined]
            raise RedisConnectionError(_DEMOTED) from error


class Found:
    """The same for threads."""

    def __init__(self, *, find: Callable[[], Place], **options: Any) -> None:
        super().__init__(**options)
        self._find = find

    def _connect(self) -> Any:
        self.host, self.port = self._find()
        return super()._connect()  # type: ignore[misc]

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]
        except ReadOnlyError as error:
            self.disconnect()  # type: ignore[attr-defined]
            raise RedisConnectionError(_DEMOTED) from error


_DEMOTED = "the server is a replica by now"


class _Sentinels:
    """Who is asked for the primary, and how."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def _options(self) -> dict[str, Any]:
        address = self._address
        said: dict[str, Any] = parse_url(address.server)  # type: ignore[no-untyped-call]
        tls = {name: value for name, value in said.items() if name.startswith("ssl_")}
        return {
            **tls,
            "socket_timeout": SENTINEL_SECONDS, "socket_connect_timeout": SENTINEL_SECONDS, "ssl": address.tls,
            "username": address.sentinel_user or None, "password": address.sentinel_password or None,
        }  # fmt: skip


class AsyncPrimary(_Sentinels):
    """Asks the Sentinels, one after the other."""

    async def __call__(self) -> Place:
        """Raises: PrimaryNotFound."""
        said = list[str]()
        for host, port in self._address.hosts:
            sentinel: Any = redis.asyncio.Redis(
                host=host, port=port, retry=AsyncRetry(NoBackoff(), 0), **self._options()
            )
            try:
                found = await sentinel.execute_command(
                    "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._address.service
                )
            except (RedisError, OSError) as error:
                said.append(f"{host}:{port}: {error}")
                continue
            finally:
                await sentinel.aclose()
            if found:
                return _place(found)
            said.append(f"{host}:{port} does not know it")
        raise PrimaryNotFound(_nobody(self._address, said))


class Primary(_Sentinels):
    """The same for threads."""

    def __call__(self) -> Place:
        """Raises: PrimaryNotFound."""
        said = list[str]()
        for host, port in self._address.hosts:
            with redis.Redis(
                host=host, port=port, retry=Retry(NoBackoff(), 0), **self._options()
            ) as sentinel:
                try:
                    found = sentinel.execute_command(
                        "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._address.service
                    )
                except (RedisError, OSError) as error:
                    said.append(f"{host}:{port}: {error}")
                    continue
            if found:
                return _place(found)
            said.append(f"{host}:{port} does not know it")
        raise PrimaryNotFound(_nobody(self._address, said))


class AsyncAnyNode:
    """The nodes of a Cluster's address in turn."""

    def __init__(self, address: Address) -> None:
        self._turn = itertools.cycle(address.hosts)

    async def __call__(self) -> Place:
        return next(self._turn)


class AnyNode:
    """The same for threads."""

    def __init__(self, address: Address) -> None:
        self._turn = itertools.cycle(address.hosts)

    def __call__(self) -> Place:
        return next(self._turn)


async def async_only_primary(connection: Any) -> None:
    """Sentinels may be late: a server that is (again) a replica would answer with what was. Raises: ConnectionError."""
    await connection.on_connect()
    await connection.send_command("ROLE")
    _must_be_primary(await connection.read_response())


def only_primary(connection: Any) -> None:
    """The same for threads."""
    connection.on_connect()
    connection.send_command("ROLE")
    _must_be_primary(connection.read_response())


def _must_be_primary(role: Any) -> None:
    if role[0] not in (b"master", "master"):
        raise RedisConnectionError(_DEMOTED)


def _place(found: Any) -> Place:
    host, port = (one.decode() if isinstance(one, bytes) else str(one) for one in found)
    return host, int(port)


def _nobody(address: Address, said: list[str]) -> str:
    return f"no Sentinel names a primary called {address.service} ({'; '.join(said)})"
