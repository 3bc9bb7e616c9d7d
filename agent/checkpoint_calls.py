"""Sends the script calls of many threads together: those that come in one turn of the event loop share a round trip."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio

from . import checkpoint_scripts, upkeep_scripts
from .checkpoint_scripts import Call

#: Every script, to be registered with a client once.
SCRIPTS = (*checkpoint_scripts.SCRIPTS, *upkeep_scripts.SCRIPTS)

#: Calls sent together at most: the first of many would wait for the last, and the server for us (measured: 8 is best).
TOGETHER = 8


@dataclass(slots=True)
class _Turn:
    """What was asked in one turn of a loop."""

    loop: asyncio.AbstractEventLoop
    asked: list[tuple[Call, asyncio.Future[Any]]] = field(default_factory=list)


class Calls:
    """Asks Redis. Every script of ours may run twice, so a call that came back with an error is asked again alone."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._scripts = {text: client.register_script(text) for text in SCRIPTS}
        self._one_server = (
            type(client) is redis.asyncio.Redis
        )  # a Cluster's client finds a node for each call
        self._turn: _Turn | None = None
        self._sending: set[asyncio.Task[None]] = set()

    async def ask(self, call: Call) -> Any:
        """The script's answer. Raises: what the client raises, unchanged."""
        loop = asyncio.get_running_loop()
        turn = self._turn
        if turn is None or turn.loop is not loop or len(turn.asked) >= TOGETHER:
            turn = self._turn = _Turn(loop)
            task = loop.create_task(self._send(turn))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        answer = loop.create_future()
        turn.asked.append((call, answer))
        return await answer

    async def _send(self, turn: _Turn) -> None:
        if self._turn is turn:
            self._turn = None
        waiting = [(call, answer) for call, answer in turn.asked if not answer.done()]
        try:
            if len(waiting) > 1 and self._one_server:
                waiting = await self._sent_together(waiting)
            await asyncio.gather(*(self._sent_alone(call, answer) for call, answer in waiting))
        except BaseException as error:
            for _, answer in turn.asked:
                _fail(answer, error)
            if not isinstance(error, Exception):
                raise

    async def _sent_together(
        self, waiting: list[tuple[Call, asyncio.Future[Any]]]
    ) -> list[tuple[Call, asyncio.Future[Any]]]:
        """What has to be asked again: a pipeline puts the command, and with it the state, into an error's words."""
        async with self._client.pipeline(transaction=False) as pipeline:
            for call, _ in waiting:
                sha = self._scripts[call.script].sha
                pipeline.execute_command("EVALSHA", sha, len(call.keys), *call.keys, *call.args)
            found = await pipeline.execute(raise_on_error=False)
        again = []
        for one, answer in zip(waiting, found, strict=True):
            if isinstance(answer, Exception):
                again.append(one)
            elif not one[1].done():
                one[1].set_result(answer)
        return again

    async def _sent_alone(self, call: Call, answer: asyncio.Future[Any]) -> None:
        try:
            found = await self._scripts[call.script](keys=call.keys, args=call.args)
        except Exception as error:  # noqa: BLE001 handed to whoever asked
            _fail(answer, error)
        else:
            if not answer.done():
                answer.set_result(found)


def _fail(answer: asyncio.Future[Any], error: BaseException) -> None:
    if answer.done():
        return
    if isinstance(error, Exception):
        answer.set_exception(error)
    else:
        answer.cancel()
