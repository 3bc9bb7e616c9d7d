"""People in front of the page: tabs of a real browser, which notice whatever goes wrong in them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request, Response, async_playwright

#: How long something on the screen may take, ms: processes are killed and started in some scenes.
PATIENCE = 20_000
DESK = (1440, 900)
PHONE = (390, 844)
#: What is refused by the page's own policy is said in the console.
_TELL_OF_POLICY = """addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))"""

Pane = Literal["slack", "teams"]
Theme = Literal["light", "dark"]
PANES: tuple[Pane, ...] = ("slack", "teams")


def chromium() -> str | None:
    """The browser of this machine."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@dataclass(kw_only=True)  # no slots: Playwright keeps notes on whoever listens
class Tab:
    """One open tab of somebody.

    Attributes:
        troubles: Errors in the console, requests that failed, what the page's policy refused.
        refusals: What buttons answered that could not do it, in order; a scene takes out those it expects.
    """

    page: Page
    troubles: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    _acts: dict[Request, asyncio.Future[None]] = field(default_factory=dict)  # done once answered
    _reading: list[asyncio.Task[None]] = field(default_factory=list)
    _refused: asyncio.Event = field(default_factory=asyncio.Event)

    # ---- what one sees

    @property
    def office(self) -> Locator:
        """The column on what is happening."""
        return self.page.locator("#office")

    def pane(self, name: Pane) -> Locator:
        """Slack or Teams."""
        return self.page.locator(f"#{name}")

    def line(self, words: str) -> Locator:
        """One part of the line on what is happening."""
        return self.office.get_by_role("region", name="Now").get_by_role("listitem").filter(has_text=words)

    def row(self, name: str) -> Locator:
        """A row of the back office's table on the screen, by its mark and its cells."""
        return self.office.get_by_role("row", name=name)

    def card(self, pane: Pane, words: str, button: str = "Approve") -> Locator:
        """The newest message with these words and this button."""
        waits = self.page.get_by_role("button", name=button, exact=True)
        return self.pane(pane).get_by_role("article").filter(has_text=words).filter(has=waits).last

    def said(self, pane: Pane, words: str) -> Locator:
        """The newest message with these words."""
        return self.pane(pane).get_by_role("article").filter(has_text=words).last

    # ---- what one does

    async def becomes(self, name: str) -> None:
        """Be somebody else in this tab."""
        await self.page.get_by_role("radio", name=name).click()
        await self.page.get_by_role("radio", name=name, checked=True).wait_for()

    async def goes_to(self, pane: Pane, channel: str) -> None:
        """Look at a channel."""
        await self.pane(pane).get_by_role("button", name=f"# {channel}").click()

    async def asks(self, goal: str, *, pane: Pane = "slack") -> None:
        """Ask the agent in the support channel."""
        await self.goes_to(pane, "support")
        box = self.pane(pane).get_by_role("textbox").last
        await box.fill(f"@sayso {goal}")
        await box.press("Enter")
        await self.said(pane, goal).wait_for()

    async def presses(self, card: Locator, button: str) -> None:
        """A button of a card."""
        await card.get_by_role("button", name=button, exact=True).click()

    async def presses_panel(self, button: str) -> str:
        """A button of the clock or of the processes; what it answers, which then stands on the page."""
        async with self.page.expect_response(_of_a_panel) as answered:
            await self.page.locator("#controls").get_by_role("button", name=button, exact=True).click()
        words: str = (await (await answered.value).json())["words"]
        await self.page.locator("#toasts .toast").filter(has_text=words).wait_for()
        return words

    # ---- what must hold

    def watch(self) -> None:
        """Begin to notice."""
        page = self.page
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._note("error", str(error)))
        page.on("request", self._sent)
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    async def refusal(self) -> str:
        """The one refusal that the scene expects."""
        await asyncio.wait_for(self._refused.wait(), PATIENCE / 1000)
        self._refused.clear()
        return self.refusals.pop()

    async def is_well(self, *, within: float = PATIENCE / 1000) -> None:
        """Nothing went wrong, and every press was answered, with yes where the scene expects no other.

        Args:
            within: Seconds that the last press may stay without an answer.
        """
        if self._acts:
            await asyncio.wait(self._acts.values(), timeout=within)
        silent = [
            f"not answered: {asked.post_data}" for asked, answer in self._acts.items() if not answer.done()
        ]
        wrong = [*self.troubles, *(f"refused: {words}" for words in self.refusals), *silent]
        assert not wrong, "\n".join(wrong)

    def forgets(self) -> None:
        """What has been noticed so far."""
        self.troubles.clear()
        self.refusals.clear()
        self._acts.clear()

    def _note(self, what: str, words: str) -> None:
        self.troubles.append(f"{what}: {words}")

    def _said(self, said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            self._note("console", said.text)

    def _sent(self, asked: Request) -> None:
        if asked.url.endswith("/act"):
            self._acts[asked] = asyncio.get_running_loop().create_future()

    def _failed(self, asked: Request) -> None:
        left = (
            asked.failure == "net::ERR_ABORTED" and "/events" in asked.url
        )  # the stream of whom one was before
        if not left:
            self._note("failed", f"{asked.url} {asked.failure}")

    def _answered(self, answer: Response) -> None:
        if answer.status >= 400:
            self._note(str(answer.status), answer.url)
        elif answer.url.endswith("/act"):
            self._reading.append(asyncio.create_task(self._read(answer)))

    async def _read(self, answer: Response) -> None:
        told: dict[str, Any] = await answer.json()
        if not told["ok"]:
            self.refusals.append(told["words"])
            self._refused.set()
        self._acts[answer.request].set_result(None)


class Tabs:
    """A browser with the page open in any number of tabs."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._url = url
        self._open: list[Tab] = []

    async def opened(
        self, name: str, *, size: tuple[int, int] = DESK, theme: Theme = "light", request: str = ""
    ) -> Tab:
        """A tab of somebody, in a window of its own.

        Args:
            size: Pixels; the phone's is touched instead of clicked.
            theme: As the system has it.
            request: The one to follow; empty follows the newest.
        """
        phone = size == PHONE
        context = await self._browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=theme, has_touch=phone, is_mobile=phone,
            reduced_motion="reduce", locale="en-GB",
        )  # fmt: skip
        context.set_default_timeout(PATIENCE)
        await context.add_init_script(_TELL_OF_POLICY)
        tab = Tab(page=await context.new_page())
        tab.watch()
        self._open.append(tab)
        await tab.page.goto(f"{self._url}?as={name}&request={request}")
        await tab.page.get_by_role("radio", checked=True).wait_for()
        return tab

    async def are_well(self) -> None:
        """Every tab is."""
        for tab in self._open:
            await tab.is_well()


def _of_a_panel(answer: Response) -> bool:
    return answer.url.endswith("/act") and '"do":"panel"' in (answer.request.post_data or "")


@asynccontextmanager
async def browsing(url: str) -> AsyncIterator[Tabs]:
    """A browser without a screen, until the block ends; at a normal end nothing has gone wrong in it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=_ARGUMENTS)
        try:
            tabs = Tabs(browser, url)
            yield tabs
            await tabs.are_well()
        finally:
            await browser.close()


#: Containers give a browser no sandbox of its own; what it opens is only our page.
_ARGUMENTS: Sequence[str] = ("--no-sandbox",)
