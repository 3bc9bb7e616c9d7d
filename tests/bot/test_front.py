"""The front door: alive at once, ready when the program stands, and never a 500 for what strangers send."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest
from sayso.bot.front import SLACK_PATH, TEAMS_PATH, Front, Receive, Scope, Send


async def slack(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands for the Slack part: says that it was reached."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"slack"})


async def ready() -> str:
    return ""


async def not_ready() -> str:
    return "REDIS_URL: the Redis server cannot be reached."


async def asked(front: Front, path: str, method: str = "GET") -> httpx.Response:
    """One request to the door."""
    transport = httpx.ASGITransport(app=front)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.request(method, path)


async def test_alive_before_anything_else_is_loaded() -> None:
    """An orchestrator does not kill a process that is still starting, and sends it no one yet."""
    front = Front()
    assert (await asked(front, "/livez")).json() == {"status": "alive"}
    starting = await asked(front, "/readyz")
    assert (starting.status_code, starting.headers["retry-after"]) == (503, "1")


async def test_services_reach_the_api_where_there_is_one() -> None:
    """Everything below its path is its own; while the program starts they are asked to come again."""
    front = Front()
    assert (await asked(front, "/v1/runs", "POST")).status_code == 503
    front.open({}, ready=ready)
    assert (await asked(front, "/v1/runs", "POST")).status_code == 404
    front.open({}, ready=ready, api=slack)
    assert [(await asked(front, path)).status_code for path in ("/v1/runs/x", "/v1", "/v12/runs")] == [
        200,
        404,
        404,
    ]


@pytest.mark.parametrize("path", [SLACK_PATH, TEAMS_PATH])
async def test_platforms_are_asked_to_come_again_while_it_starts(path: str) -> None:
    """They deliver a click again after a 503; a 404 would lose it."""
    front = Front()
    assert (await asked(front, path, "POST")).status_code == 503
    front.open({path: slack}, ready=ready)
    assert (await asked(front, path, "POST")).text == "slack"


async def test_not_ready_says_why_and_is_still_alive() -> None:
    """A restart would not bring Redis back."""
    front = Front()
    front.open({SLACK_PATH: slack}, ready=not_ready)
    answer = await asked(front, "/readyz")
    assert answer.status_code == 503
    assert "REDIS_URL" in answer.json()["problem"]
    assert (await asked(front, "/livez")).status_code == 200


async def test_without_slack_its_address_does_not_exist() -> None:
    """A bot for another platform has no such door."""
    front = Front()
    front.open({}, ready=ready)
    assert (await asked(front, SLACK_PATH, "POST")).status_code == 404
    assert (await asked(front, "/readyz")).json() == {"status": "ready"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404), ("GET", "/livez/", 404), ("GET", "/%2e%2e/etc/passwd", 404), ("GET", "/livez%00", 404),
        ("POST", "/livez", 405), ("DELETE", "/readyz", 405), ("HEAD", "/livez", 200), ("BREW", "/livez", 405),
        ("GET", "/slack/events/../livez", 404),
    ],
)  # fmt: skip
async def test_strangers_get_a_plain_answer(method: str, path: str, status: int) -> None:
    """Whatever is asked, the answer is a number below 500."""
    front = Front()
    front.open({SLACK_PATH: slack}, ready=ready)
    assert (await asked(front, path, method)).status_code == status


async def test_a_websocket_is_turned_away() -> None:
    """Left without an answer, the server would call it our error and say 500."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await Front()({"type": "websocket", "path": "/livez"}, receive, send)
    assert sent == [{"type": "websocket.close"}]
