"""That the scenes' tabs would notice: each kind of thing that may go wrong on the page, once."""

from __future__ import annotations

import re

import pytest
from browser import Tab, Tabs

#: What a tab then says -> the browser's event that tells of it, and what makes it happen.
WRONG = {
    "console: oh no": ("console", "console.error('oh no')"),
    "error: surprise": ("pageerror", "setTimeout(() => { throw new Error('surprise'); })"),
    "policy: script-src": (
        "console", "document.head.append(Object.assign(document.createElement('script'), {text: '1'}))"
    ),
    "404: http": ("response", "fetch('/static/no-such-file.js')"),
    "lost.js net::ERR_FAILED": ("requestfailed", "fetch('/static/lost.js').catch(() => {})"),
}  # fmt: skip


@pytest.fixture
async def tab(tabs: Tabs) -> Tab:
    """Somebody's."""
    return await tabs.opened("alex")


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_goes_wrong_on_the_page_is_noticed(tab: Tab, wrong: str) -> None:
    """The scene would fail at its end."""
    await tab.page.route("**/lost.js", lambda route: route.abort())
    event, happens = WRONG[wrong]
    async with tab.page.expect_event(event, lambda _: wrong in " ".join(tab.troubles)):
        await tab.page.evaluate(happens)
    with pytest.raises(AssertionError, match=re.escape(wrong)):
        await tab.is_well()
    tab.forgets()


async def test_a_press_that_is_refused_or_not_answered_is_noticed(tab: Tab) -> None:
    """Both are named: the refusal with its words, the silence with what was asked."""
    await tab.page.evaluate(
        "import('/static/app.js').then((app) => app.act('panel', {name: 'clock', what: 'back'}))"
    )
    assert await tab.refusal() == "The clock can only be pushed."

    async def never(_: object) -> None:
        return

    await tab.page.route("**/act", never)
    async with tab.page.expect_request("**/act"):
        await tab.page.locator("#controls").get_by_role("button", name="+15 min").click()
    with pytest.raises(AssertionError, match="minutes"):
        await tab.is_well(within=1)
    tab.forgets()
