"""`sayso policy lint`: what cannot be meant in the policy, held against the tools of the graphs and the people of the settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ...agent.policy_lint import Lint, Sight, lint
from ...agent.seen_tools import SeenTool
from ...agent.setting_lines import with_lines
from ...approvals.errors import BadSetting
from ...approvals.people import PersonId
from ...approvals.quorum import can_decide
from ...approvals.route import Route
from ..langgraph_version import check_langgraph
from ..settings import Settings, load_settings
from .check_reach import out_of_reach
from .findings import harmless
from .graph_tools import tools_of_graph
from .looks import Doubtful
from .terminal import console


def run_lint(file: Path | None) -> int:
    """Print a line for each thing that is found; 1 when one of them is certainly wrong, else 0. Raises: BadSetting."""
    check_langgraph()
    settings, out = load_settings(file), console()
    text = settings.file.read_text(encoding="utf-8")
    found = asyncio.run(_found(settings))
    for one in found:
        _print(out, one, text)
    wrong = sum(one.wrong for one in found)
    policy = settings.policy
    counts = ((policy.tools, "tool"), (policy.rules, "rule"), (policy.routes, "route"))
    counted = ", ".join(f"{len(them)} {name}{'' if len(them) == 1 else 's'}" for them, name in counts)
    said = f"{wrong} wrong, {len(found) - wrong} to look at" if found else "nothing found"
    out.print(f"{counted}: {said} (policy {policy.version}).")
    return 1 if wrong else 0


def _print(out: Console, one: Lint, text: str) -> None:
    (led,) = with_lines([f"{one.key}: {one.words}"], text)
    mark = Text("WRONG  ", style="bold red") if one.wrong else Text("WARN   ", style="bold yellow")
    out.print(mark + Text(harmless(led) + ("" if led.endswith("?") else ".")), soft_wrap=True)


async def _found(settings: Settings) -> list[Lint]:
    tools, broken, whole = dict[str, SeenTool](), list[Lint](), not settings.servers
    for name, spec in settings.graphs.items():
        try:
            found = await tools_of_graph(spec, settings.file.parent)
        except BadSetting as error:
            broken.append(Lint(f"graphs.{name}", str(error).removesuffix("."), wrong=True))
            found = {}
        tools |= found
        # Nothing is concluded about a graph that shows no tool, or a tool with an agent that nobody sees.
        whole = whole and bool(found) and not any(one.hides_agent for one in found.values())
    sight = Sight(tools, whole=whole and bool(tools))
    return [
        *broken,
        *lint(settings.policy, sight),
        *_of_people(settings),
        *[one async for one in _reach(settings)],
    ]


# ---- people


async def _reach(settings: Settings) -> AsyncIterator[Lint]:
    """Approvers who have no account where the cards stand, in the words of `sayso check`."""
    for key, look in out_of_reach(settings):
        try:
            await look()
        except Doubtful as error:
            yield Lint(key, str(error).removesuffix("."))


def _of_people(settings: Settings) -> Iterator[Lint]:
    for route in settings.policy.routes.values():
        yield from _quorum(route, settings)
        for name in route.rule.veto:
            if not _able([name], settings):
                yield Lint(
                    f"routes.{route.name}.veto", f"nobody in sets.{name} may decide anything", wrong=True
                )
        for circle in ("second_line", "supervisor", "on_call"):
            name = getattr(route, circle)
            if name and not _able([name], settings) and (circle != "on_call" or route.on_call_decides):
                yield Lint(
                    f"routes.{route.name}.{circle}", f"nobody in sets.{name} may decide anything", wrong=True
                )


def _quorum(route: Route, settings: Settings) -> Iterator[Lint]:
    """Whether enough people can agree, also where one of them asked; of a group all who have an account there may be in."""
    able, needed = _able(route.rule.approvers, settings), route.rule.needed
    key = f"routes.{route.name}.needed"
    if len(able) < needed:
        yield Lint(
            key,
            f"{needed} people have to agree, and at most {len(able)} of [people] can be in its sets",
            wrong=True,
        )
        return
    sets = {
        PersonId(one): [name for name in route.rule.approvers if one in _able([name], settings)]
        for one in able
    }
    if not can_decide(route.rule, sets):
        key = f"routes.{route.name}.seats"
        yield Lint(key, "different people of [people] cannot fill them: each counts for one set", wrong=True)
        return
    missed = [one for one in sorted(sets) if not can_decide(route.rule, _without(sets, one))]
    if missed:
        who = missed[0] if len(missed) == 1 else f"one of {', '.join(missed)}"
        yield Lint(
            key,
            f"what {who} asks for can never be approved: nobody approves their own",
        )


def _without(sets: Mapping[PersonId, Sequence[str]], person: PersonId) -> Mapping[PersonId, Sequence[str]]:
    return {one: names for one, names in sets.items() if one != person}


def _able(sets: Collection[str], settings: Settings) -> set[str]:
    """Everybody who may be in one of these sets and may decide."""
    able = set[str]()
    for name in sets:
        members = settings.sets[name]
        platforms = {group.partition(":")[0] for group in members.groups}
        turns = settings.rotations[name].rotation if name in settings.rotations else None
        able |= {*members.people, *(turns.people if turns else ())}
        able |= {id for id, person in settings.people.items() if platforms & set(person.accounts)}
    return able - set(map(str, settings.policy.denied))
