"""What `sayso check` looks at for Slack: its secrets, and then the workspace with every place, account and group."""

from __future__ import annotations

from collections.abc import Iterator

from ..settings import Settings
from ..tables import SlackTable
from .findings import Checks
from .looks import Look, Wrong, listed, places_on, present, said


def slack_secrets(settings: Settings) -> Iterator[tuple[str, Look]]:
    """What the environment has to hold for Slack."""
    yield "SLACK_BOT_TOKEN", lambda: _bot_token(settings)
    yield (
        "SLACK_SIGNING_SECRET",
        present(settings, "SLACK_SIGNING_SECRET", "Slack's clicks are checked with it"),
    )


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
        (f"sets.{name}: {group}", listed(slack.group, group, people.values()))
        for name, group in groups.items()
    )
    await checks.each(*channels, *accounts, *circles)


async def _bot_token(settings: Settings) -> str:
    token = settings.secret("SLACK_BOT_TOKEN", "the bot talks to Slack with it")
    if not token.startswith("xoxb-"):
        raise Wrong(
            "SLACK_BOT_TOKEN is not a bot token: those begin with xoxb- (Slack app, OAuth & Permissions)"
        )
    return "set"
