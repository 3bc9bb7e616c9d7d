"""`sayso manifest`: writes what a chat platform has to be given before sayso can work there."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import SettingsFile

if TYPE_CHECKING:
    from ..settings import Settings

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


class Form(StrEnum):
    """How a manifest is written."""

    YAML = "yaml"
    JSON = "json"


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


SlackOut = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", help="Write it there instead of printing it; another file there is left alone.", show_default=False
    ),
]  # fmt: skip
SlackForm = Annotated[Form, typer.Option("--format", help="As which tab of Slack's page takes it.")]
SlackName = Annotated[str, typer.Option(help="What people call the app and mention, at most 35 characters.")]
SlackUrl = Annotated[
    str,
    typer.Option(
        help="Where Slack reaches the bot over https; not with slack.socket_mode, which needs no address.",
        show_default=False,
    ),
]


@app.command()
def slack(
    *, out: SlackOut = None, form: SlackForm = Form.YAML, name: SlackName = "sayso", url: SlackUrl = "",
    settings: SettingsFile = None,
) -> None:  # fmt: skip
    r"""Print the manifest from which Slack makes the app, with exactly what these settings need.

    Needs \[slack] in the settings. Open https://api.slack.com/apps?new_app=1, choose to create the app from a
    manifest, pick the workspace and paste what this prints. For an app that exists, paste it under App Manifest and
    install the app again if Slack asks for it.
    """
    from ..settings import load_settings
    from ..slack.manifest import as_json, as_yaml, manifest

    read = load_settings(settings)
    _must_reach(read, url)
    groups = any(one.slack_group for one in read.sets.values())
    told = manifest(name=name, groups=groups, url=url)
    text = as_json(told) if form is Form.JSON else as_yaml(told)
    typer.echo(f"{_written(out, text.encode())}: “{name}”." if out else text, nl=bool(out))


def _must_reach(read: Settings, url: str) -> None:
    """Raises: BadSetting, where Slack would not reach the bot in the way that the settings say."""
    from ...approvals.errors import BadSetting

    if read.slack is None:
        raise BadSetting(f"{read.file} has no [slack] table, so there is no app to describe")
    if read.slack.socket_mode and url:
        raise BadSetting("--url: with slack.socket_mode = true the bot calls Slack, and needs no address")
    if not read.slack.socket_mode and not url:
        raise BadSetting(
            "Say with --url where Slack reaches the bot, or set slack.socket_mode = true, which needs no address"
        )


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
