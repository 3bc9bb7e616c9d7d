"""What the policy would do with one call, printed for people: levels, rules, who is asked, and the clock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...agent.conditions import Circumstances
from ...agent.policy import Policy
from ...agent.risk import assess, assess_call
from ...approvals.action import Action
from ...approvals.deadline import Step, StepKind
from ...approvals.errors import BadSetting
from ...approvals.risk import Level, Oversight
from ..settings import Settings, load_settings
from .terminal import console, span_words

_OVERSIGHT = {
    Oversight.GATE: "people decide first",
    Oversight.WATCH: "it runs at once where its code has an undo; where nothing undoes it, people decide first",
    Oversight.FREE: "it runs by itself and is audited",
}
_COLOURS = {Level.LOW: "green", Level.MEDIUM: "yellow", Level.HIGH: "red"}


def action_of(
    tool: str, arguments: Any, *, confidence: float | None = None, category: str = "", targets: Any = ()
) -> Action:
    """A call as the policy sees it; what people would read of it is left out."""
    return Action(
        tool=tool, arguments=arguments, goal="-", summary="-", reasoning="-", category=category,
        confidence=confidence, targets=tuple(targets),
    )  # fmt: skip


def print_explained(
    file: Path | None, tool: str, args: str, *, confidence: float | None, category: str
) -> None:
    """Raises: BadSetting, when the settings or the arguments are none."""
    settings = load_settings(file)
    try:
        arguments = json.loads(args)
    except ValueError as error:
        raise BadSetting(f"--args is not JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise BadSetting('--args is the arguments by name, like \'{"amount": "900.00"}\'')
    action = action_of(tool, arguments, confidence=confidence, category=category)
    _print(console(), settings, action)


def _print(out: Console, settings: Settings, action: Action) -> None:
    policy = settings.policy
    found = assess(action, policy)
    out.print(Text(f"{found.oversight}: {_OVERSIGHT[found.oversight]}", style="bold"))
    called = assess_call(action, policy).oversight
    if called is not found.oversight:
        out.print(
            f"{called} behind govern, where nobody expects a model to say how sure it is: {_OVERSIGHT[called]}"
        )
    for flag in found.flags:
        out.print(f"  [!] {flag}")
    levels = _grid()
    for one in found.findings:
        word = Text(one.level.name.lower(), style=_COLOURS[one.level])
        levels.add_row("", one.dimension.value, word, one.reason)
    out.print(levels)
    for reason in found.reasons:
        out.print(f"  because  {reason}")
    _print_rules(out, policy, action)
    if Oversight.WATCH in (found.oversight, called):
        _print_watch(out, policy, action)
    if found.oversight is not Oversight.FREE:
        _print_route(out, policy, action)
    out.print(f"policy {policy.version}", style="dim")


def _print_watch(out: Console, policy: Policy, action: Action) -> None:
    """What becomes of a watched call; whether the tool has an undo, only its code knows."""
    window = span_words(policy.of(action.tool).undo_window)
    out.print(f"Watched  with @effect(undo=...): runs at once, a card logs it, Undo works for {window}")
    without = (
        "runs at once and is only logged (log_only)" if policy.only_logs(action) else "people decide first"
    )
    out.print(f"         without: {without}")


def _print_rules(out: Console, policy: Policy, action: Action) -> None:
    if not policy.rules:
        return
    out.print("Rules")
    applying = {id(one.rule): one for one in policy.applying(action, Circumstances(action))}
    rules = _grid()
    for rule in policy.rules:
        one = applying.get(id(rule))
        verdict = "-" if one is None else "unclear" if one.doubt else "applies"
        rules.add_row("", verdict, rule.name, (one and one.doubt) or rule.when or "always")
    out.print(rules)


def _print_route(out: Console, policy: Policy, action: Action) -> None:
    route, kind = policy.route_for(action), policy.ttl_class_for(action)
    rule = route.rule
    who = f"{rule.needed} of {' and '.join(rule.approvers)}"
    if rule.seats:
        who += f", among them {' and '.join(f'{one.needed} of {one.approvers}' for one in rule.seats)}"
    if rule.veto:
        who += f" ({' and '.join(rule.veto)} may reject)"
    if rule.ask_why:
        who += "; whoever approves has to say why"
    out.print(f"Asked    on {route.name}: {who}, in {', '.join(route.places)}")
    now = datetime.now(UTC)
    chain = policy.chain_for(action)
    clock = route.clock(chain, now)
    out.print(f"Clock    {kind}{f', chain {chain.name}' if chain.name else ''}")
    for step in clock.steps:
        out.print(f"  after {span_words(step.at - now):<12} {' '.join(_step(step, route.pager))}")
    if route.hours:
        out.print(f"  reminders wait for hours.{route.hours.name} ({route.hours.zone}); nothing else does")


def _step(step: Step, pager: str) -> Iterator[str]:
    match step.kind:
        case StepKind.REMIND:
            yield "approvers are reminded"
        case StepKind.WIDEN:
            yield f"{step.adds} may decide too"
        case StepKind.PAGE:
            yield f"on-call is paged{f' through {pager}' if pager else ''}"
            if step.adds:
                yield f"and {step.adds} may decide"
        case StepKind.EXPIRE:
            yield "it is cancelled, and everybody is told"


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    return grid
