"""Who is on call by PagerDuty's schedules, asked over its REST API; a schedule is a group like those of the chat platforms."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from ..approvals.errors import DirectoryDown, WhyNot
from ..approvals.people import Identity

#: One question, from name look-up to the last byte, seconds; and so many answers on one page of its list.
SECONDS, MOST = 10.0, 100


class PagerDutySchedules:
    """`Accounts` of PagerDuty: nobody clicks there, but its schedules say who is on call."""

    def __init__(self, http: httpx.AsyncClient, url: str, token: str) -> None:
        """Take a client that the caller closes."""
        self._http = http
        self._url = url.rstrip("/")
        self._token = token

    async def standing(self, identity: Identity) -> WhyNot | None:
        return WhyNot.UNKNOWN_PERSON

    async def group(self, id: str) -> frozenset[str]:
        """Who is on call by this schedule right now. Raises: DirectoryDown."""
        found = await self._asked(id)
        try:
            oncalls = found["oncalls"]
            return frozenset(
                str(one["user"]["id"]) for one in oncalls if one["schedule"] and one["schedule"]["id"] == id
            )
        except (KeyError, TypeError) as error:
            raise DirectoryDown("PagerDuty's answer about who is on call cannot be read.") from error

    async def _asked(self, id: str) -> Any:
        headers = {
            "Authorization": f"Token token={self._token}",
            "Accept": "application/vnd.pagerduty+json;version=2",
        }
        asked: dict[str, str | int] = {"schedule_ids[]": id, "limit": MOST}
        try:
            async with asyncio.timeout(SECONDS):
                answer = await self._http.get(f"{self._url}/oncalls", params=asked, headers=headers)
        except (httpx.HTTPError, TimeoutError) as error:
            raise DirectoryDown(
                f"PagerDuty cannot be asked who is on call: {type(error).__name__}."
            ) from error
        if not answer.is_success:
            raise DirectoryDown(f"PagerDuty answers {answer.status_code} when asked who is on call.")
        try:
            return answer.json()
        except ValueError as error:
            raise DirectoryDown("PagerDuty's answer about who is on call cannot be read.") from error
