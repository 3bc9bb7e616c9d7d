"""The page for those who use no mouse, have a telephone, or look at it in the dark."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from browser import PHONE, Tab, Tabs, Theme
from contrast import contrast
from playwright.async_api import expect
from sayso.bot.demo.stage import Stage

#: More presses of Tab than anything on the page is away.
FAR = 150
#: What has the focus: its name, the pane and the words of the message it lies in, and whether one sees the focus.
_FOCUSED = """() => {
  const one = document.activeElement;
  const rings = [one, one.parentElement].map((edge) => getComputedStyle(edge)); // a field's is around what it stands in
  const seen = rings.some((ring) => ring.outlineStyle !== "none" || ring.boxShadow !== "none");
  const message = one.closest("[data-message]")?.textContent ?? "";
  return [one.ariaLabel || one.textContent.trim(), one.closest(".pane")?.id ?? "", message, seen];
}"""
#: Every word on the screen with its colour and what it stands on, as "#rrggbb"; large letters and idle buttons apart.
_COLOURS = """() => {
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const over = (under, colour) => {
    paint.fillStyle = under; paint.fillRect(0, 0, 1, 1);
    paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
    const bytes = [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3);
    return "#" + bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  const around = (one) => one ? [...around(one.parentElement), getComputedStyle(one).backgroundColor] : [];
  const found = {};
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = words.nextNode(); text; text = words.nextNode()) {
    const one = text.parentElement;
    if (!text.data.trim() || !one.checkVisibility() || one.closest(".aside-read, [aria-disabled=true], noscript, option")) continue;
    const look = getComputedStyle(one);
    if (parseFloat(look.fontSize) >= 24) continue;
    const ground = around(one).reduce(over, "#ffffff");
    found[text.data.trim().slice(0, 40)] = [ground, over(ground, look.color)];
  }
  return found;
}"""


async def focus_on(tab: Tab, name: str, *, within: str = "") -> None:
    """Press Tab until something of this name in the Slack pane has the focus; one always sees where it is.

    Args:
        within: Words of the message it lies in.
    """
    for _ in range(FAR):
        await tab.page.keyboard.press("Tab")
        label, pane, message, seen = await tab.page.evaluate(_FOCUSED)
        assert seen, f"no ring around {label[:60]!r}"
        if label.startswith(name) and pane == "slack-pane" and within in message:
            return
    raise AssertionError(f"Tab does not lead to {name!r}")


async def test_a_card_is_approved_by_keys_alone(tabs: Tabs, stage: Stage) -> None:
    """Alex types; F2 and a number make one Bo; Tab and Enter lead to the channel, to Approve, and to Details."""
    tab = await tabs.opened("alex")
    keys = tab.page.keyboard
    await focus_on(tab, "Message #support")
    await keys.type("@say")
    await keys.press("Tab")  # completed
    await keys.type("refund order 1036 10.00")
    await keys.press("Enter")
    await expect(tab.line("waits for finance")).to_be_visible()
    await keys.press("F2")
    await keys.press("2")
    await expect(tab.page.get_by_role("radio", name="Bo Berg")).to_be_checked()
    await focus_on(tab, "# finance-approvals")
    await keys.press("Enter")
    await expect(tab.card("slack", "order 1036")).to_be_visible()
    await focus_on(tab, "Approve", within="order 1036")
    await keys.press("Enter")
    await expect(tab.line("done, once")).to_be_visible()
    assert stage.refunded(1036) == 1000
    await expect(tab.said("slack", "order 1036")).to_contain_text("Outcome")  # from now on it is not redrawn

    await focus_on(tab, "Details", within="order 1036")
    await keys.press("Enter")
    details = tab.page.get_by_role("dialog")
    await expect(details).to_contain_text("Digest")
    await keys.press("Escape")
    await expect(details).to_have_count(0)
    label, pane, message, _ = await tab.page.evaluate(_FOCUSED)
    assert (label, pane) == ("Details", "slack-pane"), "the focus is back where it was"
    assert "order 1036" in message


async def test_a_reason_is_typed_by_keys_alone(tabs: Tabs, stage: Stage) -> None:
    """Letters, Backspace and Tab do in Slack's dialog what they do everywhere."""
    tab = await tabs.opened("alex")
    keys = tab.page.keyboard
    before = stage.refunded(1035)
    await tab.asks("refund order 1035 10.00")
    await expect(tab.line("waits for finance")).to_be_visible()
    await tab.becomes("Bo Berg")
    await tab.goes_to("slack", "finance-approvals")
    await focus_on(tab, "Reject", within="order 1035")
    await keys.press("Enter")
    dialog = tab.page.get_by_role("dialog")
    reason = dialog.get_by_role("textbox").first
    await expect(dialog).to_be_visible()
    for _ in range(FAR):
        if await reason.evaluate("one => one === document.activeElement"):
            break
        await keys.press("Tab")
    await keys.type("Dana withdrew itt")
    await keys.press("Backspace")
    await expect(reason).to_have_value("Dana withdrew it")
    for _ in range(FAR):
        if await tab.page.evaluate("document.activeElement.type === 'submit'"):
            break
        await keys.press("Tab")
    await keys.press("Enter")
    await expect(tab.said("slack", "order 1035")).to_contain_text("Dana withdrew it")
    assert stage.refunded(1035) == before


async def test_a_date_is_typed_by_keys_as_it_is_written(tabs: Tabs) -> None:
    """In Slack's dialog: what no date is says how one is written; the calendar is one press of Tab away."""
    tab = await tabs.opened("alex")
    keys = tab.page.keyboard
    await tab.asks("delete inactive customers before 2026-01-01")
    await tab.becomes("Bo Berg")
    await tab.goes_to("slack", "ops-approvals")
    await tab.presses(tab.card("slack", "1 Jan 2026"), "Modify…")
    dialog = tab.page.get_by_role("dialog")
    day = dialog.get_by_role("textbox", name="before")
    await day.fill("")
    await keys.type("1/1/2022")
    await keys.press("Enter")
    await expect(dialog.get_by_role("alert")).to_have_text("Please enter a valid date, as YYYY-MM-DD.")
    assert await tab.refusal() == "Before: Please enter a valid date, as YYYY-MM-DD."
    await expect(day).to_be_focused()
    await day.fill("")
    await keys.type("2020-01-01")
    await expect(day).to_have_value("2020-01-01")
    await keys.press("Tab")
    await expect(dialog.get_by_role("button", name="Calendar for before")).to_be_focused()
    await day.press("Enter")
    await expect(dialog).to_have_count(0)
    await expect(tab.line("ended without asking again: “I did nothing: No customer")).to_be_visible()
    await expect(tab.office.get_by_role("option", name="(sent back, not asked again)").first).to_be_attached()
    for pane in ("slack", "teams"):
        await tab.goes_to(pane, "ops-approvals")
        await expect(tab.said(pane, "sent this back")).to_contain_text("No customer was last active")


async def test_a_refund_is_approved_on_a_telephone(tabs: Tabs, stage: Stage) -> None:
    """Guide, Slack, Teams, Office: one at a time, at full width; nothing has to be scrolled sideways."""
    before = stage.refunded(1037)
    tab = await tabs.opened("alex", size=PHONE)
    views = tab.page.get_by_role("navigation", name="Show")
    for view in ("Guide", "Office", "Teams", "Slack"):
        await views.get_by_role("button", name=view).tap()
        assert await tab.page.evaluate("document.scrollingElement.scrollWidth") == PHONE[0], view
    await tab.asks("refund order 1037 25.00")
    await tab.page.get_by_role("radio", name="Bo Berg").tap()
    await views.get_by_role("button", name="Teams").tap()
    await tab.pane("teams").get_by_role("button", name="# finance-approvals").tap()
    await tab.card("teams", "order 1037").get_by_role("button", name="Approve", exact=True).tap()
    await expect(tab.said("teams", "order 1037")).to_contain_text("Approved by")
    await views.get_by_role("button", name="Office").tap()
    await expect(tab.line("decided by Bo in Teams")).to_be_visible()
    await expect(tab.line("done, once")).to_be_visible()
    assert stage.refunded(1037) == before + 2500


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_every_word_on_the_screen_is_legible(tabs: Tabs, stage: Stage, theme: Theme) -> None:
    """With a card in both panes and a form before it: a contrast of 4.5 at least, as it is really drawn."""
    tab = await tabs.opened("alex", theme=theme)
    await tab.asks("close firewall rule 443-public")
    await tab.becomes("Bo Berg")
    for pane in ("teams", "slack"):
        await tab.goes_to(pane, "ops-approvals")
        await expect(tab.card(pane, "443-public")).to_be_visible()
    await _legible(tab)
    await tab.presses(tab.card("teams", "443-public"), "Reject…")
    await tab.presses(tab.card("slack", "443-public"), "Reject…")
    form = tab.page.get_by_role("dialog", name="Reject")
    await form.get_by_role("textbox", name="Why?").fill("Only a look.")
    await _legible(tab)
    await form.get_by_role("button", name="Send").click()
    await expect(tab.line("rejected")).to_be_visible()
    await _legible(tab)


async def _legible(tab: Tab) -> None:
    drawn: Mapping[str, tuple[str, str]] = await tab.page.evaluate(_COLOURS)
    assert len(drawn) > 50
    weak = {
        words: (*pair, round(contrast(*pair), 2)) for words, pair in drawn.items() if contrast(*pair) < 4.5
    }
    assert weak == {}
