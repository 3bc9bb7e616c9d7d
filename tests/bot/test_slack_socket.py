"""Socket Mode: the same answers as over HTTP, from the same handlers; and what is not believed."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from office import ROUTE, Office, WatchedStore, office, the_policy
from sayso.approvals.change import Applied, Event
from sayso.approvals.errors import BadSetting
from sayso.approvals.store import PureStep
from sayso.approvals.verdict import RequestId, Rule
from sayso.bot.platform import Inside
from sayso.bot.settings import load_settings
from sayso.bot.slack.checks import SlackProblem
from sayso.bot.slack.listener import SlackListener
from sayso.bot.slack.platform import SlackPlatform
from sayso.bot.slack.precheck import SlackDoor, unwrapped
from sayso.bot.slack.socket import SocketMode
from sayso.bot.slack.transport import slack_client
from sayso.sandbox.slack import SlackTimes
from sayso.sandbox.slack.places import APP_ID
from settings_files import write_settings
from slack_sdk.web.async_client import AsyncWebClient
from socket_scene import a_form, decided, over_socket
from starlette.responses import Response

TWO = replace(ROUTE, rule=Rule(approvers=("finance",), needed=2))


def by(way: str, o: Office, *, patience: float = 2.0) -> AbstractAsyncContextManager[object]:
    """The same scene over HTTP or over a socket."""
    return over_socket(o, patience=patience) if way == "socket" else nullcontext()


ways = pytest.mark.parametrize("way", ["http", "socket"])


# ---- the same over both


@ways
async def test_a_press_decides_and_the_same_press_again_changes_nothing(way: str) -> None:
    """Delivered twice: the same bytes over HTTP, another envelope over a socket."""
    async with office(policy=the_policy(routes={"finance": TWO})) as o, by(way, o):
        request = await o.asks(route=TWO)
        click = await o.slack.person("bo").clicks(o.card(), "Approve")
        assert (click.status, "1 of 2" in await click.whispered()) == (200, True)
        again = o.slack.replay if way == "http" else o.slack.redeliver
        assert (await again(click.request)).ok
        await o.workplace.until(lambda: len(click.ephemerals) == 2)
        assert (await o.events(request)).count(Event.VOTED) == 1
        await o.slack.person("cy").clicks(o.card(), "Approve")
        await o.until(request, decided)
        assert not any(click.trigger_id in token for token in o.store._tokens)


@ways
async def test_a_form_complains_in_itself_and_then_counts(way: str) -> None:
    """The acknowledgement carries the errors by field."""
    async with office() as o, by(way, o):
        request = await o.asks()
        view, bo = await a_form(o, "Modify…"), o.slack.person("bo")
        assert set((await bo.submits(view.fill({"amount": "a lot"}))).errors) == {"amount"}
        assert (await bo.submits(view.fill({"amount": "100.00"}))).closed
        assert (await o.until(request, decided)).revision == 2


@ways
async def test_a_store_slower_than_slack_still_answers_in_the_form(way: str) -> None:
    """The acknowledgement carries the words that we are at it."""

    class Slow(WatchedStore):
        async def change(self, id: RequestId, step: PureStep, *, token: str = "") -> Applied:
            await asyncio.sleep(0.2)
            return await super().change(id, step, token=token)

    async with office(store=Slow(), patience=0.05) as o, by(way, o, patience=0.05):
        await o.asks()
        view = await a_form(o, "Reject…")
        sent = await o.slack.person("bo").submits(view.fill({"Why?": "the wrong order"}))
        assert sent.updated
        assert "Still working" in view.text_as_seen()
        await o.workplace.until(lambda: "Counted" in view.text_as_seen())


@ways
async def test_a_mention_starts_one_run_however_often_it_comes(way: str) -> None:
    """The event keeps its id."""
    async with office() as o, by(way, o):
        alex = o.slack.person("alex")
        said = await alex.says("#support", "@sayso refund order 1042")
        await o.slack.until(lambda: len(alex.sees_in_thread(said)) == 2)
        mention = next(request for request, _ in o.slack.delivered if request.what == "event app_mention")
        assert (await o.slack.redeliver(mention)).ok
        assert len(await o.store.unfinished()) == 1


async def test_an_event_whose_handling_broke_is_not_acknowledged_and_comes_again() -> None:
    """The store was away the first time: the run starts the second time."""

    class Away(WatchedStore):
        tries = 0

        async def start(self, *given: object, **more: object) -> bool:
            self.tries += 1
            if self.tries == 1:
                raise RuntimeError("the store broke")
            return await super().start(*given, **more)  # type: ignore[arg-type]

    store = Away()
    async with office(store=store, times=SlackTimes(ack=0.3, retries=(0.0,))) as o, over_socket(o):
        await o.slack.person("alex").says("#support", "@sayso refund order 1042")
        await o.slack.settled()
        assert (store.tries, len(await o.store.unfinished())) == (2, 1)


def test_a_press_is_known_by_its_trigger_and_an_event_by_its_id() -> None:
    """In whatever envelope they come; nobody who reads the token can use the trigger."""
    press = {"type": "block_actions", "user": {"id": "U1"}, "actions": [{}], "trigger_id": "17.secret"}
    event = {"type": "event_callback", "event_id": "Ev1"}

    def token(kind: str, payload: dict[str, Any], id: str) -> str:
        return unwrapped({"type": kind, "payload": payload, "envelope_id": id})[1]

    assert token("interactive", press, "a") == token("interactive", press, "b")
    assert token("interactive", press, "a") != token("interactive", {**press, "trigger_id": "18.x"}, "a")
    closed = {"type": "view_closed", "user": {}, "view": {"type": "modal", "id": "V1"}}
    assert token("interactive", closed, "a") != token(
        "interactive", {**closed, "view": {"type": "home"}}, "a"
    )
    assert "secret" not in token("interactive", press, "a")
    assert token("events_api", event, "a") == token("events_api", event, "b") == "slack:Ev1"


# ---- as the settings name it


async def test_one_line_of_the_settings_and_one_token_are_enough(tmp_path: Path) -> None:
    """No signing secret, no address of ours; without the app's token the environment variable is named."""
    async with office() as o:
        o.slack.links.enabled = True
        api = f'[slack]\nsocket_mode = true\napi = "{o.slack.api_url}"'
        file = write_settings(tmp_path, ("[slack]", api))
        inside = Inside(
            desk=o.desk, store=o.store, directory=o.directory, channel=o.channel, deliverer=o.deliverer
        )
        env = {"SLACK_BOT_TOKEN": o.slack.bot_token}
        with pytest.raises(BadSetting, match="SLACK_APP_TOKEN is not set in the environment"):
            await a_platform(file, env).door(inside)
        platform = a_platform(file, {**env, "SLACK_APP_TOKEN": o.slack.links.app_token})
        await platform.door(inside)
        request = await o.asks()
        await o.slack.person("bo").clicks(o.card(), "Approve")
        await o.until(request, decided)
        assert platform.problem() == ""
        await platform.close()
        o.slack.links.enabled = False


async def test_what_was_acknowledged_is_done_before_we_are_gone(tmp_path: Path) -> None:
    """Slack sends no press twice: told to stop right after the acknowledgement, the press still counts."""

    class Slow(WatchedStore):
        async def change(self, id: RequestId, step: PureStep, *, token: str = "") -> Applied:
            await asyncio.sleep(0.3)
            return await super().change(id, step, token=token)

    async with office(store=Slow()) as o:
        o.slack.links.enabled = True
        api = f'[slack]\nsocket_mode = true\napi = "{o.slack.api_url}"'
        env = {"SLACK_BOT_TOKEN": o.slack.bot_token, "SLACK_APP_TOKEN": o.slack.links.app_token}
        platform = a_platform(write_settings(tmp_path, ("[slack]", api)), env)
        await platform.door(Inside(
            desk=o.desk, store=o.store, directory=o.directory, channel=o.channel, deliverer=o.deliverer
        ))  # fmt: skip
        request = await o.asks()
        assert (await o.slack.person("bo").clicks(o.card(), "Approve")).answer.ok
        assert not decided(await o.store.get(request.id))
        await platform.close()
        assert decided(await o.store.get(request.id))
        o.slack.links.enabled = False


def a_platform(file: Path, env: dict[str, str]) -> SlackPlatform:
    settings = load_settings(file, env)
    assert settings.slack is not None
    return SlackPlatform(settings, settings.slack)


# ---- what is not believed


async def test_what_makes_no_sense_is_passed_over() -> None:
    """No JSON, no object, no known type, nothing inside: the connection goes on."""
    async with office() as o, over_socket(o):
        request = await o.asks()
        (link,) = o.slack.links.live
        empty = {"type": "interactive", "envelope_id": "e", "accepts_response_payload": False}
        for text in (
            "{", "[]", "[" * 100_000, "null", '{"type": "else"}', '{"type": 7}', json.dumps(empty),
            json.dumps({**empty, "payload": {"type": "block_actions", "user": {}, "actions": []}}),
            json.dumps({**empty, "payload": {"type": "view_submission", "user": {}}, "envelope_id": 7}),
        ):  # fmt: skip
            await link.socket.send_str(text)
        await link.socket.send_bytes(b"\x00")
        assert (await o.slack.person("bo").clicks(o.card(), "Approve")).status == 200
        await o.until(request, decided)
        assert o.slack.links.live == [link]


async def test_with_socket_mode_nothing_comes_in_over_http() -> None:
    """Without a secret there is no door, and none that an empty secret opens."""
    async with office() as o:
        listener = await SlackListener.connect(
            client=slack_client(o.slack.bot_token, base_url=o.slack.api_url), signing_secret=None, desk=o.desk,
            store=o.store, deliverer=o.deliverer, channel=o.channel, account=o.directory.account("slack"),
        )  # fmt: skip
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=listener.door), base_url="http://bot"
        ) as http:
            assert (await http.post("/slack/events", json={"type": "event_callback"})).status_code == 404
    with pytest.raises(ValueError, match="no signing secret"):
        SlackDoor(lambda delivery: nobody(), signing_secret="")


async def nobody() -> Response:
    raise AssertionError


async def test_an_address_that_is_not_encrypted_is_not_used() -> None:
    """Whoever could name one could press every button."""

    class Downgraded(AsyncWebClient):
        async def api_call(self, *given: object, **more: object) -> Any:
            return {"ok": True, "url": "ws://slack.example/link"}

    async def nothing(*_: object) -> Any:
        raise AssertionError

    socket = SocketMode(Downgraded(token="xapp-1"), nothing, app=APP_ID, connected=nothing)
    with pytest.raises(SlackProblem, match="not encrypted"):
        await socket.start()
