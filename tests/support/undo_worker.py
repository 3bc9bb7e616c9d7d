"""A worker process that undoes what was drafted: `python undo_worker.py REDIS_URL LEDGER_FILE`; it dies where it is told to."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from crashing_worker import a_worker, redis_world
from gated import POLICY, AgentState, Ledger, World, an_agent
from sayso.agent.effect import effect
from sayso.agent.policy_file import read_policy
from sayso.agent.runtime import idempotency_key
from sayso.approvals.action import Action

WATCHED = {
    "category": "internal_change",
    "irreversibility": "medium",
    "blast_radius": "medium",
    "compliance": "low",
}


def drafting_agent(file: Path) -> Any:
    """Drafts a letter, and can delete it; each writes a line."""

    def wrote(words: str) -> str:
        with file.open("a") as ledger:
            ledger.write(f"{words} {idempotency_key()}\n")
        return words

    @effect(name="discard")
    def discard(order: int, result: str) -> str:
        return wrote(f"discarded {order}")

    @effect(name="draft", undo=discard)
    def draft(order: int) -> str:
        return wrote(f"drafted {order}")

    def plan(state: AgentState) -> dict[str, Any]:
        action = Action.of(
            draft, order=1042, goal="Answer Dana", summary="Draft a letter", reasoning="She asked.", confidence=0.99
        )  # fmt: skip
        return {"action": action}

    return an_agent(draft, Ledger(), plan=plan)


@asynccontextmanager
async def drafting_world(url: str, file: Path) -> AsyncIterator[World]:
    """On Redis throughout."""
    async with redis_world(url, file, graph=drafting_agent(file)) as world:
        world.policy = read_policy({**POLICY, "tools": {"draft": WATCHED}})
        world.worker = a_worker(world, "first")
        yield world


async def main(url: str, file: Path) -> None:
    async with drafting_world(url, file) as world:
        try:
            await asyncio.wait_for(a_worker(world, "victim").run_forever(), 30)
        except TimeoutError:
            sys.exit("nothing killed this worker")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
