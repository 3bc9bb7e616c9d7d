"""E-mail that leaves over real SMTP, and what is never sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from sayso.agent.ops.mailer import (
    Mail,
    Mailer,
    MailNotSent,
    MailRefused,
    MailUnknown,
    SmtpSettings,
    message_id,
)

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
SENDER = "shop@example.com"
CRYPTIC = "canary-password"


@dataclass
class Post:
    """A mail server's inside: keeps what came, answers as told."""

    to_receiver: str = "250 OK"
    to_text: str = "250 OK"
    hangs_up: bool = False
    envelopes: list[Envelope] = field(default_factory=list)
    passwords: list[object] = field(default_factory=list)

    def let_in(self, server: SMTP, session: Session, envelope: Envelope, how: str, who: object) -> AuthResult:
        self.passwords.append(who)
        return AuthResult(success=True)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.to_receiver

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        if self.hangs_up and server.transport is not None:
            server.transport.close()
        return self.to_text

    def message(self) -> EmailMessage:
        """The one message that came."""
        (envelope,) = self.envelopes
        content = envelope.content
        assert isinstance(content, bytes)
        assert content.isascii()  # passes servers that know no 8-bit text
        return message_from_bytes(content, policy=default)


@asynccontextmanager
async def a_post(post: Post, *, username: str = "") -> AsyncIterator[Mailer]:
    """A mail server on a free port and a mailer that uses it."""
    loop = asyncio.get_running_loop()
    lines: list[SMTP] = []

    def answer_a_call() -> SMTP:
        lines.append(
            SMTP(post, loop=loop, hostname="mail.test", auth_require_tls=False, authenticator=post.let_in)
        )
        return lines[-1]

    server = await loop.create_server(answer_a_call, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = SmtpSettings(host="127.0.0.1", port=port, sender=SENDER, username=username, password=CRYPTIC)
    async with server:
        yield Mailer(settings, lambda: NOON)
    for line in lines:
        if line.transport is not None:
            line.transport.close()
    await asyncio.sleep(0)  # lets the closed lines say so


def a_mail(
    *, to: str = "dana@example.com", subject: str = "Order 1042", text: str = "Your refund is on its way."
) -> Mail:
    """A mail with boring values; say only what matters."""
    return Mail(to=to, subject=subject, text=text)


async def test_an_email_arrives_as_it_was_written() -> None:
    """Umlauts, lone dots, long lines and Windows line ends come out at the other side."""
    text = "Grüße, Dana 🎉\r\n.\n..two dots\n" + "long " * 400 + "\nend"
    post = Post()
    async with a_post(post) as mailer:
        sent_as = await mailer.send(a_mail(subject="Ihre Rückzahlung", text=text), key="k1")
    message = post.message()
    assert message["From"] == SENDER
    assert message["To"] == "dana@example.com"
    assert message["Subject"] == "Ihre Rückzahlung"
    assert message["Date"].datetime == NOON
    assert message["Message-ID"] == sent_as
    assert message.get_content().replace("\r\n", "\n") == text.replace("\r\n", "\n") + "\n"
    assert post.envelopes[0].mail_from == SENDER
    assert post.envelopes[0].rcpt_tos == ["dana@example.com"]


async def test_a_short_umlaut_passes_servers_that_know_no_8_bit_text() -> None:
    """What travels is ASCII, whatever was written."""
    post = Post()
    async with a_post(post) as mailer:
        await mailer.send(a_mail(text="Grüße"), key="k1")
    assert post.message().get_content().strip() == "Grüße"


async def test_the_same_key_is_recognised_by_the_receiver() -> None:
    """A repeated e-mail has the same Message-ID, another one has another, and the key is not readable in it."""
    assert message_id("run-7:1", SENDER) == message_id("run-7:1", SENDER)
    assert message_id("run-7:1", SENDER) != message_id("run-7:2", SENDER)
    assert "run-7" not in message_id("run-7:1", SENDER)
    assert message_id("run-7:1", SENDER).endswith("@example.com>")


@pytest.mark.parametrize(
    "bad",
    [
        {"to": "dana@example.com\r\nBcc: all@example.com"},
        {"to": "dana@example.com, eve@example.com"},
        {"to": "Dana <dana@example.com>"},
        {"to": "dana@example.com>\nRCPT TO:<eve@example.com"},
        {"to": "dana..x@example.com"},
        {"to": "dana"},
        {"to": ""},
        {"subject": "Order\nBcc: all@example.com"},
        {"subject": "Order\u2028Bcc: all@example.com"},
        {"subject": "x" * 201},
        {"subject": " "},
        {"text": "nul \x00"},
        {"text": "half a character \ud800"},
        {"text": "\n"},
    ],
)
def test_nothing_is_smuggled_into_a_header(bad: dict[str, str]) -> None:
    """One receiver, one subject; whatever looks like more is refused before any server is asked."""
    with pytest.raises(MailRefused):
        a_mail(**bad)


@pytest.mark.parametrize(
    ("post", "error"),
    [
        (Post(to_receiver="550 no such person"), MailRefused),
        (Post(to_receiver="451 come back later"), MailNotSent),
        (Post(to_text="554 looks like spam"), MailRefused),
        (Post(to_text="452 disk full"), MailNotSent),
        (Post(hangs_up=True), MailUnknown),
    ],
)
async def test_each_answer_says_whether_it_was_sent(post: Post, error: type[Exception]) -> None:
    """Refused, not sent and perhaps sent are three different things."""
    async with a_post(post) as mailer:
        with pytest.raises(error):
            await mailer.send(a_mail(), key="k1")


async def test_no_server_means_certainly_not_sent() -> None:
    """A closed port may be tried again."""
    async with a_post(Post()) as mailer:
        pass
    with pytest.raises(MailNotSent):
        await mailer.send(a_mail(), key="k1")


async def test_a_password_does_not_travel_in_the_clear() -> None:
    """A server that wants one but offers no TLS gets neither password nor e-mail; and it is shown nowhere."""
    post = Post()
    async with a_post(post, username="shop") as mailer:
        with pytest.raises(MailNotSent) as refused:
            await mailer.send(a_mail(), key="k1")
        assert CRYPTIC not in repr(mailer._settings) + repr(refused.value)
    assert (post.passwords, post.envelopes) == ([], [])
