"""Opens the store that the settings name, for every process of ours; what goes wrong is one sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ..approvals.connection import open_redis
from ..approvals.errors import BadSetting, StoreDown
from ..approvals.redis_store import RedisStore
from ..approvals.server_check import check_server
from .settings import Settings
from .valkey import EmbeddedValkey

#: A server that has not let us in after this long is taken for unreachable, seconds.
PATIENCE = 5.0


@contextmanager
def store_server(settings: Settings) -> Iterator[str]:
    """The store's address: `REDIS_URL`, else `store.url`, else the embedded server, which runs at least as long as this block.

    Another process's embedded server is used as it is. Raises: NoServerBinary, ServerDidNotStart.
    """
    if settings.redis_url:
        yield settings.redis_url
        return
    with EmbeddedValkey(settings.data_dir / "store") as server:
        yield server.url


@asynccontextmanager
async def connect(url: str, settings: Settings) -> AsyncIterator[RedisStore]:
    """The store at this address; made if it is new, refused if it is not fit to keep approvals.

    Raises:
        BadSetting: The address is none, or it is a demo's store in real work or the other way round.
        StoreDown: It cannot be reached, or breaks off within this block.
        UnsafeServer: It could lose approvals.
    """
    store = await _opened(url, settings)
    try:
        yield store
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise StoreDown(f"{settings.store_named}: the Redis server broke off ({error}).") from error
    finally:
        await store.close()


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[RedisStore]:
    """Both in one, for a command that does nothing else meanwhile. Raises: as both."""
    with store_server(settings) as url:
        async with connect(url, settings) as store:
            yield store


async def _opened(url: str, settings: Settings) -> RedisStore:
    seal = settings.seal
    try:
        async with asyncio.timeout(PATIENCE):
            await _check(url, settings.store.accepts)
            return await RedisStore.connect(url, prefix=settings.store.prefix, demo=settings.demo, seal=seal)
    except TimeoutError as error:
        words = f"{settings.store_named}: the Redis server does not answer within {PATIENCE:.0f} s."
        raise StoreDown(words) from error
    except RedisError as error:
        raise StoreDown(f"{settings.store_named}: the Redis server refuses us ({error}).") from error
    except StoreDown as error:
        if settings.store_named == "REDIS_URL":
            raise
        words = f"{settings.store_named}: the Redis server cannot be reached ({error.__cause__})."
        raise StoreDown(words) from error


async def _check(url: str, accepted: Collection[str]) -> None:
    try:
        client = open_redis(url, connections=1)
    except ValueError:  # its words would quote a part of the address, which may be the password
        raise BadSetting(
            "REDIS_URL is not an address like redis://user:password@host:6379/0 "
            "(special characters in the password must be percent-encoded)."
        ) from None
    try:
        await check_server(client, accepted)
    finally:
        await client.aclose()
