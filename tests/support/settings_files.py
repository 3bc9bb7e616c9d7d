"""A small, right settings file that tests make wrong in one place, and the terminal as a real process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from sayso.approvals.redis_store import RedisStore

T = TypeVar("T")

#: Every kind of table once; nothing in it is wrong.
RIGHT = """
default_route = "finance"
operators = ["sue"]

[graphs]
ops = "little_graph.py:graph"

[people]
alex = { name = "Alex Asker", slack = "U0ALEX" }
bo = { name = "Bo Berg", slack = "U0BO" }
cy = { name = "Cy Chen", slack = "U0CY" }
sue = { name = "Sue Supervisor", slack = "U0SUE" }

[sets]
finance = ["bo", "cy"]
seniors = { people = ["sue"] }

[routes.finance]
places = ["slack:C0FINANCE"]
approvers = ["finance"]
second_line = "seniors"
on_call = "seniors"
pager = "primary"

[tools.issue_refund]
category = "financial_transaction"
irreversibility = "high"
blast_radius = "low"
compliance = "medium"

[slack]
team = "T0WORKPLACE"

[pagers.primary]
routing_key = "PAGER_KEY"

[credentials.entra]
authority = "https://127.0.0.1:1/tenant"
client_id = "sayso"
client_secret = "ENTRA_SECRET"
service = "ops-agent"

[server]
port = 0
"""

#: A graph that loads at once and does nothing.
LITTLE_GRAPH = """
class Graph:
    def compile(self, **given: object) -> "Graph":
        return self


graph = Graph()
"""


def write_settings(folder: Path, *edits: tuple[str, str]) -> Path:
    """The right settings with each (old, new) replaced once, and their graph beside them."""
    text = RIGHT
    for old, new in edits:
        assert old in text, f"the settings hold no {old!r}"
        text = text.replace(old, new, 1)
    (folder / "little_graph.py").write_text(LITTLE_GRAPH)
    file = folder / "sayso.toml"
    file.write_text(text)
    return file


def sayso(
    *arguments: str, folder: Path, env: Mapping[str, str] | None = None, told: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `sayso` as a process of its own in `folder`; 80 columns and no colours unless `env` says otherwise."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SAYSO_", "SLACK_", "REDIS_"))
    }
    return subprocess.run(
        [sys.executable, "-c", "from sayso.bot.cli import main; main()", *arguments],
        cwd=folder, env={**kept, "COLUMNS": "80", **(env or {})}, text=True, capture_output=True, timeout=60, check=False,
        input=told,
    )  # fmt: skip


def with_store(url: str, scene: Callable[[RedisStore], Awaitable[T]]) -> T:
    """Do something in the store, as another process would."""

    async def in_loop() -> T:
        store = await RedisStore.connect(url)
        try:
            return await scene(store)
        finally:
            await store.close()

    return asyncio.run(in_loop())
