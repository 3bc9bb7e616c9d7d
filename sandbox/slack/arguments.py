"""The arguments of one Web API call, whether they came as form, JSON or query."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ..loopback import Json
from .workspace import SlackError

_JSON_FIELDS = ("blocks", "attachments", "metadata", "view")


class Arguments:
    """Typed looks at what the caller sent; a wrong or missing one is `invalid_arguments`."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    def __contains__(self, name: str) -> bool:
        return self._given.get(name) is not None

    def required(self, name: str) -> str:
        """Text that must be there. Raises: SlackError."""
        value = self._given.get(name)
        if value in (None, ""):
            raise SlackError("invalid_arguments", f"[ERROR] missing required field: {name}")
        return str(value)

    def text(self, name: str) -> str:
        """Text, or ""."""
        value = self._given.get(name)
        return "" if value is None else str(value)

    def flag(self, name: str) -> bool:
        """A boolean in any spelling; False when missing."""
        return str(self._given.get(name, "")).lower() in ("true", "1")

    def number(self, name: str, default: int) -> int:
        """A whole number of 1 or more. Raises: SlackError."""
        text = self.text(name) or str(default)
        if not text.isdecimal() or int(text) == 0:
            raise SlackError("invalid_arguments", f"[ERROR] {name} must be a positive integer")
        return int(text)

    def words(self, name: str) -> list[str]:
        """A comma separated list, or a JSON array."""
        value = self._given.get(name) or ""
        return (
            [str(one) for one in value]
            if isinstance(value, list)
            else [one for one in value.split(",") if one]
        )

    def blocks(self) -> list[Json]:
        """Raises: SlackError."""
        value = self._given.get("blocks") or []
        if not isinstance(value, list):
            raise SlackError("invalid_blocks_format")
        return value

    def object(self, name: str) -> Json:
        """A JSON object that must be there. Raises: SlackError."""
        value = self._given.get(name)
        if not isinstance(value, dict):
            raise SlackError("invalid_arguments", f"[ERROR] missing required field: {name}")
        return value

    def page(self, everything: list[Any]) -> tuple[list[Any], Json]:
        """The page that `cursor` and `limit` ask for, and its `response_metadata`. Raises: SlackError."""
        limit, cursor = self.number("limit", 100), self.text("cursor")
        if cursor and not cursor.removeprefix("from:").isdecimal():
            raise SlackError("invalid_cursor")
        start = int(cursor.removeprefix("from:")) if cursor else 0
        after = start + limit
        return everything[start:after], {"next_cursor": f"from:{after}" if after < len(everything) else ""}


async def arguments_of(request: web.Request) -> dict[str, Any]:
    """Everything the caller sent. Raises: SlackError."""
    given: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = await request.json()
        except ValueError:
            raise SlackError("invalid_json") from None
        if not isinstance(body, dict):
            raise SlackError("json_not_object")
        given |= body
    elif request.method == "POST":
        given |= dict(await request.post())
    for name in _JSON_FIELDS:
        if isinstance(given.get(name), str):
            given[name] = _decoded(name, given[name])
    return given


def _decoded(name: str, text: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        error = "invalid_blocks_format" if name == "blocks" else "invalid_arguments"
        raise SlackError(error, f"[ERROR] {name} is not JSON") from None
