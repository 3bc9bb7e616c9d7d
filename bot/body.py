"""The body of a callback, read before anything in it is believed: only a POST, and never more than there is room for."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request

#: Largest body in bytes; what platforms send stays far below.
LARGEST_BODY = 1_000_000


class Unreadable(Exception):
    """A request whose body is not taken.

    Attributes:
        status: HTTP status; the words are for the log.
    """

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


async def body_of(request: Request, *, kind: str = "", largest: int = LARGEST_BODY) -> bytes:
    """Its bytes as they came.

    Args:
        kind: The only media type that is taken; empty where the reader of the body tells kinds apart.
        largest: In bytes.

    Raises: Unreadable.
    """
    if request.method != "POST":
        raise Unreadable(405, "no post")
    if kind and kind_of(request.headers.get("content-type", "")) != kind:
        raise Unreadable(415, f"no {kind}")
    stated = request.headers.get("content-length", "0")
    if not (stated.isascii() and stated.isdigit()) or len(stated) > 9 or int(stated) > largest:
        raise Unreadable(413, "too large")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > largest:
                raise Unreadable(413, "too large")
    except ClientDisconnect:
        raise Unreadable(400, "hung up") from None
    return bytes(body)


def kind_of(content_type: str) -> str:
    """The media type of a Content-Type header, without its parameters."""
    return content_type.partition(";")[0].strip().lower()
