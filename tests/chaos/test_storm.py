"""Everything at once: processes die at every named point, Redis dies, leases are stolen, answers race; nothing is lost or doubled."""

from __future__ import annotations

import faulthandler
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sayso.approvals.redis_store import RedisStore
from storm_books import Books
from storm_people import POINTS as BOT_POINTS
from storm_scene import Storm, storm
from storm_worker import POINTS

#: Repeats a storm: as far as processes that race can be repeated.
SEED = "SAYSO_STORM_SEED"
RUNS, REQUESTS = 150, 200


@pytest.mark.chaos
async def test_a_storm_loses_and_doubles_nothing(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """P8: Two hundred requests, three workers, two bots: each request ends once, each effect is done once, as people decided."""
    seed = os.environ.get(SEED) or str(random.randrange(10_000))
    sys.stdout.write(f"{SEED}={seed}\n")
    faulthandler.cancel_dump_traceback_later()  # it has a patience of its own, and says what it waits for

    async def look(raging: Storm, store: RedisStore) -> None:
        books = await Books.read(raging, store)
        sys.stdout.write(books.summary() + books.stories())
        record_property("figures", books.summary().strip())
        assert {kind: found for kind, found in books.wrong.items() if found} == {}
        assert set(raging.deaths) == {*POINTS, *BOT_POINTS}
        assert len(books.requests) >= REQUESTS
        assert raging.restarts == 2

    await storm(seed, RUNS, tmp_path, look)
