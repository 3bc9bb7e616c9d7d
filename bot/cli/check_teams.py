"""What `sayso check` looks at for Teams: secret or certificate, and then the tenant with every place, account and group."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from ...agent.client_certificate import client_certificate
from ...agent.credentials import utc_now
from ...approvals.errors import BadSetting, SaysoError
from ..settings import Settings
from ..tables import GUID, TeamsTable
from .findings import Checks
from .looks import Doubtful, Look, Wrong, listed, places_on, said

if TYPE_CHECKING:
    from ..teams.checks import TeamsChecks

VARIABLE = "TEAMS_CLIENT_SECRET"
#: A certificate that ends sooner is worth a warning: somebody has to make and register the next one.
SOON_OVER = timedelta(days=30)
_WHY = "it is the client secret of the bot's app registration (or name a certificate)"


def teams_secrets(settings: Settings, table: TeamsTable) -> Iterator[tuple[str, Look]]:
    """What the bot signs in with."""
    if table.certificate:
        yield "teams.certificate", lambda: _certificate(settings, table)
    else:
        yield VARIABLE, lambda: _secret(settings)
    if table.ca_file:
        yield "teams.ca_file", lambda: _ca_file(settings, table)


async def check_teams(settings: Settings, table: TeamsTable, checks: Checks) -> None:
    """Ask Microsoft about everything the settings name in Teams, once it lets us in."""
    if not await _could_sign_in(settings, table):
        return  # that has its own line
    try:
        async with _looking(settings, table) as teams:
            await _all(teams, settings, checks)
    except BadSetting as error:
        await checks.each(("teams", _refused(error)))


async def _could_sign_in(settings: Settings, table: TeamsTable) -> bool:
    try:
        for _, look in teams_secrets(settings, table):
            await look()
    except Doubtful:
        return True
    except SaysoError:
        return False
    return True


def _refused(error: BadSetting) -> Look:
    async def look() -> str:
        raise error

    return look


async def _all(teams: TeamsChecks, settings: Settings, checks: Checks) -> None:
    keys = ("teams keys", teams.keys)
    if not await checks.each(("teams", teams.sign_in)):
        await checks.each(keys)
        checks.skipped("channels, accounts and groups were not looked at: Entra has to let us in first")
        return
    channels = (
        (f"{routes}: {place}", said(teams.place, place.removeprefix("teams:")))
        for place, routes in places_on("teams", settings).items()
    )
    await checks.each(keys, *channels)
    groups = {name: one.entra_group for name, one in settings.sets.items() if one.entra_group}
    people = {id: person.teams for id, person in settings.people.items() if person.teams}
    if not await checks.each(("Microsoft Graph", lambda: teams.permissions(groups=bool(groups)))):
        checks.skipped("accounts and groups were not looked at: Graph has to let us read them first")
        return
    accounts = ((f"people.{id}: {account}", said(teams.account, account)) for id, account in people.items())
    circles = (
        (f"sets.{name}: {group}", listed(teams.group, group, people.values()))
        for name, group in groups.items()
    )
    await checks.each(*accounts, *circles)


@asynccontextmanager
async def _looking(settings: Settings, table: TeamsTable) -> AsyncIterator[TeamsChecks]:
    """Raises: BadSetting."""
    from ..teams.checks import TeamsChecks
    from ..teams.credentials import EntraToken, entra_token
    from ..teams.graph import Graph, graph_scope
    from ..teams.keys import ChannelKeys
    from ..teams.platform import transport_class

    registration = table.registration

    def token_for(scope: str) -> EntraToken:
        return entra_token(
            registration, authority=table.token_authority, scope=scope,
            client_secret="" if table.certificate else settings.secret(VARIABLE, _WHY),
            certificate=str(settings.beside(table.certificate)) if table.certificate else None,
            ca_file=str(settings.beside(table.ca_file)) if table.ca_file else None,
        )  # fmt: skip

    token, graph_token = token_for(registration.scope), token_for(graph_scope(table.graph))
    graph = Graph(graph_token, url=table.graph)
    transport = transport_class(table)(registration, token=token, keys=ChannelKeys(registration.metadata_url))
    try:
        yield TeamsChecks(
            registration, credential="teams.certificate" if table.certificate else VARIABLE, token=token,
            graph_token=graph_token, graph=graph, transport=transport,
        )  # fmt: skip
    finally:
        transport.close()
        await graph.aclose()


async def _secret(settings: Settings) -> str:
    if re.fullmatch(GUID, settings.secret(VARIABLE, _WHY), re.IGNORECASE):
        raise Wrong(
            f"{VARIABLE} is the secret's id; its value is what Entra shows once, when the secret is made"
        )
    return "set"


async def _certificate(settings: Settings, table: TeamsTable) -> str:
    assert table.certificate is not None
    now = utc_now()
    read = client_certificate(settings.beside(table.certificate), now=now)
    left = read.expires_at - now
    words = f"{table.certificate} ends in {left.days} day{'' if left.days == 1 else 's'}, on {read.expires_at:%Y-%m-%d}"
    if left < SOON_OVER:
        raise Doubtful(f"{words}: register the next one in Entra in time.")
    return words


async def _ca_file(settings: Settings, table: TeamsTable) -> str:
    assert table.ca_file is not None
    if not settings.beside(table.ca_file).is_file():
        raise Wrong(f"there is no file {settings.beside(table.ca_file)}")
    return str(table.ca_file)
