"""Who may speak for Teams, over real HTTP with real RS256 tokens: the table of everything that must not get in."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest
from sayso.approvals.errors import BadSetting
from sayso.bot.teams.keys import ChannelKeys
from sayso.bot.teams.port import Posted
from sayso.bot.teams.registration import Registration
from teams_bot import TRANSPORTS, Bot, teams_bot

BAD = (
    "no header", "empty", "no token", "garbage", "not a bearer", "a forged key", "an unknown key", "no key id",
    "tampered claims", "no signature (alg none)", "HS256", "RS512", "expired 10 minutes ago", "valid in 10 minutes",
    "no exp", "another bot's", "no aud", "another issuer", "no issuer", "another service url", "no service url",
    "a skill's", "the emulator's",
)  # fmt: skip


@pytest.fixture(params=TRANSPORTS)
async def bot(request: pytest.FixtureRequest) -> AsyncIterator[Bot]:
    async with teams_bot(request.param) as bot:
        yield bot


async def test_no_bad_token_gets_in(bot: Bot) -> None:
    """P6: 401 for each of them, never a 500, and no handler hears of it; the good one still does."""
    bad = bot.teams.bad_authorizations()
    assert set(bad) == set(BAD)
    activity = bot.teams.activity("bo", "#support", "@sayso hello")
    statuses = {
        what: (await bot.teams.deliver(activity, authorization=header)).status for what, header in bad.items()
    }
    assert statuses == dict.fromkeys(BAD, 401)
    assert bot.heard == []
    assert (await bot.teams.deliver(activity)).status == 200
    assert len(bot.heard) == 1


async def test_clocks_may_be_five_minutes_apart(bot: Bot) -> None:
    """A token that expired four minutes ago is a good one."""
    just_expired = bot.teams.token(exp=int(time.time()) - 240)
    activity = bot.teams.activity("bo", "#support", "@sayso hello")
    assert (await bot.teams.deliver(activity, authorization=f"Bearer {just_expired}")).status == 200


async def test_a_token_is_good_for_its_own_body_only(bot: Bot) -> None:
    """P6: The service URL signed is the one in the body; only Teams is listened to."""
    for changed in (
        {"serviceUrl": "https://evil.example/"}, {"serviceUrl": None}, {"channelId": "webchat"}, {"channelId": None},
    ):  # fmt: skip
        activity = bot.teams.activity("bo", "#support", "@sayso hello", **changed)
        assert (await bot.teams.deliver(activity)).status == 401, changed
    assert bot.heard == []


@pytest.mark.parametrize("channels", [("webchat",), ()])
async def test_the_key_must_be_endorsed_for_teams(bot: Bot, channels: tuple[str, ...]) -> None:
    """Keys speak for named channels only; one that names none speaks for none."""
    bot.teams.endorse(*channels)
    activity = bot.teams.activity("bo", "#support", "@sayso hello")
    assert (await bot.teams.deliver(activity)).status == 401


async def test_keys_may_be_rotated_at_any_time(bot: Bot) -> None:
    """The next delivery is taken at once; the old key is worth nothing any more, though no day has passed."""
    activity = bot.teams.activity("bo", "#support", "@sayso hello")
    old = f"Bearer {bot.teams.token()}"
    assert (await bot.teams.deliver(activity)).status == 200
    bot.clock[0] += 61
    bot.teams.rotate_keys()
    assert (await bot.teams.deliver(activity)).status == 200
    assert (await bot.teams.deliver(activity, authorization=old)).status == 401


async def test_nobody_is_judged_without_keys(bot: Bot) -> None:
    """503, so that Teams comes back; a token is not refused for good because Microsoft's keys were down."""
    nobody = Registration(app_id="a", tenant="t", metadata_url="http://127.0.0.1:9/nothing")
    inside = bot.another(nobody, keys=ChannelKeys(nobody.metadata_url))
    assert (
        await inside.handle(Posted(authorization=f"Bearer {bot.teams.token()}", body=b"{}"), bot.hears)
    ).status == 503


async def test_what_is_no_object_is_malformed(bot: Bot) -> None:
    """400 for those with a good token; whoever has none learns nothing about bodies."""
    for body in (b"{", b"[]", b"\xff\xfe", b"", b"[" * 200_000, b'"message"', b"1" * 5_000):
        assert await bot.posts(body) == 400, body[:20]
        assert await bot.posts(body, authorization="Bearer x") == 401, body[:20]


SENSELESS: tuple[tuple[dict[str, object], int], ...] = (
    ({"type": None}, 400), ({"type": 5}, 400), ({"conversation": None}, 400), ({"conversation": {"id": 5}}, 400),
    ({"from": None}, 400), ({"type": "typing"}, 200), ({"type": "messageReaction"}, 200),
    ({"type": "invoke", "name": "composeExtension/query", "value": {}}, 501),
    ({"type": "invoke", "value": {}}, 501),
    ({"type": "invoke", "name": "adaptiveCard/action"}, 400),
    ({"type": "invoke", "name": "adaptiveCard/action", "value": []}, 400),
    ({"type": "invoke", "name": "adaptiveCard/action", "value": {}}, 400),
    ({"type": "invoke", "name": "adaptiveCard/action", "value": {"action": {"type": "Action.Submit"}}}, 400),
    ({"type": "invoke", "name": "task/fetch", "value": "x"}, 400),
    ({"type": "invoke", "name": "task/submit"}, 400),
)  # fmt: skip


async def test_what_makes_no_sense_reaches_no_handler(bot: Bot) -> None:
    """Malformed is 400, an invoke we do not know 501, and what concerns nobody is taken and dropped."""
    for changed, status in SENSELESS:
        activity = {**bot.teams.activity("bo", "#support", "@sayso hello"), **changed}
        assert (await bot.teams.deliver(activity)).status == status, changed
    assert bot.heard == []


ODD: tuple[object, ...] = (
    None,
    1,
    True,
    "",
    [],
    {},
    [1],
    {"a": 1},
    [None],
    [[1]],
    {"id": 5},
    10**400,
    "\x00",
    "￿",
)


async def test_no_odd_value_is_a_server_error(bot: Bot) -> None:
    """Each field of an authentic delivery, replaced by each odd value: no 500, and no exception inside."""
    plain = bot.teams.activity("bo", "#support", "@sayso hello")
    press = {**plain, "type": "invoke", "name": "task/fetch", "value": {"data": {}}, "replyToId": "1"}
    bodies = [
        json.dumps({**base, name: odd}).encode() for base in (plain, press) for name in base for odd in ODD
    ]
    good = f"Bearer {bot.teams.token()}"
    replies = await asyncio.gather(
        *(bot.transport.handle(Posted(authorization=good, body=body), bot.hears) for body in bodies)
    )
    assert {reply.status for reply in replies} <= {200, 400, 401, 501}


async def test_only_json_is_read(bot: Bot) -> None:
    """415 before anything else."""
    for kind in ("text/plain", "", "application/x-www-form-urlencoded"):
        assert await bot.posts(b"{}", kind=kind) == 415


async def test_a_body_is_at_most_a_megabyte(bot: Bot) -> None:
    """Long before it is parsed."""
    assert await bot.posts(b" " * 1_000_001) == 413


@pytest.mark.parametrize("changed", [{"app_id": ""}, {"app_id": "  "}, {"tenant": ""}])
def test_an_empty_app_id_refuses_to_start(changed: dict[str, str]) -> None:
    """With the SDK it would silently turn every check off; here it is one sentence at the start."""
    with pytest.raises(BadSetting, match=r"^The Teams (app id|tenant) is empty; [^.]*\.$"):
        Registration(**{"app_id": "a", "tenant": "t", **changed})


@pytest.mark.parametrize("name", ["service_url", "metadata_url"])
def test_what_everything_is_believed_by_is_never_fetched_in_the_clear(name: str) -> None:
    """Over plain HTTP anybody on the way could hand us keys of their own, or read our token; our own machine may."""
    told = {"app_id": "a", "tenant": "t"}
    with pytest.raises(BadSetting, match=rf"^teams\.{name} must begin with https://"):
        Registration(**told, **{name: "http://botframework.example/v1/"})
    Registration(**told, **{name: "http://127.0.0.1:1/v1/"})
