"""`sayso policy`: asks the policy what it would do, before an agent does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import SettingsFile

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Ask the policy what it would do, before an agent does.",
)


@app.callback()
def policy() -> None:
    """Ask the policy what it would do, before an agent does. Nothing here asks people or runs a tool."""


@app.command()
def explain(
    tool: Annotated[str, typer.Argument(help="The tool's name.")],
    args: Annotated[
        str, typer.Option(help='What it is called with, as JSON: \'{"amount": "900.00"}\'.')
    ] = "{}",
    confidence: Annotated[
        float | None, typer.Option(min=0, max=1, help="How sure the agent says it is, 0 to 1.")
    ] = None,
    category: Annotated[str, typer.Option(help="What the code declares, if it says more.")] = "",
    settings: SettingsFile = None,
) -> None:
    """Say what would become of one call: levels and why, each rule's answer, who is asked, and the clock.

    A condition that cannot be answered counts as the worst; here it says why.
    """
    from .policy_explained import print_explained

    print_explained(settings, tool, args, confidence=confidence, category=category)


@app.command()
def scaffold(
    graph: Annotated[str, typer.Argument(help="A graph of the settings, or where one is: agent.py:graph.")],
    settings: SettingsFile = None,
) -> None:
    """Write a first table for each tool of a graph, to be rated: `sayso policy scaffold agent >> sayso.toml`.

    What the code or an MCP server says of a tool stands in its table; where nobody has rated it, it is at its worst, and
    people are asked. Of a graph of the settings only the tools are written that the policy does not know.
    """
    from .policy_scaffold import print_scaffold

    print_scaffold(graph, settings)


@app.command()
def lint(settings: SettingsFile = None) -> None:
    """Find what cannot be meant: rules that never apply, conditions nobody can answer, tools that nobody rated.

    Loads the graphs to see their tools, and calls nobody. Prints a line for each with [bold]WRONG[/] or
    [bold]WARN[/], where it stands, and what to do. Exits 1 if anything is wrong.
    """
    from .policy_lint import run_lint

    raise typer.Exit(run_lint(settings))


@app.command()
def schema() -> None:
    """Print the JSON Schema of the settings file, by which editors complete and check it.

    Save it beside your settings and begin them with [bold]#:schema sayso.schema.json[/].
    """
    from ..settings_schema import settings_schema

    typer.echo(settings_schema(), nl=False)


@app.command()
def compare(
    other: Annotated[Path, typer.Argument(help="The next policy: a settings file, or a policy alone.")],
    since: Annotated[str, typer.Option(help="How far back to look in the record.")] = "7d",
    settings: SettingsFile = None,
) -> None:
    """Hold the next policy against what happened: which gates would vanish, which would appear, with examples.

    Nothing is changed. `[shadow] policy = "next.toml"` in the settings does the same with every action from now on.
    """
    from .policy_record import print_compared

    print_compared(settings, other, since)


@app.command()
def advice(
    since: Annotated[str, typer.Option(help="How far back to look in the record.")] = "30d",
    settings: SettingsFile = None,
) -> None:
    """Say what the record suggests: gates where people add nothing, agents that are never right, answers unread.

    Each suggestion says its numbers; none is applied.
    """
    from .policy_record import print_advice

    print_advice(settings, since)


@app.command("test")
def hold_against(
    cases: Annotated[Path, typer.Argument(help="A TOML file of cases, like the one above.")],
    settings: SettingsFile = None,
) -> None:
    r"""Hold the policy against a file of cases, for CI. Exits 1 if any turns out otherwise.

    [dim]# cases.toml[/]
    [dim]\[\[cases]][/]
    [dim]tool = "issue_refund"[/]
    [dim]args = { amount = "900.00" }[/]
    [dim]confidence = 0.95[/]
    [dim]expect = { oversight = "gate", route = "finance", irreversibility = "high", flags = \["Money"] }[/]

    `expect` may name oversight, the four levels, route, ttl_class and flags (each has to be there).
    """
    from .policy_cases import run_cases

    raise typer.Exit(run_cases(settings, cases))
