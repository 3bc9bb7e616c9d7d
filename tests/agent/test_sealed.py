"""What stands in Redis under a key of ours: nothing readable, nothing of another place, and keys that change while it runs."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from gated import World, a_serializer
from langgraph.checkpoint.serde.base import SerializerProtocol
from leaks import in_redis
from sayso.agent.checkpoints import RedisSaver
from sayso.agent.sealed_state import sealed
from sayso.agent.serializer import TokenInState
from sayso.agent.thread_lock import ThreadLock
from sayso.approvals.connection import open_redis, open_sync_redis
from sayso.approvals.errors import BadSetting
from sayso.approvals.redis_store import RedisStore, WrongStore
from sayso.approvals.request import OutcomeKind
from sayso.approvals.sealing import STATE_KEYS, UNSEALED, CannotOpen, Seal, read_keys
from sayso.bot.settings import load_settings
from settings_files import write_settings

OLD, NEW = b"o" * 32, b"n" * 32
#: What only people and the agent should read.
CANARY = "31337.42"


@asynccontextmanager
async def a_world(url: str, seal: Seal) -> AsyncIterator[World]:
    """Store, checkpoints and worker over one Redis, sealed."""
    async with AsyncExitStack() as stack:
        store = await RedisStore.connect(url, demo=True, seal=seal)
        stack.push_async_callback(store.close)
        client, plain = open_redis(url), open_sync_redis(url)
        stack.push_async_callback(client.aclose)
        stack.callback(plain.close)
        saver = RedisSaver(client, plain, serde=sealed(a_serializer(), seal), require_fence=True)
        yield World(store=store, saver=saver, locks=ThreadLock(client, plain))


async def answered(url: str, before: Seal, after: Seal, thread: str) -> World:
    """Asked under one ring of keys, answered and done under another."""
    async with a_world(url, before) as asking:
        await asking.ask(CANARY, thread)
    async with a_world(url, after) as world:
        request = await world.open_request()
        await world.answer(request)
        await world.work()
        ended = await world.request(request)
        assert ended.outcome is not None
        assert ended.outcome.kind is OutcomeKind.EXECUTED
        assert (await world.events(thread)).count("effect started") == 1
        return world


async def test_nothing_readable_stands_in_redis(redis_url: str, redis_client: redis.Redis) -> None:
    """A whole run; without a key the same search finds it."""
    world = await answered(redis_url, Seal([NEW]), Seal([NEW]), "t1")
    assert str(world.ledger.amounts[0]) == CANARY
    assert [key for key, value in in_redis(redis_client) if CANARY.encode() in value] == []
    redis_client.flushall()
    await answered(redis_url, UNSEALED, UNSEALED, "t2")
    assert [key for key, value in in_redis(redis_client) if CANARY.encode() in value]


@pytest.mark.parametrize(
    ("before", "after"),
    [([], [NEW]), ([OLD], [OLD, NEW]), ([OLD, NEW], [NEW, OLD]), ([NEW, OLD], [NEW])],
    ids=["a first key", "a new one is known", "it seals", "the old one goes"],
)  # fmt: skip
async def test_keys_change_while_a_run_waits(redis_url: str, before: list[bytes], after: list[bytes]) -> None:
    """Each step of a rotation: what was asked before it is decided and done after it."""
    await answered(redis_url, Seal(before), Seal(after), "t1")


async def test_a_process_without_the_key_does_not_join(redis_url: str) -> None:
    """It could read nothing, and would write in the clear."""
    async with a_world(redis_url, Seal([NEW])):
        pass
    for seal in (UNSEALED, Seal([OLD])):
        with pytest.raises(WrongStore, match=f"{STATE_KEYS} lacks the key {Seal([NEW]).names[0]}"):
            await RedisStore.connect(redis_url, demo=True, seal=seal)


async def test_a_record_put_in_the_place_of_another_does_not_open(
    redis_url: str, redis_client: redis.Redis
) -> None:
    """Whoever can write to Redis cannot even exchange two sealed bodies."""
    async with a_world(redis_url, Seal([NEW])) as world:
        await world.ask("10.00", "t1")
        await world.ask("99.00", "t2")
        one, other = await world.store.live()
        keys = [next(redis_client.scan_iter(f"*req:{r.id}")) for r in (one, other)]
        body: Any = redis_client.hget(keys[1].decode(), "body")
        redis_client.hset(keys[0].decode(), "body", body)
        with pytest.raises(CannotOpen, match="changed after it was sealed, or belongs elsewhere"):
            await world.store.get(one.id)
        assert (await world.store.get(other.id)).ask == other.ask


async def test_a_token_is_found_before_it_is_sealed() -> None:
    """Sealing hides nothing from the serializer's own look."""
    serde: SerializerProtocol = sealed(a_serializer(), Seal([NEW]))
    with pytest.raises(TokenInState):
        serde.dumps_typed({"token": "xoxb-" + "1234567890-abcdefghij"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hunter2", "key 1 is not base64 of 32 bytes"),
        (f"{base64.b64encode(NEW).decode()}, AAAA", "key 2 is not base64 of 32 bytes"),
        (",".join([base64.b64encode(NEW).decode()] * 2), "names one key twice"),
    ],
)
def test_a_wrong_key_is_refused_without_showing_it(text: str, words: str) -> None:
    """It may be the right one with a slip in it."""
    with pytest.raises(BadSetting, match=words) as refused:
        read_keys(text)
    assert "hunter2" not in str(refused.value)


def test_the_keys_come_from_the_environment(tmp_path: Path) -> None:
    """In the order in which they stand there."""
    text = f"{base64.b64encode(NEW).decode()},{base64.b64encode(OLD).decode()}"
    settings = load_settings(write_settings(tmp_path), {STATE_KEYS: text})
    assert settings.seal.names == Seal([NEW, OLD]).names
    assert base64.b64encode(NEW).decode() not in repr(settings)


def changed(at: int) -> Callable[[bytes], bytes]:
    return lambda raw: raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


@pytest.mark.parametrize("at", [8, 12, 24, -1])
def test_a_flipped_bit_is_found(at: int) -> None:
    """In the key's name, the nonce, the text or its tag."""
    seal = Seal([NEW])
    stored = seal.close("it", b"a text")
    assert seal.open("it", stored) == b"a text"
    with pytest.raises(CannotOpen):
        seal.open("it", changed(at % len(stored))(stored))
