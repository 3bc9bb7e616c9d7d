"""Dead letters in the store: the same scenes on the memory store and on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import redis
from sayso.approvals import machine, memory, redis_scripts
from sayso.approvals.change import AuditEntry, Event, Notice, NoticeKind
from sayso.approvals.memory import MemoryStore
from sayso.approvals.people import Place
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import OutcomeKind, Request
from sayso.approvals.store import MOST_LETTERS, DeadLetter, Lane, MessageRef, Store, Target, TargetKind, Told
from scenes import a_run, an_ask

SOON = timedelta(seconds=30)
PLACE = Place("slack:C0FIN")
REF = MessageRef(platform="slack", channel="C0FIN", message="1700.5")


SECOND = pytest.mark.second_server


@pytest.fixture(
    params=["memory", "valkey", pytest.param("redis", marks=SECOND), pytest.param("cluster", marks=SECOND)]
)
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty store of each kind whose clock can be pushed."""
    if request.param == "memory":
        yield MemoryStore()
        return
    name = {"valkey": "redis_url", "redis": "second_redis_url", "cluster": "cluster_url"}[request.param]
    store = await RedisStore.connect(request.getfixturevalue(name), demo=True)
    yield store
    await store.close()


async def push(store: Store, by: timedelta) -> None:
    """Let time pass."""
    assert isinstance(store, MemoryStore | RedisStore)
    if isinstance(store, MemoryStore):
        store.advance(by)
    else:
        await store.push_clock(by)


async def opened(store: Store, **what: object) -> Request:
    now = await store.now()
    return await store.open(machine.opened(an_ask(**{"opened_at": now, **what})))  # type: ignore[arg-type]


def card(request: Request, place: Place = PLACE) -> Target:
    return Target(kind=TargetKind.CARD, id=request.id, where=place)


async def a_letter(store: Store, request: Request, place: Place = PLACE, *, tries: int = 1) -> DeadLetter:
    return DeadLetter(
        target=card(request, place), places=(place,), why="the channel is archived", since=await store.now(),
        tries=tries, thread=request.ask.run.thread, request=request.id,
    )  # fmt: skip


async def claimed(store: Store) -> set[Target]:
    """What there is to tell now, in every partition."""
    found: set[Target] = set()
    for _ in range(2):
        found |= set(await store.claim(tuple(Lane), lease=SOON, limit=100))
        await store.woken(tuple(Lane), timedelta(0))
    return found


async def test_a_dead_letter_is_listed_as_it_was_kept_and_rests(store: Store) -> None:
    """Whole, oldest first over all partitions; nobody tries it again by himself."""
    requests = [await opened(store, thread=f"t{n}") for n in range(5)]
    await claimed(store)
    letters = []
    for request in requests:
        letters.append(await a_letter(store, request))
        await store.bury(letters[-1], Told(attempts=1), version=request.version)
        await push(store, timedelta(seconds=1))
    assert list(await store.dead_letters()) == letters
    assert await claimed(store) == set()
    assert (await store.told(card(requests[0]))).attempts == 1


async def test_buried_again_it_keeps_its_time(store: Store) -> None:
    """People read since when it cannot be delivered, and how often it was tried."""
    request = await opened(store)
    first = await a_letter(store, request)
    await store.bury(first, Told(), version=1)
    await push(store, timedelta(hours=2))
    again = replace(await a_letter(store, request, tries=2), why="sayso is not a member")
    await store.bury(again, Told(), version=1)
    assert list(await store.dead_letters()) == [replace(again, since=first.since)]


async def test_a_record_that_moved_on_meanwhile_is_tried_once_more(store: Store) -> None:
    """The attempt was about an older version; it stays a letter until it is delivered."""
    request = await opened(store)
    await claimed(store)
    await store.change(request.id, machine.fire)
    await push(store, timedelta(hours=13))
    await store.change(request.id, machine.fire)
    await store.bury(await a_letter(store, request), Told(), version=1)
    assert card(request) in await claimed(store)
    assert len(await store.dead_letters()) == 1


async def test_a_letter_is_gone_once_it_is_delivered_after_all(store: Store) -> None:
    """Only then: a try that has to wait leaves it on the list."""
    request = await opened(store)
    await store.bury(await a_letter(store, request), Told(), version=1)
    await store.set_told(card(request), Told(), again=SOON)
    assert len(await store.dead_letters()) == 1
    await store.set_told(card(request), Told(ref=REF, version=1))
    assert await store.dead_letters() == []


async def test_replayed_it_is_dirty_and_no_letter(store: Store) -> None:
    """Once: the second replay finds nothing. What stands there is not forgotten."""
    request = await opened(store)
    await claimed(store)
    await store.bury(await a_letter(store, request), Told(ref=REF, version=0), version=1)
    assert await store.replay(card(request)) is True
    assert await store.replay(card(request)) is False
    assert await store.replay(card(request, Place("slack:C0NEVER"))) is False
    assert await store.dead_letters() == []
    assert await claimed(store) == {card(request)}
    assert (await store.told(card(request))).ref == REF


async def test_a_replayed_notice_is_said_again_and_a_page_goes_first(store: Store) -> None:
    """What was settled as dead in its places is forgotten; pages keep their lane."""
    run = a_run()
    await store.start(run)
    report = Notice(key="report", kind=NoticeKind.REPORT, place=run.origin, thread=run.thread, text="Done.")
    await store.finish_run(run.thread, AuditEntry(event=Event.RUN_FINISHED, words="ended"), (report,))
    (notice,) = await claimed(store)
    here = replace(notice, where=run.origin)
    await store.set_told(here, Told(status="dead"))
    letter = DeadLetter(
        target=notice, places=(run.origin,), why="archived", since=await store.now(), tries=1, thread=run.thread
    )  # fmt: skip
    await store.bury(letter, Told())
    assert list(await store.dead_letters()) == [letter]
    assert await store.replay(notice) is True
    assert (await store.told(here), await store.claim((Lane.PAGE,), lease=SOON)) == (Told(), [])
    assert await claimed(store) == {notice}

    page = Target(kind=TargetKind.PAGE, id=(await opened(store, thread="t2")).id, where="primary")
    await store.bury(replace(letter, target=page), Told(), version=1)
    assert await store.replay(page) is True
    await store.woken((Lane.PAGE,), timedelta(0))
    assert list(await store.claim((Lane.PAGE,), lease=SOON)) == [page]


async def test_a_closed_request_can_still_be_replayed(store: Store) -> None:
    """Its card is redrawn in its final state."""
    request = await opened(store)
    await store.change(request.id, lambda r, now: machine.closed(r, OutcomeKind.WITHDRAWN, "not needed", now))
    await claimed(store)
    await store.bury(await a_letter(store, request), Told(ref=REF, version=1), version=2)
    assert await claimed(store) == set()
    assert await store.replay(card(request)) is True
    assert await claimed(store) == {card(request)}


async def test_the_list_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest of a partition are kept; the audit trail has them all."""
    if not isinstance(store, MemoryStore):
        script = redis_scripts.SET_TOLD.replace(str(-MOST_LETTERS - 1), "-4")
        assert script != redis_scripts.SET_TOLD
        whole = redis_scripts.texts(demo=True)["SET_TOLD"].replace(redis_scripts.SET_TOLD, script)
        store._scripts["SET_TOLD"] = store._redis.register_script(whole)  # type: ignore[attr-defined]
    monkeypatch.setattr(memory, "MOST_LETTERS", 3)
    request = await opened(store)
    for n in range(5):
        await push(store, timedelta(seconds=1))
        await store.bury(await a_letter(store, request, Place(f"slack:C{n}")), Told(), version=1)
    assert [letter.places for letter in await store.dead_letters()] == [(f"slack:C{n}",) for n in (2, 3, 4)]


async def test_letters_go_with_their_request(redis_url: str, redis_client: redis.Redis) -> None:
    """Thirty days after its end; until then they have no end of their own, and the list clears itself."""
    store = await RedisStore.connect(redis_url, demo=True)
    request = await opened(store)
    key = f"sayso:{{{request.id[:2]}}}:dead:{request.id}"
    await store.bury(await a_letter(store, request), Told(), version=1)
    assert redis_client.pttl(key) == -1
    await store.change(request.id, lambda r, now: machine.closed(r, OutcomeKind.WITHDRAWN, "not needed", now))
    assert 0 < redis_client.pttl(key) <= redis_scripts.KEEP_MS
    redis_client.delete(key)
    assert await store.dead_letters() == []
    assert redis_client.exists(f"sayso:{{{request.id[:2]}}}:dead") == 0
    await store.close()
