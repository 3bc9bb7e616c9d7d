"""One LangGraph Agent Server through its SDK: who waits there, how a thread stands, one answer, one end.

Measured on langgraph-api 0.16.7: the SDK's `strict_resume` is not known there and silently ignored, so that an answer
to a pause that is over goes nowhere and is called a success. The private switch of LangGraph itself gets through; both
are sent, and a server whose LangGraph does not have it is refused.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import httpx
from langgraph.errors import UnknownInterruptError
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import (
    APIError,
    AuthenticationError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
)

from ...approvals.action import Json
from ...approvals.crash import crash_point
from ...approvals.errors import BadSetting, SaysoError
from ...approvals.people import PersonId
from ..not_now import StillRunning
from ..resume import STRICT

#: What our runs carry in their metadata: the pause that they answer.
ANSWERS = "sayso_answers"
#: In a thread's metadata: whom it acts for, and the pause at which we ended it.
ASKED_BY, ENDED = "sayso_asked_by", "sayso_ended"

#: The oldest LangGraph of a server that refuses an answer to a pause that is over.
OLDEST = (1, 2, 22)
#: Threads that are listed at once.
PAGE = 100
#: How long a server may be silent while its agent goes on before the answer is looked after later, seconds.
SILENCE = 30.0

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOOKED_AT: Any = ["thread_id", "metadata", "interrupts", "status"]


class Undelivered(SaysoError):
    """The agent's server did not take this; it is tried again later."""


class ServerAway(Undelivered):
    """The agent's server cannot be reached; it is tried again later."""


class ThreadBusy(Undelivered, StillRunning):
    """The agent's server runs this thread right now."""


class ThreadGone(SaysoError):
    """The agent's thread was deleted at its server."""


class RunBroke(SaysoError):
    """The agent broke off at its server after it was answered."""


class Became(Enum):
    """What became of a pause that waits no more."""

    ANSWERED = "we answered it"
    ENDED = "we ended its run"
    ELSEWHERE = "somebody else did something there"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """A server as the settings name it.

    Attributes:
        key: Sent as `x-api-key`; None where the server wants none.
        graphs: Graph names, or assistants' ids, whose threads are watched.
        asked_by: Whom its threads act for, where a thread's own metadata does not say.
        owner: Who answers for its agents; counts as having asked.
        reads: Dialects whose every answer its agents are known to read.
        people: Everybody in the settings.
    """

    name: str
    url: str
    graphs: tuple[str, ...]
    key: str | None = field(default=None, repr=False)
    asked_by: PersonId | None = None
    owner: PersonId | None = None
    reads: tuple[str, ...] = ()
    people: frozenset[PersonId] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedThread:
    """A thread that waits for somebody.

    Attributes:
        graph: As the settings name it.
        pauses: Interrupt id -> what it shows.
    """

    id: str
    graph: str
    metadata: Mapping[str, Any]
    pauses: Mapping[str, Any]


class AgentServer:
    """The calls that are made; each raises ServerAway when the server cannot be reached or does not let us in."""

    def __init__(self, spec: ServerSpec) -> None:
        self.spec = spec
        # The SDK's own way to open one takes any key that it finds in the environment, and tries an absent server for
        # eight seconds.
        headers = {"x-api-key": spec.key} if spec.key else {}
        timeout = httpx.Timeout(30.0, connect=5.0)
        self._client = LangGraphClient(
            httpx.AsyncClient(
                base_url=spec.url, headers=headers, timeout=timeout, transport=httpx.AsyncHTTPTransport()
            )
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def check(self) -> str:
        """What is there, in words. Raises: BadSetting, when its threads cannot be resumed safely, or a graph is not there."""
        async with self._asking():
            info: Any = await self._client.http.get("/info")
        version = str(info.get("langgraph_py_version") or "")
        strict = bool(info.get("flags", {}).get("strict_resume"))
        if not strict and _numbers(version) < OLDEST:
            raise BadSetting(
                f"it runs LangGraph {version or 'of an unknown version'}, which takes an answer to a pause that is over: "
                f"{'.'.join(map(str, OLDEST))} is the oldest that works"
            )
        for graph in self.spec.graphs:
            if not await self._assistants(graph):
                raise BadSetting(f"it has no graph or assistant {graph!r}")
        return f"LangGraph {version or '(no Python)'}, {', '.join(self.spec.graphs)}"

    async def _assistants(self, graph: str) -> Sequence[Any]:
        async with self._asking():
            if not _UUID.fullmatch(graph):
                return await self._client.assistants.search(graph_id=graph, limit=1)
            try:
                return [await self._client.assistants.get(graph)]
            except NotFoundError:
                return []

    async def paused(self) -> Sequence[PausedThread]:
        """Every watched thread that waits; of those whose last run failed while their pause still waits, the newest."""
        found = dict[str, PausedThread]()
        for graph in self.spec.graphs:
            named = {"assistant_id" if _UUID.fullmatch(graph) else "graph_id": graph}
            for row in (*await self._waiting(named), *await self._failed(named)):
                if pauses := _pauses(row):
                    one = PausedThread(
                        id=row["thread_id"], graph=graph, metadata=row["metadata"], pauses=pauses
                    )
                    found.setdefault(one.id, one)
        return list(found.values())

    async def _waiting(self, named: dict[str, Any]) -> Sequence[Any]:
        rows = list[Any]()
        while True:
            async with self._asking():
                page = await self._client.threads.search(
                    metadata=named, status="interrupted", limit=PAGE, offset=len(rows), select=_LOOKED_AT,
                    sort_by="thread_id", sort_order="asc",
                )  # fmt: skip
            rows += page
            if len(page) < PAGE:
                return rows

    async def _failed(self, named: dict[str, Any]) -> Sequence[Any]:
        async with self._asking():
            return await self._client.threads.search(
                metadata=named,
                status="error",
                limit=PAGE,
                select=_LOOKED_AT,
                sort_by="updated_at",
                sort_order="desc",
            )

    async def thread(self, id: str) -> Mapping[str, Any]:
        """Status, metadata, last error. Raises: ThreadGone."""
        async with self._asking(ThreadGone()):
            return dict(await self._client.threads.get(id))

    async def state(self, id: str) -> Mapping[str, Any]:
        """The newest checkpoint, down to its innermost graphs. Raises: ThreadGone."""
        async with self._asking(ThreadGone()):
            return dict(await self._client.threads.get_state(id, subgraphs=True))

    async def drawing(self, graph: str) -> Mapping[str, Any]:
        """Its nodes and edges, as they are there now."""
        async with self._asking():
            return dict(await self._client.assistants.get_graph(graph))

    async def answer(self, id: str, interrupt: str, answer: Json) -> None:
        """Answer exactly this pause, and wait until the run that does it is over, however long that takes.

        Raises:
            Undelivered: It may or may not have been taken; `became` and the thread's state tell.
            ThreadBusy: Something else runs there; nothing was sent.
            UnknownInterruptError: The pause was not pending; nothing was done.
            RunBroke, ThreadGone: It was taken, and then this happened.
        """
        assistant = await self._assistant_of(id)
        async with self._asking():
            run = await self._client.runs.create(
                id, assistant, command={"resume": {interrupt: answer}}, metadata={ANSWERS: interrupt},
                config={"configurable": {STRICT: True}}, strict_resume=True, multitask_strategy="reject",
                durability="sync",
            )  # fmt: skip
        crash_point("remote-sent")
        error = await self._error_of(id, run["run_id"])
        if error == UnknownInterruptError.__name__:
            async with self._asking(ThreadGone()):
                await self._client.runs.delete(
                    id, run["run_id"]
                )  # it answered nothing: `sent` must not find it
            raise UnknownInterruptError(
                "The pause was not pending.", reason="not_pending", interrupt_ids=[interrupt]
            )
        if error:
            raise RunBroke(f"The agent's run at {self.spec.name} ended with {error}.")

    async def carry_on(self, id: str) -> None:
        """Run what an earlier run left undone; it answers nothing. Raises: what `answer` raises."""
        assistant = await self._assistant_of(id)
        async with self._asking():
            run = await self._client.runs.create(
                id, assistant, input=None, multitask_strategy="reject", durability="sync"
            )
        if error := await self._error_of(id, run["run_id"]):
            raise RunBroke(f"The agent's run at {self.spec.name} ended with {error}.")

    async def _assistant_of(self, id: str) -> str:
        metadata = (await self.thread(id))["metadata"]
        return str(metadata.get("assistant_id") or metadata["graph_id"])

    async def _error_of(self, id: str, run: str) -> str:
        """How a run ended, once it is over; empty when it ended well."""
        status = await self._over(id, run)
        if status == "success":
            return ""
        error = (await self.thread(id)).get("error")
        name = error.get("error") if isinstance(error, Mapping) and status == "error" else ""
        return str(name or status)

    async def _over(self, id: str, run: str) -> str:
        """Its status once it is over; short outages meanwhile are waited out."""
        loop, pause = asyncio.get_running_loop(), 0.05
        heard = loop.time()
        while True:
            try:
                async with self._asking(ThreadGone()):
                    status = str((await self._client.runs.get(id, run))["status"])
                heard = loop.time()
            except ServerAway:
                if loop.time() - heard > SILENCE:
                    raise
            else:
                if status not in ("pending", "running"):
                    return status
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 2.0)

    async def sent(self, id: str, interrupt: str) -> bool:
        """Whether a run of ours was ever created to answer this pause. Raises: ThreadGone."""
        offset = 0
        while True:
            async with self._asking(ThreadGone()):
                runs = await self._client.runs.list(id, limit=PAGE, offset=offset)
            if any((run.get("metadata") or {}).get(ANSWERS) == interrupt for run in runs):
                return True
            offset += len(runs)
            if len(runs) < PAGE:
                return False

    async def became(self, id: str, interrupt: str) -> Became:
        """What became of a pause that waits no more. Raises: ThreadGone."""
        if await self.sent(id, interrupt):
            return Became.ANSWERED
        ended = (await self.thread(id))["metadata"].get(ENDED)
        return Became.ENDED if ended == interrupt else Became.ELSEWHERE

    async def end(self, id: str, interrupt: str) -> None:
        """End the thread's run where it stands, at this pause: nothing waits there any more, and no node runs.

        Raises: ThreadGone; ThreadBusy, also when the pause does not wait any more: look again.
        """
        if interrupt not in _pauses(await self.thread(id)):
            raise ThreadBusy
        async with self._asking(ThreadGone()):
            await self._client.threads.update(id, metadata={ENDED: interrupt})
            await self._client.threads.update_state(id, None, as_node="__end__")

    @asynccontextmanager
    async def _asking(self, missing: SaysoError | None = None) -> AsyncIterator[None]:
        """Name what goes wrong in this block; `missing` is what a 404 means there."""
        try:
            yield
        except NotFoundError:
            words = f"The server {self.spec.name} has no such address, graph or assistant."
            raise missing or ServerAway(words) from None
        except ConflictError:
            raise ThreadBusy from None
        except (AuthenticationError, PermissionDeniedError):
            raise ServerAway(f"The server {self.spec.name} does not accept our key.") from None
        except APIError as error:
            status = error.response.status_code if error.response is not None else 0
            if status in (408, 429) or status >= 500:
                raise ServerAway(f"The server {self.spec.name} answers with {status}.") from None
            raise
        except (httpx.HTTPError, ValueError) as error:  # a proxy's page is no JSON
            words = f"The server {self.spec.name} cannot be reached ({type(error).__name__})."
            raise ServerAway(words) from None


def _pauses(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Interrupt id -> what it shows."""
    tasks = (row.get("interrupts") or {}).values()
    return {one["id"]: one.get("value") for task in tasks for one in task if one.get("id")}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
