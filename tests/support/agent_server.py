"""A real LangGraph Agent Server as a process of its own, and our small world with a worker that watches it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from foreign import POLICY, open_requests
from gated import World
from langgraph_sdk import get_client
from sayso.agent.credentials import Broker
from sayso.agent.policy_file import read_policy
from sayso.agent.remote.server import ANSWERS, AgentServer, ServerSpec
from sayso.agent.worker import Worker
from sayso.approvals.request import Request
from sayso.approvals.signing import Verifier
from scenes import ALEX, BO

ROOT = Path(__file__).resolve().parents[2]
BINARY = ROOT / ".cache/agent-server/bin/langgraph"
#: How long it may take to start on a busy machine, seconds.
START_SECONDS = 60.0
GRAPHS = ("loose", "again", "parallel", "mails")


@dataclass
class ServerProcess:
    """`langgraph dev` on loopback, with everything it keeps in one folder; it can be stopped and started again.

    Attributes:
        changed: What stands in its agents' code -> what its next deployment has instead.
    """

    folder: Path
    port: int = 0
    changed: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    def start(self) -> None:
        """Returns when it answers."""
        graphs = Path(__file__).with_name("remote_graphs.py")
        named = {name: f"./remote_graphs.py:{name}" for name in GRAPHS}
        code = graphs.read_text()
        for before, after in self.changed.items():
            assert before in code
            code = code.replace(before, after)
        (self.folder / graphs.name).write_text(code)
        (self.folder / "langgraph.json").write_text(json.dumps({"dependencies": ["."], "graphs": named}))
        self.port = self.port or _free_port()
        env = {
            **os.environ, "LEDGER": str(self.ledger), "LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false",
            "LANGGRAPH_CLI_NO_ANALYTICS": "1", "PYTHONPATH": "",
        }  # fmt: skip
        command = [
            str(BINARY), "dev", "--host", "127.0.0.1", "--port", str(self.port), "--no-browser", "--no-reload",
            "--n-jobs-per-worker", "4", "--allow-blocking",
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=env, stdout=log, stderr=log, start_new_session=True
            )
        self._until_it_answers()

    def _until_it_answers(self) -> None:
        ends = time.monotonic() + START_SECONDS
        while time.monotonic() < ends:
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            try:
                if httpx.get(f"{self.url}/ok", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def stop(self) -> None:
        """In order, so that it keeps its threads."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def acted(self, tag: str) -> list[Any]:
        """The answers with which an agent acted, in order."""
        lines = self.ledger.read_text().splitlines() if self.ledger.exists() else []
        return [answer for said, answer in map(json.loads, lines) if said == tag]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def a_spec(url: str, **options: Any) -> ServerSpec:
    """Every graph of that server."""
    return ServerSpec(name="crm", url=url, graphs=GRAPHS, people=frozenset({ALEX, BO}), **options)


class RemoteWorld(World):
    """Our store, people and clock around agents that run elsewhere; close it."""

    def __init__(
        self, server: ServerProcess, *, store: Any = None, locks: Any = None, **options: Any
    ) -> None:
        self.process = server
        self.spec = a_spec(server.url, **options)
        self.servers: list[AgentServer] = []
        self.client = get_client(url=server.url, api_key=None)
        super().__init__(policy=read_policy(POLICY), store=store, locks=locks)

    def another_worker(
        self, name: str, builder: Any = None, knows: str = "", spec: ServerSpec | None = None, **options: Any
    ) -> Worker:
        """One that watches the server and has no graphs of its own."""
        server = AgentServer(spec or self.spec)
        self.servers.append(server)
        return Worker(
            self.store, {}, servers=(server,), locks=self.locks, policy=self.policy, name=name,
            verifier=Verifier([self.signer.public_key]), broker=Broker({"entra": self.source}, self.live),
            backoff=(0, 0, 0, 0, 0), wait=timedelta(0), **options,
        )  # fmt: skip

    async def close(self) -> None:
        for server in self.servers:
            await server.close()
        await self.client.aclose()

    async def begin(self, graph: str, asked_by: str | None = ALEX, **given: Any) -> str:
        """Somebody starts an agent at the server, and it goes as far as it can; its thread's id."""
        metadata = {"sayso_asked_by": asked_by} if asked_by else {}
        thread = str((await self.client.threads.create(metadata=metadata))["thread_id"])
        return await self.tell(thread, graph, **given)

    async def tell(self, thread: str, graph: str, **given: Any) -> str:
        """New input for a thread."""
        await self.client.runs.wait(
            thread, graph, input={"tag": thread, "goal": "Tell Dana", **given}, raise_error=False
        )
        return thread

    async def look(self, worker: Worker | None = None) -> None:
        """The watcher looks, and all work is done."""
        await (worker or self.worker).watch_once()
        await self.work(worker)

    async def asked(self, thread: str) -> list[Request]:
        """What is open about one thread."""
        return [one for one in await open_requests(self) if one.ask.run.thread == f"crm/{thread}"]

    async def goes_on(self, thread: str) -> bool:
        """Whether its run is unfinished here."""
        return f"crm/{thread}" in {run.thread for run in await self.store.unfinished()}

    async def wait_out(self, **delta: float) -> None:
        """Time passes on the store's clock."""
        self.store.advance(timedelta(**delta))

    async def pending(self, thread: str) -> list[Any]:
        """What the thread waits for at its server."""
        state = await self.client.threads.get_state(thread)
        return [one for task in state["tasks"] for one in task["interrupts"]]

    async def answers(self, thread: str) -> int:
        """How many runs of ours the server has for this thread."""
        return sum(ANSWERS in (run.get("metadata") or {}) for run in await self.client.runs.list(thread))

    async def answer_there(self, thread: str, graph: str, answer: Any) -> None:
        """Somebody answers at the server, past us."""
        (one,) = await self.pending(thread)
        await self.client.runs.wait(thread, graph, command={"resume": {one["id"]: answer}})


async def paused(world: RemoteWorld, graph: str = "loose", **given: Any) -> tuple[str, Request]:
    """An agent that waits there, and the request about it."""
    thread = await world.begin(graph, **given)
    await world.look()
    (request,) = await world.asked(thread)
    return thread, request
