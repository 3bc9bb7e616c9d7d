"""What the demo company's back office knows, as typed records, and the questions a reviewer's card asks it; no writing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from sqlite3 import Connection, Row


class BackOfficeError(Exception):
    """The back office did not do that."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class BackOfficeUnavailable(BackOfficeError):
    """The back office cannot be reached or is too busy; nothing was changed."""


class NotFound(BackOfficeError):
    """There is no such record in the back office."""


class NotPossible(BackOfficeError):
    """The record exists, but a rule of the business forbids the change; nothing was changed."""


class RefundTooHigh(NotPossible):
    """The refund is more than is left of what was paid."""

    def __init__(self, order: Order, amount: Decimal) -> None:
        super().__init__(
            f"A refund of {amount} {order.currency} is more than the {order.refundable} {order.currency} "
            f"that are left of order {order.number}."
        )
        self.refundable = order.refundable


class WrongCurrency(NotPossible):
    """The order was paid in another currency."""


class AlreadySo(NotPossible):
    """It is already as asked for, by another action."""


class KeyReused(BackOfficeError):
    """The idempotency key belongs to another action; nothing was changed."""


class Tier(StrEnum):
    """How good a customer is."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Somebody who buys.

    Attributes:
        last_active: The day of the last order or contact.
        lifetime_value: Everything ever paid, in USD.
    """

    id: int
    name: str
    email: str
    tier: Tier
    last_active: date
    lifetime_value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Something bought.

    Attributes:
        customer: None when the customer's record was deleted.
        paid: In `currency`, before refunds.
        delivered_on: None while it is on its way.
        refunded: What was paid back so far, in `currency`.
    """

    number: int
    customer: int | None
    items: str
    paid: Decimal
    currency: str
    paid_on: date
    delivered_on: date | None
    refunded: Decimal

    @property
    def refundable(self) -> Decimal:
        """What is left of the price."""
        return self.paid - self.refunded


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """Money that went back."""

    order: int
    amount: Decimal
    currency: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What the customer wrote about an order: untrusted text."""

    order: int
    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionScope:
    """Whom a deletion would hit.

    Attributes:
        count: How many customers match, of `customers` altogether.
        names: The first few, longest inactive first.
        lifetime_value: What those who match have paid in their lives, in USD.
        open_orders: How many of their orders are not delivered yet.
    """

    count: int
    customers: int
    names: tuple[str, ...]
    lifetime_value: Decimal
    open_orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A colleague with an account."""

    id: int
    name: str
    email: str
    team: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A role that a user holds on a system."""

    user: int
    role: str
    system: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallRule:
    """An opening to the outside; `closed_at` is None while it is open."""

    name: str
    description: str
    port: int
    source: str
    hits_last_day: int
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Proof that a change was made, once.

    Attributes:
        number: Its place in the action log.
        key: The idempotency key it was made under.
        sentence: What was done, for people.
        rows: How many records changed.
        at: UTC.
    """

    number: int
    key: str
    tool: str
    sentence: str
    rows: int
    at: datetime


def order(db: Connection, number: int) -> Order:
    """Raises: NotFound."""
    row = _one(db, f"{_ORDERS} WHERE number = ?", (number,), f"There is no order {number}.")
    return _order(row)


def orders_of(db: Connection, customer: int) -> tuple[Order, ...]:
    """The customer's orders, latest first."""
    return tuple(
        _order(row) for row in db.execute(f"{_ORDERS} WHERE customer = ? ORDER BY paid_on DESC", (customer,))
    )


def customer(db: Connection, id: int) -> Customer:
    """Raises: NotFound."""
    row = _one(db, "SELECT * FROM customers WHERE id = ?", (id,), f"There is no customer {id}.")
    return Customer(
        id=row["id"],
        name=row["name"],
        email=row["email"],
        tier=Tier(row["tier"]),
        last_active=date.fromisoformat(row["last_active"]),
        lifetime_value=money(row["lifetime_cents"]),
    )


def customer_of_order(db: Connection, number: int) -> Customer:
    """Raises: NotFound, also when the customer's record was deleted."""
    buyer = order(db, number).customer
    if buyer is None:
        raise NotFound(f"The customer of order {number} was deleted.")
    return customer(db, buyer)


def refunds_of(db: Connection, customer: int, since: datetime) -> tuple[Refund, ...]:
    """What the customer got back since then, latest first."""
    rows = db.execute(
        "SELECT refunds.* FROM refunds JOIN orders ON orders.number = refunds.order_number"
        " WHERE orders.customer = ? AND refunds.at >= ? ORDER BY refunds.at DESC",
        (customer, stamp(since)),
    )
    return tuple(
        Refund(
            order=row["order_number"],
            amount=money(row["amount_cents"]),
            currency=row["currency"],
            at=datetime.fromisoformat(row["at"]),
        )
        for row in rows
    )


def messages_about(db: Connection, number: int) -> tuple[Message, ...]:
    """What the customer wrote about the order, latest first."""
    rows = db.execute("SELECT * FROM messages WHERE order_number = ? ORDER BY at DESC", (number,))
    return tuple(
        Message(order=number, at=datetime.fromisoformat(row["at"]), text=row["text"]) for row in rows
    )


def deletion_scope(db: Connection, before: date, names: int = 5) -> DeletionScope:
    """Whom `delete_inactive_customers(before)` would delete now, with the first `names` of them."""
    day = (before.isoformat(),)
    count, cents = db.execute(
        "SELECT count(*), coalesce(sum(lifetime_cents), 0) FROM customers WHERE last_active < ?", day
    ).fetchone()
    first = db.execute(
        "SELECT name FROM customers WHERE last_active < ? ORDER BY last_active, id LIMIT ?", (*day, names)
    ).fetchall()
    (undelivered,) = db.execute(
        "SELECT count(*) FROM orders JOIN customers ON customers.id = orders.customer"
        " WHERE last_active < ? AND delivered_on IS NULL",
        day,
    ).fetchone()
    return DeletionScope(
        count=count,
        customers=db.execute("SELECT count(*) FROM customers").fetchone()[0],
        names=tuple(row["name"] for row in first),
        lifetime_value=money(cents),
        open_orders=undelivered,
    )


def user(db: Connection, id: int) -> User:
    """Raises: NotFound."""
    row = _one(db, "SELECT * FROM users WHERE id = ?", (id,), f"There is no user {id}.")
    return User(id=row["id"], name=row["name"], email=row["email"], team=row["team"])


def grants_of(db: Connection, user: int) -> tuple[Grant, ...]:
    """What the user may do now, by system and role."""
    rows = db.execute("SELECT * FROM grants WHERE user = ? ORDER BY system, role", (user,))
    return tuple(
        Grant(user=user, role=row["role"], system=row["system"], since=datetime.fromisoformat(row["since"]))
        for row in rows
    )


def system_description(db: Connection, name: str) -> str:
    """What the system is for. Raises: NotFound."""
    sentence = f"There is no system {name}."
    description: str = _one(db, "SELECT * FROM systems WHERE name = ?", (name,), sentence)["description"]
    return description


def firewall_rule(db: Connection, name: str) -> FirewallRule:
    """Raises: NotFound."""
    row = _one(
        db, "SELECT * FROM firewall_rules WHERE name = ?", (name,), f"There is no firewall rule {name}."
    )
    closed = row["closed_at"]
    return FirewallRule(
        name=row["name"],
        description=row["description"],
        port=row["port"],
        source=row["source"],
        hits_last_day=row["hits_last_day"],
        closed_at=datetime.fromisoformat(closed) if closed else None,
    )


def receipts(db: Connection) -> tuple[Receipt, ...]:
    """The action log, oldest first."""
    return tuple(receipt(row) for row in db.execute("SELECT * FROM actions ORDER BY number"))


def receipt(row: Row) -> Receipt:
    """One line of the action log."""
    return Receipt(
        number=row["number"],
        key=row["idempotency_key"],
        tool=row["tool"],
        sentence=row["sentence"],
        rows=row["rows"],
        at=datetime.fromisoformat(row["at"]),
    )


def money(cents: int) -> Decimal:
    """Stored hundredths as an amount with two decimals."""
    return Decimal(cents).scaleb(-2)


def stamp(moment: datetime) -> str:
    """A moment as it is stored: it sorts as text because it is always UTC and always as long."""
    return moment.isoformat(timespec="microseconds")


_ORDERS = (
    "SELECT orders.*, (SELECT coalesce(sum(amount_cents), 0) FROM refunds WHERE order_number = number)"
    " AS refunded_cents FROM orders"
)


def _order(row: Row) -> Order:
    delivered = row["delivered_on"]
    return Order(
        number=row["number"],
        customer=row["customer"],
        items=row["items"],
        paid=money(row["paid_cents"]),
        currency=row["currency"],
        paid_on=date.fromisoformat(row["paid_on"]),
        delivered_on=date.fromisoformat(delivered) if delivered else None,
        refunded=money(row["refunded_cents"]),
    )


def _one(db: Connection, query: str, arguments: tuple[object, ...], missing: str) -> Row:
    row: Row | None = db.execute(query, arguments).fetchone()
    if row is None:
        raise NotFound(missing)
    return row
