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
from .reconcile import Reconciler
from .socket import SocketMode
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
        self._listener: SlackListener | None = None
        self._socket: SocketMode | None = None
        self.accounts = SlackAccounts(self._client)

    def channel(self, directory: ConfiguredDirectory) -> SlackChannel:
        """Where cards go."""
        account, members = directory.account("slack"), directory.mentions("slack")
        return SlackChannel(self._client, account=account, members=members)

    async def door(self, inside: Inside) -> AsgiApp:
        """Let in what Slack signed, or what comes down our own connection. Raises: BadSetting, SlackProblem."""
        secret = None if self._table.socket_mode else self._settings.secret(
            "SLACK_SIGNING_SECRET", "it proves that clicks come from Slack (your Slack app's page)."
        )  # fmt: skip
        slack = SlackChecks(self._client.token or "", self._table.api)
        me, _ = await slack.lets_us_in(self._table.team)
        with naming_problems(self._client.base_url):
            self._listener = listener = await SlackListener.connect(
                client=self._client, signing_secret=secret, desk=inside.desk, store=inside.store,
                deliverer=inside.deliverer, channel=inside.channel, account=inside.directory.account("slack"),
                connecting=inside.connecting,
            )  # fmt: skip
        if self._table.socket_mode:
            self._socket = await self._connected(listener, inside, bot=str(me["bot_id"]))
        return listener.door

    def problem(self) -> str:
        """Whether Slack reaches us: what is wrong, in words, else empty."""
        return self._socket.problem() if self._socket else ""

    async def close(self) -> None:
        """Close the connection and finish what it brought; its client opens one per call and keeps none."""
        if self._socket is not None:
            await self._socket.stop()
        if self._listener is not None:
            await self._listener.finish()

    async def _connected(self, listener: SlackListener, inside: Inside, *, bot: str) -> SocketMode:
        token = self._settings.secret(
            "SLACK_APP_TOKEN",
            "it is the app-level token from your Slack app's page (xapp-…), for Socket Mode.",
        )
        with naming_problems(self._client.base_url):
            app = str((await self._client.bots_info(bot=bot))["bot"]["app_id"])
        client = slack_client(token, base_url=self._table.api)
        look = Reconciler(store=inside.store, channel=inside.channel)
        socket = SocketMode(client, listener.answer, app=app, connected=look)
        await socket.start()
        return socket
