"""`sayso audit`: its options and what they mean; the work is done in `evidence`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..evidence.readers import Reader
from .options import SettingsFile

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Prove what happened: check the audit trail, export it, read one request's life in it.",
)

Anchors = Annotated[
    list[Path] | None,
    typer.Option(
        "--anchors",
        help="A file or log with anchors, that tell whether the end was cut off (default: the settings' own).",
    ),
]


@app.callback()
def audit() -> None:
    """Prove what happened. The keys are those of the bot: SAYSO_AUDIT_KEYS, or its data directory."""


@app.command()
def verify(
    export: Annotated[
        Path | None,
        typer.Argument(
            help="A JSON export to check instead of the store; needs no server.", show_default=False
        ),
    ] = None,
    anchors: Anchors = None,
    settings: SettingsFile = None,
) -> None:
    """Check every record and its link, and name the first bad one.

    Finds what was changed, taken out, put in or moved, and, where there are anchors, what was cut off or written anew.
    Says how many records are not linked yet: the newest ones of the last seconds. Exits 1 when anything is wrong.
    """
    from .evidence import print_verified

    raise typer.Exit(print_verified(settings, export, anchors or []))


@app.command()
def export(
    reader: Annotated[
        Reader,
        typer.Option("--for", help="Who will read it; what they may not see is withheld, part by part."),
    ] = Reader.ENGINEER,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file to write (default: print).")
    ] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="For a spreadsheet; only JSON can be verified.")
    ] = False,
    since: Annotated[str, typer.Option(help='How far back: "24h", "30d" (default: everything).')] = "",
    settings: SettingsFile = None,
) -> None:
    """Write the audit trail as lines of JSON, each with its link, for `sayso audit verify` on any machine.

    [bold]auditor[/] sees everything, [bold]engineer[/] neither persons nor words nor cards, [bold]statistics[/] only
    events and times. That somebody exported is on record as well.
    """
    from .evidence import write_export

    write_export(settings, reader, out, as_csv=as_csv, since=since)


@app.command()
def show(
    id: Annotated[str, typer.Argument(help="A request's id, or a run's.")],
    export: Annotated[
        Path | None, typer.Option("--file", help="Read it from a JSON export; needs no server.")
    ] = None,
    cards: Annotated[bool, typer.Option("--cards", help="Print the cards too, as they were shown.")] = False,
    settings: SettingsFile = None,
) -> None:
    """Tell one request's life from the audit trail alone, and say of each line whether its link is right.

    Works as well when the request itself was cleared away. `sayso show` tells how it stands now.
    """
    from .story import print_story

    raise typer.Exit(print_story(settings, id, export, cards=cards))
