"""An SMTP server on loopback that keeps every letter it accepts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import TypeVar
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

from .loopback import HOST
from .watching import Changes, Violations

T = TypeVar("T")

LETTER_BYTES = 1_000_000
_ADDRESS = re.compile(r"[^@\s<>\"(),;:\\]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_OK = "250 OK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One accepted e-mail: who it was really sent to, and what it says."""

    envelope_from: str
    envelope_to: tuple[str, ...]
    message: EmailMessage


class Mailbox:
    """SMTP at `host`:`port`.

    Look at `letters` or `messages`; `refused_recipients.add("x@y")` makes an address bounce (550);
    `refuse_next(times, "451 try later")` makes whole deliveries fail. Letters over 1 MB are refused (552),
    malformed recipients too (553), and a letter without From, To, Date or Message-ID is a violation.
    """

    def __init__(self, *, violations: Violations, changes: Changes, port: int = 0) -> None:
        self.host = HOST
        self.port = port
        self.letters: list[Letter] = []
        self.refused_recipients: set[str] = set()
        self.violations = violations
        self._changes = changes
        self._refusals: list[str] = []
        self._server: asyncio.Server | None = None
        self._conversations: WeakSet[SMTP] = WeakSet()

    @property
    def messages(self) -> list[EmailMessage]:
        """What arrived, oldest first."""
        return [letter.message for letter in self.letters]

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._conversation, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Drop the listener and whoever is still talking."""
        if self._server is None:
            return
        self._server.close()
        for conversation in self._conversations:
            if conversation.transport is not None:
                conversation.transport.close()
        await asyncio.sleep(0)  # a transport is closed in the loop's next turn
        await self._server.wait_closed()
        self._server = None

    def _conversation(self) -> SMTP:
        conversation = SMTP(
            self, data_size_limit=LETTER_BYTES, hostname="mail.test", enable_SMTPUTF8=True, timeout=30,
            loop=asyncio.get_running_loop(),
        )  # fmt: skip
        self._conversations.add(conversation)
        return conversation

    def refuse_next(self, times: int = 1, answer: str = "451 try again later") -> None:
        """The next deliveries are refused at the end of DATA."""
        self._refusals += [answer] * times

    def to(self, address: str) -> list[EmailMessage]:
        """What was delivered to `address`."""
        return [letter.message for letter in self.letters if address in letter.envelope_to]

    async def until(self, seen: Callable[[], T], *, timeout: float = 10, what: str = "the e-mail") -> T:
        """The first truthy `seen()`. Raises: NotInTime."""
        return await self._changes.until(seen, timeout=timeout, what=what)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Called by aiosmtpd for each recipient."""
        if not _ADDRESS.fullmatch(address):
            self.violations.note("mail", f"malformed recipient {address!r}")
            return "553 mailbox name not allowed"
        if address in self.refused_recipients:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return _OK

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Called by aiosmtpd with a whole letter."""
        if self._refusals:
            return self._refusals.pop(0)
        content = envelope.original_content or b""
        message = message_from_bytes(content, policy=policy.default)
        for header in ("From", "To", "Date", "Message-ID"):
            if message[header] is None:
                self.violations.note("mail", f"letter without {header}")
        self.letters.append(
            Letter(
                envelope_from=envelope.mail_from or "", envelope_to=tuple(envelope.rcpt_tos), message=message
            )
        )
        self._changes.happened()
        return _OK
