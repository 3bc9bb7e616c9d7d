"""The outbox in Redis: what is still to be told, what stands where, and what could not be delivered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from . import redis_rows
from .change import Notice
from .naming import PARTITIONS
from .people import Place
from .redis_calls import RedisCalls, down
from .store import DeadLetter, Lane, Target, TargetKind, Told
from .verdict import RequestId


class RedisOutbox(RedisCalls):
    """The `Outbox` of the store."""

    @down
    async def claim(self, lanes: Sequence[Lane], *, lease: timedelta, limit: int = 10) -> Sequence[Target]:
        found: list[Target] = []
        look = self._waker.look(lanes[0])
        for done, partition in enumerate(look):
            rows = await self._call(
                "CLAIM",
                self._stem(partition),
                redis_rows.ms_of(lease),
                limit - len(found),
                len(lanes),
                *map(str, lanes),
            )
            found += [Target.parse(row.decode()) for row in rows]
            if len(found) >= limit:
                self._waker.again(lanes[0], look[done:])
                break
        return found

    @down
    async def told(self, target: Target) -> Told:
        raw = await self._redis.hget(f"{self._stem_of(target.id)}told:{target.id}", str(target))
        return self._opened(f"told {target}", Told, raw) if raw else Told()

    @down
    async def all_told(self, id: RequestId) -> Mapping[str, Told]:
        rows = await self._redis.hgetall(f"{self._stem_of(id)}told:{id}")
        return {name.decode(): self._opened(f"told {name.decode()}", Told, raw) for name, raw in rows.items()}

    @down
    async def set_told(self, target: Target, told: Told, *, again: timedelta | None = None) -> None:
        wait = redis_rows.ms_of(again) if again is not None else ""
        await self._set_told(target, told, told.version, wait, "", "")

    @down
    async def bury(self, letter: DeadLetter, told: Told, *, version: int = 0) -> None:
        body, since = self._closed("letter", letter), redis_rows.ms(letter.since)
        await self._set_told(letter.target, told, version, "", body, since)

    async def _set_told(self, target: Target, told: Told, version: int, *more: object) -> None:
        again, *letter = more
        ref = told.ref if target.kind is TargetKind.CARD else None
        place = f"{ref.platform}:{ref.channel}/{ref.thread or ref.message}" if ref else ""
        await self._call(
            "SET_TOLD", self._stem_of(target.id), self._channel, str(target), str(target.kind), target.id,
            self._closed(f"told {target}", told), version, again, place, *letter,
        )  # fmt: skip

    @down
    async def dead_letters(self) -> Sequence[DeadLetter]:
        found: list[DeadLetter] = []
        for partition in range(PARTITIONS):
            rows = await self._call("DEAD_LETTERS", self._stem(partition))
            for body, since in zip(rows[::2], rows[1::2], strict=True):
                letter = self._opened("letter", DeadLetter, body)
                found.append(replace(letter, since=redis_rows.time(int(since))))
        return sorted(found, key=lambda letter: letter.since)

    @down
    async def replay(self, target: Target) -> bool:
        return bool(await self._call("REPLAY", self._stem_of(target.id), self._channel, str(target)))

    @down
    async def notice(self, id: str) -> Notice | None:
        raw = await self._redis.get(f"{self._stem_of(id)}notice:{id}")
        return self._opened(f"notice {id}", Notice, raw) if raw else None

    @down
    async def standing_in(self, place: Place) -> Sequence[RequestId]:
        return await self._with_card_in(place, "")

    @down
    async def stood_in(self, place: Place) -> Sequence[RequestId]:
        return await self._with_card_in(place, "closed")

    async def _with_card_in(self, place: Place, closed: str) -> Sequence[RequestId]:
        found: list[RequestId] = []
        for partition in range(PARTITIONS):
            ids = await self._call("STANDING_IN", self._stem(partition), place, closed)
            found += [RequestId(id.decode()) for id in ids]
        return found

    async def woken(self, lanes: Sequence[Lane], timeout: timedelta) -> None:
        await self._waker.wait(lanes[0], timeout)
