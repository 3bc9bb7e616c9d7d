"""The pager and the mailbox as JSON."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage

from ..loopback import Json
from ..mailbox import Letter, Mailbox
from ..pager import Incident, Pager

#: The newest of each that a tab is shown.
NEWEST = 50


def pager_screen(pager: Pager) -> list[Json]:
    """The newest incidents, oldest first; `at` as the event says, in seconds since 1970, or null."""
    numbered = list(enumerate(pager.incidents, start=1))[-NEWEST:]
    return [_incident(number, incident) for number, incident in numbered]


def mail_screen(mail: Mailbox) -> list[Json]:
    """The newest letters, oldest first; `at` as their Date says, or null."""
    return [_letter(letter) for letter in mail.letters[-NEWEST:]]


def _incident(number: int, incident: Incident) -> Json:
    payload = incident.event["payload"]
    return {
        "id": f"{number}", "status": incident.status.value, "summary": incident.summary,
        "details": payload.get("custom_details") or {}, "at": _seconds(payload.get("timestamp")),
        "notifications": incident.notifications,
    }  # fmt: skip


def _seconds(written: object) -> float | None:
    try:
        return datetime.fromisoformat(str(written)).timestamp()
    except ValueError:
        return None


def _letter(letter: Letter) -> Json:
    message, date = letter.message, letter.message["Date"]
    written = getattr(date, "datetime", None)
    return {
        "to": ", ".join(letter.envelope_to), "from": str(message["From"] or letter.envelope_from),
        "subject": str(message["Subject"] or ""), "body": _body(message),
        "at": written.timestamp() if written is not None else None,
    }  # fmt: skip


def _body(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    raw = part.get_payload(decode=True) if part is not None else b""
    charset = part.get_content_charset("utf-8") if part is not None else "utf-8"
    assert isinstance(raw, bytes), "a body is no multipart"
    try:
        text = raw.decode(charset, "replace")
    except (LookupError, UnicodeError):  # whoever wrote the letter made the charset up
        text = raw.decode("utf-8", "replace")
    return text.replace("\r\n", "\n")
