"""The page's server: who may speak to it, how tabs are kept up to date, and what stands beside the chats."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from email.message import EmailMessage
from functools import partial
from typing import Any

import aiosmtplib
import httpx
import pytest
from page_client import TOKEN_HEADER, Browser, browsing
from sayso.sandbox import Workplace
from sayso.sandbox.page import Page, page, stream
from sayso.sandbox.page.recent import THREADS, newest_threads
from sayso.sandbox.slack import CannotDoThat
from sayso.sandbox.workplace import ThreadedWorkplace

Json = dict[str, Any]


class Till:
    """A panel with a number on it; it can be told to fail or to hang."""

    name = "till"

    def __init__(self) -> None:
        self.cents = 0
        self.fails: list[Exception] = []
        self.hangs = False
        self.heard: list[Json] = []

    async def state(self, viewer: str, selected: str) -> Json:
        if self.fails:
            raise self.fails[0]
        if self.hangs:
            await asyncio.sleep(30)
        return {"cents": self.cents, "for": viewer, "selected": selected}

    async def act(self, what: str, told: Json) -> str:
        self.heard.append({"what": what, **told})
        if what != "pay":
            raise LookupError("the till cannot do that")
        if told["cents"] > 100:
            raise CannotDoThat("There is not so much in the till.")
        self.cents -= told["cents"]
        return "Paid."


@pytest.fixture
def till() -> Till:
    """What the program shows."""
    return Till()


@pytest.fixture
async def shown(workplace: Workplace, till: Till) -> AsyncIterator[Page]:
    """The page of the workplace with a till on it."""
    served = Page(workplace, [till])
    await served.start()
    yield served
    await served.stop()


@pytest.fixture
async def browser(shown: Page) -> AsyncIterator[Browser]:
    """Open in a browser."""
    async with browsing(shown) as opened:
        yield opened


HELLO = {"as": "bo", "do": "slack.say", "channel": "C0SUPPORT", "text": "hello"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1:1"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({TOKEN_HEADER: ""}, 403),
        ({TOKEN_HEADER: "guess"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
async def test_nobody_elses_page_can_act(
    workplace: Workplace, browser: Browser, headers: dict[str, str], status: int
) -> None:
    """Another name for this address, another site, no token, or what a plain form can send: nothing is done."""
    answer = await browser.posts(HELLO, **headers)
    assert (answer.status_code, answer.json()["ok"]) == (status, False)
    assert workplace.slack.messages("#support") == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
async def test_nobody_elses_page_can_look(browser: Browser, headers: dict[str, str], status: int) -> None:
    """Neither under another name nor from another site."""
    answer = await browser.http.get("/events?as=bo", headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 50_000, 400),
        ([1], 400),
        ({**HELLO, "as": "nobody"}, 400),
        ({**HELLO, "as": "robo"}, 400),
        ({**HELLO, "do": "slack.fire"}, 400),
        ({**HELLO, "text": 5}, 400),
        ({**HELLO, "channel": None}, 400),
        ({"as": "bo", "do": "slack.submit", "view": "V1", "values": {"Why": {"a": 1}}}, 400),
        (
            {"as": "bo", "do": "teams.click", "conversation": "c", "id": "1", "title": "t", "inputs": ["x"]},
            400,
        ),
        ({"as": "bo", "do": "panel", "name": "safe", "what": "open"}, 400),
        ({**HELLO, "text": "x" * 100_000}, 413),
    ],
)
async def test_what_no_page_of_ours_sends_is_refused(
    workplace: Workplace, browser: Browser, body: Any, status: int
) -> None:
    """With a status and a sentence, and nothing is done."""
    answer = await browser.posts(body)
    assert (answer.status_code, answer.json()["ok"]) == (status, False)
    assert answer.json()["words"].endswith(".")
    assert workplace.slack.messages("#support") == []


async def test_every_answer_forbids_what_the_page_does_not_need(browser: Browser) -> None:
    """No inline script or style, no other site's frame, no copy kept; also on refusals."""
    for path in ("/", "/static/app.js", "/nothing", "/events?as=nobody"):
        headers = (await browser.http.get(path)).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
        assert "access-control-allow-origin" not in headers


async def test_only_the_pages_own_files_are_handed_out(browser: Browser) -> None:
    """Nothing above or beside them, however it is spelled; index.html only with its token."""
    assert (await browser.http.get("/static/app.js")).headers["content-type"].startswith("text/javascript")
    for path in (
        "/static/..%2fpage.py", "/static/%2e%2e%2f%2e%2e%2fpager.py", "/static/index.html", "/static/", "/page.py",
        "/static/%00", "/vendor/..%2fstatic%2fapp.js",
    ):  # fmt: skip
        assert (await browser.http.get(path)).status_code == 404, path


async def test_a_slow_reader_gets_the_newest_state_and_not_every_one(
    workplace: Workplace, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changed while nobody read is one state, and nobody else waits for it."""
    monkeypatch.setattr(stream, "PACE", 0)
    bo = workplace.slack.person("bo")
    for _ in range(40):
        await bo.says("#random", "x" * 40_000)
    async with browser.tab("bo") as slow, browser.tab("alex") as quick:
        await slow.until(last_said)
        for number in range(30):
            await bo.says("#random", f"{number}")
            await quick.until(partial(says_last, f"{number}"))
        await slow.until(lambda state: last_said(state) == "29")
        assert len(quick.seen) >= 30
        assert len(slow.seen) < 15


def says_last(words: str, state: Json) -> bool:
    return last_said(state) == words


def last_said(state: Json) -> str:
    said = state["slack"]["messages"]["C0RANDOM"]
    return str(said[-1]["text"]) if said else ""


async def test_a_tab_that_goes_away_is_let_go(workplace: Workplace, shown: Page, browser: Browser) -> None:
    """At the next change; the others stay."""
    async with browser.tab("alex") as alex:
        async with browser.tab("bo") as bo:
            await bo.until(lambda state: state)
            await alex.until(lambda state: state)
            assert shown.tabs == 2
        await workplace.slack.person("bo").says("#random", "gone")
        async with asyncio.timeout(5):
            while shown.tabs > 1:
                await browser.http.get("/static/icon.svg")
        assert await alex.until(last_said) == "gone"


async def test_a_silent_line_shows_that_it_stands(
    shown: Page, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comment now and then, and no state as long as nothing changes; a change that shows nowhere sends none."""
    monkeypatch.setattr(stream, "HEARTBEAT", 0.02)
    async with browser.tab("bo") as bo:
        await bo.until(lambda state: state)
        shown.changed()
        await bo.until(lambda _: bo.comments[2:])
        assert len(bo.seen) == 1


async def test_a_page_that_closes_ends_its_tabs(workplace: Workplace) -> None:
    """They notice, and closing does not wait for them."""
    served = Page(workplace)
    await served.start()
    async with browsing(served) as browser, browser.tab("bo") as bo:
        await bo.until(lambda state: state)
        await served.stop()
        with pytest.raises((StopAsyncIteration, RuntimeError, httpx.HTTPError)):
            await bo.until(lambda _: False)
    assert served.tabs == 0


async def test_panels_show_act_and_are_told_who_looks(shown: Page, browser: Browser, till: Till) -> None:
    """Beside the chats; what changed elsewhere is said from whichever thread it was noticed on."""
    async with browser.tab("bo", "r17") as bo, browser.tab("cy") as cy:
        assert await bo.until(lambda state: state["panels"]["till"]) == {
            "cents": 0, "for": "bo", "selected": "r17"
        }  # fmt: skip
        till.cents = 500
        noticed = threading.Thread(target=shown.changed)
        noticed.start()
        noticed.join()
        await cy.until(lambda state: state["panels"]["till"]["cents"] == 500)
        pay = {"name": "till", "what": "pay"}
        assert await browser.acts("bo", "panel", **pay, cents=99) == {"ok": True, "words": "Paid."}
        assert till.heard == [{"what": "pay", "as": "bo", "cents": 99}]
        await cy.until(lambda state: state["panels"]["till"]["cents"] == 401)
        told = await browser.acts("bo", "panel", **pay, cents=999)
        assert told == {"ok": False, "words": "There is not so much in the till."}
        told = await browser.acts("bo", "panel", name="till", what="burn")
        assert told == {"ok": False, "words": "The till cannot do that."}


async def test_a_tab_whose_state_cannot_be_told_is_hung_up_on(
    workplace: Workplace, shown: Page, browser: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    """It would stand still for ever and look alive; so it notices, and asks again."""
    async with browser.tab("bo") as bo:
        await bo.until(lambda state: state)
        with monkeypatch.context() as broken:
            broken.setattr(page, "pager_screen", lambda _: dict[str, str]()["details"])
            workplace.changes.happened()
            with pytest.raises((StopAsyncIteration, RuntimeError, httpx.HTTPError)):
                async with asyncio.timeout(5):
                    await bo.until(lambda _: False)
    assert shown.tabs == 0
    assert "page.stream_broke" in {record.getMessage() for record in caplog.records}
    async with browser.tab("bo") as again:
        await again.until(lambda state: state)


async def test_a_panel_that_fails_or_hangs_leaves_the_rest_standing(
    browser: Browser, till: Till, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so in its own place, the log says why, and the chats go on."""
    monkeypatch.setattr(page, "PANEL_SECONDS", 0.02)
    till.fails, till.hangs = [RuntimeError("no money")], True
    async with browser.tab("bo") as bo:
        assert "failed" in (await bo.until(lambda state: state["panels"]["till"]))["problem"]
        assert (
            await browser.posts({"as": "bo", "do": "panel", "name": "till", "what": "pay"})
        ).status_code == 500
        till.fails.clear()
        assert (await browser.acts("bo", "slack.say", channel="C0RANDOM", text="hello"))["ok"]
        await bo.until(lambda state: "not answer" in state["panels"]["till"]["problem"] and last_said(state))
    assert {record.getMessage() for record in caplog.records} >= {"page.panel_failed", "page.broke"}


async def test_the_pager_and_the_mail_are_shown(workplace: Workplace, browser: Browser) -> None:
    """As they stand now, to everybody."""
    event = {
        "routing_key": workplace.pager.routing_key, "event_action": "trigger", "dedup_key": "r1",
        "payload": {"summary": "Nobody answered", "source": "sayso", "severity": "critical",
                    "timestamp": "2030-01-01T12:00:00+00:00", "custom_details": {"asked by": "Alex"}},
    }  # fmt: skip
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "ops@workplace.example", "x@elsewhere.example", "Refund"
    letter["Date"], letter["Message-ID"] = "Tue, 01 Jan 2030 12:00:00 +0000", "<1@workplace.example>"
    letter.set_content("Dear customer")
    letter.replace_header("Content-Type", 'text/plain; charset="no-such-charset"')
    async with browser.tab("bo") as bo:
        async with httpx.AsyncClient(trust_env=False) as http:
            await http.post(f"{workplace.pager.url}/v2/enqueue", json=event)
        (incident,) = await bo.until(lambda state: state["pager"])
        assert (incident["status"], incident["summary"], incident["details"], incident["at"]) == (
            "triggered", "Nobody answered", {"asked by": "Alex"}, 1893499200.0
        )  # fmt: skip
        workplace.pager.acknowledge("r1")
        await bo.until(lambda state: state["pager"][0]["status"] == "acknowledged")
        await aiosmtplib.send(letter, hostname=workplace.mail.host, port=workplace.mail.port)
        (mail,) = await bo.until(lambda state: state["mail"])
        assert mail == {
            "to": "x@elsewhere.example", "from": "ops@workplace.example", "subject": "Refund",
            "body": "Dear customer\n", "at": 1893499200.0,
        }  # fmt: skip


def test_the_page_runs_beside_a_synchronous_program() -> None:
    """On the workplace's own thread, as the demo has it; a tab begins as whoever asks."""
    threaded = ThreadedWorkplace(Workplace())
    threaded.start()
    served = Page(threaded.workplace)
    threaded.run(served.start())

    async def seen() -> str:
        async with browsing(served) as browser, browser.tab("") as tab:
            return str(await tab.until(lambda state: state["viewer"]))

    assert asyncio.run(seen()) == "alex"
    threaded.run(served.stop())
    threaded.stop()
    threaded.workplace.assert_clean()


def test_a_long_conversation_is_shown_by_its_newest_threads() -> None:
    """Whole: the root of a thread that goes on is there, however old."""
    roots = [f"{number}" for number in range(THREADS + 50)]
    said = [(root, root) for root in roots] + [("late", "0")]
    kept = newest_threads(said, lambda one: one[1])
    assert (kept[0], kept[-1]) == (("0", "0"), ("late", "0"))
    assert len(kept) == THREADS + 1
