"""The files that `sayso init` writes: settings that load at once, and the names of the secrets they need."""

from __future__ import annotations

import asyncio
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...approvals.risk import Level
from ..langgraph_version import check_langgraph

if TYPE_CHECKING:
    from ...agent.gate import Gate

#: The agent that comes with sayso: it works on a company of its own.
SAMPLE = "sayso.agent.ops.graph:make"
#: What a name in the settings may be, for graphs that have none.
_GRAPH = "agent"
_KEYS = ("category", "irreversibility", "blast_radius", "compliance", "ttl_class", "edits", "flags")


@dataclass(frozen=True, slots=True, kw_only=True)
class Human:
    """Somebody who asks or approves.

    Attributes:
        id: What the settings call them.
        slack, teams: Their account there; empty without one.
    """

    id: str
    name: str
    slack: str = ""
    teams: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackPlace:
    """A channel of Slack and its workspace."""

    team: str
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamsPlace:
    """A channel of Teams and the bot's registration."""

    app_id: str
    tenant: str
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What somebody answered.

    Attributes:
        graph: As in `[graphs]`.
        tools: The tables of its tools: how risky each is.
    """

    slack: SlackPlace | None
    teams: TeamsPlace | None
    approvers: tuple[Human, ...]
    requesters: tuple[Human, ...]
    graph: str
    tools: Mapping[str, Mapping[str, Any]]


def sample_tools() -> Mapping[str, Mapping[str, Any]]:
    """How risky the sample agent's tools are."""
    catalog = tomllib.loads((resources.files("sayso.agent.ops") / "catalog.toml").read_text(encoding="utf-8"))
    tools: Mapping[str, Mapping[str, Any]] = catalog["tools"]
    return tools


def own_tools(spec: str, folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """How risky this graph's tools are: as declared, and the worst where nothing is; empty for one that says nothing.

    Raises: BadSetting, when it does not load or compile.
    """
    # LangGraph takes half a second to load: not before it is needed.
    check_langgraph()
    from langgraph.checkpoint.memory import InMemorySaver

    from ...agent.fingerprint import gates_of
    from ...agent.unguarded import tools_of
    from ..graphs import GraphLoader

    async def loaded() -> tuple[Sequence[Gate], Iterable[str]]:
        async with GraphLoader(folder).opened(spec, InMemorySaver(), try_own=False) as kept:
            seen = hasattr(kept.graph, "builder")  # else nobody can look into it
            return (tuple(gates_of(kept.graph).values()), tools_of(kept.graph)) if seen else ((), ())

    gates, callable_tools = asyncio.run(loaded())
    declared = {
        tool: {
            "category": effect.category,
            **{what: effect.levels.get(what, Level.HIGH).name.lower() for what in _KEYS[1:4]},
        }
        for gate in gates for tool, effect in gate.tools.items() if effect.category
    }  # fmt: skip
    return {**{name: {} for name in callable_tools}, **declared}


def settings_text(chosen: Chosen) -> str:
    """`sayso.toml`."""
    return "\n".join(_settings(chosen)) + "\n"


def secrets_text(chosen: Chosen) -> str:
    """`sayso.env.example`: names, and where each is found; no secret."""
    return "\n".join(_secrets(chosen)) + "\n"


def _settings(chosen: Chosen) -> Iterator[str]:
    places = []
    if chosen.slack:
        places.append(f"slack:{chosen.slack.channel}")
    if chosen.teams:
        places.append(f"teams:{chosen.teams.channel}")
    yield "#:schema sayso.schema.json"
    yield "# Written by `sayso init`. No secret belongs in here: sayso.env.example names those."
    yield "# `sayso check` looks at every line, `sayso serve` runs it."
    yield from ("", 'default_route = "approvals"', "", "[graphs]")
    note = "the sample agent, on a company of its own in .sayso/" if chosen.graph == SAMPLE else "yours"
    yield f"{'ops' if chosen.graph == SAMPLE else _GRAPH} = {_value(chosen.graph)} # {note}"
    yield from (
        "",
        "# Where cards stand, who answers them, and who is called when nobody does.",
        "[routes.approvals]",
    )
    yield f"places = {_value(places)}"
    yield from ('approvers = ["approvers"]', "needed = 1 # how many have to agree")
    yield 'on_call = "approvers" # better: a set of other people'
    yield '# pager = "primary" # with [pagers.primary] below, PagerDuty wakes them'
    yield from ("", "# Accounts are ids: names can be changed by whoever bears them.", "[people]")
    for human in (*chosen.approvers, *chosen.requesters):
        yield f"{human.id} = {_human(human)}"
    yield from ("", "# Whoever asks for something never approves it, even from this list.", "[sets]")
    yield f"approvers = {_value([human.id for human in chosen.approvers])}"
    yield from _platforms(chosen)
    yield from ("", "# [pagers.primary]", '# routing_key = "PAGER_ROUTING_KEY" # the variable that holds it')
    yield from (
        "",
        "# How risky each tool is: two high, or one of the categories that are always asked about, and people",
    )
    yield "# are asked. sensitive means a day to answer, then on-call has an hour more."
    for name, tool in chosen.tools.items():
        lines = [f"[tools.{_key(name)}]", *(f"{key} = {_value(tool[key])}" for key in _KEYS if key in tool)]
        yield from (*(lines if tool else _unrated(lines[0])), "")


def _unrated(table: str) -> Iterator[str]:
    """For a tool that says nothing of itself, lines to begin from."""
    yield "# Taken at its worst until you rate it: people are asked about every call. Low in every way, it runs by itself."
    said = ('category = "internal_change"', *(f'{key} = "high"' for key in _KEYS[1:4]))
    yield from (f"# {line}" for line in (table, *said))


def _platforms(chosen: Chosen) -> Iterator[str]:
    if chosen.slack:
        yield '# approvers = { slack_group = "S0123ABC" } # a group of Slack; its members have to stand in [people]'
    if chosen.teams:
        yield '# approvers = { entra_group = "…" } # a group of Entra; its members have to stand in [people]'
    if chosen.slack:
        yield from ("", "[slack]", f"team = {_value(chosen.slack.team)}")
        yield "socket_mode = true # the bot calls Slack, so Slack needs no address of yours"
    if chosen.teams:
        yield from (
            "",
            "[teams] # docs/teams.md goes through the registration",
            f"app_id = {_value(chosen.teams.app_id)}",
        )
        yield f"tenant = {_value(chosen.teams.tenant)}"


def _secrets(chosen: Chosen) -> Iterator[str]:
    yield "# Copy this to sayso.env, fill it in, and keep sayso.env out of version control. Then, in each terminal:"
    yield "#   set -a; . ./sayso.env; set +a"
    if chosen.slack:
        yield from (
            "",
            "# Slack app, OAuth & Permissions, Bot User OAuth Token: begins with xoxb-",
            "SLACK_BOT_TOKEN=",
        )
        yield "# Slack app, Basic Information, App-Level Tokens, scope connections:write: begins with xapp-"
        yield "SLACK_APP_TOKEN="
    if chosen.teams:
        yield from ("", "# Entra, App registrations, Certificates & secrets: the secret's value, not its id")
        yield "TEAMS_CLIENT_SECRET="


def _human(human: Human) -> str:
    accounts = {"slack": human.slack, "teams": human.teams}
    return _value({"name": human.name, **{name: id for name, id in accounts.items() if id}})


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _value(value: Any) -> str:
    """As TOML; texts are printable, for which JSON writes the same."""
    match value:
        case Mapping():
            return "{ " + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(map(_value, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)
