"""Sends script calls together: those that come in one turn of the event loop share a round trip to their server."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio

from .connection import at_primary, lies_with


@dataclass(frozen=True, slots=True)
class _Asked:
    """One call of one script, and who waits for its answer."""

    script: str
    keys: Sequence[str]
    args: Sequence[Any]
    answer: asyncio.Future[Any]


@dataclass(slots=True)
class _Turn:
    """What was asked in one turn of a loop."""

    loop: asyncio.AbstractEventLoop
    asked: list[_Asked] = field(default_factory=list)


class Together:
    """Asks Redis. Its scripts may safely run twice, so a call that came back with an error is asked again alone."""

    def __init__(self, client: redis.asyncio.Redis, scripts: Iterable[str], *, at_most: int) -> None:
        """Register the scripts.

        Args:
            at_most: Calls sent together; the first of many waits for the last, and the server for us.
        """
        self._client = client
        self._scripts = {text: client.register_script(text) for text in scripts}
        self._at_most = at_most
        self._turn: _Turn | None = None
        self._sending: set[asyncio.Task[None]] = set()

    def ask(self, script: str, keys: Sequence[str], args: Sequence[Any]) -> asyncio.Future[Any]:
        """The script's answer, to be awaited. Raises: what the client raises, unchanged."""
        loop = asyncio.get_running_loop()
        turn = self._turn
        if turn is None or turn.loop is not loop or len(turn.asked) >= self._at_most:
            turn = self._turn = _Turn(loop)
            task = loop.create_task(self._send(turn))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        one = _Asked(script, keys, args, loop.create_future())
        turn.asked.append(one)
        return one.answer

    async def _send(self, turn: _Turn) -> None:
        if self._turn is turn:
            self._turn = None
        servers: defaultdict[object, list[_Asked]] = defaultdict(list)
        for one in turn.asked:
            if not one.answer.done():
                servers[lies_with(self._client, one.keys[0])].append(one)
        await _all([self._sent_to_one(waiting) for waiting in servers.values()])

    async def _sent_to_one(self, waiting: Sequence[_Asked]) -> None:
        try:
            again = await self._sent_together(waiting) if len(waiting) > 1 else waiting
            await _all([self._sent_alone(one) for one in again])
        except BaseException as error:
            for one in waiting:
                _fail(one.answer, error)
            if not isinstance(error, Exception):
                raise

    async def _sent_together(self, waiting: Sequence[_Asked]) -> Sequence[_Asked]:
        """What has to be asked again: a pipeline puts the command, and with it the state, into an error's words."""

        async def ask(server: redis.asyncio.Redis) -> list[Any]:
            async with server.pipeline(transaction=False) as pipeline:
                for one in waiting:
                    sha = self._scripts[one.script].sha
                    pipeline.execute_command("EVALSHA", sha, len(one.keys), *one.keys, *one.args)
                return await pipeline.execute(raise_on_error=False)

        found = await at_primary(self._client, waiting[0].keys[0], ask)
        for one, answer in zip(waiting, found, strict=True):
            if not isinstance(answer, Exception) and not one.answer.done():
                one.answer.set_result(answer)
        return [one for one, answer in zip(waiting, found, strict=True) if isinstance(answer, Exception)]

    async def _sent_alone(self, one: _Asked) -> None:
        try:
            found = await self._scripts[one.script](keys=one.keys, args=one.args)
        except Exception as error:  # noqa: BLE001 handed to whoever asked
            _fail(one.answer, error)
        else:
            if not one.answer.done():
                one.answer.set_result(found)


async def _all(sendings: Sequence[Coroutine[Any, Any, None]]) -> None:
    """At the same time; one alone needs no task of its own, which would cost more than the call."""
    if len(sendings) == 1:
        await sendings[0]
    else:
        await asyncio.gather(*sendings)


def _fail(answer: asyncio.Future[Any], error: BaseException) -> None:
    if answer.done():
        return
    if isinstance(error, Exception):
        answer.set_exception(error)
    else:
        answer.cancel()
