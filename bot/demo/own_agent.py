"""Somebody's own agent in the demo's office, beside the demo's: where it is, and how risky its tools are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Sequence
from pathlib import Path

from ..cli.check_graphs import GatedTools
from ..cli.init_file import own_tools
from ..settings import Settings

#: What it is called in the settings; people write “@sayso yours: …”.
YOURS = "yours"


def own_tables(spec: str, rated: Collection[str]) -> tuple[str, str]:
    """Where it is, for `own_line`, and a table for each tool that its author declared, but for those `rated` already.

    Args:
        spec: As in `[graphs]`; a file is looked for in the folder the demo was started in.

    Raises: BadSetting, when it does not load or compile.
    """
    path, _, attribute = spec.rpartition(":")
    place = f"{Path(path).absolute()}:{attribute}" if path.endswith((".py", ".json")) else spec
    tools = own_tools(place, Path.cwd())
    tables = [
        f"\n[tools.{json.dumps(name)}]\n" + "".join(f"{key} = {json.dumps(said)}\n" for key, said in table.items())
        for name, table in tools.items() if table and name not in rated
    ]  # fmt: skip
    return place, "".join(tables)


def own_line(place: str, unasked: Collection[str] = ()) -> str:
    """Its line of `[graphs]`; with tools that nobody is asked about it says that this is meant."""
    graph = json.dumps(place)
    return f"{YOURS} = {{ graph = {graph}, unguarded = true }}" if unasked else f"{YOURS} = {graph}"


def unasked_tools(settings: Settings) -> Sequence[str]:
    """The tools that its model can call without asking although nobody has rated them as harmless.

    The demo lets it in and says so: whoever tries an agent has rated nothing yet. Raises: BadSetting, a sentence that
    says why no worker will run it.
    """
    from ...agent.unguarded import Unguarded  # noqa: PLC0415 only once LangGraph is known to be there

    try:
        asyncio.run(GatedTools(settings, offline=True).look(YOURS)())  # type: ignore[arg-type] # a look is a coroutine
    except Unguarded as found:
        return found.tools
    return ()


def own_words(unasked: Sequence[str]) -> str:
    """How to ask it, and what it does without asking anybody."""
    ask = f"Your agent: write “@sayso {YOURS}: …” in #support, in either pane"
    if not unasked:
        return ask
    return f"{ask}; its model can call {', '.join(unasked)} without asking anybody (nothing in it asks, and nothing is rated)"
