"""Secrets that come back in results, errors and headers stand in nothing that is read afterwards: the API's answers and
calls back, exports, the terminal's stories, and the list of what could not be delivered.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_scene import ENV, ApiScene, Receiver, an_api, listening
from gated import Ledger, World, an_agent, reporting
from langgraph.checkpoint.memory import InMemorySaver
from sayso.agent.effect import NothingDone, effect
from sayso.approvals.change import AuditEntry, Event
from sayso.approvals.people import Place
from sayso.approvals.store import DeadLetter, Target, TargetKind, Told
from sayso.approvals.verdict import Reject
from sayso.bot.cli.commands import app
from sayso.bot.evidence.readers import Reader
from tokens import CANARIES
from trails import KEY, KEYS, linked
from typer.testing import CliRunner

ALL = " | ".join(CANARIES.values())
#: What is looked for of each: no whole secret has to stand there to be a leak.
PIECES = {
    name: (secret.splitlines()[3] if name == "a private key" else secret.split(" ")[-1])[8:28]
    for name, secret in CANARIES.items()
}


def refused() -> httpx.HTTPStatusError:
    """A service that quotes what it was called with."""
    key, bearer = CANARIES["JWT"], CANARIES["Bearer"]
    call = httpx.Request("GET", f"http://127.0.0.1:9/?key={key}", headers={"authorization": bearer})
    return httpx.HTTPStatusError(
        f"401: {dict(call.headers)} {ALL}", request=call, response=httpx.Response(401)
    )


@dataclass
class Life:
    """An office whose agent was careless, and what it said to whom."""

    scene: ApiScene
    runs: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    async def answers(self) -> str:
        """Everything that the API answers, and everything it called back with."""
        addresses = [
            "/v1/runs?state=open", "/v1/runs/no-such", *(f"/v1/runs/{one}" for one in self.runs.values()),
            *(f"/v1/requests/{one}" for one in self.requests),
        ]  # fmt: skip
        got = [await self.scene.http.get(one) for one in addresses]
        asked = await self.scene.asks(input=f"again {CANARIES['Bearer']}")
        sent = [f"{headers} {body!r}" for headers, body in self.scene.receiver.taken]
        return "\n".join(f"{one.headers} {one.text}" for one in [*got, asked]) + "\n".join(sent)


def careless(scene: ApiScene) -> World:
    """An agent that hands back, raises or quotes whatever it holds, and says all of it in the end."""

    @effect(name="issue_refund", category="financial_transaction", irreversibility="high")
    async def issue_refund(order: int, amount: Decimal, currency: str = "USD") -> Any:
        if amount == 2:
            raise NothingDone(f"The shop said: {ALL}") from refused()
        if amount == 3:
            raise refused()
        return {"headers": {"authorization": CANARIES["Bearer"]}, "body": [*CANARIES.values()], ALL: 1}

    ledger = Ledger()
    said = an_agent(issue_refund, ledger, report=lambda state: {"report": f"{reporting(state)} {ALL}"})
    return World(issue_refund, ledger=ledger, graph=said, store=scene.store, saver=InMemorySaver())


@pytest.fixture
async def life(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Life]:
    """Done, refused by the shop, broken off, and refused by a person who quotes a secret; a place that took nothing."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        **ENV, "REDIS_URL": redis_url, "COLUMNS": "200", "SAYSO_DEMO": "1", "SAYSO_AUDIT_KEYS": base64.b64encode(KEY).decode(),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    receiver = Receiver()
    async with (
        listening(receiver) as receiver.host,
        an_api(tmp_path, redis_url, receiver=receiver) as scene,
    ):
        scene.world, life = careless(scene), Life(scene)
        for way, amount in {"returns": "1", "refuses": "2", "breaks": "3", "rejected": "4"}.items():
            run, request = await scene.paused(input=amount, thread=way, callback=f"http://{receiver.host}/x")
            life.runs[way] = run
            life.requests.append(request.id)
            await scene.answers(request, Reject(f"You leaked {ALL}") if way == "rejected" else None)
        await buried(scene, life)
        await scene.tells()
        await linked(scene.store, KEYS)
        yield life


async def buried(scene: ApiScene, life: Life) -> None:
    """Two places took nothing, and what they answered quotes what it was sent."""
    now = await scene.store.now()
    request = await scene.store.get(life.requests[0])  # type: ignore[arg-type]
    for number, why in enumerate((ALL, str(refused()))):
        place = f"slack:C0GONE{number}"
        letter = DeadLetter(
            target=Target(kind=TargetKind.CARD, id=request.id, where=place), places=(Place(place),), why=why,
            since=now - timedelta(hours=2), tries=3, thread=request.ask.run.thread, request=request.id,
        )  # fmt: skip
        await scene.store.bury(letter, Told(), version=request.version)
    entry = AuditEntry(event=Event.STEP, by=ALL[:200], words=ALL, facts={"why": ALL}, shown=ALL)
    await scene.store.note(entry, thread=request.ask.run.thread, request=request.id)


def leaks(said: str) -> list[str]:
    """Which canaries stand there."""
    return [name for name, piece in PIECES.items() if piece in said]


async def printed(*arguments: str) -> str:
    """What a command prints."""
    shown = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert shown.exit_code == 0, (arguments, shown.output, shown.exception)
    return shown.output


async def test_no_secret_is_read_afterwards(life: Life) -> None:
    """A tool's result, its error, headers, a person's reason, the agent's last words: withheld wherever anybody reads.

    In the API's answers and calls back; in exports for each reader; in how a request stands and the life it had, with its
    cards; in what waits, and in what could not be delivered.
    """
    answers = await life.answers()
    assert '"ended":"finished"' in answers
    assert answers.count("(withheld: a GitHub token)") >= 4
    assert leaks(answers) == []
    for reader, kind in itertools.product(Reader, ([], ["--csv"])):
        export = await printed("audit", "export", "--for", reader.value, *kind)
        assert leaks(export) == [], (reader, kind)
        assert export.count("\n") > 30
        assert ("(withheld: a GitHub token)" in export) is (reader is not Reader.STATISTICS)
    for id in life.requests:
        shown = await printed("show", id)
        told = await printed("audit", "show", id, "--cards")
        assert leaks(shown + told) == []
        assert "withheld" in shown + told
    letters = await printed("dead-letters") + await printed("dead-letters", "--json")
    assert letters.count("(withheld: a GitHub token)") >= 2
    assert leaks(letters + await printed("pending")) == []
