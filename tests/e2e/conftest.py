"""One whole office for a file of scenes: they leave nothing behind that the next one would trip over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sayso.bot.demo.stage import Stage
from whole_office import whole_office


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Everything runs; at the end no rule of Slack's or the pager's may have been broken."""
    with whole_office(tmp_path_factory.mktemp("office") / "demo") as stage:
        yield stage
