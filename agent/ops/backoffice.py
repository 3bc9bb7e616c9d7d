"""The demo company's back office: one SQLite file whose rows really change, asked from an event loop without blocking it.

Who may call it is checked by the tools, which hold the tokens.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from . import changes, records, seed
from .records import (
    BackOfficeUnavailable,
    Customer,
    DeletionScope,
    FirewallRule,
    Grant,
    Message,
    Order,
    Receipt,
    Refund,
    User,
)

T = TypeVar("T")
Clock = Callable[[], datetime]

#: How long a change waits for another process's change.
PATIENCE = timedelta(seconds=10)

#: How far back "recent refunds" look.
RECENT = timedelta(days=90)


class Kind(StrEnum):
    """What has a page of its own in the back office; the value is its place in the address."""

    ORDER = "orders"
    CUSTOMER = "customers"
    USER = "users"
    SYSTEM = "systems"
    FIREWALL_RULE = "firewall-rules"


class BackOffice:
    """Questions and changes; any number of processes may use the same file.

    A caller that is cancelled does not stop a change that has begun: ask again with the same key.
    """

    def __init__(self, path: Path, base_url: str, clock: Clock) -> None:
        """Use the database at `path`, made and seeded where there is none; `clock` tells UTC."""
        seed.create(path, clock().date())
        self._uri = f"{path.absolute().as_uri()}?mode=rw"
        self._base_url = base_url.rstrip("/")
        self._clock = clock

    def link(self, kind: Kind, id: int | str) -> str:
        """The address of one record's page."""
        return f"{self._base_url}/{kind.value}/{quote(str(id), safe='')}"

    async def order(self, number: int) -> Order:
        """Raises: NotFound."""
        return await self._ask(lambda db: records.order(db, number))

    async def orders_of(self, customer: int) -> tuple[Order, ...]:
        """The customer's orders, latest first."""
        return await self._ask(lambda db: records.orders_of(db, customer))

    async def customer_of_order(self, number: int) -> Customer:
        """Raises: NotFound, also when the customer's record was deleted."""
        return await self._ask(lambda db: records.customer_of_order(db, number))

    async def recent_refunds(self, customer: int) -> tuple[Refund, ...]:
        """What the customer got back in the last 90 days, latest first."""
        return await self._ask(lambda db: records.refunds_of(db, customer, self._clock() - RECENT))

    async def messages_about(self, number: int) -> tuple[Message, ...]:
        """What the customer wrote about the order, latest first; untrusted text."""
        return await self._ask(lambda db: records.messages_about(db, number))

    async def deletion_scope(self, before: date) -> DeletionScope:
        """Whom a deletion would hit now."""
        return await self._ask(lambda db: records.deletion_scope(db, before))

    async def user(self, id: int) -> User:
        """Raises: NotFound."""
        return await self._ask(lambda db: records.user(db, id))

    async def grants_of(self, user: int) -> tuple[Grant, ...]:
        """What the user may do now."""
        return await self._ask(lambda db: records.grants_of(db, user))

    async def system_description(self, name: str) -> str:
        """What the system is for. Raises: NotFound."""
        return await self._ask(lambda db: records.system_description(db, name))

    async def firewall_rule(self, name: str) -> FirewallRule:
        """Raises: NotFound."""
        return await self._ask(lambda db: records.firewall_rule(db, name))

    async def receipts(self) -> tuple[Receipt, ...]:
        """Every change made so far, oldest first."""
        return await self._ask(records.receipts)

    async def issue_refund(self, order: int, amount: Decimal, currency: str, *, key: str) -> Receipt:
        """Pay back, once per key. Raises: NotFound, WrongCurrency, RefundTooHigh, NotPossible, KeyReused."""
        return await self._change(
            lambda db, now: changes.issue_refund(
                db, number=order, amount=amount, currency=currency, key=key, now=now
            )
        )

    async def delete_inactive_customers(self, before: date, *, key: str) -> Receipt:
        """Delete customers, once per key; their orders stay. Raises: NotPossible, KeyReused."""
        return await self._change(
            lambda db, now: changes.delete_inactive_customers(db, before=before, key=key, now=now)
        )

    async def grant_role(self, user: int, role: str, system: str, *, key: str) -> Receipt:
        """Let a user do more, once per key. Raises: NotFound, AlreadySo, KeyReused."""
        return await self._change(
            lambda db, now: changes.grant_role(db, user_id=user, role=role, system=system, key=key, now=now)
        )

    async def close_firewall_rule(self, rule: str, *, key: str) -> Receipt:
        """Close an opening, once per key. Raises: NotFound, AlreadySo, KeyReused."""
        return await self._change(
            lambda db, now: changes.close_firewall_rule(db, rule=rule, key=key, now=now)
        )

    async def keep_draft(self, order: int, to: str, text: str, *, key: str) -> Receipt:
        """Keep the draft of an e-mail, once per key. Raises: NotFound, AlreadySo, KeyReused."""
        return await self._change(
            lambda db, now: changes.keep_draft(db, number=order, to=to, text=text, key=key, now=now)
        )

    async def delete_draft(self, order: int, to: str, text: str, *, key: str) -> Receipt:
        """Delete that draft, once per key. Raises: NotFound, KeyReused."""
        return await self._change(
            lambda db, now: changes.delete_draft(db, number=order, to=to, text=text, key=key, now=now)
        )

    async def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        def work() -> T:
            with self._connection() as db:
                db.execute("BEGIN")  # several queries, one state of the company
                return question(db)

        return await asyncio.to_thread(work)

    async def _change(self, step: Callable[[sqlite3.Connection, datetime], T]) -> T:
        """Run `step` as one transaction: all of it or, on any error, nothing."""

        def work() -> T:
            with self._connection() as db:
                _begin(db)
                try:
                    result = step(db, self._clock())
                    db.execute("COMMIT")
                finally:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                return result

        return await asyncio.to_thread(work)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        # A connection per call: SQLite opens one in a tenth of a millisecond, and no thread shares another's.
        try:
            opened = sqlite3.connect(
                self._uri, uri=True, isolation_level=None, timeout=PATIENCE.total_seconds()
            )
        except sqlite3.OperationalError as error:
            raise BackOfficeUnavailable from error
        with closing(opened) as db:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA foreign_keys = ON")
            yield db


def _begin(db: sqlite3.Connection) -> None:
    """Take the one writer's place before anything is read, so that what is checked is what is changed."""
    try:
        db.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        raise BackOfficeUnavailable from error
