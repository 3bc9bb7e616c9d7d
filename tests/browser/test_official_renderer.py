"""Every golden Adaptive Card in Microsoft's own renderer, all in one page: it warns of nothing, and nothing is cut off."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium
from playwright.async_api import Page, async_playwright
from sayso.sandbox import page as workplace_page

Json = dict[str, Any]
RENDERER = Path(workplace_page.__file__).parent / "vendor" / "adaptivecards.min.js"
GOLDEN = sorted((Path(__file__).parents[1] / "cards" / "golden").glob("*.adaptive.json"))
WORD = {"type": "TextBlock", "text": "far away"}
#: What the report then says -> a card's body with that mistake.
BROKEN: dict[str, list[Json]] = {
    "NoSuchThing": [{"type": "NoSuchThing"}],
    "enormous": [{**WORD, "size": "enormous"}],
    "should have a label": [{"type": "Input.Text", "id": "why", "isRequired": True}],
    "nothing was drawn": [],
    "wider than the screen": [
        {"type": "ColumnSet", "columns": [{"type": "Column", "width": "900px", "items": [WORD]}]}
    ],
}
#: Teams on a desk and on a telephone, pixels.
WIDTHS = (600, 360)
#: What Teams makes of a card, as far as a host configuration can say it.
HOST = {
    "fontFamily": "Segoe UI, Noto Sans, DejaVu Sans, sans-serif",
    "spacing": {"small": 8, "default": 12, "medium": 16, "large": 24, "extraLarge": 32, "padding": 16},
    "supportsInteractivity": True,
    "containerStyles": {"emphasis": {"backgroundColor": "#F0F0F0"}},
    "actions": {"maxActions": 6, "buttonSpacing": 8, "actionsOrientation": "horizontal", "actionAlignment": "left"},
}  # fmt: skip
#: Draws each card at each width; what the renderer said of it, what it did not draw, and what is too wide.
_DRAW = """([cards, widths, host]) => {
  const found = [];
  AdaptiveCards.AdaptiveCard.onProcessMarkdown = () => {};
  for (const [name, source] of Object.entries(cards)) for (const width of widths) {
    const context = new AdaptiveCards.SerializationContext(), card = new AdaptiveCards.AdaptiveCard();
    const said = (event) => found.push(`${name} at ${width}: ${event.message}`);
    card.hostConfig = new AdaptiveCards.HostConfig(host);
    card.parse(source, context);
    for (let i = 0; i < context.eventCount; i++) said(context.getEventAt(i));
    card.validateProperties().validationEvents.forEach(said);
    const frame = document.createElement("div");
    frame.style.width = `${width}px`;
    document.body.append(frame);
    const drawn = card.render();
    if (!drawn?.innerText && !drawn?.textContent) said({ message: "nothing was drawn" });
    else frame.append(drawn);
    if (frame.scrollWidth > width + 1) said({ message: "it is wider than the screen" });
  }
  return found;
}"""


@pytest.fixture
async def screen() -> AsyncIterator[Page]:
    """An empty page in which the renderer is at hand; at the end its console held no error."""
    said: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            page = await browser.new_page()
            page.on(
                "console", lambda one: said.append(one.text) if one.type in ("error", "warning") else None
            )
            page.on("pageerror", lambda error: said.append(str(error)))
            await page.add_style_tag(content=".ac-input { width: 100%; box-sizing: border-box }")
            await page.add_script_tag(path=RENDERER)
            yield page
        finally:
            await browser.close()
    assert said == []


async def test_every_state_is_drawn_without_a_warning(screen: Page) -> None:
    """Cards, Details and forms: no property the renderer does not know, and no word beyond the edge."""
    cards = {file.name: json.loads(file.read_text(encoding="utf-8")) for file in GOLDEN}
    assert len(cards) > 30
    assert await screen.evaluate(_DRAW, [cards, WIDTHS, HOST]) == []


async def test_what_is_wrong_with_a_card_is_noticed(screen: Page) -> None:
    """So that no warning above means something."""
    cards = {
        words: {"type": "AdaptiveCard", "version": "1.5", "body": body} for words, body in BROKEN.items()
    }
    found = "\n".join(await screen.evaluate(_DRAW, [cards, WIDTHS, HOST]))
    assert [words for words in BROKEN if words not in found.replace(f"{words} at", "")] == []
