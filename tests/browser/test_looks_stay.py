"""What one looks at stays: over a reload, beside the page's short answers, and for each end in its own colour."""

from __future__ import annotations

import re

import pytest
from browser import DESK, PANES, PHONE, Tabs
from playwright.async_api import expect
from sayso.bot.demo.stage import Stage


async def test_a_reload_loses_nothing_one_looked_at(tabs: Tabs) -> None:
    """Who one is, the channels, the table, the step of the guide and the theme; and a second tab has its own."""
    tab = await tabs.opened("bo")
    await tab.goes_to("slack", "random")
    await tab.goes_to("teams", "ops-approvals")
    await tab.office.get_by_role("button", name="firewall rules").click()
    await tab.page.get_by_role("button", name="Approve twice at once").click()
    await tab.page.locator("#theme").click()
    await tab.page.reload()
    await expect(tab.page.get_by_role("radio", name="Bo Berg")).to_be_checked()
    for pane, channel in (("slack", "# random"), ("teams", "# ops-approvals")):
        chosen = tab.page.locator(f"#{pane} [aria-current=page]")
        await expect(chosen).to_have_text(channel)
    await expect(tab.office.get_by_role("region", name="Table firewall_rules")).to_be_visible()
    await expect(tab.page.get_by_role("button", name="Approve twice at once")).to_have_attribute(
        "aria-expanded", "true"
    )
    await expect(tab.page.locator("html")).to_have_attribute("data-theme", "dark")
    await tab.becomes("Cy Chen")
    await tab.becomes("Bo Berg")
    await expect(tab.page.locator("#slack [aria-current=page]")).to_have_text("# random")


async def test_a_reload_loses_nothing_one_was_writing(tabs: Tabs, stage: Stage) -> None:
    """A message in each chat, an answer in a thread, and how many messages one has not read; what was sent is gone."""
    stage.asks("help")
    tab = await tabs.opened("bo")
    for pane in PANES:
        await tab.goes_to(pane, "support")
    slack = tab.pane("slack")
    await slack.get_by_role("button", name="Reply in thread").last.click()
    await slack.get_by_role("textbox", name="Reply…").fill("half an answer")
    for pane in PANES:
        await tab.goes_to(pane, "finance-approvals")
        await tab.pane(pane).get_by_role("textbox").last.fill(f"half a line in {pane}")
    stage.asks("help")
    badge = slack.get_by_role("button", name="# support").locator(".s-badge")
    await expect(badge).to_be_visible()
    count = await badge.inner_text()
    await tab.page.reload()
    await expect(badge).to_have_text(count, use_inner_text=True)
    for pane in PANES:
        await expect(tab.pane(pane).get_by_role("textbox").last).to_have_value(f"half a line in {pane}")
    await tab.goes_to("slack", "support")
    await expect(badge).to_have_count(0)
    await expect(slack.get_by_role("textbox", name="Reply…")).to_have_value("half an answer")
    await slack.get_by_role("textbox", name="Reply…").fill("")
    await tab.goes_to("slack", "finance-approvals")
    await slack.get_by_role("textbox").last.fill("")
    await tab.page.reload()
    await expect(slack.get_by_role("textbox").last).to_have_value("")
    await expect(badge).to_have_count(0)


async def test_a_telephone_shows_the_same_pane_again(tabs: Tabs) -> None:
    """Reloading is one pull of a thumb."""
    tab = await tabs.opened("kim", size=PHONE)
    await tab.page.get_by_role("navigation", name="Show").get_by_role("button", name="Office").tap()
    await tab.page.reload()
    await expect(tab.office).to_be_visible()


@pytest.mark.parametrize("size", [DESK, PHONE])
async def test_a_short_answer_covers_nothing_and_goes_with_the_next_press(
    tabs: Tabs, size: tuple[int, int]
) -> None:
    """It has a place of its own; who one becomes is not told what somebody else was told."""
    tab = await tabs.opened("sue", size=size)
    if size == PHONE:
        await tab.page.get_by_role("navigation", name="Show").get_by_role("button", name="Office").tap()
    words = await tab.presses_panel("+15 min")
    toast = tab.page.locator("#toasts .toast").filter(has_text=words)
    under = await toast.evaluate(_UNDER)
    assert under == [], "it lies over something"
    await tab.becomes("Kim Oncall")
    await expect(toast).to_have_count(0)


async def test_an_end_that_did_nothing_looks_other_than_one_that_did(tabs: Tabs, stage: Stage) -> None:
    """Waiting, rejected, done: three colours at the end of the line, in words and tints."""
    tab = await tabs.opened("bo")
    tints = []
    for button, end in (("Reject…", "rejected, nothing done"), ("Approve", "done, once")):
        stage.asks("refund order 1044 1.00")
        await expect(tab.line("waits for finance")).to_be_visible()
        tints.append(await tab.line("waits for finance").evaluate(_TINT))
        await tab.goes_to("slack", "finance-approvals")
        await tab.presses(tab.card("slack", "order 1044"), button)
        if button == "Reject…":
            form = tab.page.get_by_role("dialog", name="Reject")
            await form.get_by_role("textbox", name="Why?").fill("Only a look.")
            await form.get_by_role("button", name="Send").click()
        await expect(tab.line(end)).to_be_visible()
        tints.append(await tab.line(end).evaluate(_TINT))
    waits, rejected, again, done = tints
    assert waits == again
    assert len({waits, rejected, done}) == 3


async def test_start_follows_what_begins_now(tabs: Tabs, stage: Stage) -> None:
    """Whoever looked at an old request sees the new one run."""
    old = stage.request(stage.asks("refund order 1044 1.00"))
    tab = await tabs.opened("bo", request=old.id)
    choice = tab.office.get_by_role("combobox", name="Request")
    await expect(choice).to_have_value(old.id)
    await tab.goes_to("slack", "finance-approvals")
    await tab.presses(tab.card("slack", "order 1044"), "Approve")
    await expect(tab.line("done, once")).to_be_visible()
    guide = tab.page.locator("#guide")
    await guide.get_by_role(
        "button", name="Refund"
    ).click()  # which one is unfolded depends on what was done before
    await guide.get_by_role("button", name=re.compile("^Start( again)?$")).click()
    await expect(choice).to_have_value("")
    await tab.presses(tab.card("slack", "Refund"), "Approve")
    await expect(tab.line("done, once")).to_be_visible()


async def test_the_trail_says_the_day_where_it_changes(tabs: Tabs) -> None:
    """Of today nothing is said; below a line of another day the day stands once."""
    tab = await tabs.opened("bo")
    seen = await tab.page.evaluate("""async () => {
      const { renderOffice } = await import("/static/office.js");
      const [today, root] = [Date.now(), document.createElement("div")];
      const at = (days, minutes) => new Date(today - (days * 24 * 60 + minutes) * 60000).toISOString();
      const timeline = [at(3, 0.0001), at(3, 0), at(2, 0), at(0, 0)].map((at) => ({ at, event: "step", words: "x", by: "" }));
      renderOffice(root, { panels: { audit: { requests: [], timeline } } }, {});
      return [...root.querySelectorAll(".entry")].map((one) => one.querySelectorAll(".day").length);
    }""")
    assert seen == [0, 1, 1, 0]  # newest first


async def test_whoever_has_read_a_tall_card_to_its_end_stays_there(tabs: Tabs, stage: Stage) -> None:
    """It begins at its top; once one has come to its buttons it does not jump back, and a refusal is seen below them."""
    tab = await tabs.opened("alex")
    stage.teams.asks("#support", "grant admin to user 77 on billing")
    await tab.goes_to("teams", "support")
    card = tab.card("teams", "Grant admin")
    await expect(card.get_by_text("Grant admin on billing").first).to_be_in_viewport()
    approve = card.get_by_role("button", name="Approve", exact=True)
    await expect(approve).not_to_be_in_viewport()
    await tab.pane("teams").get_by_role("log").evaluate("log => { log.scrollTop = log.scrollHeight }")
    await expect(approve).to_be_in_viewport()
    await tab.presses_panel("+15 min")
    await expect(approve).to_be_in_viewport()
    await approve.click()
    refusal = await tab.refusal()
    await expect(card.get_by_text(refusal)).to_be_in_viewport()
    await tab.becomes("Cy Chen")
    await tab.goes_to("teams", "ops-approvals")
    await tab.presses(tab.card("teams", "Grant admin"), "Reject…")
    form = tab.card("teams", "Grant admin", button="Send")
    await form.get_by_role("textbox", name="Why?").fill("Only a look.")
    await tab.presses(form, "Send")
    await expect(tab.line("rejected, nothing done")).to_be_visible()
    await tab.becomes("Alex Asker")  # who was refused reads it also when the card is another one by now
    told = tab.pane("teams").get_by_role("alert").filter(has_text=refusal)
    await expect(told).to_be_visible()
    await told.get_by_role("button", name="Dismiss").click()
    await expect(told).to_have_count(0)


_TINT = "one => getComputedStyle(one).backgroundColor"
#: Panes and the switcher that the answer's rectangle overlaps.
_UNDER = """one => {
  const mine = one.getBoundingClientRect();
  return [...document.querySelectorAll(".pane, #views, #head")].filter((other) => {
    const its = other.getBoundingClientRect();
    return other.checkVisibility() && its.bottom > mine.top + 1 && its.top < mine.bottom - 1
      && its.right > mine.left + 1 && its.left < mine.right - 1;
  }).map((other) => other.id);
}"""
