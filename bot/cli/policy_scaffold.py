"""`sayso policy scaffold`: a first table for each tool of a graph: what is declared, the worst where nobody has rated it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import typer

from ...agent.policy import Category
from ...agent.seen_tools import SeenTool
from ...agent.setting_words import NAME, did_you_mean
from ...approvals.errors import BadSetting
from ..langgraph_version import check_langgraph
from ..settings import load_settings
from .findings import harmless
from .graph_tools import tools_of_graph

#: The line that the tables begin with.
BEGINS = "# ---- written by `sayso policy scaffold`"
LEVELS = ("irreversibility", "blast_radius", "compliance")
#: Until somebody says otherwise: together with levels that are high, people are asked, and no flag says what nobody knows.
_UNTIL_RATED = Category.INTERNAL_CHANGE
_ROUTE = """default_route = "approvals"

[routes.approvals]
places = ["slack:C0CHANNEL"] # the channel's id, from its details in Slack
approvers = ["approvers"] # a set of people, under [sets] in the settings
on_call = "approvers" # better: a set of other people
"""
#: Longest words of an author that become a reason, characters.
_WORDS = 160


def print_scaffold(graph: str, file: Path | None) -> None:
    """Print tables for the tools of a graph. Raises: BadSetting.

    Args:
        graph: A name of the settings: then for the tools that their policy does not know. Or where a graph is
            ("agent.py:graph"): then a whole policy.
    """
    check_langgraph()
    if ":" in graph:
        tools = asyncio.run(tools_of_graph(graph, Path()))
        typer.echo(scaffold(_some(tools, graph), graph, whole=True), nl=False)
        return
    settings = load_settings(file)
    if graph not in settings.graphs:
        hint = did_you_mean(graph, settings.graphs)
        raise BadSetting(
            f"there is no graph {graph!r} in {settings.file}{hint}; or say where it is: agent.py:graph"
        )
    tools = _some(asyncio.run(tools_of_graph(settings.graphs[graph], settings.file.parent)), graph)
    unknown = {name: tool for name, tool in tools.items() if name not in settings.policy.tools}
    typer.echo(scaffold(unknown, graph, whole=False), nl=False)


def scaffold(tools: Mapping[str, SeenTool], graph: str, *, whole: bool) -> str:
    """TOML that `read_policy` takes: by itself if it is `whole`, else below the policy that is there."""
    lines = [f"# A first policy for the tools of {harmless(graph)}.", _ROUTE] if whole else [""]
    lines.append(f"{BEGINS}: high wherever nobody has said otherwise; rate each tool")
    if not tools:
        lines.append(f"# The policy knows every tool of {harmless(graph)} already.")
    for name in sorted(tools):
        lines += ["", *_table(tools[name])]
    return "\n".join(lines) + "\n"


def _some(tools: Mapping[str, SeenTool], graph: str) -> Mapping[str, SeenTool]:
    if not tools:
        raise BadSetting(
            f"{graph} shows no tool: nothing in it is a gate or a ToolNode, so name its tools yourself"
        )
    return tools


def _table(tool: SeenTool) -> Iterator[str]:
    if tool.words:
        yield f"# {_one_line(tool.words)}"
    if tool.schema is not None:
        yield f"# Arguments: {_one_line(', '.join(tool.schema.get('properties', {}))) or 'none'}"
    if tool.runs_agent:
        yield "# It runs an agent whose tools stand here too: rate what it does beside that."
    elif not tool.asks:
        yield "# Nothing asks before it runs: put govern([...]) around the tools of its graph."
    if not NAME.fullmatch(tool.name):
        yield f'# The policy cannot name {_one_line(tool.name)!r}: rename it to letters, digits, ".", "_" and "-".'
        return
    yield f"[tools.{_key(tool.name)}]"
    yield _category(tool)
    proposed = _proposed(tool.hints)
    for what in LEVELS:
        if what in tool.levels:
            yield f'{what} = "{tool.levels[what].name.lower()}" # as its code declares'
        else:
            note = f" # its server suggests {proposed[what]}" if what in proposed else ""
            reason = _text(
                f"Not rated yet: {tool.words}" if tool.words else "Nobody has rated this tool yet."
            )
            yield f'{what} = {{ level = "high", reason = {reason} }}{note}'
    if tool.hints:
        yield "# What its server says of it; nobody vouches for that, so it raises a level and never lowers one."
        said = ", ".join(f"{hint} = {json.dumps(value)}" for hint, value in tool.hints.items())
        yield f"mcp = {{ {said} }}"


def _category(tool: SeenTool) -> str:
    if tool.category in set(Category):
        return f'category = "{tool.category}" # as its code declares'
    kinds = ", ".join(Category)
    if tool.hints.get("readOnlyHint"):
        note = "read, says its server"
    elif tool.hints.get("destructiveHint"):
        note = "deletion or overwrite, as its server suggests"
    else:
        note = kinds
    return f'category = "{_UNTIL_RATED}" # which of: {note}?'


def _proposed(hints: Mapping[str, bool]) -> Mapping[str, str]:
    """Levels to begin from, as a server's hints suggest them; they stand beside the worst, and never instead of it."""
    found = dict[str, str]()
    if hints.get("readOnlyHint"):
        found["irreversibility"] = '"low"'
    elif hints.get("destructiveHint") is False:
        found["irreversibility"] = '"medium"'
    elif hints.get("destructiveHint"):
        found["irreversibility"] = '"high"'
    if "openWorldHint" in hints:
        found["blast_radius"] = '"medium" or more' if hints["openWorldHint"] else '"low"'
    return found


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _text(words: str) -> str:
    """A text in quotes; of printable signs JSON's are TOML's too."""
    return json.dumps(_one_line(words), ensure_ascii=False)


def _one_line(words: str) -> str:
    words = harmless(" ".join(words.split()))
    return words if len(words) <= _WORDS else f"{words[: _WORDS - 1]}…"
