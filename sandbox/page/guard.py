"""Who may speak to the page: tabs that this page itself has opened, on this machine; nobody's other sites."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from aiohttp import web

log = logging.getLogger(__name__)

#: Carries the token that only the page's own index.html holds.
TOKEN_HEADER = "X-Sayso-Page"  # noqa: S105 the name of a header

_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
#: On every answer, also on refusals.
HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store", "Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}  # fmt: skip

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard:
    """Stands before every route.

    Args:
        address: Where the page listens, as a URL; asked at each request.
    """

    def __init__(self, address: Callable[[], str]) -> None:
        self.token = secrets.token_urlsafe(24)
        self._address = address

    def stand_before(self, app: web.Application) -> None:
        """From now on every request of `app` is looked at first."""
        app.middlewares.append(self._checked)
        app.on_response_prepare.append(_with_headers)

    @web.middleware
    async def _checked(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        port = urlsplit(self._address()).port
        host = request.headers.get("Host", "")
        if host not in (f"127.0.0.1:{port}", f"localhost:{port}"):
            return refusal(421, "This is not the address of the page.")
        if request.headers.get("Origin", f"http://{host}") != f"http://{host}":
            return refusal(403, "Another site may not do that.")
        arrival = request.path == "/" and request.method in ("GET", "HEAD")
        if not arrival and request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return refusal(403, "Another site may not do that.")
        if request.method == "POST":
            if request.content_type != "application/json":
                return refusal(415, "The page takes JSON only.")
            if not secrets.compare_digest(
                request.headers.get(TOKEN_HEADER, "").encode(), self.token.encode()
            ):
                return refusal(403, "The page was opened anew meanwhile; reload it.")
        try:
            return await handler(request)
        except web.HTTPException as answer:
            return refusal(answer.status, f"{answer.reason}.")
        except Exception:
            log.exception("page.broke", extra={"path": request.path})
            return refusal(500, "The page itself failed at that; its log says where.")


def refusal(status: int, words: str) -> web.Response:
    """Nothing was done."""
    return web.json_response({"ok": False, "words": words}, status=status)


async def _with_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
