"""Slack and Teams side by side, by clicking: one request, one decision, whoever answers where and in which tab."""

from __future__ import annotations

import asyncio

from browser import PANES, Tab, Tabs
from playwright.async_api import Locator, Route, expect
from sayso.approvals.change import Event
from sayso.bot.demo.both import granted
from sayso.bot.demo.stage import Stage


async def test_a_deletion_too_wide_is_narrowed_in_the_teams_card_and_approved_in_slack(
    tabs: Tabs, stage: Stage
) -> None:
    """Bo writes another date into the form in the card; the agent plans again; Cy approves what comes back, and only that is gone."""
    customers = stage.count("SELECT count(*) FROM customers")
    bo, cy = await tabs.opened("bo"), await tabs.opened("cy")
    asks = await tabs.opened("alex")
    await asks.asks("delete inactive customers before 2024-01-01")
    await bo.goes_to("teams", "ops-approvals")
    await bo.presses(bo.card("teams", "2024"), "Modify…")
    form = bo.card("teams", "Changed values go to the agent", button="Send")
    await form.get_by_role("textbox", name="before").fill("1/1/2022")
    await form.get_by_role("button", name="Send").click()
    await expect(form).to_contain_text("Write the date as YYYY-MM-DD, like 2022-01-01.")
    await form.get_by_role("textbox", name="before").fill("2022-01-01")
    await bo.presses(form, "Send")

    await cy.goes_to("slack", "ops-approvals")
    again = cy.card("slack", "1 Jan 2022")
    await expect(again).to_contain_text("2024-01-01")  # the difference
    assert stage.count("SELECT count(*) FROM customers") == customers
    await cy.presses(again, "Approve")
    await expect(cy.line("done, once")).to_be_visible()
    removed = cy.office.get_by_role("row", name="removed")
    await expect(removed.first).to_be_visible()
    gone = customers - stage.count("SELECT count(*) FROM customers")
    await expect(removed).to_have_count(gone)
    await expect(cy.said("slack", f"Delete {gone} customers")).to_contain_text("Approved by")


async def test_access_is_narrowed_in_a_task_dialog_of_teams_and_approved_in_slack(
    tabs: Tabs, stage: Stage
) -> None:
    """Behind the dots the same form is a dialog; both copies show what was changed, and two votes are one decision."""
    bo, cy = await tabs.opened("bo"), await tabs.opened("cy")
    asks = await tabs.opened("alex")
    await asks.asks("grant admin to user 54 on billing")
    await bo.goes_to("teams", "ops-approvals")
    await bo.presses(bo.card("teams", "billing"), "More options")
    await bo.page.get_by_role("menuitem", name="Modify in a dialog…").click()
    dialog = bo.page.get_by_role("dialog", name="Modify", exact=True)
    await dialog.get_by_role("textbox", name="role").fill("viewer")
    await dialog.get_by_role("button", name="Send").click()
    await expect(dialog).to_have_count(0)

    await cy.goes_to("slack", "ops-approvals")
    changed = cy.card("slack", "billing")
    await expect(changed).to_contain_text("viewer")
    assert granted(stage, 54) == []
    await cy.presses(changed, "Approve")
    await expect(cy.line("done, once")).to_be_visible()
    assert granted(stage, 54) == ["viewer"]
    for pane in PANES:
        await cy.goes_to(pane, "ops-approvals")
        await expect(cy.card(pane, "billing")).to_have_count(0)


async def test_two_press_at_the_same_instant_in_two_tabs(tabs: Tabs, stage: Stage) -> None:
    """One decision, one refund; the other one reads who was faster, and nobody else reads that."""
    before = stage.refunded(1044)
    bo, cy = await tabs.opened("bo"), await tabs.opened("cy")
    asks = await tabs.opened("alex")
    await asks.asks("refund order 1044 15.00")
    for tab in (bo, cy):
        await tab.goes_to("slack", "finance-approvals")
        await expect(tab.card("slack", "order 1044")).to_be_visible()
    request = stage.waiting()

    await _at_once(*(
        tab.card("slack", "order 1044").get_by_role("button", name="Approve", exact=True) for tab in (bo, cy)
    ))  # fmt: skip

    await expect(bo.line("done, once")).to_be_visible()
    decision = stage.now(request).decision
    assert decision is not None
    first = decision.by[0]
    slower: Tab = cy if first == "bo" else bo
    whisper = slower.said("slack", "Only visible to you")
    await expect(whisper).to_contain_text({"bo": "Bo", "cy": "Cy"}[first])
    await expect(bo.row("changed 1044 15.00 USD")).to_have_count(1)
    events = [line.entry.event for line in stage.trail_of(request)]
    assert (events.count(Event.DECIDED), events.count(Event.EFFECT_DONE)) == (1, 1)
    assert stage.refunded(1044) == before + 1500


async def _at_once(*buttons: Locator) -> None:
    """Every one is pressed before the first press leaves its tab, however busy this machine is."""
    pressed = asyncio.Barrier(len(buttons))

    async def leaves(route: Route) -> None:
        await pressed.wait()
        await route.continue_()

    for button in buttons:
        await button.page.route("**/act", leaves, times=1)
    await asyncio.gather(*(button.click() for button in buttons))
