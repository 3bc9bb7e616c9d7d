"""Slack as the settings name it: one client for accounts, cards and deliveries."""

from __future__ import annotations

from ..directory import ConfiguredDirectory
from ..front import SLACK_PATH, AsgiApp
from ..platform import Inside
from ..settings import Settings
from ..tables import SlackTable
from .checks import SlackChecks, naming_problems
from .identity import SlackAccounts
from .listener import SlackListener
from .transport import SlackChannel, slack_client


class SlackPlatform:
    """A `Platform`."""

    path = SLACK_PATH

    def __init__(self, settings: Settings, table: SlackTable) -> None:
        """Raises: BadSetting."""
        token = settings.secret(
            "SLACK_BOT_TOKEN", "it is the bot's token from your Slack app's page (xoxb-…)."
        )
        self._settings = settings
        self._table = table
        self._client = slack_client(token, base_url=table.api)
        self.accounts = SlackAccounts(self._client)

    def channel(self, directory: ConfiguredDirectory) -> SlackChannel:
        """Where cards go."""
        account, members = directory.account("slack"), directory.mentions("slack")
        return SlackChannel(self._client, account=account, members=members)

    async def door(self, inside: Inside) -> AsgiApp:
        """Let in what Slack signed. Raises: BadSetting, SlackProblem."""
        secret = self._settings.secret(
            "SLACK_SIGNING_SECRET", "it proves that clicks come from Slack (your Slack app's page)."
        )
        await SlackChecks(self._client.token or "", self._table.api).lets_us_in(self._table.team)
        with naming_problems(self._client.base_url):
            listener = await SlackListener.connect(
                client=self._client, signing_secret=secret, desk=inside.desk, store=inside.store,
                deliverer=inside.deliverer, channel=inside.channel, account=inside.directory.account("slack"),
            )  # fmt: skip
        return listener.door

    async def close(self) -> None:
        """Its client opens a connection per call and keeps none."""
