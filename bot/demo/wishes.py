"""What the suggestions ask for next, by the rows that are there now (pure, but for `rows_now`)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...approvals.request import Request
from .stage import Stage

#: Order -> the refund that a step begins with; the next order when nothing is left of it.
BROKEN_LAMP: Mapping[int, str] = {1042: "129.90", 1041: "45.00", 1037: "25.00", 1036: "10.00"}
SCRATCHED_LAMP: Mapping[int, str] = {1035: "20.00"}
LATE_DELIVERY: Mapping[int, str] = {1044: "15.00"}
#: What any further order is refunded.
SMALL = "10.00"
#: The dates that a deletion begins with, and that it is narrowed to, while they leave something to see.
TOO_WIDE, NARROWED = "2024-01-01", "2022-01-01"
EMAIL = 'email order 1042 "your refund is on its way"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The back office at one moment.

    Attributes:
        left: Order of a customer who is still there -> what may still be refunded, cents.
        last_active: Of every customer, ISO 8601 days, oldest first.
        today: The back office's day, ISO 8601.
    """

    left: Mapping[int, int]
    last_active: Sequence[str]
    today: str

    def before(self, day: str) -> int:
        """How many customers were last active before this day."""
        return bisect_left(self.last_active, day)


def rows_now(stage: Stage) -> Rows:
    """Raises: sqlite3.OperationalError, while somebody else has the back office."""
    left = stage.rows(
        "SELECT number, paid_cents - coalesce((SELECT sum(amount_cents) FROM refunds WHERE order_number = number), 0)"
        " FROM orders WHERE customer IS NOT NULL ORDER BY number"
    )
    days = stage.rows("SELECT last_active FROM customers ORDER BY last_active")
    today = stage.rows("SELECT date('now')")[0][0]
    return Rows(left=dict(left), last_active=[day for (day,) in days], today=today)


def broken_lamp(rows: Rows, live: Sequence[Request]) -> str:
    """The first step's refund; once its orders are paid back, a small one of any other."""
    known = {**BROKEN_LAMP, **SCRATCHED_LAMP, **LATE_DELIVERY}
    others = {number: SMALL for number in rows.left if number not in known}
    return refund(rows, live, {**BROKEN_LAMP, **others})


def refund(rows: Rows, live: Sequence[Request], orders: Mapping[int, str]) -> str:
    """Of the first of these orders that has so much left and nothing pending, else of the first."""
    pending = [one.proposal.action.arguments.get("order") for one in live]
    found = (
        (number, amount) for number, amount in orders.items()
        if rows.left.get(number, 0) >= round(float(amount) * 100) and number not in pending
    )  # fmt: skip
    number, amount = next(found, next(iter(orders.items())))
    return f"refund order {number} {amount}"


def drafting(live: Sequence[Request]) -> str:
    """About the first of these orders that nothing is pending about, an earlier draft among it."""
    pending = [one.proposal.action.arguments.get("order") for one in live]
    number = next((order for order in BROKEN_LAMP if order not in pending), next(iter(BROKEN_LAMP)))
    return f'draft email order {number} "your refund is on its way"'


def deletion(rows: Rows) -> tuple[str, str]:
    """A day that takes too many customers, and an earlier one that takes some of them; where nobody is left, the first two."""
    wide = next((day for day in (TOO_WIDE, *_months(TOO_WIDE, rows.today)) if rows.before(day) > 1), TOO_WIDE)
    some = (
        day for day in (NARROWED, *_months("2021-01-01", wide)) if 0 < rows.before(day) < rows.before(wide)
    )
    return wide, next(some, NARROWED)


def _months(first: str, last: str) -> list[str]:
    """The first of each month between these days, half-years before the others."""
    months = [
        f"{year}-{month:02}-01" for year in range(int(first[:4]), int(last[:4]) + 1) for month in range(1, 13)
    ]
    within = [day for day in months if first < day < last]
    return sorted(within, key=lambda day: (day[5:7] not in ("01", "07"), day))
