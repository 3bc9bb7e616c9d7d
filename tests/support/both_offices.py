"""A bot at work in Slack and Teams at once, over real HTTP, wired from a settings file as `serve` wires it.

The store is in memory and its time stands still; each of the staff is one person with an account on both sides.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
from office import SIGNER, Office, PagesSeen, WatchedStore
from sayso.approvals import machine
from sayso.approvals.people import Person, PersonId
from sayso.approvals.request import Request
from sayso.approvals.route import Route
from sayso.bot.channel import Channel
from sayso.bot.delivery import Deliverer
from sayso.bot.desk import Desk
from sayso.bot.directory import ApproverSet, ConfiguredDirectory
from sayso.bot.front import SLACK_PATH, TEAMS_PATH, Front
from sayso.bot.platform import Inside, Platform
from sayso.bot.settings import Settings, load_settings
from sayso.bot.slack.platform import SlackPlatform
from sayso.bot.slack.transport import SlackChannel
from sayso.bot.teams.platform import TeamsPlatform
from sayso.cards.spans import Row, Text
from sayso.sandbox.teams import Message as TeamsMessage
from sayso.sandbox.teams import Teams, TeamsTimes
from sayso.sandbox.workplace import Workplace
from scenes import a_request, a_run, an_assessment
from settings_files import LITTLE_GRAPH

#: Whom the settings list, with which accounts; ned is not listed.
ON_BOTH, ONLY_SLACK, ONLY_TEAMS = ("alex", "bo", "cy", "gil", "dee"), ("sue",), ("kim",)
#: Where every card can be read by everybody, approver or not.
SUPPORT = "#support"
FINANCE = "#finance-approvals"
#: What can be pressed on a card in Teams once it is decided; in Slack it is the first of them.
AFTERWARDS = ["Details", "Details in a dialog…"]

_SETTINGS = """
default_route = "finance"

[graphs]
ops = "little_graph.py:graph"

[people]
{people}

[sets]
finance = {{ slack_group = "S0FINANCE", entra_group = "{finance}", people = ["sue", "kim"] }}
seniors = ["sue"]

[routes.finance]
places = [{places}]
approvers = ["finance"]
needed = {needed}
second_line = "seniors"
on_call = "seniors"
pager = "primary"

[tools.issue_refund]
category = "financial_transaction"
irreversibility = "high"
blast_radius = "low"
compliance = "medium"

[pagers.primary]
routing_key = "PAGER_KEY"

[server]
port = {port}

[slack]
team = "T0WORKPLACE"
api = "{api}"

[teams]
app_id = "{app_id}"
tenant = "{tenant}"
sdk = "{sdk}"
authority = "{authority}"
service_url = "{service_url}"
issuer = "{issuer}"
metadata_url = "{metadata_url}"
scope = "{scope}"
graph = "{graph}"
ca_file = "{ca_file}"
"""


@dataclass(kw_only=True)
class BothOffices(Office):
    """What a scene needs besides; `card` and `slack` are Slack's, `teams_card` and `teams` are Teams'."""

    teams: Teams
    channels: Mapping[str, Channel]
    route: Route

    async def asks(self, **overrides: object) -> Request:
        """Alex asks in Slack's #support, unless `run` says otherwise; the request is open and its cards stand."""
        values: dict[str, object] = {"route": self.route, "opened_at": await self.store.now(), **overrides}
        if "run" not in values:
            asked = await self.slack.person("alex").says(SUPPORT, "could you refund order 1042?")
            values["run"] = a_run(thread=f"t-{asked.ts}", origin=f"slack:{asked.channel}/{asked.ts}")
        request = await self.store.open(machine.opened(a_request(**values).ask))
        await self.deliver()
        return request

    def teams_card(self, channel: str = FINANCE) -> TeamsMessage:
        """The newest card in a channel of Teams."""
        return [one for one in self.teams.messages(channel) if "Details" in one.buttons()][-1]

    def both_read(self, words: str) -> bool:
        """Whether the cards in both finance channels show these words."""
        return words in self.card().text_as_seen() and words in self.teams_card().text_as_seen()

    def later(self, seconds: float = 16) -> None:
        """So much later, what platforms said about people is old."""
        self.clock[0] += seconds


@asynccontextmanager
async def both_offices(
    *, needed: int = 1, sdk: str = "botbuilder", everywhere: bool = False, store: WatchedStore | None = None,
    teams_times: TeamsTimes = TeamsTimes(),
) -> AsyncIterator[BothOffices]:  # fmt: skip
    """Open for business; at the end no rule of either vendor may have been broken.

    Args:
        everywhere: Cards stand in both #support channels too, where people read along who have no say.
    """
    async with Workplace.running(teams_times=teams_times) as workplace:
        with TemporaryDirectory() as folder:
            file, env = settings_file(Path(folder), workplace, needed=needed, sdk=sdk, everywhere=everywhere)
            settings = load_settings(file, env)
            platforms = _platforms(settings)
            try:
                async with _open(workplace, settings, platforms, store or WatchedStore()) as office:
                    yield office
                    await workplace.slack.settled()
                    await workplace.teams.settled()
            finally:
                for platform in platforms.values():
                    await platform.close()


def missing(shown: str, pieces: Iterable[str]) -> str:
    """The first of the pieces that does not stand there after those before it; empty when all do, in this order."""
    at, flat = 0, " ".join(shown.split())
    for piece in (" ".join(one.split()) for one in pieces):
        found = flat.find(piece, at)
        if found < 0:
            return piece
        at = found + len(piece)
    return ""


def pieces_of(rows: Sequence[Row]) -> list[str]:
    """Labels and literal words; people, places and times are written in each platform's own way, a digest in lines."""
    found = []
    for row in rows:
        texts = (span.text for span in row.spans if isinstance(span, Text))
        found += [row.label, *(text for text in texts if row.label != "Digest")]
    return [piece for piece in found if piece.strip()]


@asynccontextmanager
async def _open(
    workplace: Workplace, settings: Settings, platforms: Mapping[str, Platform], store: WatchedStore
) -> AsyncIterator[BothOffices]:
    """Desk, delivery and both doors behind one front, as `bot.app` wires them."""
    store.changes, clock, front = workplace.changes, [0.0], Front()
    directory = _directory(settings, platforms, lambda: clock[0])
    desk = Desk(
        store=store, directory=directory, rules=settings.policy, signer=SIGNER, assess=lambda _: an_assessment()
    )  # fmt: skip
    channels = {name: platform.channel(directory) for name, platform in platforms.items()}
    slack = channels["slack"]
    assert isinstance(slack, SlackChannel)
    pages = PagesSeen(store)
    deliverer = Deliverer(store=store, channels=channels, directory=directory, pages=pages)
    doors = {}
    for name, platform in platforms.items():
        inside = Inside(
            desk=desk, store=store, directory=directory, channel=channels[name], deliverer=deliverer
        )
        doors[platform.path] = await platform.door(inside)
    front.open(doors, ready=_ready)
    async with _served(front) as url:
        workplace.slack.app_url, workplace.teams.app_url = url + SLACK_PATH, url + TEAMS_PATH
        yield BothOffices(
            workplace=workplace, slack=workplace.slack, teams=workplace.teams, store=store, directory=directory,
            channel=slack, channels=channels, desk=desk, deliverer=deliverer, pages=pages.seen, clock=clock,
            route=settings.policy.routes["finance"],
        )  # fmt: skip


def settings_file(
    folder: Path, workplace: Workplace, *, needed: int = 1, sdk: str = "botbuilder", everywhere: bool = False, port: int = 0
) -> tuple[Path, Mapping[str, str]]:  # fmt: skip
    """The settings for the sandbox in an empty folder, and the environment that holds the secrets."""
    slack, teams, tokens = workplace.slack, workplace.teams, workplace.tokens
    names = (FINANCE, SUPPORT) if everywhere else (FINANCE,)
    ids = {FINANCE: "C0FINANCE", SUPPORT: "C0SUPPORT"}
    places = [place for name in names for place in (f"slack:{ids[name]}", f"teams:{teams.channel_id(name)}")]
    (folder / "little_graph.py").write_text(LITTLE_GRAPH)
    file = folder / "sayso.toml"
    file.write_text(_SETTINGS.format(
        people="\n".join(_people(teams)), finance=teams.group_id("finance-approvers"), needed=needed, sdk=sdk,
        places=", ".join(f'"{place}"' for place in places), api=slack.api_url, app_id=teams.app_id,
        tenant=teams.tenant_id, authority=tokens.authority, service_url=teams.service_url, issuer=teams.issuer,
        metadata_url=teams.open_id_metadata_url, scope=teams.scope, graph=teams.graph_url, ca_file=tokens.ca_file,
        port=port,
    ))  # fmt: skip
    return file, {
        "SLACK_BOT_TOKEN": slack.bot_token, "SLACK_SIGNING_SECRET": slack.signing_secret,
        "TEAMS_CLIENT_SECRET": tokens.client_secret, "PAGER_KEY": secrets.token_hex(16),
        "SAYSO_SIGNING_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
    }  # fmt: skip


def _people(teams: Teams) -> list[str]:
    """A line each; who is known on one side only has one account."""
    lines = []
    for name in (*ON_BOTH, *ONLY_SLACK, *ONLY_TEAMS):
        slack = "" if name in ONLY_TEAMS else f', slack = "U0{name.upper()}"'
        account = "" if name in ONLY_SLACK else f', teams = "{teams.person(name).aad}"'
        lines.append(f'{name} = {{ name = "{name.capitalize()}"{slack}{account} }}')
    return lines


def _platforms(settings: Settings) -> Mapping[str, Platform]:
    assert settings.slack is not None
    assert settings.teams is not None
    return {
        "slack": SlackPlatform(settings, settings.slack),
        "teams": TeamsPlatform(settings, settings.teams),
    }


def _directory(
    settings: Settings, platforms: Mapping[str, Platform], monotonic: Callable[[], float]
) -> ConfiguredDirectory:
    return ConfiguredDirectory(
        people=[
            Person(id=PersonId(id), name=table.name, accounts=table.accounts)
            for id, table in settings.people.items()
        ],
        sets={
            name: ApproverSet(people=tuple(map(PersonId, table.people)), groups=table.groups)
            for name, table in settings.sets.items()
        },
        platforms={name: platform.accounts for name, platform in platforms.items()},
        monotonic=monotonic,
    )  # fmt: skip


async def _ready() -> str:
    return ""


@asynccontextmanager
async def _served(front: Front) -> AsyncIterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(front, lifespan="off", log_level="warning", ws="none"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
