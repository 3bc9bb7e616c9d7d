"""`sayso demo`'s page over its own HTTP: the guide's steps as people click them, and what the panels say of it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

import pytest
from page_client import Browser, Tab, browsing
from sayso.approvals.connection import open_sync_redis
from sayso.approvals.verdict import RequestId
from sayso.bot.demo.hands import Closing, Hands
from sayso.bot.demo.page import opened_page
from sayso.bot.demo.stage import Stage
from sayso.sandbox.page import Page
from whole_office import whole_office

Json = dict[str, Any]
NOTHING_YET: Json = {
    "requests": [], "selected": "", "timeline": [], "line": "", "tone": "waits", "sources": [],
}  # fmt: skip
SUPPORT, FINANCE, OPS = "C0SUPPORT", "C0FINANCE", "C0OPS"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Page]]:
    """Everything runs, and the page is open; one office for all scenes."""
    with (
        whole_office(tmp_path_factory.mktemp("office") / "demo") as stage,
        opened_page(stage.office, Hands()) as page,
    ):
        yield stage, page


@pytest.fixture
async def browser(office: tuple[Stage, Page]) -> AsyncIterator[Browser]:
    """The page in a browser."""
    async with browsing(office[1]) as opened:
        opened.http.timeout = 30  # some acts wait for processes
        yield opened


def audit(state: Json) -> Json:
    found: Json = state["panels"]["audit"]
    return found


def step(state: Json, n: int) -> Json:
    found: Json = state["panels"]["guide"]["steps"][n - 1]
    return found


def card(state: Json, channel: str, words: str, label: str = "Approve") -> Json | None:
    """The newest card in Slack with these words and this button."""
    return next(
        (one for one in reversed(state["slack"]["messages"][channel])
         if words in str(one["blocks"]) and f"'{label}'" in str(one["blocks"])), None,
    )  # fmt: skip


def marked(state: Json, table: str) -> list[Json]:
    """Rows of the back office that changed since the demo opened."""
    [shown] = [one for one in state["panels"]["back_office"]["tables"] if one["name"] == table]
    return [row for row in shown["rows"] if row.get("changed") or row.get("removed")]


async def starts(browser: Browser, n: int) -> str:
    """Press Start of one suggestion; what it answers."""
    answer = await browser.acts("bo", "panel", name="guide", what="start", n=n)
    assert answer["ok"], answer
    return str(answer["words"])


async def approves(browser: Browser, tab: Tab, channel: str, words: str, who: str = "bo") -> None:
    """As soon as the card stands."""
    found = await tab.until(lambda state: card(state, channel, words), timeout=15)
    assert found is not None
    answer = await browser.acts(who, "slack.click", channel=channel, ts=found["ts"], label="Approve")
    assert answer["ok"], answer


async def test_a_refund_is_followed_from_the_pause_to_the_row(
    office: tuple[Stage, Page], browser: Browser
) -> None:
    """The guide's first step: paused and checkpointed, decided by whom and where, resumed in which process, one marked row."""
    stage, _ = office
    async with browser.tab("bo") as bo:
        first = await bo.until(lambda state: state)
        assert [one["done"] for one in first["panels"]["guide"]["steps"]] == [False] * 6
        assert audit(first) == NOTHING_YET
        assert first["panels"]["clock"]["next"] is None
        assert marked(first, "refunds") == marked(first, "orders") == []

        assert await starts(browser, 1) == "Alex has asked in #support: refund order 1042 129.90"
        await bo.until(lambda state: "waits for finance" in audit(state)["line"], timeout=15)
        waits = audit(bo.seen[-1])
        pid = stage.office.worker.pid
        assert waits["line"] == f"paused in process {pid} · state checkpointed · waits for finance"
        assert waits["sources"][1].startswith("checkpoint 1")
        assert [(one["state"], one["waiting_for"]) for one in waits["requests"]] == [("open", "finance")]
        assert bo.seen[-1]["panels"]["clock"]["next"]["words"] == "the approvers are reminded"

        await approves(browser, bo, FINANCE, "129.90")
        done = await bo.until(lambda state: step(state, 1)["done"] and state, timeout=15)
        assert audit(done)["line"] == (
            f"paused in process {pid} · state checkpointed · decided by Bo in Slack · resumed in process {pid} · done, once"
        )
        assert (waits["tone"], audit(done)["tone"]) == ("waits", "done")
        assert len(audit(done)["sources"]) == 5
        [row] = marked(done, "refunds")
        assert row["cells"][:2] == ["1042", "129.90 USD"]
        assert [row["key"] for row in marked(done, "orders")] == ["1042"]
        assert len({(line["at"], line["event"], line["words"]) for line in audit(done)["timeline"]}) == len(
            audit(done)["timeline"]
        )
        shown = {line["words"] for line in audit(done)["timeline"] if line["event"] == "shown"}
        assert shown == {f"Shown in {where}" for where in (
            "#finance-approvals in Slack", "#finance-approvals in Teams", "a thread of #support in Slack",
        )}  # fmt: skip
        assert {line["by"] for line in audit(done)["timeline"]} >= {"Bo Berg", f"worker, process {pid}"}


async def test_a_killed_worker_is_shown_and_another_one_goes_on(
    office: tuple[Stage, Page], browser: Browser
) -> None:
    """S6 S9 S10: the button kills for real; the line names both processes, and a second wish meanwhile is refused in words."""
    stage, _ = office
    async with browser.tab("bo") as bo:
        await starts(browser, 4)
        dead = stage.office.worker.pid
        await bo.until(lambda state: f"paused in process {dead}" in audit(state)["line"] and card(state, FINANCE, "20.00"),
                       timeout=15)  # fmt: skip

        killing = asyncio.create_task(
            browser.acts("bo", "panel", name="processes", what="kill", which="worker")
        )
        await bo.until(lambda state: not state["panels"]["processes"]["worker"]["up"], timeout=15)
        pushed = await browser.acts("bo", "panel", name="clock", what="push", minutes=15)
        assert not pushed["ok"]
        assert pushed["words"].startswith("One moment: ")
        answer = await killing
        alive = stage.office.worker.pid
        assert answer == {"ok": True, "words": f"Killed (SIGKILL): worker {dead}. Started: worker {alive}."}
        await bo.until(lambda state: state["panels"]["processes"]["worker"] == {"pid": alive, "up": True})

        await approves(browser, bo, FINANCE, "20.00")
        done = await bo.until(lambda state: step(state, 4)["done"] and state, timeout=20)
        assert audit(done)["line"].startswith(
            f"paused in process {dead} · state checkpointed · decided by Bo in Slack"
        )
        assert audit(done)["line"].endswith(f"resumed in process {alive} · done, once")


async def test_nobody_answers_and_the_clock_is_pushed_step_by_step(
    office: tuple[Stage, Page], browser: Browser
) -> None:
    """S28: five presses of Next step: reminder, two wider circles, the page, cancelled; and the clock says how far it was pushed."""
    stage, _ = office
    tokens = stage.work.tokens.now()
    async with browser.tab("kim") as kim:
        await starts(browser, 3)
        await kim.until(lambda state: "waits for support" in audit(state)["line"], timeout=15)
        said = []
        for _press in range(5):
            answer = await browser.acts("kim", "panel", name="clock", what="to_next")
            assert answer["ok"], answer
            said.append(answer["words"])
        assert [re.sub(r"^.*: ", "", words) for words in said] == [
            "Reminded the approvers.", "Told second-line, who may decide from now on.",
            "Told supervisors, who may decide from now on.", "The approvers' time is over; on-call is paged.",
            "Nobody decided in time; nothing is done.",
        ]  # fmt: skip
        done = await kim.until(lambda state: step(state, 3)["done"] and state, timeout=15)
        assert "on-call was paged · nobody decided in time" in audit(done)["line"]
        assert audit(done)["line"].endswith("cancelled, nothing done")
        assert audit(done)["tone"] == "stopped"
        assert done["panels"]["clock"]["pushed"] in ("+39 min", "+40 min")
        assert done["mail"] == []
    assert 2400 <= stage.work.tokens.now() - tokens < 2460


async def test_what_is_watched_runs_at_once_and_is_taken_back(
    office: tuple[Stage, Page], browser: Browser
) -> None:
    """S26 S27: nobody is asked about a draft; its card says what was done, Bo undoes it, and the line says so."""
    stage, _ = office
    async with browser.tab("bo") as bo:
        await starts(browser, 6)
        found = await bo.until(lambda state: card(state, OPS, "Ran without asking", "Undo…"), timeout=15)
        assert found is not None
        assert stage.count("SELECT count(*) FROM drafts") == 1
        answer = await browser.acts("bo", "slack.click", channel=OPS, ts=found["ts"], label="Undo…")
        assert answer["ok"], answer
        done = await bo.until(lambda state: step(state, 6)["done"] and state, timeout=15)
        assert audit(done)["line"].endswith("undone")
        assert stage.count("SELECT count(*) FROM drafts") == 0


async def test_next_step_is_no_farther_than_the_next_step_however_fast_one_presses(
    office: tuple[Stage, Page], browser: Browser
) -> None:
    """Ten minutes and, before the page shows them, the next step: the five minutes that are left, and one reminder."""
    stage, _ = office
    async with browser.tab("kim") as kim:
        await starts(browser, 3)
        await kim.until(lambda state: audit(state)["line"].endswith("waits for support"), timeout=15)
        before = stage.work.tokens.now()
        assert (await browser.acts("kim", "panel", name="clock", what="push", minutes=10))["ok"]
        answer = await browser.acts("kim", "panel", name="clock", what="to_next")
        assert re.sub(r"^.*: ", "", answer["words"]) == "Reminded the approvers."
        assert 890 <= stage.work.tokens.now() - before < 960
        for _press in range(4):
            assert (await browser.acts("kim", "panel", name="clock", what="to_next"))["ok"]
        await kim.until(lambda state: audit(state)["line"].endswith("cancelled, nothing done"), timeout=15)


async def test_time_that_was_pushed_is_read_everywhere(office: tuple[Stage, Page], browser: Browser) -> None:
    """Message, audit line, row and letter say the same hour; and an answer typed below the card counts."""
    stage, _ = office
    async with browser.tab("bo") as bo:
        assert (await browser.acts("bo", "panel", name="clock", what="push", minutes=180))["ok"]
        wall = time.time()
        stage.asks("refund order 1036 10.00")
        shown = await bo.until(lambda state: card(state, FINANCE, "order 1036"), timeout=15)
        assert shown is not None
        said = await browser.acts("bo", "slack.say", channel=FINANCE, text="approve", thread=shown["ts"])
        assert said["ok"], said
        done = await bo.until(lambda state: state if _ended(state) else None, timeout=15)
        assert done is not None
        [row] = [one for one in marked(done, "refunds") if one["cells"][0] == "1036"]
        stamps = [row["cells"][2], *(line["at"] for line in audit(done)["timeline"])]
        stage.asks('email order 1042 "it is on its way"')
        asked = await bo.until(lambda state: card(state, OPS, "on its way"), timeout=15)
        assert asked is not None
        assert (await browser.acts("bo", "slack.click", channel=OPS, ts=asked["ts"], label="Approve"))["ok"]
        letter = (await bo.until(lambda state: state["mail"], timeout=15))[-1]
        ahead = bo.seen[-1]["ahead"]
        assert ahead >= 180 * 60
        [request] = [one for one in audit(done)["requests"] if "1036" in one["summary"]]
        told = stage.wait(stage.store.all_told(RequestId(request["id"])))
        drawn = [one.at.timestamp() for one in told.values() if one.at]
        late = [
            shown["at"],
            letter["at"],
            *drawn,
            *(datetime.fromisoformat(one).timestamp() for one in stamps),
        ]
        assert [one for one in late if not -5 < one - ahead - wall < 120] == []


async def test_two_press_at_the_same_instant(browser: Browser) -> None:
    """One decision; whoever was slower is told who was faster, and the guide has seen it in the record."""
    async with browser.tab("cy") as cy:
        assert re.match(
            r"Both pressed; (Bo in Slack was first. Cy|Cy in Teams was first. Bo) reads",
            await starts(browser, 5),
        )
        done = await cy.until(lambda state: step(state, 5)["done"] and state, timeout=15)
        events = [line["event"] for line in audit(done)["timeline"]]
        assert (events.count("decided"), events.count("answer refused"), events.count("effect done")) == (
            1,
            1,
            1,
        )


async def test_who_was_refused_is_called_by_name(office: tuple[Stage, Page], browser: Browser) -> None:
    """Also somebody whom the settings do not know: a guest has only an account."""
    office[0].asks("refund order 1036 1.00")
    async with browser.tab("gil") as gil:
        found = await gil.until(lambda state: card(state, SUPPORT, "1.00"), timeout=15)
        assert found is not None
        pressed = await browser.acts("gil", "slack.click", channel=SUPPORT, ts=found["ts"], label="Approve")
        assert pressed["ok"], pressed
        lines = await gil.until(_refusals, timeout=15)
        assert lines[-1]["by"] in ("Gil Guest", "Gil Guest in Slack")


def _ended(state: Json) -> bool:
    paid = any(row["cells"][0] == "1036" for row in marked(state, "refunds"))
    return paid and str(audit(state)["line"]).endswith("done, once")


def _refusals(state: Json) -> list[Json]:
    return [line for line in audit(state)["timeline"] if line["event"] == "answer refused"]


async def test_a_tab_follows_the_request_it_has_chosen(browser: Browser) -> None:
    """Otherwise the newest one; a made-up id follows the newest, too."""
    async with browser.tab("bo") as bo:
        newest = await bo.until(audit)
        older = newest["requests"][-1]["id"]
        assert newest["selected"] == newest["requests"][0]["id"] != older
    async with browser.tab("bo", selected=older) as bo:
        assert (await bo.until(audit))["selected"] == older
    async with browser.tab("bo", selected="<b>no</b>") as bo:
        assert (await bo.until(audit))["selected"] == newest["selected"]


async def test_a_correction_that_comes_to_nothing_is_followed_to_its_end(browser: Browser) -> None:
    """Nobody was last active so early: the agent ends, and the card, its thread and the line say so, in both chats."""
    async with browser.tab("bo") as bo:
        first = await bo.until(lambda state: state)
        say = step(first, 2)["say"]
        assert await starts(browser, 2) == say.replace("asks in #support: @sayso", "has asked in #support:")
        await bo.until(lambda state: step(state, 2)["asked"] and card(state, OPS, "Delete"), timeout=15)
        shown = card(bo.seen[-1], OPS, "Delete")
        assert shown is not None
        opened = await browser.acts("bo", "slack.click", channel=OPS, ts=shown["ts"], label="Modify…")
        assert opened["ok"], opened
        view = (await bo.until(lambda state: state["slack"]["modal"]))["id"]
        sent = await browser.acts("bo", "slack.submit", view=view, values={"before": "2019-01-01"})
        assert sent["ok"], sent
        await bo.until(lambda state: "ended without asking again" in audit(state)["line"], timeout=20)
        done = audit(bo.seen[-1])
        assert done["tone"] == "stopped"
        assert "No customer was last active before" in done["line"]
        told = await bo.until(
            lambda state: [one for one in state["slack"]["messages"][OPS] if "sent this back" in str(one)],
            timeout=15,
        )
        assert len(told) == 1
        await bo.until(lambda state: "ended without asking again" in str(_drawn(state["slack"], shown["ts"])))
        await bo.until(lambda state: "ended without asking again" in str(state["teams"]["messages"]))


def _drawn(chat: Json, ts: str) -> list[Json]:
    """A message as it stands in whatever channel."""
    return [one for some in chat["messages"].values() for one in some if one["ts"] == ts]


async def test_what_no_button_says_is_refused_in_words(browser: Browser) -> None:
    """One sentence each, and nothing has moved."""
    for name, what, fields in (
        ("clock", "push", {"minutes": 0}), ("clock", "push", {"minutes": 10**9}), ("clock", "push", {"minutes": True}),
        ("clock", "push", {}), ("clock", "back", {}), ("processes", "kill", {"which": "store"}),
        ("processes", "kill", {"which": ["bot"]}), ("processes", "stop", {"which": "bot"}), ("guide", "start", {"n": 7}),
        ("guide", "start", {"n": "1"}), ("audit", "forget", {}), ("back_office", "insert", {}),
    ):  # fmt: skip
        answer = await browser.acts("bo", "panel", name=name, what=what, **fields)
        assert not answer["ok"], (name, what, fields)
        assert answer["words"].endswith(".")


@pytest.mark.chaos
async def test_the_store_is_killed_and_comes_back(office: tuple[Stage, Page], browser: Browser) -> None:
    """S6: what the page shows is old for a moment and then goes on; nothing is lost or shown twice."""
    stage, _ = office
    async with browser.tab("bo") as bo:
        await starts(browser, 1)
        await bo.until(lambda state: "waits for finance" in audit(state)["line"], timeout=15)
        before = audit(bo.seen[-1])["timeline"]
        with open_sync_redis(stage.office.redis_url) as client:
            os.kill(int(client.info("server")["process_id"]), signal.SIGKILL)
        pushed = await browser.acts("bo", "panel", name="clock", what="push", minutes=15)
        assert pushed == {"ok": True, "words": "Time has passed; nothing was due."}
        assert (await bo.until(audit))["timeline"][: len(before)] == before

        found = await bo.until(
            lambda state: card(state, FINANCE, "1041") or card(state, FINANCE, "1042"), timeout=15
        )
        assert found is not None
        assert (await browser.acts("bo", "slack.click", channel=FINANCE, ts=found["ts"], label="Approve"))[
            "ok"
        ]
        await bo.until(lambda state: audit(state)["line"].endswith("done, once"), timeout=30)
        lines = [(line["at"], line["event"], line["words"]) for line in audit(bo.seen[-1])["timeline"]]
        assert len(set(lines)) == len(lines)


@pytest.mark.chaos  # kills and starts once more
async def test_the_page_closes_only_once_a_process_that_is_being_started_stands(
    office: tuple[Stage, Page],
) -> None:
    """So that nothing is started behind the back of an office that has closed."""
    stage, hands = office[0], Hands()
    closing = opened_page(stage.office, hands)
    page = await asyncio.to_thread(closing.__enter__)
    async with browsing(page) as browser, browser.tab("bo") as bo:
        killing = asyncio.create_task(
            browser.acts("bo", "panel", name="processes", what="kill", which="worker")
        )
        await bo.until(lambda state: not state["panels"]["processes"]["worker"]["up"], timeout=15)
        await asyncio.to_thread(closing.__exit__, None, None, None)
        assert stage.office.worker.up
        with pytest.raises(Closing):
            hands.restart(stage, [stage.office.bot])
        assert stage.office.bot.up
        await asyncio.gather(killing, return_exceptions=True)
