"""Scenes of a workplace whose time was pushed: what people write and read is later, what is signed is not."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from sayso.sandbox import Workplace
from sayso.sandbox.page import Page
from tiny_bot import TinyBot

HOUR = 3600.0


async def test_what_is_said_in_slack_is_stamped_later(workplace: Workplace, app: Any) -> None:
    """The app reads the new stamp, and finds the delivery as freshly signed as ever."""
    before = await workplace.slack.person("alex").says("#support", "before")
    workplace.advance(HOUR)
    after = await workplace.slack.person("alex").says("#support", "after")
    await workplace.slack.settled()
    assert HOUR <= float(after.ts) - float(before.ts) < HOUR + 60
    assert app.of_type("message")[1]["event"]["ts"] == after.ts
    signed, answer = workplace.slack.delivered[-1]
    assert abs(float(signed.headers["X-Slack-Request-Timestamp"]) - time.time()) < 60
    assert answer.ok


async def test_what_is_said_in_teams_is_stamped_later(workplace: Workplace, bot: TinyBot) -> None:
    """In the message's id and in its timestamp; the Connector's token is of this machine's time."""
    workplace.advance(HOUR)
    said = await workplace.teams.person("alex").says("#support", "@sayso after")
    await workplace.teams.settled()
    (heard,) = bot.received
    for stamp in (int(said.id) / 1000, datetime.fromisoformat(heard["timestamp"]).timestamp()):
        assert 0 <= stamp - time.time() - HOUR + 60 < 120


async def test_the_page_knows_how_far_time_was_pushed(workplace: Workplace) -> None:
    """So that "today" on it is the workplace's; the tokens' clock goes with it."""
    page, tokens = Page(workplace), workplace.tokens.now()
    assert (await page.state("alex"))["ahead"] == 0
    workplace.advance(HOUR)
    workplace.advance(HOUR / 4)
    assert (await page.state("alex"))["ahead"] == HOUR * 1.25
    assert HOUR * 1.25 <= workplace.tokens.now() - tokens < HOUR * 1.25 + 60
