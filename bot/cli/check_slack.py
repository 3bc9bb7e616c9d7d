"""What `sayso check` looks at for Slack: its secrets, and then the workspace with every place, account and group."""

from __future__ import annotations

import asyncio
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...approvals.errors import SaysoError
from ..settings import Settings
from ..tables import SlackTable
from .findings import Checks
from .looks import Look, Wrong, listed, places_on, present, said

if TYPE_CHECKING:
    from ..slack.checks import SlackChecks


def slack_secrets(settings: Settings, table: SlackTable) -> Iterator[tuple[str, Look]]:
    """What the environment has to hold for Slack."""
    yield "SLACK_BOT_TOKEN", lambda: _bot_token(settings)
    if table.socket_mode:
        yield "SLACK_APP_TOKEN", lambda: _app_token(settings)
    else:
        why = "Slack's clicks are checked with it (Slack app, Basic Information, App Credentials)"
        yield "SLACK_SIGNING_SECRET", present(settings, "SLACK_SIGNING_SECRET", why)


async def check_slack(settings: Settings, table: SlackTable, checks: Checks) -> None:
    """Ask Slack about everything the settings name there, once it lets us in."""
    if not settings.env.get("SLACK_BOT_TOKEN"):
        return  # that has its own line
    from ..slack.checks import SlackChecks

    slack = SlackChecks(settings.env["SLACK_BOT_TOKEN"].strip(), table.api)
    groups = {name: one.slack_group for name, one in settings.sets.items() if one.slack_group}
    if not await checks.each(("slack", lambda: slack.workspace(table.team, groups=bool(groups)))):
        checks.skipped("channels, accounts and groups were not looked at: Slack has to let us in first")
        return
    channels = (
        (f"{routes}: {place}", said(slack.channel, place.removeprefix("slack:").partition("/")[0]))
        for place, routes in places_on("slack", settings).items()
    )
    people = {id: person.slack for id, person in settings.people.items() if person.slack}
    accounts = ((f"people.{id}: {account}", said(slack.account, account)) for id, account in people.items())
    circles = (
        (f"sets.{name}: {group}", _members(slack, group, people.values())) for name, group in groups.items()
    )
    await checks.each(*_connections(settings, table, slack), *channels, *accounts, *circles)


def _connections(settings: Settings, table: SlackTable, slack: SlackChecks) -> Iterator[tuple[str, Look]]:
    token = settings.env.get("SLACK_APP_TOKEN", "").strip()
    if table.socket_mode and token.startswith("xapp-"):  # another one has its own line
        yield "slack.socket_mode", said(slack.connection, token)


def ids_of_named(file: Path, env: Mapping[str, str]) -> list[str]:
    """For each channel that settings name where an id belongs: its id, or the name that was probably meant.

    Nothing where the file names none or there is no token to ask Slack with; a sentence where Slack does not say.
    """
    told = tomllib.loads(file.read_text(encoding="utf-8"))
    token = env.get("SLACK_BOT_TOKEN", "").strip()
    named = list(dict.fromkeys(_channel_names(told)))
    if not named or not token:
        return []
    from ..slack.checks import SlackChecks

    table = told.get("slack")
    api = table.get("api") if isinstance(table, dict) else None
    try:
        known = asyncio.run(SlackChecks(token, str(api or SlackTable.model_fields["api"].default)).channels())
    except SaysoError as error:
        return [f"Slack did not say which ids the names belong to: {error}"]
    return [_meant(place, name, known) for place, name in named]


def _channel_names(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each place with the name of a channel in it, and that name."""
    routes = told.get("routes")
    for route in routes.values() if isinstance(routes, dict) else ():
        places = [*_listed(route, "places"), *_listed(route, "fallback")] if isinstance(route, dict) else []
        for place in places:
            if found := re.fullmatch(r"(?:slack:#?|#)([^\s#A-Z]{1,80})", place):
                yield place, found[1]


def _listed(route: Mapping[str, Any], key: str) -> list[str]:
    value = route.get(key)
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _meant(place: str, name: str, known: Mapping[str, str]) -> str:
    if name in known:
        return f'"{place}": #{name} is "slack:{known[name]}"'
    near = get_close_matches(name, known, n=1)
    hint = f'; did you mean #{near[0]}, "slack:{known[near[0]]}"?' if near else ""
    return f'"{place}": sayso sees no channel #{name}{hint}'


def _members(slack: SlackChecks, group: str, accounts: Collection[str]) -> Look:
    counted = listed(slack.group, group, accounts)

    async def look() -> str:
        words = await counted()
        return f"{await slack.handle(group)}, {words}"

    return look


async def _bot_token(settings: Settings) -> str:
    token = settings.secret("SLACK_BOT_TOKEN", "the bot talks to Slack with it")
    if not token.startswith("xoxb-"):
        raise Wrong(
            "SLACK_BOT_TOKEN is not a bot token: those begin with xoxb- (Slack app, OAuth & Permissions)"
        )
    return "set"


async def _app_token(settings: Settings) -> str:
    token = settings.secret("SLACK_APP_TOKEN", "slack.socket_mode = true: the bot connects to Slack with it")
    if not token.startswith("xapp-"):
        raise Wrong(
            "SLACK_APP_TOKEN is not an app-level token: those begin with xapp- "
            "(Slack app, Basic Information, App-Level Tokens; scope connections:write)"
        )
    return "set"
