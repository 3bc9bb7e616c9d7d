"""Pagers beside PagerDuty: what they are sent, that it is signed, where it may go, and that a list of them is tried in order."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from aiohttp import web
from sayso.approvals import machine
from sayso.approvals.change import Event
from sayso.approvals.deadline import Chain, Planned, StepKind
from sayso.approvals.looking import on_it
from sayso.approvals.memory import MemoryStore
from sayso.approvals.request import Request
from sayso.approvals.store import Lane, TargetKind
from sayso.bot.api.signature import CallbackSecret
from sayso.bot.pagers import Guarded, _headers
from sayso.sandbox.faults import FOREVER, RateLimited, Status
from sayso.sandbox.loopback import LoopbackServer
from sayso.sandbox.pager import Pager as PagerStandIn
from sayso.sandbox.workplace import Workplace
from sayso.scheduler.other_pagers import AlertmanagerPager, JsmPager, WebhookPager
from sayso.scheduler.pager import Accepted, Alarm, Closing, Link, Refused, RetryLater, Severity
from sayso.scheduler.pagerduty import PagerDuty, PagerDutyPager, RoutingKey
from sayso.scheduler.paging import Pages, PageWords
from scenes import BO, FINANCE, a_request, a_vote

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
SECRETS = tuple("whsec_" + base64.b64encode(bytes([one]) * 32).decode() for one in (1, 2))
ALARM = Alarm(
    key="sayso:03-r1", summary="An AI agent needs a yes or no", severity=Severity.ERROR, source="sayso", at=NOON,
    component="issue_refund", group="finance", details={"Why": "x" * 100_000, "Risk": "money"},
    links=(Link(href="https://slack.example/p1", text="Open the card"),),
)  # fmt: skip
CLOSING = Closing(key=ALARM.key, began=NOON, count=0, at=NOON + timedelta(minutes=5))


@dataclass
class Receiver:
    """Keeps what it was sent; answers with the next of `statuses`, or 202."""

    url: str = ""
    calls: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.calls.append((request.path_qs, dict(request.headers), await request.read()))
        status = self.statuses.pop(0) if self.statuses else 202
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else {})

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.calls]


@pytest.fixture
async def there() -> AsyncIterator[Receiver]:
    found = Receiver()
    app = web.Application(client_max_size=2**20)
    app.router.add_route("*", "/{path:.*}", found.answer)
    server = LoopbackServer(app, port=0)
    await server.start()
    found.url = server.url
    yield found
    await server.stop()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=Guarded(private=True)) as client:
        yield client


def a_webhook(http: httpx.AsyncClient, url: str, wall: Callable[[], datetime] = lambda: NOON) -> WebhookPager:
    secrets = tuple(map(CallbackSecret, SECRETS))
    return WebhookPager(http=http, url=url, sign=partial(_headers, secrets), wall=wall)


def signed_with(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """What a receiver does by the standard, with a secret of its own."""
    said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), said, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(mac).decode()}" in headers["webhook-signature"].split(" ")


async def test_a_webhook_is_signed_with_the_old_and_the_next_secret(
    there: Receiver, http: httpx.AsyncClient
) -> None:
    """A receiver that knows either accepts it; changed bytes fail; the body stays below 20 KB."""
    assert await a_webhook(http, f"{there.url}/page").trigger(ALARM) == Accepted()
    (path, headers, body), = there.calls  # fmt: skip
    lower = {name.lower(): text for name, text in headers.items()}
    assert (path, len(body) < 20_000) == ("/page", True)
    assert [signed_with(secret, lower, body) for secret in SECRETS] == [True, True]
    assert not signed_with(SECRETS[0], lower, body + b" ")
    assert json.loads(body)["type"] == "sayso.page.triggered"


async def test_an_event_has_one_id_and_each_attempt_its_time(
    there: Receiver, http: httpx.AsyncClient
) -> None:
    """Tried again it is the same event; closing is another, and closing once more a third, or it would be dropped."""
    clock = [NOON]
    pager = a_webhook(http, there.url, lambda: clock[0])
    there.statuses = [503]
    assert await pager.trigger(ALARM) == RetryLater()
    clock[0] += timedelta(seconds=5)
    await pager.trigger(ALARM)
    await pager.resolve(CLOSING)
    await pager.resolve(replace(CLOSING, count=1))
    ids = [headers["webhook-id"] for _, headers, _ in there.calls]
    assert [ids.index(one) for one in ids] == [0, 0, 2, 3]
    stamps = [int(headers["webhook-timestamp"]) for _, headers, _ in there.calls]
    assert stamps[1] - stamps[0] == 5


async def test_a_redirect_is_not_followed_and_gone_is_gone(there: Receiver, http: httpx.AsyncClient) -> None:
    """Where it goes is what the operator wrote."""
    there.statuses = [302, 410]
    results = [await a_webhook(http, there.url).trigger(ALARM) for _ in range(2)]
    assert all(isinstance(one, Refused) for one in results)
    assert [path for path, _, _ in there.calls] == ["/", "/"]


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1:1/x", "https://169.254.169.254/latest", "https://[::1]/", "http://example.com/"],
)
async def test_an_address_inside_the_network_is_never_called(url: str) -> None:
    """Unless its table says private = true; and plain http only there."""
    async with httpx.AsyncClient(transport=Guarded(private=False)) as guarded:
        result = await a_webhook(guarded, url).trigger(ALARM)
    assert isinstance(result, Refused)


async def test_a_receiver_of_alerts_gets_the_same_labels_when_it_ends(
    there: Receiver, http: httpx.AsyncClient
) -> None:
    """Alertmanager's version 4: what changes stands in annotations, so that the end finds its beginning."""
    pager = AlertmanagerPager(http=http, url=there.url, token="t0ken")
    assert await pager.trigger(ALARM) == Accepted()
    assert await pager.resolve(CLOSING) == Accepted()
    firing, resolved = there.bodies
    assert [(one["version"], one["status"]) for one in (firing, resolved)] == [
        ("4", "firing"),
        ("4", "resolved"),
    ]
    for key in ("groupKey", "groupLabels", "commonLabels"):
        assert firing[key] == resolved[key]
    one, other = firing["alerts"][0], resolved["alerts"][0]
    assert (one["labels"], one["fingerprint"], one["startsAt"]) == (
        other["labels"],
        other["fingerprint"],
        other["startsAt"],
    )
    assert other["endsAt"] == CLOSING.at.isoformat()
    assert there.calls[0][1]["Authorization"] == "Bearer t0ken"


async def test_jsm_takes_an_alert_and_closes_it_by_its_alias(
    there: Receiver, http: httpx.AsyncClient
) -> None:
    """Within its limits; the alias is escaped in the path, and the key stands in the header."""
    pager = JsmPager(http=http, url=f"{there.url}/jsm/ops/integration", key="genie")
    assert await pager.trigger(replace(ALARM, summary="s" * 500)) == Accepted()
    assert await pager.resolve(CLOSING) == Accepted()
    opened = there.bodies[0]
    assert (opened["alias"], len(opened["message"]), opened["priority"]) == (ALARM.key, 130, "P2")
    assert [path for path, _, _ in there.calls] == [
        "/jsm/ops/integration/v2/alerts",
        "/jsm/ops/integration/v2/alerts/sayso%3A03-r1/close?identifierType=alias",
    ]
    assert there.calls[0][1]["Authorization"] == "GenieKey genie"


# ---- a list of pagers, and pages that are repeated


@dataclass
class Scene:
    """Two services of a pager, in this order, and one request whose on-call is paged."""

    store: MemoryStore
    phone: PagerStandIn
    keys: tuple[str, str]
    pages: Pages
    request: Request

    async def tend(self, *, minutes: float = 0) -> None:
        for _ in range(int(minutes * 6) or 1):
            for _ in range(3):
                await self.store.change(self.request.id, machine.fire)
                for target in await self.store.claim([Lane.PAGE], lease=timedelta(seconds=30)):
                    if target.kind is TargetKind.PAGE:
                        await self.pages.bring_up_to_date(target)
            if minutes:
                self.store.advance(timedelta(seconds=10))

    async def decide(self) -> None:
        vote = a_vote(await self.store.get(self.request.id), BO)
        await self.store.change(
            self.request.id, lambda r, now: machine.vote(r, vote, frozenset({BO}), 1, now)
        )

    def woken(self) -> list[int]:
        """Which of the two services rang, by incident, in order."""
        return [self.keys.index(incident.routing_key) for incident in self.phone.incidents]


HALF = timedelta(minutes=30)
TWICE = Chain.written(
    "twice",
    (
        Planned(after=HALF, kind=StepKind.REMIND), Planned(after=2 * HALF, kind=StepKind.PAGE),
        Planned(after=3 * HALF, kind=StepKind.PAGE), Planned(after=8 * HALF, kind=StepKind.EXPIRE),
    ),
)  # fmt: skip


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """The first page is due; it goes to the primary, then to the backup."""
    async with AsyncExitStack() as stack:
        workplace = await stack.enter_async_context(Workplace.running())
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        store, phone = MemoryStore(), workplace.pager
        route = replace(FINANCE, backup_pagers=("backup",))
        request = a_request(opened_at=await store.now(), route=route, chain=TWICE)
        await store.open(machine.opened(request.ask))
        keys = (phone.routing_key, phone.new_routing_key())
        sender = PagerDuty(phone.url, http)

        async def words(request: Request) -> PageWords:
            return PageWords(summary=request.proposal.action.summary)

        pagers = {
            name: PagerDutyPager(sender=sender, key=RoutingKey(key))
            for name, key in zip(("primary", "backup"), keys, strict=True)
        }
        pages = Pages(store=store, pagers=pagers, words=words, source="sayso", jitter=lambda: 0.0)
        store.advance(2 * HALF)
        yield Scene(store, phone, keys, pages, request)


async def test_the_second_pager_is_tried_when_the_first_does_not_take_it(scene: Scene) -> None:
    """P17: Four tries in under a minute, then the backup rings; what the first may have got is closed, all by the decision."""
    scene.phone.faults.add(Status(500), times=4)
    await scene.tend(minutes=2)
    assert scene.woken() == [1]
    record = await scene.store.get(scene.request.id)
    assert record.lost_pagers == ("primary",)
    await scene.decide()
    await scene.tend(minutes=9)
    assert scene.phone.open_incidents() == []
    assert scene.woken() == [1]


async def test_a_pager_that_is_gone_hands_on_at_once(scene: Scene) -> None:
    """P17: A key that no longer exists in the settings: the backup rings in the same turn, and people are told."""
    del scene.pages._pagers["primary"]  # type: ignore[attr-defined]
    await scene.tend(minutes=0.5)
    assert scene.woken() == [1]
    events = [one.entry.event for one in await scene.store.trail(scene.request.ask.run.thread)]
    assert events.count(Event.UNDELIVERABLE) == 1


async def test_where_no_pager_takes_it_all_are_tried_until_one_does(scene: Scene) -> None:
    """P10: An outage of ten minutes of everything: somebody is woken when it is over, and nothing is open in the end."""
    scene.phone.faults.add(RateLimited(), times=FOREVER)
    await scene.tend(minutes=10)
    assert scene.phone.incidents == []
    scene.phone.faults.clear()
    await scene.tend(minutes=8)
    assert scene.phone.open_incidents() != []
    await scene.decide()
    await scene.tend(minutes=9)
    assert scene.phone.open_incidents() == []


async def test_a_second_page_wakes_also_who_acknowledged_the_first(scene: Scene) -> None:
    """Each page of a chain is an incident of its own: the acknowledged one is closed, the new one rings once."""
    await scene.tend()
    first = scene.phone.open_incidents()[0]
    scene.phone.acknowledge(first.dedup_key)
    await scene.tend(minutes=31)
    (second,) = scene.phone.open_incidents()
    assert (first.open, second.notifications, len(scene.phone.incidents)) == (False, 1, 2)
    assert second.dedup_key == f"{first.dedup_key}:2"
    await scene.decide()
    await scene.tend(minutes=9)
    assert [incident.history.count("trigger") for incident in scene.phone.incidents] == [1, 1]
    assert scene.phone.open_incidents() == []


async def test_somebody_on_it_holds_the_next_page_and_not_the_end(scene: Scene) -> None:
    """P18: Half an hour after the first page comes the second, or a quarter of an hour later where Bo is on it."""
    await scene.tend()
    scene.store.advance(timedelta(minutes=29))
    await scene.store.change(scene.request.id, lambda r, now: on_it(r, BO, now))
    await scene.tend(minutes=13)
    assert len(scene.phone.incidents) == 1
    await scene.tend(minutes=4)
    assert len(scene.phone.incidents) == 2
    record = await scene.store.get(scene.request.id)
    assert record.ask.deadline.expires_at - record.ask.opened_at == 8 * HALF
