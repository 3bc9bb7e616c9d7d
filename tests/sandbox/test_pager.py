"""The pager keeps PagerDuty's rules for events and incidents."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import ClientError, ClientSession
from sayso.sandbox import LostReply, RateLimited, Status, Workplace
from sayso.sandbox.pager import IncidentStatus, problems_of_event


def an_event(action: str = "trigger", **more: Any) -> dict[str, Any]:
    payload = {"summary": "Approval needed", "source": "sayso/test", "severity": "error"}
    return {"routing_key": "0" * 32, "event_action": action, "dedup_key": "r1",
            **({"payload": payload} if action == "trigger" else {}), **more}  # fmt: skip


async def send(workplace: Workplace, action: str = "trigger", **more: Any) -> int:
    event = an_event(action, **{"routing_key": workplace.pager.routing_key, **more})
    async with (
        ClientSession() as session,
        session.post(f"{workplace.pager.url}/v2/enqueue", json=event) as answer,
    ):
        return answer.status


def payload(**more: Any) -> dict[str, Any]:
    return {"payload": {**an_event()["payload"], **more}}


BROKEN = {
    "routing key of 31": {"routing_key": "0" * 31},
    "unknown action": {"event_action": "wake"},
    "dedup_key of 256": {"dedup_key": "x" * 256},
    "no payload": {"payload": None},
    "summary of 1025": payload(summary="x" * 1025),
    "no source": payload(source=""),
    "severity urgent": payload(severity="urgent"),
    "http image": {"images": [{"src": "http://x"}]},
    "unknown field": {"colour": "red"},
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_malformed_event_is_named(broken: dict[str, Any]) -> None:
    """One row per rule of the Events API."""
    assert problems_of_event(an_event()) == []
    assert len(problems_of_event({**an_event(), **broken})) == 1


async def test_what_fits_exactly_is_taken(workplace: Workplace) -> None:
    """255, 1024 and half a megabyte are not one too many."""
    event = {**payload(summary="x" * 1024, custom_details="x" * 500_000), "dedup_key": "k" * 255}
    assert await send(workplace, **event) == 202


async def test_a_malformed_event_gets_400_and_counts(workplace: Workplace) -> None:
    """Too large is 413; unexpected paths are 404."""
    assert await send(workplace, dedup_key="") == 400
    assert await send(workplace, **payload(custom_details="x" * 600_000)) == 413
    async with ClientSession() as session:
        assert (await session.get(f"{workplace.pager.url}/incidents")).status == 404
    assert len(workplace.violations.take()) == 3
    assert workplace.pager.incidents == []


async def test_one_incident_from_trigger_to_resolve(workplace: Workplace) -> None:
    """A second trigger appends; after the resolve a trigger opens a new incident: the ghost page."""
    pager = workplace.pager
    for action in ("trigger", "trigger", "acknowledge", "trigger", "resolve", "resolve"):
        assert await send(workplace, action) == 202
    (incident,) = pager.incidents
    assert incident.history == ["trigger", "trigger", "acknowledge", "trigger", "resolve"]
    assert (incident.status, pager.notifications, len(pager.dropped)) == (IncidentStatus.RESOLVED, 1, 1)
    await send(workplace)
    assert (len(pager.incidents), len(pager.open_incidents()), pager.notifications) == (2, 1, 2)


async def test_an_event_for_another_service_is_dropped(workplace: Workplace) -> None:
    """Resolve with another routing key closes nothing; an unknown key also counts."""
    await send(workplace)
    await send(workplace, "resolve", routing_key=workplace.pager.new_routing_key())
    assert len(workplace.pager.open_incidents()) == len(workplace.pager.dropped) == 1
    assert await send(workplace, routing_key="f" * 32) == 202
    assert "nobody sees it" in str(workplace.violations.take()[0])


async def test_a_human_looks_at_it(workplace: Workplace) -> None:
    """Acknowledged by hand, resolved by hand, and no more after that."""
    await send(workplace)
    assert workplace.pager.acknowledge("r1").status is IncidentStatus.ACKNOWLEDGED
    assert not workplace.pager.resolve("r1").open
    with pytest.raises(LookupError, match="no open incident"):
        workplace.pager.acknowledge("r1")


async def test_the_pager_breaks_on_request(workplace: Workplace) -> None:
    """500 and 429 have no effect, a lost reply has; the 121st event of a minute is throttled."""
    workplace.pager.faults.add(Status(500))
    workplace.pager.faults.add(RateLimited())
    workplace.pager.faults.add(LostReply())
    assert [await send(workplace), await send(workplace)] == [500, 429]
    assert workplace.pager.incidents == []
    with pytest.raises(ClientError):
        await send(workplace)
    assert len(workplace.pager.incidents) == 1
    assert [await send(workplace) for _ in range(120)][-2:] == [202, 429]


async def test_waiting_for_the_page(workplace: Workplace) -> None:
    """The first incident ends the wait."""
    await send(workplace)
    incident = await workplace.pager.until(lambda: workplace.pager.incident("r1"))
    assert incident is not None
    assert incident.summary == "Approval needed"
    assert workplace.pager.routing_key not in repr(incident)
