"""The tour by clicking: asked, approved, rejected, timed out, killed; what the page shows is what happened."""

from __future__ import annotations

import re

from browser import PANES, Tabs
from playwright.async_api import expect
from sayso.bot.demo.stage import Stage


async def test_a_refund_is_asked_for_approved_and_seen_in_the_back_office(tabs: Tabs, stage: Stage) -> None:
    """Alex writes, Bo presses: the row is marked, the line tells it from the pause to the end, the answer is in the thread."""
    tab = await tabs.opened("alex")
    await tab.asks("refund order 1046 129.90")
    await expect(tab.line("waits for finance")).to_be_visible()
    await tab.becomes("Bo Berg")
    for pane in PANES:
        await tab.goes_to(pane, "finance-approvals")
        await expect(tab.card(pane, "Refund 129.90 USD")).to_be_visible()
    assert stage.refunded(1046) == 0

    await tab.presses(tab.card("slack", "Refund 129.90 USD"), "Approve")

    worker = stage.office.worker.pid
    for words in (f"paused in process {worker}", "state checkpointed", "decided by Bo in Slack",
                  f"resumed in process {worker}", "done, once"):  # fmt: skip
        await expect(tab.line(words)).to_be_visible()
    await expect(tab.row("changed 1046 129.90 USD")).to_be_visible()
    assert stage.refunded(1046) == 12990
    for pane in PANES:
        await expect(tab.said(pane, "Refunded 129.90 USD for order 1046.")).to_be_visible()
        await expect(tab.card(pane, "Refund 129.90 USD")).to_have_count(0)
    await tab.becomes("Alex Asker")
    await expect(tab.said("slack", "Refunded 129.90")).to_be_visible()


async def test_a_rejection_needs_its_reason(tabs: Tabs, stage: Stage) -> None:
    """An empty one is complained of under the field, which has the focus; the agent reports the reason it then gets."""
    grants = stage.rows("SELECT * FROM grants ORDER BY 1, 2, 3")
    tab = await tabs.opened("alex")
    await tab.asks("grant admin to user 77 on billing")
    await tab.becomes("Cy Chen")
    await tab.goes_to("slack", "ops-approvals")
    await tab.presses(tab.card("slack", "billing"), "Reject…")
    form = tab.page.get_by_role("dialog", name="Reject")
    why = form.get_by_role("textbox", name="Why?")
    await expect(why).to_be_focused()

    await form.get_by_role("button", name="Send").click()
    await expect(form.get_by_role("alert")).to_have_text("Please complete this required field.")
    await expect(why).to_be_focused()
    assert await tab.refusal() == "Why?: Please complete this required field."

    await why.fill("Riley left the billing team in May.")
    await form.get_by_role("button", name="Send").click()
    await expect(form).to_have_count(0)
    await expect(tab.said("slack", "Rejected by")).to_be_visible()
    await tab.becomes("Alex Asker")
    await expect(tab.said("slack", "Riley left the billing team")).to_be_visible()
    assert stage.rows("SELECT * FROM grants ORDER BY 1, 2, 3") == grants


async def test_nobody_answers_until_the_pager_rings(tabs: Tabs, stage: Stage) -> None:
    """Next step, again and again: reminded, wider, wider, paged, and cancelled aloud; no e-mail has left."""
    tab = await tabs.opened("kim")
    await tab.page.get_by_role("button", name="Let it time out").click()
    await tab.page.get_by_role("button", name=re.compile("^Start( again)?$")).click()
    await expect(tab.line("waits for support")).to_be_visible()
    pager = tab.office.get_by_role("region", name="Pager")
    await expect(pager).not_to_contain_text("triggered")

    for words in ("Reminded the approvers.", "Told second-line, who may decide from now on.",
                  "Told supervisors, who may decide from now on.", "on-call is paged."):  # fmt: skip
        assert (await tab.presses_panel("Next step")).endswith(words)
    await expect(pager).to_contain_text("triggered")
    await expect(pager.get_by_role("status")).to_have_text("on-call is paged")
    await expect(tab.page).to_have_title(re.compile("^\\(!\\) On-call is paged"))

    assert (await tab.presses_panel("Next step")).endswith("Nobody decided in time; nothing is done.")
    await expect(pager.get_by_role("status")).to_have_text("")
    await expect(tab.line("cancelled, nothing done")).to_be_visible()
    await expect(tab.office.get_by_role("region", name="Mailbox")).to_contain_text("No e-mail has left.")
    await expect(tab.page.get_by_role("button", name="3, done: Let it time out")).to_be_visible()
    assert stage.work.mail.messages == []


async def test_bot_and_worker_are_killed_while_a_refund_waits(tabs: Tabs, stage: Stage) -> None:
    """One press kills both; others stand in for them, the card that stood there is approved, and it happens once."""
    before, dead = stage.refunded(1035), stage.office.worker.pid
    tab = await tabs.opened("alex")
    await tab.asks("refund order 1035 20.00")
    await tab.becomes("Bo Berg")
    await tab.goes_to("slack", "finance-approvals")
    card = tab.card("slack", "order 1035")
    await expect(card).to_be_visible()

    killed = await tab.presses_panel("both")
    alive = stage.office.worker.pid
    assert f"worker {dead}. Started: " in killed
    assert killed.endswith(f"worker {alive}.")

    await tab.presses(card, "Approve")
    await expect(tab.line("done, once")).to_be_visible()
    await expect(tab.line(f"paused in process {dead}")).to_be_visible()
    await expect(tab.line(f"resumed in process {alive}")).to_be_visible()
    await expect(tab.row("changed 1035 20.00 USD")).to_have_count(1)
    assert stage.refunded(1035) == before + 2000
