"""The back office's clock in a demo whose time is pushed: rows are stamped with it, and a file that says nothing is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from company import Company
from sayso.agent.ops.clock import pushed_by
from sayso.agent.ops.graph import make
from sayso.approvals.errors import BadSetting
from sayso.approvals.verdict import Approve


def test_time_that_is_pushed_later_counts_from_the_next_look(tmp_path: Path) -> None:
    """The file is read anew each time: nobody has to be started again."""
    file = tmp_path / "clock"
    file.write_text("0")
    clock, before = pushed_by(file), datetime.now(UTC)
    assert before <= clock() < before + timedelta(minutes=1)
    file.write_text("5400.5")
    assert timedelta(hours=1.5) <= clock() - before < timedelta(hours=1.6)


async def test_a_refund_is_stamped_with_the_pushed_time(tmp_path: Path) -> None:
    """What the tool writes down is as late as the rest of the demo."""
    file = tmp_path / "clock"
    file.write_text("86400")
    company = Company(tmp_path, {"SAYSO_OPS_CLOCK": str(file)})
    talk = await company.told("refund order 1042 129.90")
    await talk.answered(Approve())
    [receipt] = await company.office.receipts()
    assert timedelta(hours=23) < receipt.at - datetime.now(UTC) <= timedelta(days=1)


@pytest.mark.parametrize("says", [None, "", "soon", "nan", "inf", "9e99"])
def test_a_file_that_does_not_say_so_is_refused_at_the_start(tmp_path: Path, says: str | None) -> None:
    """By name, before any tool runs."""
    file = tmp_path / "clock"
    if says is not None:
        file.write_text(says)
    with pytest.raises(BadSetting, match="SAYSO_OPS_CLOCK"):
        make({"SAYSO_OPS_DATABASE": str(tmp_path / "ops.sqlite3"), "SAYSO_OPS_CLOCK": str(file)})
