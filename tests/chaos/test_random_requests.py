"""Requests at random: their chains, routes and answers, killed processes, pagers that are down or refuse; each ends once."""

from __future__ import annotations

import faulthandler
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from chance_books import ChanceBooks
from chance_scene import thrown

#: Throws the same dice again, as far as processes that race can be repeated; and how many runs there are.
SEED, RUNS = "SAYSO_CHANCE_SEED", "SAYSO_CHANCE_RUNS"


@pytest.mark.chaos
async def test_whatever_happens_each_request_ends_once(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """P3 P7 P9 P10: One terminal state each, none left after its end and a sweep, no page open or doubled, no step after a decision."""
    seed, runs = os.environ.get(SEED) or str(random.randrange(10_000)), int(os.environ.get(RUNS, "60"))
    sys.stdout.write(f"{SEED}={seed}\n")
    faulthandler.cancel_dump_traceback_later()  # it has a patience of its own
    async with thrown(seed, runs, tmp_path) as chance:
        books = await ChanceBooks.read(chance)
        sys.stdout.write(f"{books.summary()}\n{books.stories()}")
        record_property("figures", books.summary())
        assert books.wrong == []
        assert len(books.requests) >= runs
        assert sum(chance.deaths.values()) >= 10
        assert all(books.counts[one] for one in ("expired", "pages"))
