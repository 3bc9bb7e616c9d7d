"""`[daily]` of the settings: when people read what ran the day before without anybody being asked."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from ..agent.table_forms import Strict


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'there is no time zone "{name[:40]}"; write one like "Europe/Berlin"') from None
    return name


class DailyTable(Strict):
    """`[daily]`: one line a day in each route's places: how many actions ran freely, of which tools.

    Attributes:
        hour: From this hour of the local day on, 0 to 23.
        time_zone: Whose day it is: a name of the IANA list, like "Europe/Berlin".
    """

    hour: int = Field(default=9, ge=0, le=23)
    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"
