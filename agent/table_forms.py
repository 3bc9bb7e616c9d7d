"""Forms that tables of settings share: a table without unknown keys, and a length of time; which tables there are stands elsewhere."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

#: Longest time a policy may give anybody; a request that outlives its people helps nobody.
LONGEST = timedelta(days=90)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(value: object) -> object:
    """The span that "24h" or "1h30m" means."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"([0-9]{1,6}[smhd])+", value):
        raise ValueError('a time is written like "30m", "24h", "7d" or "1h30m"')
    parts = re.findall(r"([0-9]+)([smhd])", value)
    span = sum((timedelta(**{_UNITS[unit]: int(count)}) for count, unit in parts), timedelta())
    if not timedelta() < span <= LONGEST:
        raise ValueError(f"a time is more than zero and at most {LONGEST.days} days")
    return span


#: "24h", "7d" or "1h30m".
Duration = Annotated[
    timedelta,
    BeforeValidator(
        _duration, json_schema_input_type=Annotated[str, Field(pattern=r"^([0-9]{1,6}[smhd])+$")]
    ),
]


class Strict(BaseModel):
    """A key that nobody reads is a misspelling, and a misspelt rule must not pass for one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)
