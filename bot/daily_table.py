"""`[daily]` of the settings: when people read what ran the day before without anybody being asked, and what still waits."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from ..agent.setting_words import Name
from ..agent.table_forms import Strict


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'there is no time zone "{name[:40]}"; write one like "Europe/Berlin"') from None
    return name


Zone = Annotated[str, AfterValidator(_zone)]


class DailyRouteTable(Strict):
    """`[daily.routes.finance]`: another hour, or another day's, for the places of one route.

    Attributes:
        hour: From this hour of the local day on, 0 to 23.
        time_zone: Whose day it is.
    """

    hour: int | None = Field(default=None, ge=0, le=23)
    time_zone: Zone | None = None


class DailyTable(Strict):
    """`[daily]`: once a day in each route's places: how many actions ran freely, of which tools, and what still waits.

    Attributes:
        hour: From this hour of the local day on, 0 to 23.
        time_zone: Whose day it is: a name of the IANA list, like "Europe/Berlin".
        routes: Those for which another hour holds.
    """

    hour: int = Field(default=9, ge=0, le=23)
    time_zone: Zone = "UTC"
    routes: dict[Name, DailyRouteTable] = Field(default={})
