"""The calls of the API, and the whole of it put together for the bot."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

from pydantic import BaseModel
from starlette.requests import Request

from ...approvals.store import Store
from ..channel import Channel
from ..settings import Settings
from ..tables import ApiTable
from ..withdrawal import TooLate, Withdrawals
from .addresses import CallbackHosts
from .callbacks import open_callbacks
from .door import Call, Door
from .keys import Service, load_keys
from .openapi import described
from .problems import Problem
from .reading import ListRuns, StartRun, Withdraw, read, read_query
from .runs import Runs
from .views import RequestView, RunState, RunsView, RunView

_NOT_THEIRS = "This key has started no such run or request."


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """What the bot opens: a door for services, and a channel on which they are told."""

    door: Door
    channel: Channel


@asynccontextmanager
async def open_api(settings: Settings, table: ApiTable, store: Store) -> AsyncIterator[Api]:
    """The API of the settings; whoever still waits when it ends gets an answer. Raises: BadSetting."""
    keys = load_keys(settings)
    hosts = CallbackHosts(public=table.callback_hosts, private=table.private_callback_hosts)
    runs = Runs(
        store=store, graphs=settings.graphs, people=settings.people, hosts=hosts, keys=len(keys.services)
    )
    calls = _Calls(runs, Withdrawals(store=store, operators=settings.operators)).table()
    async with open_callbacks(store, keys, hosts) as channel:
        try:
            yield Api(door=Door(keys, calls, described(calls)), channel=channel)
        finally:
            runs.end_waits()


class _Calls:
    """Each call: read it, do it, say how it stands."""

    def __init__(self, runs: Runs, withdrawals: Withdrawals) -> None:
        self._runs = runs
        self._withdrawals = withdrawals

    def table(self) -> tuple[Call, ...]:
        """All of them."""
        settled = {200: "As it stands now.", 404: _NOT_THEIRS}
        taken_back = {**settled, 409: "It has ended, or its action has begun."}
        return (
            Call(
                method="POST", path="/v1/runs", summary="Start a run, or join the one that the same call started.",
                handler=self._start, says=StartRun, answer=RunView,
                answers={
                    200: "It has ended.", 202: "It has not ended: it runs, or waits for people.",
                    403: "The key may not act for this person.", 409: "The same name or key, for another run.",
                },
                headers={"Idempotency-Key": "The same for the same call: it is safe to repeat."},
            ),
            Call(
                method="GET", path="/v1/runs", summary="This key's runs that have not ended, page by page, by their ids.",
                handler=self._runs_of, asks=ListRuns, answer=RunsView, answers={200: "As they stand now."},
            ),
            Call(
                method="GET", path="/v1/runs/{run}", summary="How a run stands.", handler=self._run,
                answer=RunView, answers=settled,
            ),
            Call(
                method="POST", path="/v1/runs/{run}/withdraw", handler=self._withdraw_run, says=Withdraw,
                summary="Take back everything of a run that has not begun; its agent is told.",
                answer=RunView, answers=taken_back,
            ),
            Call(
                method="GET", path="/v1/requests/{request}", summary="How a request stands.",
                handler=self._request, answer=RequestView, answers=settled,
            ),
            Call(
                method="POST", path="/v1/requests/{request}/withdraw", handler=self._withdraw, says=Withdraw,
                summary="Take a request back before its action has begun; the agent is told.",
                answer=RequestView, answers=taken_back,
            ),
        )  # fmt: skip

    async def _start(self, service: Service, call: Request, _: Mapping[str, str]) -> tuple[int, BaseModel]:
        said = await read(call, StartRun)
        run = await self._runs.start(service, said, call.headers.get("idempotency-key", ""))
        view = await self._runs.settled(run, said.wait, call.is_disconnected)
        return (200 if view.state is RunState.ENDED else 202), view

    async def _runs_of(self, service: Service, call: Request, _: Mapping[str, str]) -> tuple[int, BaseModel]:
        asked = read_query(call, ListRuns)
        found, more = await self._runs.unfinished(service, asked.limit, asked.after)
        views = [await self._runs.view(run) for run in found]
        again = {"state": asked.state, "limit": asked.limit, "after": found[-1].thread} if more else {}
        return 200, RunsView(runs=views, next=f"/v1/runs?{urlencode(again)}" if again else None)

    async def _run(self, service: Service, _: Request, parts: Mapping[str, str]) -> tuple[int, BaseModel]:
        return 200, await self._runs.view(await self._runs.run(service, parts["run"]))

    async def _request(self, service: Service, _: Request, parts: Mapping[str, str]) -> tuple[int, BaseModel]:
        request = await self._runs.request(service, parts["request"])
        return 200, await self._runs.request_view(request)

    async def _withdraw(
        self, service: Service, call: Request, parts: Mapping[str, str]
    ) -> tuple[int, BaseModel]:
        request = await self._runs.request(service, parts["request"])
        await self._take_back(service, [request.id], (await read(call, Withdraw)).why)
        return 200, await self._runs.request_view(await self._runs.request(service, request.id))

    async def _withdraw_run(
        self, service: Service, call: Request, parts: Mapping[str, str]
    ) -> tuple[int, BaseModel]:
        run = await self._runs.run(service, parts["run"])
        why = (await read(call, Withdraw)).why
        await self._take_back(service, [one.id for one in await self._runs.requests(run) if one.live], why)
        return 200, await self._runs.view(run)

    async def _take_back(self, service: Service, ids: list[str], why: str) -> None:
        """As many of them as can be. Raises: Problem, when that is none."""
        done, refused = 0, str(TooLate())
        for id in ids:
            request = await self._runs.request(service, id)
            try:
                await self._withdrawals.unasked(
                    request, by=f"service {service.name}", name=service.name, why=why, token=uuid.uuid4().hex
                )
            except TooLate as error:
                refused = str(error)
            else:
                done += 1
        if not done:
            raise Problem(409, refused)
