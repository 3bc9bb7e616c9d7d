"""`sayso dead-letters`: its options and what they mean; the work is done in `letters`."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import SettingsFile

app = typer.Typer(rich_markup_mode="rich")

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID...", help="Of a dead letter, or of a request: then all of its letters."),
]


@app.callback(invoke_without_command=True)
def dead_letters(
    context: typer.Context,
    settings: SettingsFile = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list, for programs, instead of a table.")
    ] = False,
) -> None:
    """List what could not be delivered: cards, notices and pages that nobody will see, oldest first.

    An open request has gone round such a place already: to the route's fallback, to its approvers directly, to
    on-call. The list says what is to be put right: an archived channel, an app that was taken out of a team, a
    revoked token. What is delivered after all leaves it; the rest stays as long as its request is kept.
    """
    if context.invoked_subcommand is None:
        from .letters import print_letters

        print_letters(settings, as_json=as_json)


@app.command()
def replay(
    ids: Ids = None,
    everything: Annotated[bool, typer.Option("--all", help="Try every dead letter again.")] = False,
    settings: SettingsFile = None,
) -> None:
    """Try dead letters again, once what was wrong is put right.

    The running bot delivers them; a card shows how its request stands now, a closed one how it ended.
    Exits 1 and tries nothing when there is no such letter. What fails again is back on the list.
    """
    if everything == bool(ids):
        raise typer.BadParameter("name the letters to try again, or say --all")
    from .letters import replay_letters

    replay_letters(settings, ids or [])
