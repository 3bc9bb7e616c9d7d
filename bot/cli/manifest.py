"""`sayso manifest`: writes what a chat platform has to be given before sayso can work there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import SettingsFile

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Write what a chat platform has to be given before sayso can work there.",
)

#: Stands in for the operator's own pages; the terms under which sayso itself comes.
_LICENCE = "https://www.apache.org/licenses/LICENSE-2.0"


@app.callback()
def manifest() -> None:
    """Write what a chat platform has to be given before sayso can work there.

    The app's registration is read from the settings; no secret is read or written.
    """


Out = Annotated[
    Path, typer.Option("--out", "-o", help="Where to write it; another file there is left alone.")
]
Name = Annotated[str, typer.Option(help="What people call the app and mention, at most 30 characters.")]
Developer = Annotated[str, typer.Option(help="Who runs it, at most 32 characters.")]
Website = Annotated[
    str, typer.Option(help="Your page about it, https; Teams shows people a link.", show_default=False)
]
Privacy = Annotated[str, typer.Option(help="Your privacy page (default: the website).", show_default=False)]
Terms = Annotated[str, typer.Option(help="Your terms of use (default: the website).", show_default=False)]
Version = Annotated[
    str,
    typer.Option(
        help="MAJOR.MINOR.PATCH (default: sayso's own). Teams takes a changed package only with a higher one.",
        show_default=False,
    ),
]


@app.command()
def teams(
    *, out: Out = Path("sayso-teams.zip"), name: Name = "Sayso", developer: Developer = "sayso",
    website: Website = "", privacy: Privacy = "", terms: Terms = "", version: Version = "",
    settings: SettingsFile = None,
) -> None:  # fmt: skip
    r"""Write the app package for Microsoft Teams: manifest and icons in one zip.

    Needs \[teams] in the settings, which names the bot's app id. Upload the zip in the Teams admin center
    (Teams apps, Manage apps, Upload new app); then add the app to each team where cards are to stand.
    The same words give the same bytes.
    """
    from ...approvals.errors import BadSetting
    from ..settings import load_settings
    from ..teams.manifest import App, own_version, package

    read = load_settings(settings)
    if read.teams is None:
        raise BadSetting(f"{read.file} has no [teams] table, so there is no app to describe")
    about = App(
        app_id=read.teams.app_id, name=name, developer=developer, website=website or _LICENCE,
        privacy=privacy or website or _LICENCE, terms=terms or website or _LICENCE, version=version or own_version(),
    )  # fmt: skip
    typer.echo(f"{_written(out, package(about))}: “{about.name}” {about.version}, app id {about.app_id}.")
    if not website:
        typer.echo("Its links lead to sayso's licence until you give your own page with --website.")


def _written(out: Path, content: bytes) -> Path:
    """`out`, which holds `content` now. Raises: BadSetting, when another file is there or none can be."""
    from ...approvals.errors import BadSetting

    try:
        with out.open("xb") as file:
            file.write(content)
    except FileExistsError:
        if not out.is_file() or out.read_bytes() != content:
            raise BadSetting(
                f"{out} is there already and is not the same: remove it, or name another with --out"
            ) from None
    except OSError as error:
        raise BadSetting(f"{out} cannot be written: {error.strerror}") from error
    return out
