"""The mailbox through the standard library's SMTP client."""

from __future__ import annotations

import asyncio
import smtplib
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import pytest
from sayso.sandbox import Workplace


def a_letter(
    *, to: str = "dana@example.com", text: str = "Your refund is on its way. Größe 5 €."
) -> EmailMessage:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "ops@workplace.example", to, "Order 1042"
    letter["Date"], letter["Message-ID"] = formatdate(), make_msgid()
    letter.set_content(text)
    return letter


async def send(workplace: Workplace, letter: EmailMessage, to: str = "dana@example.com") -> None:
    def deliver() -> None:
        with smtplib.SMTP(workplace.mail.host, workplace.mail.port, timeout=5) as smtp:
            smtp.send_message(letter, to_addrs=[to])

    await asyncio.to_thread(deliver)


async def test_a_letter_arrives_parsed(workplace: Workplace) -> None:
    """With its real recipients beside it."""
    await send(workplace, a_letter())
    (letter,) = await workplace.mail.until(lambda: workplace.mail.letters)
    assert letter.envelope_to == ("dana@example.com",)
    assert letter.message.get_content().strip() == "Your refund is on its way. Größe 5 €."
    assert workplace.mail.to("dana@example.com")[0]["Subject"] == "Order 1042"


async def test_what_a_mail_server_refuses(workplace: Workplace) -> None:
    """Too large, a mailbox that does not exist, a malformed address, and a bad day."""
    with pytest.raises(smtplib.SMTPException):
        await send(workplace, a_letter(text="x\n" * 600_000))
    workplace.mail.refused_recipients.add("gone@example.com")
    with pytest.raises(smtplib.SMTPRecipientsRefused, match="550"):
        await send(workplace, a_letter(), to="gone@example.com")
    with pytest.raises(smtplib.SMTPRecipientsRefused, match="553"):
        await send(workplace, a_letter(), to="not-an-address")
    workplace.mail.refuse_next()
    with pytest.raises(smtplib.SMTPDataError, match="451"):
        await send(workplace, a_letter())
    assert workplace.mail.messages == []
    assert "malformed recipient" in str(workplace.violations.take()[0])


async def test_a_letter_needs_its_headers(workplace: Workplace) -> None:
    """Without a Message-ID nobody could recognise a second copy."""
    letter = a_letter()
    del letter["Message-ID"]
    await send(workplace, letter)
    assert "Message-ID" in str(workplace.violations.take()[0])
