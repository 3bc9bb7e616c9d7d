"""What the tables of the settings file are made of: a table, an address, and the name of a variable that holds a secret."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from ..agent.setting_words import written

Url = Annotated[str, written(r"https?://\S+", "it must begin with https:// or http://")]


class Table(BaseModel):
    """A key that nobody reads is a misspelling."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def variable(what: str, example: str) -> AfterValidator:
    """A text that names such a variable, and is no secret itself."""
    words = f"names the environment variable that holds the {what}, like {example}; do not write the {what} itself here"
    return written(r"[A-Z][A-Z0-9_]*", words)
