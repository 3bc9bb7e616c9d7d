"""`sayso credentials`: its options and what they mean; the work is done in `sign_ins`."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import SettingsFile

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="List, test, add and revoke what approved actions act with. No command prints a secret.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="As in [credentials.NAME] of the settings.")]
Subject = Annotated[
    str,
    typer.Option(
        "--as", metavar="ACCOUNT", help="Whose account; the table's service unless given.", show_default=False
    ),
]


@app.callback()
def credentials() -> None:
    """List, test, add and revoke what approved actions act with. No command prints a secret."""


@app.command("list")
def list_all(
    settings: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead of a table.")] = False,
) -> None:
    """List every credential of the settings and every account that has signed in. Nobody is called."""
    from .sign_ins import print_credentials

    print_credentials(settings, as_json=as_json)


@app.command("test")
def try_out(
    name: Name,
    subject: Subject = "",
    scope: Annotated[
        list[str] | None, typer.Option(help="What to ask for; may be given several times.")
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Fetch a token as an approved action would, and throw it away. Exits 1 and says why when there is none."""
    from .sign_ins import try_out as run

    run(settings, name, subject, tuple(scope or ()))


@app.command()
def add(name: Name, subject: Subject = "", settings: SettingsFile = None) -> None:
    """Keep the refresh token of a sign-in, sealed in the store, and test it.

    It is asked for, or read from standard input; never give it on the command line, where other users see it.
    It replaces the one that is there.
    """
    from .sign_ins import add as run

    run(settings, name, subject)


@app.command()
def revoke(name: Name, subject: Subject = "", settings: SettingsFile = None) -> None:
    """End a sign-in at its provider, then forget it here. While the provider is down it still stands: try again."""
    from .sign_ins import revoke as run

    run(settings, name, subject)
