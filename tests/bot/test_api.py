"""Runs over HTTP: started once, looked at, waited for, taken back; never approved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_scene import CRM_KEY, OTHER_KEY, ApiScene, an_api
from sayso.approvals.change import Event
from sayso.approvals.people import PersonId
from sayso.approvals.request import OutcomeKind, State
from sayso.approvals.verdict import Reject, ThreadId
from sayso.bot.api import runs
from sayso.bot.valkey import EmbeddedValkey
from tokens import CANARIES


@pytest.fixture
async def scene(tmp_path: Path, redis_url: str) -> AsyncIterator[ApiScene]:
    async with an_api(tmp_path, redis_url) as running:
        yield running


# ---- a run, from asking to its end


async def test_a_run_is_started_asked_about_and_ends(scene: ApiScene) -> None:
    """Accepted at once; then what waits for whom until when; then what the agent said and the tool returned."""
    answer = await scene.asks(thread="order-1042")
    assert (answer.status_code, answer.json()["state"]) == (202, "running")
    run = answer.json()["id"]
    assert run == "api:crm:order-1042"
    await scene.world.work()
    waits = await scene.looks(run)
    (asked,) = waits["requests"]
    assert (waits["state"], waits["report"]) == ("waiting", "")
    assert (asked["state"], asked["tool"], asked["summary"]) == (
        "open", "issue_refund", "Refund 129.90 USD for order 1042",
    )  # fmt: skip
    assert asked["places"] == [{"place": "slack:C0FIN", "shown": False}]
    assert asked["expires_at"] > asked["asked_at"]
    await scene.answers(await scene.store.get(asked["id"]))
    ended = await scene.looks(run)
    assert (ended["state"], ended["ended"]) == ("ended", "finished")
    assert ended["report"].startswith("executed: ")
    assert ended["requests"][0]["outcome"]["result"] == "Refunded 129.90 USD."
    assert (await scene.http.get(f"/v1/requests/{asked['id']}")).json() == ended["requests"][0]


async def test_the_same_again_finds_the_run_that_has_ended(scene: ApiScene) -> None:
    """A caller that lost the answer asks again, with other patience, and gets the end."""
    run, request = await scene.paused(key="k1")
    await scene.answers(request, Reject("No."))
    again = await scene.asks(key="k1", wait=5)
    assert (again.status_code, again.json()["id"], again.json()["state"]) == (200, run, "ended")
    assert again.json()["report"] == "refused: The answer was no: No."


async def test_an_object_is_given_to_the_graph_as_it_is(scene: ApiScene) -> None:
    """And its words are the goal that people read."""
    answer = await scene.asks(input={"goal": "12.50", "report": "nothing yet"})
    await scene.world.work()
    (request,) = await scene.store.live()
    assert request.proposal.action.arguments["amount"] == "12.50"
    assert (request.ask.run.goal, request.ask.run.input) == ("12.50", "")
    assert (await scene.world.state(answer.json()["id"]))["report"] == "nothing yet"


async def test_nobody_behind_the_run_may_decide_it(scene: ApiScene) -> None:
    """Neither whom the service names nor who answers for the service."""
    _, request = await scene.paused()
    assert request.requesters == {PersonId("alex"), PersonId("sue")}
    assert (await scene.asks(asked_by=None)).status_code == 202
    await scene.world.work()
    alone = [one for one in await scene.store.live() if one.id != request.id]
    assert [one.requesters for one in alone] == [{PersonId("sue")}]


async def test_the_trail_says_which_key_asked(scene: ApiScene) -> None:
    """The service by its name, never its key."""
    run = (await scene.asks()).json()["id"]
    trail = await scene.store.trail(ThreadId(run))
    assert [(one.entry.event, one.entry.by) for one in trail] == [
        (Event.RUN_STARTED, "sayso"), (Event.RUN_STARTED, "service crm"),
    ]  # fmt: skip


# ---- once


async def test_twenty_of_the_same_call_at_once_are_one_run(scene: ApiScene) -> None:
    """All are told of the same run, and it is started once."""
    answers = await asyncio.gather(*(scene.asks(key="k1") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(await scene.store.unfinished()) == 1


@pytest.mark.parametrize("named", [{"key": "k1"}, {"thread": "t1"}])
async def test_the_same_name_for_something_else_is_refused(scene: ApiScene, named: dict[str, Any]) -> None:
    """Otherwise a caller would believe that the second one was done."""
    await scene.asks(**named)
    changes: list[dict[str, Any]] = [{"input": "1000.00"}, {"asked_by": None}, {"input": {"goal": "129.90"}}]
    for change in changes:
        refused = await scene.asks(**named, **change)
        assert (refused.status_code, refused.json()["title"]) == (409, "Conflict")
    (run,) = await scene.store.unfinished()
    assert (run.goal, run.asked_by) == ("129.90", "alex")


async def test_two_services_may_use_one_name(scene: ApiScene) -> None:
    """Names are each service's own."""
    ours, theirs = await scene.asks(thread="t1"), await scene.asks(thread="t1", by=OTHER_KEY)
    assert (ours.json()["id"], theirs.json()["id"]) == ("api:crm:t1", "api:other:t1")


async def test_without_a_name_each_call_is_a_run(scene: ApiScene) -> None:
    """Nothing says that they are the same."""
    ids = {(await scene.asks()).json()["id"] for _ in range(2)}
    assert len(ids) == 2


# ---- waiting


async def begun(scene: ApiScene) -> None:
    """A call that is under way has started its run."""
    async with asyncio.timeout(20):
        while not await scene.store.unfinished():  # noqa: ASYNC110 another connection does it
            await asyncio.sleep(0.02)


async def test_a_call_waits_until_people_are_asked(scene: ApiScene) -> None:
    """It is answered as soon as that is so, with what is asked."""
    waiting = asyncio.create_task(scene.asks(wait=30))
    await begun(scene)
    await scene.world.work()
    answer = await waiting
    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    assert [one["state"] for one in answer.json()["requests"]] == ["open"]


async def test_nothing_within_the_wait_is_an_answer_too(scene: ApiScene) -> None:
    """No worker runs: after a second it is said as it stands."""
    answer = await scene.asks(wait=1)
    assert (answer.status_code, answer.json()["state"]) == (202, "running")


async def test_no_more_than_so_many_wait(scene: ApiScene, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is started like the others, and answered at once."""
    monkeypatch.setattr(runs, "MOST_WAITING", 1)
    first = asyncio.create_task(scene.asks(wait=60))
    await begun(scene)
    async with asyncio.timeout(20):
        assert (await scene.asks(wait=60)).json()["state"] == "running"
    assert len(await scene.store.unfinished()) == 2
    await scene.world.work()
    assert (await first).json()["state"] == "waiting"


async def test_who_hangs_up_waits_no_longer(scene: ApiScene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their turn is the next one's."""
    monkeypatch.setattr(runs, "MOST_WAITING", 1)
    with pytest.raises(httpx.ReadTimeout):
        await scene.http.post("/v1/runs", json={"graph": "ops", "input": "1", "wait": 60}, timeout=0.3)
    async with asyncio.timeout(20):
        while (await scene.asks(thread="next", wait=1)).elapsed.total_seconds() < 0.9:
            pass


async def test_one_key_does_not_use_up_the_patience_of_all(
    scene: ApiScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that may wait each key has one, whoever comes first."""
    monkeypatch.setattr(runs, "MOST_WAITING", 2)
    first = asyncio.create_task(scene.asks(wait=60))
    await begun(scene)
    async with asyncio.timeout(20):
        assert (await scene.asks(wait=60)).json()["state"] == "running"
    other = asyncio.create_task(scene.asks(by=OTHER_KEY, wait=60))
    async with asyncio.timeout(20):
        while len(await scene.store.unfinished()) < 3:  # noqa: ASYNC110 another connection does it
            await asyncio.sleep(0.02)
    await scene.world.work()
    assert [(await one).json()["state"] for one in (first, other)] == ["waiting", "waiting"]


# ---- taken back


async def test_a_service_takes_back_what_it_asked(scene: ApiScene) -> None:
    """Nothing is done, the card says why, and the agent is told at once."""
    run, request = await scene.paused()
    answer = await scene.http.post(
        f"/v1/requests/{request.id}/withdraw", json={"why": "The customer\nwrote again."}
    )
    assert (answer.status_code, answer.json()["outcome"]["kind"]) == (200, "withdrawn")
    assert answer.json()["outcome"]["words"] == "crm took it back: The customer wrote again."
    await scene.world.work()
    assert (await scene.looks(run))["report"] == "withdrawn: crm took it back: The customer wrote again."
    assert scene.world.ledger.done == []
    again = await scene.http.post(f"/v1/requests/{request.id}/withdraw", json={"why": "x"})
    assert again.status_code == 409


async def test_a_whole_run_is_taken_back_even_after_the_yes(scene: ApiScene) -> None:
    """Until its tool has begun; a run of which nothing is left says so."""
    run, request = await scene.paused()
    await scene.decided(request)
    assert (await scene.store.get(request.id)).state is State.DECIDED
    answer = await scene.http.post(f"/v1/runs/{run}/withdraw", json={"why": "Too late."})
    assert answer.status_code == 200, answer.text
    await scene.world.work()
    assert scene.world.ledger.done == []
    assert (await scene.store.get(request.id)).outcome.kind is OutcomeKind.WITHDRAWN  # type: ignore[union-attr]
    assert (await scene.http.post(f"/v1/runs/{run}/withdraw", json={"why": "x"})).status_code == 409


async def test_what_was_done_cannot_be_taken_back(scene: ApiScene) -> None:
    """The refund is out."""
    _, request = await scene.paused()
    await scene.answers(request)
    answer = await scene.http.post(f"/v1/requests/{request.id}/withdraw", json={"why": "x"})
    assert (answer.status_code, len(scene.world.ledger.done)) == (409, 1)
    assert answer.json()["detail"] == "It can no longer be taken back: it has ended, or its action has begun."


# ---- who may what


WRONG_KEYS = ("", "Bearer", "Bearer x", f"Basic {CRM_KEY}", f"Bearer {CRM_KEY}x", f"Bearer {CRM_KEY[:-1]}")


async def test_without_a_key_nothing_is_told(scene: ApiScene) -> None:
    """The same words whatever is asked and however wrong the key is."""
    for given, path in product(WRONG_KEYS, ("/v1/runs/api:crm:t1", "/v1/runs", "/v1/nothing", "/v1/")):
        answer = await scene.http.get(path, headers={"authorization": given})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), (given, path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json() == {
            "title": "Unauthorized", "status": 401, "detail": "Send a key of yours as Authorization: Bearer.",
        }  # fmt: skip


async def test_another_services_runs_are_not_there(scene: ApiScene) -> None:
    """Neither to be looked at nor to be taken back; the same words as for what never was."""
    run, request = await scene.paused()
    there = {"authorization": f"Bearer {OTHER_KEY}"}
    for path in (
        f"/v1/runs/{run}",
        "/v1/runs/api:other:none",
        f"/v1/requests/{request.id}",
        "/v1/requests/zz",
    ):
        answer = await scene.http.get(path, headers=there)
        assert answer.status_code == 404
        assert answer.json()["detail"].startswith("This key has started no such r")
        refused = await scene.http.post(f"{path}/withdraw", headers=there, json={"why": "mine now"})
        assert refused.status_code == 404
    assert (await scene.store.get(request.id)).state is State.OPEN


async def test_runs_of_people_are_not_there(scene: ApiScene) -> None:
    """A key shows what was asked with it, and not what was asked in chat."""
    run = await scene.world.start(thread="slack:T1:C1:1700.1")
    assert (await scene.http.get(f"/v1/runs/{run.thread}")).status_code == 404


REFUSED: list[tuple[str, dict[str, Any], int, str | None]] = [
    (CRM_KEY, {"asked_by": "bo"}, 403, "asked_by: this key may not act for this person."),
    (CRM_KEY, {"asked_by": "nobody"}, 403, "asked_by: this key may not act for this person."),
    (OTHER_KEY, {"asked_by": "nobody"}, 422, "asked_by: there is no such person in the settings."),
    (CRM_KEY, {"graph": "opps"}, 422, "graph: there is no such graph; did you mean ops?."),
    (OTHER_KEY, {"callback": "https://hooks.example.com/"}, 422,
     "callback: this key has no secret that callbacks could be signed with."),
    (CRM_KEY, {"callback": "https://evil.example/"}, 422,
     "callback: Its host is not among the api.callback_hosts of the settings."),
    (CRM_KEY, {"thread": "t1", "key": "k1"}, 422,
     "Give a thread or an Idempotency-Key: either makes it safe to repeat the call."),
    (CRM_KEY, {"thread": "a/../b"}, 422, None), (CRM_KEY, {"thread": "a:b"}, 422, None),
    (CRM_KEY, {"thread": "t1\n"}, 422, None), (CRM_KEY, {"wait": 61}, 422, None),
    (CRM_KEY, {"wait": True}, 422, None), (CRM_KEY, {"input": ["a list"]}, 422, None),
    (CRM_KEY, {"input": "  "}, 422, None), (CRM_KEY, {"input": "x" * 2001}, 422, None),
    (CRM_KEY, {"service": "root"}, 422, "service: Extra inputs are not permitted."),
    (CRM_KEY, {"input": {"crm": {"auth": [CANARIES["JWT"]]}}}, 422,
     "input.crm.auth[0]: it holds a JSON web token, and no credential is taken here."),
    (CRM_KEY, {"input": f"use {CANARIES['GitHub']}"}, 422,
     "input: it holds a GitHub token, and no credential is taken here."),
    (CRM_KEY, {"thread": CANARIES["GitHub"]}, 422,
     "thread: it holds a GitHub token, and no credential is taken here."),
    (CRM_KEY, {"callback": f"https://hooks.example.com/?key={CANARIES['Stripe']}"}, 422,
     "callback: it holds a Stripe key, and no credential is taken here."),
    (CRM_KEY, {"key": "k" * 256}, 422, "An Idempotency-Key has at most 255 plain characters."),
]  # fmt: skip


async def test_what_may_not_be_started_is_refused_in_a_sentence(scene: ApiScene) -> None:
    """And nothing is."""
    for by, said, status, detail in REFUSED:
        answer = await scene.asks(by=by, **said)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), (
            said
        )
        assert detail in (None, answer.json()["detail"])
    assert await scene.store.unfinished() == []


# ---- what strangers and accidents send

HOSTILE: list[tuple[bytes, int]] = [
    (b"", 400), (b"{", 400), (b"\xff\xfe{}", 400), (b"[]", 422), (b"null", 422), (b"NaN", 400),
    (b'{"graph":"ops","input":{"n":NaN}}', 400), (b'{"graph":"ops","input":{"n":-Infinity}}', 400),
    (b'{"graph":"ops","input":{"n":1e999}}', 400), (b'{"graph":"ops","input":{"n":' + b"9" * 5000 + b"}}", 400),
    (b'{"graph":"ops","input":{"n":9223372036854775808}}', 400),
    (b'{"graph":"ops","input":"1","input":"2"}', 400), (b'{"graph":"ops","input":"\\ud800"}', 400),
    (b'{"graph":"ops","input":{"a":' + b"[" * 33 + b"]" * 33 + b"}}", 400),
    (b"[" * 60_000, 400), (b'{"a":' * 10_000, 400), (b'"' + b"x" * 70_000 + b'"', 413),
]  # fmt: skip


async def test_hostile_json_is_refused(scene: ApiScene) -> None:
    """In one sentence, with nothing of it quoted, and nothing is started."""
    for body, status in HOSTILE:
        answer = await scene.http.post("/v1/runs", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == status, (body[:60], answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.json()["detail"]) < 120
        assert "Traceback" not in answer.text
    assert await scene.store.unfinished() == []


ODD = [
    ("GET", "/v1/runs/api%3Acrm%3Anone", 404), ("GET", "/v1/runs/a%3Fb", 404), ("GET", "/v1/runs/a%23b", 404),
    ("DELETE", "/v1/runs", 405), ("PUT", "/v1/runs", 405), ("PUT", "/v1/runs/x", 405), ("GET", "/v1/runs/", 404),
    ("GET", "/v1/runs/%2e%2e/x", 404), ("GET", "/v1/runs/a%00b", 404), ("GET", "/v1/requests/00-", 404),
    ("GET", "/v1/requests/%ff", 404), ("POST", "/v1/requests/00-0/approve", 404), ("BREW", "/v1/runs", 405),
]  # fmt: skip


async def test_odd_paths_get_a_plain_answer(scene: ApiScene) -> None:
    """Also what somebody might hope for: there is no approving here."""
    for method, path, status in ODD:
        assert (await scene.http.request(method, path)).status_code == status, path
    odd_host = await scene.http.get("/v1/runs/x", headers={"host": "["})
    assert odd_host.status_code == 404


async def test_a_body_of_another_kind_is_refused(scene: ApiScene) -> None:
    """A form of somebody's page can send text, and a key would not come with it; all the same."""
    answer = await scene.http.post("/v1/runs", content=b"{}", headers={"content-type": "text/plain"})
    assert answer.status_code == 415


async def test_a_store_that_is_away_is_said(tmp_path: Path) -> None:
    """With the advice to repeat the call, which is safe with a name."""
    with EmbeddedValkey(tmp_path / "valkey") as server:
        async with an_api(tmp_path, server.url) as scene:
            server.stop()
            answer = await scene.asks(key="k1")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_what_breaks_here_shows_nothing_of_it(
    scene: ApiScene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has type and place; whoever calls reads one sentence."""

    async def breaks(*_: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(runs.Runs, "start", breaks)
    answer = await scene.asks()
    assert (answer.status_code, "canary" in answer.text) == (500, False)
    (record,) = [one for one in caplog.records if one.message == "api.failed"]
    assert vars(record)["error"] == "RuntimeError"
    assert "canary" not in caplog.text
