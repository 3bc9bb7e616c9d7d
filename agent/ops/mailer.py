"""E-mail that really leaves, by SMTP; one message per call, and the same key gives the same Message-ID.

SMTP has no transactions: a receiver that knows the Message-ID already may drop the second copy, nobody else can.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

import aiosmtplib

#: Each answer of the server must come within this many seconds.
ANSWER_LIMIT: Final = 10.0

MAX_SUBJECT: Final = 200  # characters
MAX_BODY: Final = 100_000  # characters

#: The port on which TLS comes first; on all others it is asked for by STARTTLS.
TLS_PORT: Final = 465

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_IN_BODY: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class MailError(Exception):
    """The e-mail was not sent."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class MailRefused(MailError):
    """The e-mail was not sent, and trying again will not help."""


class MailNotSent(MailError):
    """The e-mail was certainly not sent; try again later."""


class MailUnknown(MailError):
    """The mail server's answer was lost: the e-mail may have been sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """Which server takes our e-mail.

    Attributes:
        sender: Address in the From line; its domain ends our Message-IDs.
        username: Empty when the server asks for none. A password only travels over TLS.
    """

    host: str
    port: int
    sender: str
    username: str = ""
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        _address("the sender", self.sender)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A plain e-mail to one person."""

    to: str
    subject: str
    text: str

    def __post_init__(self) -> None:
        """Refuse what could smuggle in a header or a second receiver. Raises: MailRefused."""
        _address("the receiver", self.to)
        if not self.subject.strip() or len(self.subject) > MAX_SUBJECT or _CONTROL.search(self.subject):
            raise MailRefused(f"The subject must be one line of 1 to {MAX_SUBJECT} characters.")
        if not self.text.strip() or len(self.text) > MAX_BODY or _CONTROL_IN_BODY.search(_unix(self.text)):
            raise MailRefused(
                f"The text must have 1 to {MAX_BODY} characters, none of them control characters."
            )


class Mailer:
    """Sends one e-mail at a time, each over its own connection."""

    def __init__(self, settings: SmtpSettings, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock

    async def send(self, mail: Mail, *, key: str) -> str:
        """Hand the e-mail to the server and return its Message-ID.

        Raises:
            MailRefused: The server does not take it, or does not take us.
            MailNotSent: The server could not be reached or asks to come back later.
            MailUnknown: The connection broke after the text had left.
        """
        message = compose(mail, self._settings.sender, key=key, at=self._clock())
        smtp = self._client()
        try:
            await self._hand_over(smtp, mail.to, message.as_bytes())
            with suppress(aiosmtplib.SMTPException):  # it is sent; a missing goodbye changes nothing
                await smtp.quit()
        finally:
            smtp.close()
        return str(message["Message-ID"])

    def _client(self) -> aiosmtplib.SMTP:
        settings = self._settings
        implicit = settings.port == TLS_PORT
        return aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            timeout=ANSWER_LIMIT,
            use_tls=implicit,
            # None: where the server offers it. A password is never sent without it.
            start_tls=False if implicit else (True if settings.username else None),
            username=settings.username or None,
            password=settings.password or None,
        )

    async def _hand_over(self, smtp: aiosmtplib.SMTP, to: str, message: bytes) -> None:
        try:
            await smtp.connect()
            await smtp.mail(self._settings.sender)
            await smtp.rcpt(to)
        except aiosmtplib.SMTPResponseException as error:
            raise _verdict(error) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailNotSent from error
        try:
            await smtp.data(message)
        except aiosmtplib.SMTPResponseException as error:
            raise _verdict(error) if error.code > 0 else MailUnknown() from error  # -1: no answer of SMTP's
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailUnknown from error


def compose(mail: Mail, sender: str, *, key: str, at: datetime) -> EmailMessage:
    """The message as it leaves; `at` with a time zone."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Date"] = at
    message["Message-ID"] = message_id(key, sender)
    message["Auto-Submitted"] = "auto-generated"
    # Quoted-printable passes every server as it is, also one that knows no 8-bit text.
    message.set_content(_unix(mail.text), cte="quoted-printable")
    return message


def message_id(key: str, sender: str) -> str:
    """What a receiver recognises a repeated message by; the key itself stays with us."""
    if not key:
        raise ValueError("an e-mail needs an idempotency key")
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{_address('the sender', sender).domain}>"


def _verdict(error: aiosmtplib.SMTPResponseException) -> MailError:
    """A 4xx is a wish to be asked again, everything else is a no; the server's words may hold anything, its code not."""
    if 400 <= error.code < 500:
        return MailNotSent(f"The mail server answered {error.code}; try again later.")
    return MailRefused(f"The mail server refused the e-mail with {error.code}.")


def _address(whose: str, text: str) -> Address:
    """One plain address in ASCII: no name, no list, no comment. Raises: MailRefused."""
    if re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,190}", text):
        with suppress(ValueError, MessageError):  # falls through to the one sentence below
            return Address(addr_spec=text)
    raise MailRefused(f"The address of {whose} is not one plain e-mail address.")


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
