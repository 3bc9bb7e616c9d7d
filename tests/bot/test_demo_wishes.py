"""What the demo's suggestions ask for is always there to be done, however often they are played."""

from __future__ import annotations

from sayso.bot.demo.wishes import BROKEN_LAMP, Rows, broken_lamp, deletion, drafting
from scenes import a_request

YEARS = [f"20{year}-{month:02}-15" for year in (21, 22, 23) for month in range(1, 13, 2)]


def rows(last_active: list[str], left: int = 20_000) -> Rows:
    orders = dict.fromkeys((1030, 1031, *BROKEN_LAMP), left)
    return Rows(left=orders, last_active=sorted(last_active), today="2030-06-01")


def test_the_deletion_is_too_wide_each_time_and_can_be_narrowed() -> None:
    """Until two customers are left, each replay takes some of what it asks for, and leaves some of it."""
    there = YEARS.copy()
    seen = []
    while len(there) > 1:
        wide, narrow = deletion(rows(there))
        seen.append((wide, narrow))
        took = [day for day in there if day < narrow]
        assert 0 < len(took) < len([day for day in there if day < wide])
        there = [day for day in there if day >= narrow]
    assert seen[0] == ("2024-01-01", "2022-01-01")
    assert len(seen) > 3


def test_the_refund_is_of_an_order_that_has_something_left_and_nothing_pending() -> None:
    """The request of the record is about order 1042; later ones take the next order, at last any other."""
    whole = rows(YEARS)
    assert broken_lamp(whole, []) == "refund order 1042 129.90"
    assert broken_lamp(whole, [a_request()]) == "refund order 1041 45.00"
    spent = Rows(left={**whole.left, **dict.fromkeys(BROKEN_LAMP, 0)}, last_active=YEARS, today="2030-06-01")
    assert broken_lamp(spent, []) == "refund order 1030 10.00"


def test_a_draft_is_about_an_order_that_has_none_yet() -> None:
    """The request of the record is about order 1042."""
    assert drafting([]).startswith("draft email order 1042 ")
    assert drafting([a_request()]).startswith("draft email order 1041 ")
