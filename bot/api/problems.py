"""What is answered when something is wrong: RFC 9457 problem details, one sentence each, nothing about our insides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

from ...approvals.errors import SaysoError


class Problem(SaysoError):
    """A call that is not done.

    Attributes:
        status: HTTP status.
        headers: What the status asks for besides.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})

    @property
    def response(self) -> Response:
        """As it is sent."""
        body = {"title": HTTPStatus(self.status).phrase, "status": self.status, "detail": str(self)}
        return Response(
            json.dumps(body),
            status_code=self.status,
            media_type="application/problem+json",
            headers=self.headers,
        )


def no_such(what: str) -> Problem:
    """It is not there, or it is not theirs; nobody is told which."""
    return Problem(404, f"This key has started no such {what}, or it was cleared away.")
