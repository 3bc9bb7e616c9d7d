"""Options that several commands take, in the same words everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", "-s", help="The settings file (default: $SAYSO_SETTINGS, else sayso.toml)."),
]
