"""The demo company on its first day: the tables of the back office and the rows it begins with, the same every time."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from pathlib import Path

from .records import Tier, stamp

#: Also asked for where a database is older than this table.
DRAFTS = """
CREATE TABLE IF NOT EXISTS drafts (
    order_number INTEGER NOT NULL REFERENCES orders (number), recipient TEXT NOT NULL, text TEXT NOT NULL,
    at TEXT NOT NULL, PRIMARY KEY (order_number, recipient, text));
"""
SCHEMA = f"""{DRAFTS}
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, tier TEXT NOT NULL,
    last_active TEXT NOT NULL, lifetime_cents INTEGER NOT NULL);
CREATE INDEX customers_by_activity ON customers (last_active);
CREATE TABLE orders (
    number INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id) ON DELETE SET NULL, items TEXT NOT NULL,
    paid_cents INTEGER NOT NULL, currency TEXT NOT NULL, paid_on TEXT NOT NULL, delivered_on TEXT);
CREATE INDEX orders_by_customer ON orders (customer);
CREATE TABLE messages (
    order_number INTEGER NOT NULL REFERENCES orders (number), at TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE refunds (
    order_number INTEGER NOT NULL REFERENCES orders (number), amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
    currency TEXT NOT NULL, at TEXT NOT NULL);
CREATE INDEX refunds_by_order ON refunds (order_number);
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, team TEXT NOT NULL);
CREATE TABLE systems (name TEXT PRIMARY KEY, description TEXT NOT NULL);
CREATE TABLE grants (
    user INTEGER NOT NULL REFERENCES users (id), role TEXT NOT NULL, system TEXT NOT NULL REFERENCES systems (name),
    since TEXT NOT NULL, PRIMARY KEY (user, role, system));
CREATE TABLE firewall_rules (
    name TEXT PRIMARY KEY, description TEXT NOT NULL, port INTEGER NOT NULL, source TEXT NOT NULL,
    hits_last_day INTEGER NOT NULL, closed_at TEXT);
CREATE TABLE actions (
    number INTEGER PRIMARY KEY, idempotency_key TEXT NOT NULL UNIQUE, tool TEXT NOT NULL, arguments TEXT NOT NULL,
    sentence TEXT NOT NULL, rows INTEGER NOT NULL, at TEXT NOT NULL);
"""

FIRST_NAMES = ("Ada", "Bela", "Chen", "Dana", "Emil", "Farah", "Gus", "Hana", "Ivo", "June", "Kofi", "Lena")
LAST_NAMES = ("Adler", "Brook", "Costa", "Smith", "Weber")

#: The customer, order and day that the manual's examples are about.
DANA = 42
LONG_AGO = date(2021, 1, 15)
INACTIVE = 18  # customers 1 to 18, one every 60 days from LONG_AGO on: all of them before 2024

USERS = (
    (12, "Mira Okafor", "mira@example.com", "finance"),
    (31, "Tom Lindqvist", "tom@example.com", "platform"),
    (54, "Asha Rao", "asha@example.com", "support"),
    (77, "Riley Chen", "riley@example.com", "support"),
)
SYSTEMS = (
    ("billing", "Invoices, refunds and payouts of all customers; books to the bank account."),
    ("crm", "Customer records and the history of contacts."),
    ("warehouse", "Stock and shipments."),
)
GRANTS = (
    (12, "admin", "billing"),
    (31, "admin", "warehouse"),
    (54, "editor", "crm"),
    (77, "viewer", "billing"),
)
RULES = (
    ("443-public", "The shop's public website for everybody; closing it takes the shop offline.", 443, "0.0.0.0/0", 88214),
    ("22-bastion", "SSH from the office to the bastion host.", 22, "203.0.113.0/24", 131),
    ("5432-analytics", "The analytics vendor reads the reporting database.", 5432, "198.51.100.17/32", 12),
    ("8080-staging", "Staging website, opened for a load test in spring.", 8080, "0.0.0.0/0", 0),
)  # fmt: skip


def create(path: Path, today: date) -> None:
    """Make the database, seeded for `today`; does nothing where it stands already.

    It appears complete or not at all, so any number of processes may start at once.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        with closing(sqlite3.connect(draft)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            _fill(db, today)
        with suppress(FileExistsError):  # another process was faster, with the same rows
            os.link(draft, path)
    finally:
        Path(draft).unlink()


def _fill(db: sqlite3.Connection, today: date) -> None:
    db.executescript(SCHEMA)
    with db:
        db.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?)", _customers(today))
        db.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?)", _orders(today))
        db.executemany("INSERT INTO messages VALUES (?, ?, ?)", _messages(today))
        db.executemany("INSERT INTO refunds VALUES (?, ?, ?, ?)", _refunds(today))
        db.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", USERS)
        db.executemany("INSERT INTO systems VALUES (?, ?)", SYSTEMS)
        since = _at(LONG_AGO)
        db.executemany("INSERT INTO grants VALUES (?, ?, ?, ?)", [(*grant, since) for grant in GRANTS])
        db.executemany("INSERT INTO firewall_rules VALUES (?, ?, ?, ?, ?, NULL)", RULES)


def _delivery(today: date) -> date:
    """The latest 14 November: the day on which order 1042 arrived, broken."""
    this_year = date(today.year, 11, 14)
    return this_year if this_year <= today else date(today.year - 1, 11, 14)


def _last_active(id: int, today: date) -> date:
    if id == DANA:
        return _delivery(today)
    return (
        LONG_AGO + timedelta(days=60 * (id - 1)) if id <= INACTIVE else today - timedelta(days=id * 7 % 300)
    )


def _customers(today: date) -> Iterator[tuple[object, ...]]:
    names = [f"{first} {last}" for last, first in product(LAST_NAMES, FIRST_NAMES)]
    # The one Dana Smith is customer 42; whoever stood there takes the place she had.
    here, there = names.index("Dana Smith"), DANA - 1
    names[here], names[there] = names[there], names[here]
    for id, name in enumerate(names, start=1):
        email = "dana@example.com" if id == DANA else f"{name.lower().replace(' ', '.')}@example.com"
        tier = Tier.GOLD if id == DANA else tuple(Tier)[id % 3]
        cents = 431_000 if id == DANA else max(5_000 + id * 7_919 % 300_000, _paid(1000 + id))
        yield id, name, email, tier.value, _last_active(id, today).isoformat(), cents


def _orders(today: date) -> Iterator[tuple[object, ...]]:
    """Order 1000 + n belongs to customer n, but Dana Smith has three: 1029 and 1035 besides 1042."""
    delivered = _delivery(today)
    dana: dict[int, tuple[str, int, date, date]] = {
        1029: ("1 desk lamp", 5_990, today - timedelta(days=60), today - timedelta(days=57)),
        1035: ("1 floor lamp", 21_000, today - timedelta(days=48), today - timedelta(days=45)),
        1042: ("1 floor lamp", 12_990, delivered - timedelta(days=2), delivered),
    }
    goods = ("2 chairs", "1 bookshelf", "4 mugs", "1 rug")
    for number in range(1001, 1061):
        if number in dana:
            items, cents, paid_on, arrived = dana[number]
            yield number, DANA, items, cents, "USD", paid_on.isoformat(), arrived.isoformat()
            continue
        customer = number - 1000
        paid_on = _last_active(customer, today) - timedelta(days=3)
        arrived_on = None if number in (1056, 1060) else (paid_on + timedelta(days=2)).isoformat()
        currency = "EUR" if number % 10 == 5 else "USD"
        yield (
            number,
            customer,
            goods[number % 4],
            _paid(number),
            currency,
            paid_on.isoformat(),
            arrived_on,
        )


def _paid(number: int) -> int:
    """Cents of an ordinary order; no customer has paid less in all."""
    return 2_090 + number * 37 % 40_000


def _messages(today: date) -> Iterator[tuple[object, ...]]:
    yield (
        1042,
        _at(_delivery(today)),
        "The floor lamp arrived broken, the glass is in pieces. I would like my money back.",
    )
    yield (
        1035,
        _at(today - timedelta(days=44)),
        "The floor lamp has a scratch on its foot. Could you take something off?",
    )


def _refunds(today: date) -> Iterator[tuple[object, ...]]:
    yield 1029, 5_990, "USD", _at(today - timedelta(days=50))
    yield 1035, 2_000, "USD", _at(today - timedelta(days=40))


def _at(day: date) -> str:
    return stamp(datetime.combine(day, time(10, 30), UTC))
