"""A service finds its runs again that have not ended: its own, as they stand, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_scene import CRM_KEY, OTHER_KEY, ApiScene, an_api
from sayso.approvals.change import AuditEntry, Event
from sayso.approvals.verdict import Reject, ThreadId


@pytest.fixture
async def scene(tmp_path: Path, redis_url: str) -> AsyncIterator[ApiScene]:
    async with an_api(tmp_path, redis_url) as running:
        yield running


async def listed(scene: ApiScene, path: str, key: str = CRM_KEY) -> tuple[list[str], str | None]:
    """The runs of one page by their ids, and where the next page is."""
    answer = await scene.http.get(path, headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["runs"]], answer.json()["next"]


async def test_a_key_lists_its_runs_that_have_not_ended(scene: ApiScene) -> None:
    """As each stands; what has ended, other services' and people's are not among them."""
    ended, request = await scene.paused(thread="done")
    await scene.answers(request, Reject("No."))
    await scene.world.start(thread="slack:T1:C1:1700.1")
    await scene.asks(thread="theirs", by=OTHER_KEY)
    running = (await scene.asks(thread="new")).json()
    answer = await scene.http.get("/v1/runs?state=open")
    assert answer.json() == {"runs": [running], "next": None}
    assert ended != running["id"]
    assert await listed(scene, "/v1/runs?state=open", OTHER_KEY) == (["api:other:theirs"], None)


async def test_they_come_page_by_page_whatever_happens_between(scene: ApiScene) -> None:
    """One that ends and one that begins meanwhile move no other off a page."""
    for number in range(5):
        await scene.asks(thread=f"t{number}")
    first, next = await listed(scene, "/v1/runs?state=open&limit=2")
    assert first == ["api:crm:t0", "api:crm:t1"]
    await scene.store.finish_run(ThreadId("api:crm:t0"), AuditEntry(event=Event.RUN_FINISHED, words=""))
    await scene.asks(thread="a-new-one")
    assert next
    second, next = await listed(scene, next)
    assert second == ["api:crm:t2", "api:crm:t3"]
    assert next
    assert await listed(scene, next) == (["api:crm:t4"], None)


UNLISTED = {
    "": "state", "?state=closed": "state", "?state=open&limit=0": "limit", "?state=open&limit=101": "limit",
    "?state=open&limit=many": "limit", "?state=open&service=other": "service", "?state=open&state=open": "The address",
    f"?state=open&after={'x' * 401}": "after",
}  # fmt: skip


async def test_a_list_that_cannot_be_is_refused_in_a_sentence(scene: ApiScene) -> None:
    """Nothing is guessed."""
    for query, begins in UNLISTED.items():
        answer = await scene.http.get(f"/v1/runs{query}")
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith(begins)
