"""The demo's office with its page, and a browser in front of it; skipped where there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from browser import PATIENCE, Tabs, browsing, chromium
from playwright.async_api import expect
from sayso.bot.demo.hands import Hands
from sayso.bot.demo.page import opened_page
from sayso.bot.demo.stage import Stage
from whole_office import whole_office

HERE = "tests/browser/"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each scene in this folder needs a browser."""
    missing = pytest.mark.skip(
        reason="there is no chromium here; to play these, for example: apt-get install chromium"
    )
    for item in items:
        if HERE in item.path.as_posix():
            item.add_marker(pytest.mark.browser)
            if chromium() is None:
                item.add_marker(missing)


@pytest.fixture(scope="session")
def open_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, str]]:
    """Everything runs, and the page is open; one office for all scenes, each of which ends what it begins."""
    with (
        whole_office(tmp_path_factory.mktemp("office") / "demo") as stage,
        opened_page(stage.office, Hands()) as page,
    ):
        yield stage, page.url


@pytest.fixture
def stage(open_office: tuple[Stage, str]) -> Stage:
    """What really happened behind the page."""
    return open_office[0]


@pytest.fixture
async def tabs(open_office: tuple[Stage, str]) -> AsyncIterator[Tabs]:
    """A browser; at the end of the scene every press was answered, and the console is empty."""
    expect.set_options(timeout=PATIENCE)
    async with browsing(open_office[1]) as tabs:
        yield tabs
