"""Somebody's own agent in the demo's office, beside the demo's: where it is, and how risky its tools are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from pathlib import Path

from ..cli.check_graphs import GatedTools
from ..cli.init_file import own_tools
from ..settings import Settings

#: What it is called in the settings; people write “@sayso yours: …”.
YOURS = "yours"


def own_tables(spec: str, rated: Collection[str]) -> tuple[str, str]:
    """Its line of `[graphs]`, and a table for each tool that its author declared, but for those `rated` already.

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
    return f"{YOURS} = {json.dumps(place)}", "".join(tables)


def check_own(settings: Settings) -> None:
    """Whether a worker will run it. Raises: BadSetting, a sentence that says why not."""
    asyncio.run(GatedTools(settings, offline=True).look(YOURS)())  # type: ignore[arg-type] # a look is a coroutine
