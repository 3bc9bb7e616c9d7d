"""A whole bot, put together from its settings: the card offers to reconnect, and the link leads through its front door."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

import httpx
import pytest
from credential_files import a_key, an_office, at
from oauth_scene import CRM, a_provider
from sayso.approvals import lacking, machine
from sayso.approvals.change import Change
from sayso.approvals.credential import DeadCredential, Mending
from sayso.approvals.people import Place
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request
from sayso.approvals.sealing import read_keys
from sayso.bot import app
from sayso.bot.credential_tables import OAuthTable
from sayso.bot.front import Front
from sayso.bot.roles import BOT
from sayso.bot.serving import front_door
from sayso.bot.settings import Settings, load_settings
from sayso.sandbox.workplace import Workplace
from scenes import FINANCE, a_request, a_run, an_action

SITE = "https://sayso.example.com"
WORDS = "crm has not signed in to hubspot."


def the_settings(folder: Path, url: str, provider: str, workplace: Workplace, **env: str) -> Settings:
    """An office with a provider, whose bot browsers reach at `SITE`."""
    file = an_office(folder, provider)
    text = file.read_text().replace("[server]\n", f'[server]\nurl = "{SITE}"\n')
    file.write_text(text.replace("[slack]\n", f'[slack]\napi = "{workplace.slack.api_url}"\n'))
    return load_settings(file, {
        "REDIS_URL": url, "SAYSO_STATE_KEYS": a_key(), "SLACK_BOT_TOKEN": workplace.slack.bot_token,
        "SLACK_SIGNING_SECRET": workplace.slack.signing_secret, "PAGER_KEY": "p" * 32, **env,
    })  # fmt: skip


async def a_flagged_request(store: RedisStore, asked_in: Place) -> Request:
    """Open, with a credential that somebody has to sign in for."""
    ask = a_request(
        run=a_run(origin=asked_in),
        route=FINANCE,
        opened_at=await store.now(),
        action=an_action(credential=CRM),
    ).ask
    dead = DeadCredential(ref=CRM, words=WORDS, mending=Mending.LINK)
    opened = machine.opened(ask)
    assert isinstance(opened, Change)
    return await store.open(lacking.flagged(opened, dead))


async def test_a_card_of_a_served_bot_leads_to_its_own_pages(tmp_path: Path, redis_url: str) -> None:
    """Pressed in Slack, opened in a browser; without a provider's address nothing answers there."""
    async with a_provider() as provider, Workplace.running() as workplace:
        where = f'{at(provider)}\nauthorize_url = "{provider.authorize_url}"'
        settings = the_settings(tmp_path, redis_url, where, workplace, HUBSPOT_SECRET=provider.client_secret)
        store = await RedisStore.connect(redis_url, seal=read_keys(settings.env["SAYSO_STATE_KEYS"]))
        front, stopped, listening = Front(), asyncio.Event(), socket.create_server(("127.0.0.1", 0))
        workplace.slack.app_url = f"http://127.0.0.1:{listening.getsockname()[1]}/slack/events"
        async with front_door(front, listening), asyncio.TaskGroup() as tasks:
            tasks.create_task(
                app.run(frozenset({BOT}), settings, store, url=redis_url, front=front, stopped=stopped)
            )
            asked = await workplace.slack.person("alex").says("#support", "please")
            await a_flagged_request(store, Place(f"slack:{asked.channel}/{asked.ts}"))
            slack = workplace.slack
            await workplace.until(
                lambda: [m for m in slack.messages("#support") if "Reconnect hubspot…" in m.buttons()],
                what="the card",
            )
            card = [m for m in slack.messages("#support") if "Details" in m.buttons()][-1]
            click = await slack.person("bo").clicks(card, "Reconnect hubspot…")
            await click.whispered()
            (link,) = re.findall(rf"{SITE}(/connect/[^|>'\"]+)", str(click.ephemerals[-1].blocks))
            async with httpx.AsyncClient(
                base_url=workplace.slack.app_url.removesuffix("/slack/events")
            ) as browser:
                page = await browser.get(link)
                assert (page.status_code, "Bo Berg" in page.text) == (200, True)
                begun = await browser.post(link)
                assert begun.headers["Location"].startswith(provider.authorize_url)
                assert (await browser.get("/connect/entra")).status_code == 404
            stopped.set()
        await store.close()


@pytest.mark.parametrize(
    ("url", "kept", "offered"),
    [(SITE, "store", Mending.LINK), (None, "store", Mending.SIGN_IN), (SITE, "vault", Mending.LINK),
     (SITE, "environment", Mending.ELSEWHERE)],
)  # fmt: skip
def test_a_link_is_offered_where_browsers_reach_us(url: str | None, kept: str, offered: Mending) -> None:
    """Else the card names the command, or nothing that would not help."""
    table = OAuthTable.model_validate(
        {
            "kind": "oauth",
            "preset": "hubspot",
            "client_id": "c",
            "client_secret": "S",
            "service": "crm",
            "kept": kept,
        }
    )
    assert table.mending(url) is offered
