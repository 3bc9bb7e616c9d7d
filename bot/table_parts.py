"""What the tables of the settings file are made of."""

from __future__ import annotations

from pydantic import AfterValidator, BaseModel, ConfigDict

from ..agent.setting_words import written


class Table(BaseModel):
    """A key that nobody reads is a misspelling."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def variable(what: str, example: str) -> AfterValidator:
    words = f"names the environment variable that holds the {what}, like {example}; do not write the {what} itself here"
    return written(r"[A-Z][A-Z0-9_]*", words)
