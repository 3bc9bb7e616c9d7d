"""The few pages that a browser sees while somebody signs in to a provider: words, no script, nothing that is kept."""

from __future__ import annotations

from html import escape

from starlette.responses import HTMLResponse, RedirectResponse, Response

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
_HEADERS = {
    "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": f"{_POLICY}; form-action 'none'",
}  # fmt: skip
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title>
<style>body {{ font: 1.05rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 20vh auto; padding: 0 1.5rem }}</style>
</head><body><main><h1>{title}</h1><p>{words}</p></main></body></html>
"""


def page(title: str, words: str, *, status: int = 200) -> Response:
    """A page that says one thing; whatever stands in the words is text."""
    body = _PAGE.format(title=escape(title), words=escape(words))
    return HTMLResponse(body, status_code=status, headers=_HEADERS)


def asked(title: str, words: str, button: str) -> Response:
    """A page with one button, which sends the same address again as a form: whoever only looks does nothing."""
    form = f'<form method="post"><button>{escape(button)}</button></form>'
    body = _PAGE.format(title=escape(title), words=f"{escape(words)}</p>{form}<p>")
    # The form ends at the provider's own address, which some browsers hold against `form-action`.
    headers = {**_HEADERS, "Content-Security-Policy": _POLICY}
    return HTMLResponse(body, headers=headers)


def refused(words: str, *, status: int = 400) -> Response:
    """A page that says why it did not work."""
    return page("That did not work", words, status=status)


def sent_to(address: str) -> Response:
    """The browser goes to the provider; who asked it to is not told there."""
    return RedirectResponse(address, status_code=303, headers=_HEADERS)
