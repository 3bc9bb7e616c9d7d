"""`sayso init`: writes settings that load at once and names the secrets they need, and says what comes next."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import typer

from ...approvals.errors import BadSetting
from ..settings import DEFAULT_FILE, load_settings
from ..settings_schema import settings_schema
from .init_answers import SLACK_CHANNEL, Told, agent, enough, humans, slack_place, teams_place
from .init_file import Chosen, secrets_text, settings_text
from .init_questions import asked

T = TypeVar("T")

SECRETS = "sayso.env.example"
SCHEMA = "sayso.schema.json"


def init(told: Told, folder: Path, *, ask: bool) -> None:
    """Write the settings and the secrets' template into `folder`.

    Args:
        ask: Ask in the terminal for what was not told.

    Raises: BadSetting, naming the option or the file; then nothing is left behind.
    """
    settings, secrets, schema = folder / DEFAULT_FILE, folder / SECRETS, folder / SCHEMA
    for file in (settings, secrets, schema):
        if file.exists():
            raise BadSetting(
                f"{file} is there already, so nothing was written: move it away, or name another --folder"
            )
    chosen = asked(told, folder) if ask else _chosen(told, folder)
    written = list[Path]()
    try:
        # The template is for its reader alone, so that its copy with the secrets is too.
        for file, text, mode in (
            (settings, settings_text(chosen), 0o666),
            (secrets, secrets_text(chosen), 0o600),
            (schema, settings_schema(), 0o666),
        ):
            _write(file, text, mode)
            written.append(file)
        load_settings(settings, {})
    except BadSetting:
        for file in written:
            file.unlink()
        raise
    typer.echo(_next(chosen))


def _chosen(told: Told, folder: Path) -> Chosen:
    """Raises: BadSetting, naming the option that is missing or wrong."""
    if not (told.slack or told.teams):
        raise BadSetting(
            f"Say with --slack or --teams where people answer; for a channel of Slack {SLACK_CHANNEL}"
        )
    slack = _named("--slack", lambda: slack_place(told.slack)) if told.slack else None
    teams = _named("--teams", lambda: teams_place(told)) if told.teams else None
    approvers = _named("--approver", lambda: humans(told.approvers, ()))
    requesters = _named("--requester", lambda: humans(told.requesters, approvers))
    enough(approvers, requesters, {name for name, said in (("slack", slack), ("teams", teams)) if said})
    graph, tools = _named("--graph", lambda: agent(told.graph, folder))
    return Chosen(
        slack=slack, teams=teams, approvers=approvers, requesters=requesters, graph=graph, tools=tools
    )


def _named(option: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except BadSetting as error:
        raise BadSetting(f"{option}: {error}") from error


def _write(file: Path, text: str, mode: int) -> None:
    """Make it, with no more rights than `mode` and the umask give; whole or not at all. Raises: BadSetting."""
    made = False
    try:
        with open(file, "x", encoding="utf-8", opener=lambda path, how: os.open(path, how, mode)) as out:
            made = True
            out.write(text)
    except OSError as error:
        if made:
            file.unlink()
        raise BadSetting(f"{file} cannot be written: {error.strerror}") from error


def _next(chosen: Chosen) -> str:
    platform = "slack" if chosen.slack else "teams"
    return "\n".join(
        (
            f"Wrote {DEFAULT_FILE}, {SECRETS} and {SCHEMA}, by which editors complete the first. Next:",
            f"  sayso manifest {platform}    gives you the app to install",
            f"  cp {SECRETS} sayso.env    and fill it in; set -a; . ./sayso.env; set +a loads it",
            "  sayso check    looks at every setting, token, channel and person",
            "Keep sayso.env and .sayso/ out of version control: name both in .gitignore.",
        )
    )
