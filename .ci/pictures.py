"""Draws docs/pictures: the demo's page after a few moves, light and dark, on a desk and on a telephone."""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import get_args

from browser import DESK, PANES, PHONE, Tab, Tabs, Theme, browsing, chromium
from palette import fewer_colours
from sayso.bot.demo.hands import Hands
from sayso.bot.demo.page import opened_page
from whole_office import whole_office

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
SIZES = {"desk": DESK, "phone": PHONE}
LARGEST = 300_000  # bytes


async def draw(
    tabs: Tabs, name: str, who: str, looks: Callable[[Tab], Awaitable[None]], *, on: str = "desk"
) -> None:
    """One scene in both themes; `looks` goes to what the picture is to show."""
    tab = await tabs.opened(who, size=SIZES[on])
    await looks(tab)
    for theme in get_args(Theme):
        if theme == "dark":
            await tab.page.locator("#theme").click()
        path = PICTURES / f"{on}-{name}-{theme}.png"
        path.write_bytes(fewer_colours(await tab.page.screenshot(animations="disabled", caret="hide")))
        assert path.stat().st_size < LARGEST, f"{path.name} is too large for the repository"
        print(path.relative_to(PICTURES.parent.parent), path.stat().st_size // 1000, "kB", flush=True)
    await tab.page.close()


async def to_the_cards(tab: Tab) -> None:
    """Slack at the card's buttons, Teams at its top."""
    for pane in PANES:
        await tab.goes_to(pane, "finance-approvals")
        await tab.card(pane, "Refund").wait_for()
    await tab.page.locator(".t-log").evaluate("log => { log.scrollTop = 0 }")


async def to_the_outcome(tab: Tab) -> None:
    """Both cards are closed, the row is marked."""
    for pane in PANES:
        await tab.goes_to(pane, "finance-approvals")
        await tab.said(pane, "Outcome").wait_for()
    await tab.page.get_by_role("button", name="refunds").click()
    await tab.row("changed").wait_for()


async def to_the_form(tab: Tab) -> None:
    """A form over Slack, and the same one in the Teams card."""
    for pane in PANES:
        await tab.goes_to(pane, "ops-approvals")
        await tab.presses(tab.card(pane, "2024"), "Modify…")
    await tab.page.get_by_role("dialog").get_by_role("textbox", name="before").fill("2022-01-01")
    await tab.card("teams", "Changed values", button="Send").wait_for()


async def to_the_pager(tab: Tab) -> None:
    """It rings; what on-call may answer stands beside it."""
    await tab.office.get_by_role("region", name="Pager").get_by_text("triggered").wait_for()
    await tab.goes_to("slack", "support")
    await tab.goes_to("teams", "finance-approvals")


async def to_the_card_in_slack(tab: Tab) -> None:
    """On a telephone: one pane, the card with its buttons."""
    await tab.page.get_by_role("navigation", name="Show").get_by_role("button", name="Slack").click()
    await tab.goes_to("slack", "finance-approvals")
    await tab.card("slack", "Refund").wait_for()


async def to_the_office(tab: Tab) -> None:
    """On a telephone: what is happening."""
    await tab.page.get_by_role("navigation", name="Show").get_by_role("button", name="Office").click()
    await tab.line("done, once").wait_for()


async def starts(tab: Tab, title: str, waits_for: str) -> None:
    """Begin one of the six suggestions."""
    await tab.page.get_by_role("button", name=title).click()
    await tab.page.get_by_role("button", name=re.compile("^Start( again)?$")).click()
    await tab.line(f"waits for {waits_for}").wait_for()


async def scenes(url: str) -> None:
    """A few moves, and a picture after each."""
    async with browsing(url) as tabs:
        moves = await tabs.opened("bo")
        await starts(moves, "1 Refund", "finance")
        await draw(tabs, "waits", "bo", to_the_cards)
        await draw(tabs, "card", "bo", to_the_card_in_slack, on="phone")
        await moves.goes_to("slack", "finance-approvals")
        await moves.presses(moves.card("slack", "Refund"), "Approve")
        await moves.line("done, once").wait_for()
        await draw(tabs, "done", "bo", to_the_outcome)
        await draw(tabs, "office", "bo", to_the_office, on="phone")
        await starts(moves, "Too wide a deletion", "data")
        await draw(tabs, "form", "bo", to_the_form)
        await starts(moves, "Let it time out", "support")
        for _ in range(4):
            await moves.presses_panel("Next step")
        await draw(tabs, "paged", "kim", to_the_pager)


def main() -> None:
    """Open the demo in a folder that goes away, and draw."""
    if chromium() is None:
        sys.exit(
            "make pictures: there is no chromium here; install it, for example with: apt-get install chromium"
        )
    PICTURES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        whole_office(Path(folder) / "demo") as stage,
        opened_page(stage.office, Hands()) as page,
    ):
        asyncio.run(scenes(page.url))


if __name__ == "__main__":
    main()
