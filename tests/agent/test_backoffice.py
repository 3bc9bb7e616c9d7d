"""The back office: what it knows about the manual's examples, and changes that happen exactly once."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sayso.agent.ops import seed
from sayso.agent.ops.backoffice import BackOffice, Kind
from sayso.agent.ops.records import (
    AlreadySo,
    BackOfficeUnavailable,
    KeyReused,
    NotFound,
    NotPossible,
    RefundTooHigh,
    WrongCurrency,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NEW_YEAR = date(2024, 1, 1)


@pytest.fixture
def office(tmp_path: Path) -> BackOffice:
    """The company on its first day, a Sunday in November."""
    return an_office(tmp_path)


def an_office(folder: Path, *, now: datetime = NOON) -> BackOffice:
    """A back office in that folder; say when it is only where it matters."""
    return BackOffice(folder / "office.db", "https://shop.example/", lambda: now)


def files_in(folder: Path) -> set[str]:
    """What lies there, by name."""
    return {path.name for path in folder.iterdir()}


async def test_order_1042_is_what_the_manual_says(office: BackOffice) -> None:
    """129.90 USD paid by Dana Smith on 12 November, delivered two days later, nothing refunded yet."""
    order = await office.order(1042)
    assert (order.paid, order.currency, order.refundable) == (Decimal("129.90"), "USD", Decimal("129.90"))
    assert (order.paid_on, order.delivered_on) == (date(2026, 11, 12), date(2026, 11, 14))
    customer = await office.customer_of_order(1042)
    assert (customer.name, customer.email) == ("Dana Smith", "dana@example.com")
    assert customer.lifetime_value == Decimal("4310.00")
    assert [order.number for order in await office.orders_of(customer.id)] == [1042, 1035, 1029]
    assert [refund.order for refund in await office.recent_refunds(customer.id)] == [1035, 1029]
    assert "broken" in (await office.messages_about(1042))[0].text


async def test_nobody_has_paid_less_in_all_than_for_one_order(tmp_path: Path, office: BackOffice) -> None:
    """Whoever reads the evidence of a card finds no contradiction in it."""
    await office.order(1042)
    with closing(sqlite3.connect(tmp_path / "office.db")) as db:
        odd = db.execute(
            "SELECT number FROM orders JOIN customers ON customers.id = customer WHERE paid_cents > lifetime_cents"
        ).fetchall()
    assert odd == []


async def test_refunds_older_than_ninety_days_do_not_count(tmp_path: Path, office: BackOffice) -> None:
    """The same company, looked at 45 days later: one of the two is too old."""
    later = an_office(tmp_path, now=NOON + timedelta(days=45))
    customer = await later.customer_of_order(1042)
    assert [refund.order for refund in await later.recent_refunds(customer.id)] == [1035]


async def test_a_reviewer_sees_whom_a_deletion_would_hit(office: BackOffice) -> None:
    """A smaller scope is smaller; the count is of all customers."""
    scope = await office.deletion_scope(NEW_YEAR)
    smaller = await office.deletion_scope(date(2022, 1, 1))
    assert (scope.count, scope.customers, len(scope.names)) == (18, 60, 5)
    assert smaller.count == 6
    assert scope.names == smaller.names
    assert scope.lifetime_value > smaller.lifetime_value > 0
    assert "Dana Smith" not in scope.names


async def test_user_77_and_rule_443_are_what_the_manual_says(office: BackOffice) -> None:
    """Riley Chen may only look at billing so far; the rule says what closing it would do."""
    assert (await office.user(77)).name == "Riley Chen"
    assert [(grant.role, grant.system) for grant in await office.grants_of(77)] == [("viewer", "billing")]
    assert "bank account" in await office.system_description("billing")
    rule = await office.firewall_rule("443-public")
    assert "offline" in rule.description
    assert rule.closed_at is None


async def test_every_change_really_changes_its_rows(office: BackOffice) -> None:
    """Money, customers, grants and rules are different afterwards, and the log has a receipt for each."""
    receipts = (
        await office.issue_refund(1042, Decimal("29.9"), "USD", key="a"),
        await office.delete_inactive_customers(NEW_YEAR, key="b"),
        await office.grant_role(77, "admin", "billing", key="c"),
        await office.close_firewall_rule("443-public", key="d"),
    )
    assert [receipt.sentence for receipt in receipts] == [
        "Refunded 29.90 USD for order 1042.",
        "Deleted 18 customers inactive before 2024-01-01.",
        "Granted admin on billing to Riley Chen (user 77).",
        "Closed firewall rule 443-public.",
    ]
    assert [receipt.rows for receipt in receipts] == [1, 18, 1, 1]
    assert await office.receipts() == receipts
    assert (await office.order(1042)).refundable == Decimal("100.00")
    assert (await office.deletion_scope(NEW_YEAR)).count == 0
    assert (await office.deletion_scope(NEW_YEAR)).customers == 42
    assert {grant.role for grant in await office.grants_of(77)} == {"viewer", "admin"}
    assert (await office.firewall_rule("443-public")).closed_at == NOON


async def test_the_orders_of_deleted_customers_stay(office: BackOffice) -> None:
    """The books keep the order; asking for its customer says that the record was deleted."""
    await office.delete_inactive_customers(NEW_YEAR, key="k")
    assert (await office.order(1001)).customer is None
    with pytest.raises(NotFound, match="was deleted"):
        await office.customer_of_order(1001)


@pytest.mark.parametrize(
    ("change", "arguments", "other"),
    [
        ("issue_refund", (1042, Decimal("129.90"), "USD"), (1042, Decimal("129.89"), "USD")),
        ("delete_inactive_customers", (NEW_YEAR,), (date(2022, 1, 1),)),
        ("grant_role", (77, "admin", "billing"), (77, "admin", "crm")),
        ("close_firewall_rule", ("443-public",), ("22-bastion",)),
    ],
)
async def test_the_same_key_again_returns_the_first_receipt(
    tmp_path: Path, office: BackOffice, change: str, arguments: tuple[Any, ...], other: tuple[Any, ...]
) -> None:
    """Also from another process a day later; the same key for something else is refused."""
    first = await getattr(office, change)(*arguments, key="k")
    tomorrow = an_office(tmp_path, now=NOON + timedelta(days=1))
    assert await getattr(tomorrow, change)(*arguments, key="k") == first
    with pytest.raises(KeyReused):
        await getattr(office, change)(*other, key="k")
    assert await office.receipts() == (first,)


async def test_a_key_is_not_shared_between_tools(office: BackOffice) -> None:
    """The receipt of a grant is no receipt of a refund."""
    await office.close_firewall_rule("443-public", key="k")
    with pytest.raises(KeyReused):
        await office.delete_inactive_customers(NEW_YEAR, key="k")
    assert (await office.deletion_scope(NEW_YEAR)).count == 18


async def test_an_amount_is_the_same_however_it_is_written(office: BackOffice) -> None:
    """129.9 repeated as 129.90 is the same refund."""
    first = await office.issue_refund(1042, Decimal("129.9"), "USD", key="k")
    assert await office.issue_refund(1042, Decimal("129.9000"), "USD", key="k") == first


async def test_twenty_at_once_make_one_change(tmp_path: Path) -> None:
    """Each has its own connection, as processes have: one refund, twenty equal receipts."""
    offices = [an_office(tmp_path) for _ in range(20)]
    receipts = await asyncio.gather(
        *(office.issue_refund(1042, Decimal("129.90"), "USD", key="k") for office in offices)
    )
    assert len(set(receipts)) == 1
    assert (await offices[0].order(1042)).refundable == 0


async def test_twenty_keys_at_once_never_pay_more_than_was_paid(office: BackOffice) -> None:
    """What is checked is what is changed: three refunds of 40 fit into 129.90, the fourth does not."""
    results = await asyncio.gather(
        *(office.issue_refund(1042, Decimal(40), "USD", key=f"k{i}") for i in range(20)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, RefundTooHigh) for result in results) == 17
    assert (await office.order(1042)).refunded == Decimal("120.00")


@pytest.mark.parametrize(
    ("change", "arguments", "error", "says"),
    [
        ("issue_refund", (9999, Decimal(1), "USD"), NotFound, "There is no order 9999."),
        ("issue_refund", (1042, Decimal("129.91"), "USD"), RefundTooHigh, "more than the 129.90 USD"),
        ("issue_refund", (1042, Decimal(1), "EUR"), WrongCurrency, "was paid in USD, not in EUR"),
        ("issue_refund", (1042, Decimal(0), "USD"), NotPossible, "above zero"),
        ("issue_refund", (1042, Decimal("NaN"), "USD"), NotPossible, "above zero"),
        ("issue_refund", (1042, Decimal("1e40"), "USD"), NotPossible, "above zero"),
        ("issue_refund", (1042, Decimal("0.001"), "USD"), NotPossible, "two decimals"),
        ("delete_inactive_customers", (date(2026, 11, 23),), NotPossible, "lies in the future"),
        ("grant_role", (78, "admin", "billing"), NotFound, "There is no user 78."),
        ("grant_role", (77, "admin", "moon"), NotFound, "There is no system moon."),
        ("grant_role", (77, "god", "billing"), NotFound, "there are viewer, editor, admin"),
        ("grant_role", (77, "viewer", "billing"), AlreadySo, "Riley Chen (user 77) is already viewer"),
        ("close_firewall_rule", ("1-nowhere",), NotFound, "There is no firewall rule 1-nowhere."),
    ],
)
async def test_what_the_business_forbids_changes_nothing(
    office: BackOffice, change: str, arguments: tuple[Any, ...], error: type[Exception], says: str
) -> None:
    """One clear sentence, no row, no receipt; the key stays free for a better try."""
    with pytest.raises(error) as refused:
        await getattr(office, change)(*arguments, key="k")
    assert says in str(refused.value)
    assert await office.receipts() == ()
    await office.close_firewall_rule("443-public", key="k")


async def test_a_closed_rule_is_not_closed_twice(office: BackOffice) -> None:
    """By another action, that is; the first one's repeat gets its receipt."""
    await office.close_firewall_rule("8080-staging", key="k1")
    with pytest.raises(AlreadySo):
        await office.close_firewall_rule("8080-staging", key="k2")


async def test_a_change_without_a_key_is_a_mistake_of_the_program(office: BackOffice) -> None:
    """Nothing is done under no name."""
    with pytest.raises(ValueError, match="idempotency key"):
        await office.close_firewall_rule("443-public", key="")
    assert (await office.firewall_rule("443-public")).closed_at is None


async def test_starting_again_does_not_seed_again(tmp_path: Path, office: BackOffice) -> None:
    """What was changed stays changed, and nothing but the database lies in its folder."""
    await office.issue_refund(1042, Decimal("129.90"), "USD", key="k")
    again = an_office(tmp_path, now=NOON + timedelta(days=400))
    assert (await again.order(1042)).refundable == 0
    assert files_in(tmp_path) <= {"office.db", "office.db-wal", "office.db-shm"}


async def test_any_number_of_processes_may_make_the_company_at_once(tmp_path: Path) -> None:
    """One of them wins, and all see a whole company."""
    offices = await asyncio.gather(*(asyncio.to_thread(an_office, tmp_path) for _ in range(8)))
    assert {(await office.deletion_scope(NEW_YEAR)).customers for office in offices} == {60}


async def test_a_slower_process_does_not_overwrite_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it was still filling its draft, another one finished and refunded: the refund stays."""
    fill, faster = seed._fill, asyncio.get_running_loop()

    def fill_slowly(db: sqlite3.Connection, today: date) -> None:
        monkeypatch.setattr(seed, "_fill", fill)
        rival = an_office(tmp_path)
        refund = rival.issue_refund(1042, Decimal("129.90"), "USD", key="k")
        asyncio.run_coroutine_threadsafe(refund, faster).result(timeout=10)
        fill(db, today)

    monkeypatch.setattr(seed, "_fill", fill_slowly)
    slower = await asyncio.to_thread(an_office, tmp_path)
    assert (await slower.order(1042)).refundable == 0


async def test_the_company_is_the_same_every_time(tmp_path: Path) -> None:
    """Two databases of one day differ in nothing that a card shows."""
    one, two = (an_office(tmp_path / name) for name in ("one", "two"))
    for number in range(1001, 1061):
        assert await one.order(number) == await two.order(number)
        assert await one.customer_of_order(number) == await two.customer_of_order(number)


async def test_a_lost_database_is_not_silently_made_anew(tmp_path: Path, office: BackOffice) -> None:
    """An empty company would say that nothing was ever refunded."""
    for name in files_in(tmp_path):
        await asyncio.to_thread((tmp_path / name).unlink)
    with pytest.raises(BackOfficeUnavailable):
        await office.order(1042)


async def test_a_slow_change_elsewhere_does_not_stop_the_loop(tmp_path: Path, office: BackOffice) -> None:
    """While one change waits for a lock, the event loop goes on turning."""
    busy = sqlite3.connect(tmp_path / "office.db", isolation_level=None)
    busy.execute("BEGIN IMMEDIATE")
    change = asyncio.create_task(office.close_firewall_rule("443-public", key="k"))
    started, turns = time.monotonic(), 0
    while time.monotonic() - started < 0.2:
        await asyncio.sleep(0)
        turns += 1
    assert not change.done()
    assert turns > 100
    busy.execute("ROLLBACK")
    assert (await change).rows == 1
    busy.close()


def test_a_link_leads_to_one_record_and_nowhere_else(office: BackOffice) -> None:
    """Whatever a name holds stays one piece of the path."""
    assert office.link(Kind.ORDER, 1042) == "https://shop.example/orders/1042"
    assert office.link(Kind.FIREWALL_RULE, "443-public") == "https://shop.example/firewall-rules/443-public"
    assert office.link(Kind.SYSTEM, "../x?y#z") == "https://shop.example/systems/..%2Fx%3Fy%23z"
