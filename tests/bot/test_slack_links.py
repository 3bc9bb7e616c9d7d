"""Connections of Socket Mode come and go, and no press is lost that could be had, and none counted twice."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

import pytest
from office import ROUTE, Office, WatchedStore, office, the_policy
from sayso.approvals.change import Applied
from sayso.approvals.store import PureStep
from sayso.approvals.verdict import RequestId, Rule
from sayso.bot.slack.checks import SlackProblem
from sayso.bot.slack.link import SocketTimes
from sayso.sandbox.faults import Dropped, Fail, RateLimited, Status
from sayso.sandbox.slack.socket import SocketTimes as SlacksTimes
from socket_scene import QUICK, Waits, a_form, a_socket, decided, over_socket

TWO = replace(ROUTE, rule=Rule(approvers=("finance",), needed=2))
OPEN = "apps.connections.open"


def connections(o: Office) -> int:
    return len(o.slack.links.history)


async def test_at_a_refresh_the_new_connection_stands_before_the_old_one_ends() -> None:
    """Every press on the way is answered."""
    async with office(policy=the_policy(routes={"finance": TWO})) as o, over_socket(o):
        request = await o.asks(route=TWO)
        o.slack.links.times = SlacksTimes(refresh=0.2)
        await o.slack.links.refresh()
        assert (await o.slack.person("bo").clicks(o.card(), "Approve")).status == 200
        await o.slack.until(lambda: connections(o) == 2)
        assert (await o.slack.person("cy").clicks(o.card(), "Approve")).status == 200
        await o.until(request, decided)
        old, new = o.slack.links.history
        await o.slack.until(lambda: not old.live)
        assert old.closed is not None
        assert new.opened < old.closed
        assert new.live


async def test_what_came_before_the_end_is_acknowledged_before_it() -> None:
    """Told to stop while an answer is being worked on: the answer gets out, through its own connection."""

    class Slow(WatchedStore):
        async def change(self, id: RequestId, step: PureStep, *, token: str = "") -> Applied:
            await asyncio.sleep(0.2)
            return await super().change(id, step, token=token)

    async with office(store=Slow()) as o:
        o.slack.links.enabled = True
        socket = await a_socket(o)
        request = await o.asks()
        view = await a_form(o, "Reject…")
        sending = asyncio.create_task(o.slack.person("bo").submits(view.fill({"Why?": "no"})))
        await o.slack.until(lambda: o.slack.links.live[0].waiting)
        await socket.stop()
        assert (await sending).closed
        await o.until(request, decided)


async def test_what_comes_while_the_last_answers_are_worked_on_is_acknowledged_too() -> None:
    """Two mentions, the second one in the middle of the first one's work: neither has to be sent again."""

    class Slow(WatchedStore):
        async def start(self, *given: object, **more: object) -> bool:
            await asyncio.sleep(0.4)
            return await super().start(*given, **more)  # type: ignore[arg-type]

    async with office(store=Slow()) as o:
        o.slack.links.enabled = True
        socket, alex = await a_socket(o), o.slack.person("alex")
        [link] = o.slack.links.live
        await alex.says("#support", "@sayso refund order 1042")
        await o.slack.until(lambda: link.waiting)
        stopping = asyncio.create_task(socket.stop())
        await asyncio.sleep(0.2)
        await alex.says("#support", "@sayso refund order 1041")
        await stopping
        await o.slack.settled()
        mentions = [answer for request, answer in o.slack.delivered if request.what == "event app_mention"]
        assert [answer.ok for answer in mentions] == [True, True]
        o.slack.links.enabled = False


async def test_what_was_lost_in_a_gap_leaves_no_dead_card(caplog: pytest.LogCaptureFixture) -> None:
    """Closed by Slack: a press is lost, a card is deleted; then the card takes the press and the other stands again."""
    caplog.set_level(logging.INFO, "sayso")
    async with office() as o:
        request, waits = await o.asks(), Waits(hold=True)
        async with over_socket(o, waits=waits) as socket:
            await o.workplace.until(lambda: waits.looks)
            o.slack.faults.add(Status(503), on=OPEN)
            await o.slack.links.close()
            await o.workplace.until(lambda: waits.spans)
            assert (await o.slack.person("bo").clicks(o.card(), "Approve")).error_shown
            o.card("#support").deleted = True
            waits.go_on()
            await o.until(request, lambda r: r.version > request.version)
            assert socket.problem() == ""
            await o.deliver()
            assert o.card("#support").buttons() == o.card().buttons()
            assert (await o.slack.person("bo").clicks(o.card("#support"), "Approve")).status == 200
            await o.until(request, decided)
        assert [one.what[:12] for one in o.workplace.violations.take()] == ["app answered"]
    assert waits.spans == [2.0]
    assert "slack.reconciled requests=1 cards=2 requests_redrawn=1" in caplog.text


async def test_cards_that_show_their_record_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """A connection that comes back makes no edit on a card that is right."""
    caplog.set_level(logging.INFO, "sayso")
    async with office() as o:
        request, waits = await o.asks(), Waits()
        before = o.card().edits
        async with over_socket(o, waits=waits):
            await o.workplace.until(lambda: waits.looks)
            await o.deliver()
        assert (o.card().edits, (await o.now(request)).version) == (before, request.version)
    assert "slack.reconciled requests=1 cards=2 requests_redrawn=0" in caplog.text


@pytest.mark.parametrize("what", ["it shows something else", "it was deleted"])
async def test_a_card_that_is_not_as_we_believe_stands_again(what: str) -> None:
    """What stands in Slack is looked at, not only what we believe."""
    async with office() as o:
        request, card = await o.asks(), o.card()
        assert card.metadata is not None
        card.metadata["event_payload"]["digest"] = "another"
        card.deleted = what == "it was deleted"
        async with over_socket(o):
            await o.until(request, lambda r: r.version > request.version)
            await o.deliver()
            shown = o.card().metadata
            assert shown is not None
            assert shown["event_payload"]["digest"] == request.current.digest
            assert (o.card() is card) is not card.deleted


async def test_when_slack_wants_to_be_left_alone_the_look_at_the_cards_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Retry-After is kept to; with many cards there is a pause between them."""
    monkeypatch.setattr("sayso.bot.slack.reconcile.BURST", 1)
    async with office() as o:
        await o.asks()
        waits = Waits()
        o.slack.faults.add(RateLimited(0), on="conversations.replies")
        async with over_socket(o, waits=waits):
            await o.workplace.until(lambda: waits.looks)
        assert waits.spans == [0.0, 2.0]


async def test_a_half_open_connection_is_found_out_and_replaced() -> None:
    """It looks well and nothing comes of it: without a pong it is given up within one and a half beats."""
    async with office() as o, over_socket(o, times=replace(QUICK, beat=0.2)):
        request = await o.asks()
        began = time.monotonic()
        o.slack.links.freeze()
        await o.slack.until(lambda: connections(o) == 2)
        assert time.monotonic() - began < 5  # 0.3 s, and two busy cores
        assert (await o.slack.person("bo").clicks(o.card(), "Approve")).status == 200
        await o.until(request, decided)


async def test_a_session_that_fell_silent_is_replaced_before_anybody_notices() -> None:
    """It answers pings, but nothing has come down it for a while; the next one stands before it goes."""
    async with office() as o, over_socket(o, times=replace(QUICK, quiet=0.1, leave=0.05)):
        await o.slack.until(lambda: connections(o) >= 2 and not o.slack.links.history[0].live)
        first, second = o.slack.links.history[:2]
        assert first.closed is not None
        assert second.opened < first.closed


async def test_while_slack_gives_no_connection_we_ask_ever_more_rarely_and_are_not_ready() -> None:
    """Errors of every kind, then it works again: longer pauses, Retry-After, and `/readyz` says why."""
    async with office() as o:
        now, waits = [1000.0], Waits(hold=True)
        async with over_socket(o, waits=waits, monotonic=lambda: now[0]) as socket:
            for fault in (
                Status(503),
                Dropped(),
                Fail("internal_error"),
                RateLimited(30),
                Fail("invalid_auth"),
            ):
                o.slack.faults.add(fault, on=OPEN)
            o.slack.links.drop()
            await o.workplace.until(lambda: waits.spans)
            now[0] += 4
            assert socket.problem() == ""
            now[0] += 4
            assert socket.problem() == "Slack has not been connected for 8 s: Slack cannot be reached"
            while len(waits.spans) < 5:
                waits.go_on()
                await asyncio.sleep(0.01)
            assert "sayso's Slack token is not valid" in socket.problem()
            waits.go_on()
            await o.workplace.until(lambda: waits.looks == 2)
            assert socket.problem() == ""
        assert waits.spans == [2.0, 4.0, 8.0, 30.0, 32.0]


async def test_connections_that_end_as_soon_as_they_stand_are_asked_for_ever_more_rarely() -> None:
    """A hello is not yet a connection."""
    async with office() as o:
        waits = Waits(hold=True)
        async with over_socket(o, waits=waits, times=SocketTimes()):
            for number in range(1, 4):
                await o.slack.until(lambda: o.slack.links.live)
                await o.slack.links.close()
                await o.workplace.until(lambda number=number: len(waits.spans) == number)  # type: ignore[misc]
                waits.go_on()
            await o.slack.until(lambda: o.slack.links.live)
        assert waits.spans == [2.0, 4.0, 8.0]


async def test_what_slack_will_not_have_is_said_at_the_start() -> None:
    """A bot's token where the app's belongs, and the token of another app: its clicks would never come."""
    async with office() as o:
        o.slack.links.enabled = True
        with pytest.raises(SlackProblem, match="SLACK_APP_TOKEN: Slack says not_allowed_token_type"):
            await a_socket(o, token=o.slack.bot_token)
        with pytest.raises(SlackProblem, match="SLACK_APP_TOKEN: it belongs to another Slack app"):
            await a_socket(o, app="A0ELSE")
        assert len(o.workplace.violations.take()) == 1
        o.slack.links.enabled = False


async def test_switched_off_in_slack_it_starts_and_says_why_it_is_not_ready() -> None:
    """Whoever switches it on need not start us again."""
    async with office() as o:
        now, waits = [0.0], Waits(hold=True)
        socket = await a_socket(
            o, waits=waits, monotonic=lambda: now[0]
        )  # never connected: not ready at once
        assert "Socket Mode is switched off in the Slack app's settings" in socket.problem()
        o.slack.links.enabled = True
        await o.workplace.until(lambda: waits.spans)
        waits.go_on()
        await o.workplace.until(lambda: waits.looks)
        assert socket.problem() == ""
        await socket.stop()
        o.slack.links.enabled = False


async def test_two_bots_with_one_app_token_share_the_work_and_one_may_die() -> None:
    """What one hears the other one knows: everything is in the store."""
    async with office(policy=the_policy(routes={"finance": TWO})) as o, over_socket(o):
        other = await a_socket(o)
        request = await o.asks(route=TWO)
        assert (await o.slack.person("bo").clicks(o.card(), "Approve")).status == 200
        assert (await o.slack.person("bo").clicks(o.card(), "Details")).status == 200
        assert all(link.carried for link in o.slack.links.live)
        await other.stop()
        await o.slack.until(lambda: len(o.slack.links.live) == 1)
        assert (await o.slack.person("cy").clicks(o.card(), "Approve")).status == 200
        await o.until(request, decided)
