"""Where requests are thrown about at random: tools with chains and routes by lot, and the people around them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from sayso.agent.policy import Policy
from sayso.agent.policy_file import read_policy
from sayso.approvals.people import Person, PersonId, Place
from sayso.approvals.request import Run
from sayso.approvals.verdict import ThreadId
from sayso.bot.directory import ApproverSet

#: What a tool says of itself where it has nothing to fear.
LOW = {"irreversibility": "low", "blast_radius": "low", "compliance": "low"}
#: So many tools, each with a chain of its own and one of the routes.
TOOLS = 12
ROUTES: Mapping[str, Mapping[str, Any]] = {
    "finance": {"approvers": ["finance"], "pager": "primary", "backup_pagers": ["backup"], "second_line": "seniors",
                "supervisor": "nobody", "on_call": "on-call", "on_call_decides": True},
    "board": {"approvers": ["finance", "seniors"], "needed": 2, "pager": "primary", "supervisor": "seniors",
              "on_call": "on-call"},
    "both": {"approvers": ["finance", "security"], "seats": {"finance": 1, "security": 1}, "veto": ["seniors"],
             "pager": "backup", "backup_pagers": ["primary"], "on_call": "on-call", "on_call_decides": True},
    "quiet": {"approvers": ["security"], "second_line": "finance"},
}  # fmt: skip
SETS: Mapping[str, tuple[str, ...]] = {
    "finance": ("alex", "bo", "cy", "di"), "security": ("cy", "eve"), "seniors": ("sue", "di"),
    "on-call": ("kim",), "nobody": (),
}  # fmt: skip
#: Alex asked, zoe is in no set, and nobody knows ned.
CAST = ("alex", "bo", "cy", "di", "eve", "sue", "kim", "zoe", "ned")
KNOWN = CAST[:-1]


def people() -> list[Person]:
    """Everybody who is listed."""
    return [Person(id=PersonId(name), name=name, accounts={"slack": name}) for name in KNOWN]


def sets() -> dict[str, ApproverSet]:
    """The circles."""
    return {name: ApproverSet(people=tuple(map(PersonId, members))) for name, members in SETS.items()}


def tables(seed: str) -> dict[str, Any]:
    """The policy as somebody wrote it who threw dice."""
    dice = random.Random(f"{seed} policy")
    names = [f"refund_{number}" for number in range(TOOLS)]
    routes = {name: dice.choice(list(ROUTES)) for name in names}
    chains = {name: {"steps": _steps(dice, ROUTES[route])} for name, route in routes.items()}
    return {
        "default_route": "finance",
        "routes": {name: {"places": ["slack:C0FIN"], **route} for name, route in ROUTES.items()},
        "chains": chains,
        "tools": {
            name: {"category": "financial_transaction", **LOW, "irreversibility": "high", "route": route, "chain": name,
                   "edits": dice.choice(("apply", "apply", "replan"))}
            for name, route in routes.items()
        },
    }  # fmt: skip


def _steps(dice: random.Random, route: Mapping[str, Any]) -> list[dict[str, Any]]:
    """From twenty minutes to four hours, with reminders, wider circles and pages wherever they fall."""
    ends = dice.randrange(20, 240)
    steps = [{"after": f"{dice.randrange(1, ends)}m", "do": "remind"} for _ in range(dice.randrange(3))]
    circles = [circle for circle in ("second_line", "supervisor") if route.get(circle)]
    steps += [{"after": f"{dice.randrange(1, ends)}m", "do": "widen", "to": one} for one in circles]
    steps += [{"after": f"{dice.randrange(1, ends)}m", "do": "widen", "to": "seniors"}] * (
        dice.random() < 0.3
    )
    if "pager" in route:
        minutes = dice.sample(range(2, ends // 2), dice.choice((1, 1, 2, 3)))
        steps += [{"after": f"{at}m", "do": "page"} for at in minutes]
    steps.sort(key=lambda step: int(step["after"][:-1]))
    return [*steps, {"after": f"{ends}m", "do": "cancel"}]


def policy(seed: str) -> Policy:
    """The same, read as any policy is."""
    return read_policy(tables(seed))


def run_of(number: int) -> Run:
    """Which agent it goes to follows from its number."""
    return Run(
        thread=ThreadId(f"chance-{number}"), graph=f"refund_{number % TOOLS}", asked_by=PersonId("alex"),
        goal=str(number), origin=Place(f"slack:C0SUP/{number}.1"),
    )  # fmt: skip
