"""The `[audit]` table of the settings file, as its author writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ...agent.setting_words import written

_NAMES_IT = (
    "names the environment variable that holds the secret, like AUDIT_ANCHOR_SECRET; "
    "do not write the secret itself here"
)


class AuditTable(BaseModel):
    """`[audit]`: where the trail is anchored outside the store, besides the log, and how long it is kept.

    Attributes:
        anchor_file: Gets a line in each minute in which something happened; beside the embedded store there is always one.
        anchor_url: Gets the same line; signed with what `anchor_secret` names, as Standard Webhooks are.
        anchor_secret: Names the environment variable that holds the secret, "whsec_" and base64.
        keep_days: Older records are cleared away; everything is kept unless given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    anchor_file: Path | None = None
    anchor_url: Annotated[str, written(r"https?://\S+", "it must begin with https:// or http://")] | None = (
        None
    )
    anchor_secret: Annotated[str, written(r"[A-Z][A-Z0-9_]*", _NAMES_IT)] | None = None
    keep_days: int | None = Field(default=None, ge=30, le=36_500)
