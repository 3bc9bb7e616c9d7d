"""The commands of `sayso`; each reads its options, calls one function, and prints what it says."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from . import audit, credentials, dead_letters, manifest, policy, trust
from .options import SettingsFile

app = typer.Typer(
    name="sayso",
    help="Nothing consequential happens without someone's say-so: approvals for AI agents in Slack and Teams.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"sayso {version('sayso')}")
        raise typer.Exit


@app.callback()
def sayso(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say which version this is."),
    ] = False,
) -> None:
    """What holds for every command."""


class Role(StrEnum):
    """What a process does."""

    ALL = "all"
    BOT = "bot"
    WORKER = "worker"
    SCHEDULER = "scheduler"


@app.command()
def demo(
    tour: Annotated[
        bool, typer.Option("--tour", help="Play the tour in the terminal instead, then exit with its status.")
    ] = False,
    data_dir: Annotated[
        Path, typer.Option(help="Where the demo keeps its store and back office; emptied at start.")
    ] = Path(".sayso-demo"),
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the page's address; open no browser.")
    ] = False,
    graph: Annotated[
        str, typer.Option(help="Your own agent beside the demo's, as file.py:attribute or module:attribute.")
    ] = "",
) -> None:
    """See the whole product on this machine, without any account.

    Starts a store, stand-ins for Slack and Teams, a pager, a token service, a mailbox, a bot and a worker on 127.0.0.1,
    and opens a page on which you are everybody: ask the agent, answer as its approvers, let hours pass, kill processes.
    At a terminal the same can be typed. Ctrl-C ends everything.

    With [bold]--graph[/] an agent of your own works there too: write “@sayso yours: …” to ask it.
    """
    from ..demo.play import play

    raise typer.Exit(play(data_dir.absolute(), tour=tour, browser=not no_browser, own=graph))


@app.command()
def init(
    *,
    slack: Annotated[
        str, typer.Option(help="The Slack channel for the cards: its address in a browser, or T…/C….", show_default=False)
    ] = "",
    teams: Annotated[
        str, typer.Option(help="The Teams channel for the cards: a link to it, or its id.", show_default=False)
    ] = "",
    teams_app: Annotated[
        str, typer.Option(help="The Application (client) ID of the Teams bot.", show_default=False)
    ] = "",
    teams_tenant: Annotated[
        str, typer.Option(help="Its Directory (tenant) ID; a link to the channel says it too.", show_default=False)
    ] = "",
    approver: Annotated[
        list[str] | None, typer.Option(help='Who may approve: "Bo Berg=U0123ABC"; may be given several times.')
    ] = None,
    requester: Annotated[
        list[str] | None, typer.Option(help="Who else asks, in the same way; for the terminal a name will do.")
    ] = None,
    graph: Annotated[
        str, typer.Option(help="Your agent: file.py:attribute or package.module:attribute (default: the sample agent).",
                          show_default=False)
    ] = "",
    folder: Annotated[Path, typer.Option(help="Where to write.")] = Path(),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; what was not said takes its default.")] = False,
) -> None:  # fmt: skip
    """Write settings for your own Slack or Teams: asks a few questions, and says where each answer is found.

    Makes sayso.toml and sayso.env.example, which names the secrets and holds none. Nothing is written over, nobody is
    called, and the settings load at once, with the sample agent or with yours.
    """
    from .init import init as run
    from .init_answers import Told

    told = Told(
        slack=slack, teams=teams, teams_app=teams_app, teams_tenant=teams_tenant, approvers=approver or (),
        requesters=requester or (), graph=graph,
    )  # fmt: skip
    run(told, folder, ask=not yes)


@app.command()
def serve(
    role: Annotated[
        list[Role] | None, typer.Option("--role", help="What this process does; may be given several times.")
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Run the bot, the workers, the scheduler, or all of them in one process.

    [bold]bot[/] talks to Slack and Teams and holds the signing key; [bold]worker[/] runs agents; [bold]scheduler[/] fires
    deadlines. Every role may run as any number of replicas over one Redis.
    """
    from ..serving import serve as run

    run([str(one) for one in role or [Role.ALL]], settings)


@app.command()
def check(
    settings: SettingsFile = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Check the file, the secrets and the graphs only; call nobody.")
    ] = False,
) -> None:
    """Check every setting, token, channel, approver and chain before people depend on them.

    Prints a line for each with [bold]ok[/] or [bold]WRONG[/] and what to do, and the public key that workers on
    other machines need. Exits 1 if anything is wrong. Run it where all the secrets are set.
    """
    from .check import check as run

    raise typer.Exit(run(settings, offline=offline))


@app.command()
def run(
    graph: Annotated[str, typer.Argument(help="Name of a graph in the settings.")],
    goal: Annotated[str, typer.Argument(help='What the agent should do: "refund order 1042 129.90".')],
    as_person: Annotated[
        str | None,
        typer.Option(
            "--as",
            help="Id of the person who asks; they may not approve it. Only unattended routes go without.",
        ),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Print the run's id and return at once.")] = False,
    settings: SettingsFile = None,
) -> None:
    """Ask an agent for something and follow it until it ends.

    A worker has to be running (`sayso serve`); the question, if there is one, goes to the route's channel.
    Exits 0 when the run finished and 1 when it failed. Ctrl-C stops following; the run goes on.
    [bold]--detach[/] does not follow at all: `sayso show ID` says how it stands.
    """
    from .following import run_and_follow, run_detached

    if detach:
        typer.echo(run_detached(settings, graph, goal, as_person))
        return
    raise typer.Exit(run_and_follow(settings, graph, goal, as_person))


@app.command()
def pending(settings: SettingsFile = None) -> None:
    """List what waits for people, the most urgent first."""
    from .timeline import print_pending

    print_pending(settings)


@app.command()
def show(
    id: Annotated[
        str,
        typer.Argument(
            help="A request's id or, while it is open, its beginning; or the id of a run; or pauses, or hand-overs."
        ),
    ],
    settings: SettingsFile = None,
) -> None:
    """Tell the life of one request, in order: what was asked, who answered, what was done. Or who paused, or stands in."""
    from .held import print_hand_overs, print_pauses
    from .timeline import print_timeline

    match id:
        case "pauses":
            print_pauses(settings)
        case "hand-overs":
            print_hand_overs(settings)
        case _:
            print_timeline(settings, id)


@app.command()
def oncall(settings: SettingsFile = None) -> None:
    """Say who is on call, now and next. Exits 1 when somewhere nobody is."""
    from .oncall import print_on_call

    raise typer.Exit(print_on_call(settings))


@app.command()
def connect(
    provider: Annotated[
        str, typer.Argument(help='As in \\[credentials.PROVIDER] of the settings, with kind = "oauth".')
    ],
    account: Annotated[
        str, typer.Option("--as", metavar="ACCOUNT", help="Whose account; the table's service unless given.", show_default=False)
    ] = "",
    redirect: Annotated[
        str, typer.Option(help="Where the browser comes back to on this machine, as it is registered with the provider; "
                          "port 0 is any.")
    ] = "http://127.0.0.1:0/callback",
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address; open no browser.")
    ] = False,
    settings: SettingsFile = None,
) -> None:  # fmt: skip
    """Sign in to a provider in a browser, and keep the sign-in sealed in the store.

    Whoever owns the account signs in at the provider itself; sayso sees no password. What waited for this sign-in goes
    on at once. Google's desktop apps take any port; HubSpot and Salesforce want the address registered:
    [bold]--redirect http://localhost:8791/callback[/]. On a machine without a browser forward that port
    (ssh -L 8791:localhost:8791), or sign in elsewhere and use [bold]sayso credentials add[/].
    """
    from .connect import connect as run

    run(settings, provider, account, redirect, browser=not no_browser)


@app.command()
def withdraw(
    request: Annotated[str, typer.Argument(help="The request's id.")],
    why: Annotated[str, typer.Option("--why", help="People read it on the card.")],
    as_person: Annotated[
        str | None,
        typer.Option("--as", help="Id of the person who takes it back: who asked for it, or an operator."),
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Take a request back before its action has begun: nothing is done, every card says so, the agent is told."""
    from .withdraw import withdraw as run

    run(settings, request, why, as_person)


app.add_typer(audit.app, name="audit")
Graph = Annotated[str, typer.Option("--graph", help="Only this agent, by its name in the settings.")]


@app.command()
def pause(
    why: Annotated[str, typer.Option("--why", help="People who wait for an agent read it.")],
    graph: Graph = "",
    span: Annotated[str, typer.Option("--for", help='Ends by itself after "30m", "2h", "1d"; else when you say.')] = "",
    as_person: Annotated[str | None, typer.Option("--as", help="Id of the operator who does this.")] = None,
    settings: SettingsFile = None,
) -> None:  # fmt: skip
    """Stop all agents, or one: nothing starts, resumes or acts any more, in no process.

    Tools that had started finish. Questions stay open, people may answer, and every deadline, reminder and page
    runs on; what is decided waits. It holds over restarts. Operators can say “pause for 2h: why” in the chat, too.
    """
    from .halting import pause as run

    run(settings, graph, span, why, as_person)


@app.command()
def unpause(
    graph: Graph = "",
    why: Annotated[str, typer.Option("--why", help="For the record.")] = "",
    as_person: Annotated[str | None, typer.Option("--as", help="Id of the operator who does this.")] = None,
    settings: SettingsFile = None,
) -> None:
    """End a pause, or without --graph every pause: what was decided meanwhile goes on."""
    from .halting import unpause as run

    run(settings, graph, why, as_person)


app.add_typer(credentials.app, name="credentials")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(manifest.app, name="manifest")
app.add_typer(policy.app, name="policy")
app.add_typer(trust.app, name="trust")
