"""The changes that the back office allows; each runs inside its caller's one transaction and happens once per key.

The same key again returns the first receipt and changes nothing, so a tool whose answer was lost may simply be repeated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from sqlite3 import Connection, Row

from .records import (
    AlreadySo,
    KeyReused,
    NotFound,
    NotPossible,
    Receipt,
    RefundTooHigh,
    WrongCurrency,
    firewall_rule,
    grants_of,
    order,
    receipt,
    stamp,
    system_description,
    user,
)
from .seed import DRAFTS

#: What can be granted on a system, least first.
ROLES = ("viewer", "editor", "admin")

#: The most that can be refunded at once, in any currency.
MAX_AMOUNT = 10_000_000

#: Longest idempotency key, in characters.
MAX_KEY = 255


def issue_refund(
    db: Connection, *, number: int, amount: Decimal, currency: str, key: str, now: datetime
) -> Receipt:
    """Pay `amount` of order `number` back. Raises: NotFound, WrongCurrency, RefundTooHigh, NotPossible, KeyReused."""
    cents = _cents(amount)
    arguments = {"order": number, "cents": cents, "currency": currency}
    if done := _done_before(db, "issue_refund", arguments, key):
        return done
    bought = order(db, number)
    if currency != bought.currency:
        raise WrongCurrency(f"Order {number} was paid in {bought.currency}, not in {currency}.")
    if amount > bought.refundable:
        raise RefundTooHigh(bought, amount)
    db.execute("INSERT INTO refunds VALUES (?, ?, ?, ?)", (number, cents, currency, stamp(now)))
    sentence = f"Refunded {amount:.2f} {currency} for order {number}."
    return _keep(db, "issue_refund", arguments, key=key, sentence=sentence, rows=1, now=now)


def delete_inactive_customers(db: Connection, *, before: date, key: str, now: datetime) -> Receipt:
    """Delete who was last active before that day; their orders stay, without a name. Raises: NotPossible, KeyReused."""
    arguments = {"before": before.isoformat()}
    if done := _done_before(db, "delete_inactive_customers", arguments, key):
        return done
    if before > now.date():
        raise NotPossible(f"{before} lies in the future; every customer would be deleted.")
    rows = db.execute("DELETE FROM customers WHERE last_active < ?", (before.isoformat(),)).rowcount
    sentence = f"Deleted {rows} customers inactive before {before}."
    return _keep(db, "delete_inactive_customers", arguments, key=key, sentence=sentence, rows=rows, now=now)


def grant_role(db: Connection, *, user_id: int, role: str, system: str, key: str, now: datetime) -> Receipt:
    """Let a user do more. Raises: NotFound (user, role or system), AlreadySo, KeyReused."""
    arguments = {"user": user_id, "role": role, "system": system}
    if done := _done_before(db, "grant_role", arguments, key):
        return done
    colleague = user(db, user_id)
    system_description(db, system)
    if role not in ROLES:
        raise NotFound(f"There is no role {role}; there are {', '.join(ROLES)}.")
    if any(grant.role == role and grant.system == system for grant in grants_of(db, user_id)):
        raise AlreadySo(f"{colleague.name} (user {user_id}) is already {role} on {system}.")
    db.execute("INSERT INTO grants VALUES (?, ?, ?, ?)", (user_id, role, system, stamp(now)))
    sentence = f"Granted {role} on {system} to {colleague.name} (user {user_id})."
    return _keep(db, "grant_role", arguments, key=key, sentence=sentence, rows=1, now=now)


def close_firewall_rule(db: Connection, *, rule: str, key: str, now: datetime) -> Receipt:
    """Close an opening. Raises: NotFound, AlreadySo, KeyReused."""
    arguments = {"rule": rule}
    if done := _done_before(db, "close_firewall_rule", arguments, key):
        return done
    if firewall_rule(db, rule).closed_at is not None:
        raise AlreadySo(f"Firewall rule {rule} is already closed.")
    db.execute("UPDATE firewall_rules SET closed_at = ? WHERE name = ?", (stamp(now), rule))
    sentence = f"Closed firewall rule {rule}."
    return _keep(db, "close_firewall_rule", arguments, key=key, sentence=sentence, rows=1, now=now)


def keep_draft(db: Connection, *, number: int, to: str, text: str, key: str, now: datetime) -> Receipt:
    """Keep the draft of an e-mail about an order. Raises: NotFound, AlreadySo, KeyReused."""
    arguments = {"order": number, "to": to, "text": text}
    if done := _done_before(db, "draft_email", arguments, key):
        return done
    order(db, number)
    db.execute(DRAFTS)
    if _drafts_like(db, number, to, text):
        raise AlreadySo(f"This draft about order {number} is kept already.")
    db.execute("INSERT INTO drafts VALUES (?, ?, ?, ?)", (number, to, text, stamp(now)))
    sentence = f"Drafted an e-mail to {to} about order {number}; nothing was sent."
    return _keep(db, "draft_email", arguments, key=key, sentence=sentence, rows=1, now=now)


def delete_draft(db: Connection, *, number: int, to: str, text: str, key: str, now: datetime) -> Receipt:
    """Delete exactly this draft. Raises: NotFound, KeyReused."""
    arguments = {"order": number, "to": to, "text": text}
    if done := _done_before(db, "delete_draft", arguments, key):
        return done
    db.execute(DRAFTS)
    if not _drafts_like(db, number, to, text):
        raise NotFound(f"There is no such draft about order {number} any more.")
    db.execute("DELETE FROM drafts WHERE (order_number, recipient, text) = (?, ?, ?)", (number, to, text))
    sentence = f"Deleted the draft to {to} about order {number}."
    return _keep(db, "delete_draft", arguments, key=key, sentence=sentence, rows=1, now=now)


def _drafts_like(db: Connection, number: int, to: str, text: str) -> int:
    found = db.execute(
        "SELECT count(*) FROM drafts WHERE (order_number, recipient, text) = (?, ?, ?)", (number, to, text)
    )
    return int(found.fetchone()[0])


def _cents(amount: Decimal) -> int:
    if not amount.is_finite() or not 0 < amount <= MAX_AMOUNT or amount != round(amount, 2):
        raise NotPossible(
            f"A refund is an amount above zero, at most {MAX_AMOUNT}, with at most two decimals."
        )
    return int(amount * 100)


def _done_before(db: Connection, tool: str, arguments: Mapping[str, object], key: str) -> Receipt | None:
    if not 0 < len(key) <= MAX_KEY:
        raise ValueError(f"an idempotency key has 1 to {MAX_KEY} characters")
    row: Row | None = db.execute("SELECT * FROM actions WHERE idempotency_key = ?", (key,)).fetchone()
    if row is None:
        return None
    if (row["tool"], row["arguments"]) != (tool, _canonical(arguments)):
        raise KeyReused
    return receipt(row)


def _keep(
    db: Connection,
    tool: str,
    arguments: Mapping[str, object],
    *,
    key: str,
    sentence: str,
    rows: int,
    now: datetime,
) -> Receipt:
    number = db.execute(
        "INSERT INTO actions (idempotency_key, tool, arguments, sentence, rows, at) VALUES (?, ?, ?, ?, ?, ?)",
        (key, tool, _canonical(arguments), sentence, rows, stamp(now)),
    ).lastrowid
    row: Row = db.execute("SELECT * FROM actions WHERE number = ?", (number,)).fetchone()
    return receipt(row)


def _canonical(arguments: Mapping[str, object]) -> str:
    return json.dumps(arguments, sort_keys=True)
