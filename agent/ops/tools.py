"""The ops agent's tools: what really changes when one of its actions is approved; nothing here asks anybody."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated
from urllib.parse import urlsplit

import httpx
from pydantic import Field

from ..effect import Effect, NothingDone, effect
from ..policy import Category
from ..runtime import idempotency_key, token
from .backoffice import BackOffice
from .mailer import Mail, Mailer, MailNotSent, MailRefused
from .records import BackOfficeError, NotFound

#: How long the token service may take to say whether a token is alive, seconds.
CHECK_SECONDS = 10.0

#: How long one tool may run: a local database, or one e-mail.
LIMIT = timedelta(minutes=2)

#: Says whether a token is alive at this moment. Raises: NothingDone when that cannot be found out.
TokenCheck = Callable[[str], Awaitable[bool]]

#: What can be paid back.
Money = Annotated[Decimal, Field(gt=0, decimal_places=2)]


class Introspection:
    """A `TokenCheck` that asks the token service (RFC 7662)."""

    def __init__(self, url: str, ca_file: str | None = None) -> None:
        self._url = url
        self._tls = ssl.create_default_context(cafile=ca_file)

    async def __call__(self, token: str) -> bool:
        on_this_machine = urlsplit(self._url).hostname in ("127.0.0.1", "localhost", "::1")
        try:
            async with httpx.AsyncClient(
                verify=self._tls, timeout=CHECK_SECONDS, trust_env=not on_this_machine
            ) as http:
                answer = await http.post(self._url, data={"token": token})
                return answer.raise_for_status().json().get("active") is True
        except (httpx.HTTPError, ValueError, AttributeError) as error:  # the last two: no JSON object
            raise NothingDone("The token service could not say whether the token is alive.") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class OpsTools:
    """What the tools work on.

    Attributes:
        check_token: Every change asks it about the token it runs under; None where the company uses none.
    """

    office: BackOffice
    mailer: Mailer
    check_token: TokenCheck | None = None

    @property
    def effects(self) -> tuple[Effect, ...]:
        """The tools as a gate takes them. The back office knows each key, so what broke off may be run again."""
        return (
            effect(category=Category.READ, idempotent=True, limit=LIMIT)(self.look_up_order),
            effect(
                category=Category.FINANCIAL_TRANSACTION, irreversibility="high", idempotent=True, limit=LIMIT
            )(self.issue_refund),
            effect(
                category=Category.DELETION, irreversibility="high", blast_radius="high", idempotent=True,
                limit=LIMIT,
            )(self.delete_inactive_customers),
            effect(category=Category.ACCESS_RIGHTS, idempotent=True, limit=LIMIT)(self.grant_role),
            effect(category=Category.ACCESS_RIGHTS, idempotent=True, limit=LIMIT)(self.close_firewall_rule),
            effect(category=Category.EXTERNAL_COMMUNICATION, irreversibility="high", limit=LIMIT)(
                self.email_customer
            ),
            effect(
                category=Category.INTERNAL_CHANGE, idempotent=True, limit=LIMIT,
                undo=effect(category=Category.INTERNAL_CHANGE, idempotent=True, limit=LIMIT)(self.delete_draft),
            )(self.draft_email),
        )  # fmt: skip

    async def look_up_order(self, order: int) -> str:
        """What the back office knows about an order."""
        with _business_refusals():
            found = await self.office.order(order)
            arrived = f"delivered on {found.delivered_on}" if found.delivered_on else "not delivered yet"
            said = (
                f"Order {found.number}: {found.items}, paid {found.paid} {found.currency} on {found.paid_on}, {arrived}, "
                f"{found.refunded} {found.currency} refunded so far."
            )
            try:
                buyer = await self.office.customer_of_order(order)
            except NotFound:
                return f"{said} The customer's record was deleted."
            return f"{said} Bought by {buyer.name}."

    async def issue_refund(self, order: int, amount: Money, currency: str) -> str:
        """Pay money back."""
        await self._must_be_authorised()
        with _business_refusals():
            return (await self.office.issue_refund(order, amount, currency, key=idempotency_key())).sentence

    async def delete_inactive_customers(self, before: date) -> str:
        """Delete every customer who was last active before that day."""
        await self._must_be_authorised()
        with _business_refusals():
            return (await self.office.delete_inactive_customers(before, key=idempotency_key())).sentence

    async def grant_role(self, user: int, role: str, system: str) -> str:
        """Let a colleague do more."""
        await self._must_be_authorised()
        with _business_refusals():
            return (await self.office.grant_role(user, role, system, key=idempotency_key())).sentence

    async def close_firewall_rule(self, rule: str) -> str:
        """Close an opening to the outside."""
        await self._must_be_authorised()
        with _business_refusals():
            return (await self.office.close_firewall_rule(rule, key=idempotency_key())).sentence

    async def email_customer(self, order: int, to: str, text: str) -> str:
        """Write to the customer of an order. `to` was shown to people, so it must still be the customer's."""
        await self._must_be_authorised()
        with _business_refusals():
            buyer = await self.office.customer_of_order(order)
        if buyer.email != to:
            raise NothingDone(f"{to} is not the address of the customer of order {order}.")
        try:
            await self.mailer.send(
                Mail(to=to, subject=f"Your order {order}", text=text), key=idempotency_key()
            )
        except (MailRefused, MailNotSent) as error:
            raise NothingDone(str(error)) from error
        return f"Sent the e-mail about order {order} to {to}."

    async def draft_email(self, order: int, to: str, text: str) -> str:
        """Keep the draft of an e-mail; sending it is another matter."""
        await self._must_be_authorised()
        with _business_refusals():
            return (await self.office.keep_draft(order, to, text, key=idempotency_key())).sentence

    async def delete_draft(self, order: int, to: str, text: str) -> str:
        """Take a draft back."""
        await self._must_be_authorised()
        with _business_refusals():
            return (await self.office.delete_draft(order, to, text, key=idempotency_key())).sentence

    async def _must_be_authorised(self) -> None:
        """The guard at the back office's door. Raises: NothingDone."""
        if self.check_token is not None and not await self.check_token(token()):
            raise NothingDone("The back office refused the access token: it is expired or was never valid.")


@contextmanager
def _business_refusals() -> Iterator[None]:
    """What the back office refuses, it did not do."""
    try:
        yield
    except BackOfficeError as error:
        raise NothingDone(str(error)) from error
