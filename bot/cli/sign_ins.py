"""What `sayso credentials` does: lists, tests, adds and revokes sign-ins; a secret is read here and never printed."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from getpass import getpass
from pathlib import Path

import redis.asyncio
from rich.table import Table
from rich.text import Text

from ...agent.grants import name_of
from ...agent.setting_words import did_you_mean
from ...approvals.change import Event
from ...approvals.credential import CredentialRef
from ...approvals.errors import BadSetting
from ...approvals.redis_store import RedisStore
from ...cards.escape import line
from ..credential_tables import Credential, EntraTable, OAuthTable
from ..credentials import connection, grants_of, oauth_source, source
from ..opening import connect, store_server
from ..settings import Settings, load_settings
from ..signed_in import noted, signed_in
from .terminal import console


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One line of the list."""

    name: str
    kind: str
    account: str
    state: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The store, as a command needs it."""

    settings: Settings
    store: RedisStore
    client: redis.asyncio.Redis
    address: str


def print_credentials(settings_file: Path | None, *, as_json: bool) -> None:
    """List them. Raises: BadSetting, StoreDown."""
    rows = asyncio.run(_listed(load_settings(settings_file)))
    out = console()
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    elif rows:
        out.print(_table(rows))
    else:
        out.print("There are no credentials: no [credentials.NAME] stands in the settings.")


def try_out(settings_file: Path | None, name: str, subject: str, scopes: tuple[str, ...]) -> None:
    """Fetch a token. Raises: CredentialDead, CredentialSourceDown, BadSetting, StoreDown."""
    settings = load_settings(settings_file)
    console().print(asyncio.run(_tested(settings, name, subject, scopes)), soft_wrap=True)


def add(settings_file: Path | None, name: str, subject: str) -> None:
    """Keep a refresh token and test it. Raises: as `try_out`."""
    settings = load_settings(settings_file)
    table = oauth_table(settings, name)
    secret = _read_secret(f"Refresh token of {subject or table.service} at {name} (not shown): ")
    console().print(asyncio.run(_added(settings, name, subject, secret)), soft_wrap=True)


def revoke(settings_file: Path | None, name: str, subject: str) -> None:
    """End a sign-in. Raises: CredentialSourceDown, BadSetting, StoreDown."""
    settings = load_settings(settings_file)
    console().print(asyncio.run(_revoked(settings, name, subject)), soft_wrap=True)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Opened]:
    with store_server(settings) as address:
        async with connect(address, settings) as store, connection(address) as client:
            yield Opened(settings, store, client, address)


async def _listed(settings: Settings) -> Sequence[_Row]:
    if not any(isinstance(table, OAuthTable) for table in settings.credentials.values()):
        return [_row(name, table) for name, table in settings.credentials.items()]
    async with opened(settings) as store:
        return [
            row for name, table in settings.credentials.items() for row in await _rows(store, name, table)
        ]


async def _rows(store: Opened, name: str, table: Credential) -> Sequence[_Row]:
    """The accounts of one table; its own service also before anybody has signed in."""
    grants = grants_of(store.settings, table, store.client, store.address)
    if grants is None:
        return [_row(name, table)]
    named = {one.removeprefix(f"{name}/") for one in await grants.names() if one.startswith(f"{name}/")}
    rows = list[_Row]()
    for account in sorted({table.service, *named}):
        there = await grants.get(f"{name}/{account}")
        rows.append(
            _Row(name=name, kind="oauth", account=account, state="signed in" if there else "not signed in")
        )
    return rows


def _row(name: str, table: Credential) -> _Row:
    variable = table.client_secret if isinstance(table, EntraTable | OAuthTable) else table.secret
    return _Row(name=name, kind=table.kind, account=table.service, state=f"from {variable}")


async def _tested(settings: Settings, name: str, subject: str, scopes: tuple[str, ...]) -> str:
    table = _table_of(settings, name)
    subject = subject or table.service
    if isinstance(table, EntraTable) and subject == table.service:
        scopes = scopes or (table.check_scope,)
    async with opened(settings) as store:
        grants = grants_of(settings, table, store.client, store.address)
        ref = CredentialRef(provider=name, subject=subject, scopes=scopes)
        token = await source(settings, name, table, grants).fetch(ref)
    return f"{line(subject)} gets {token}."


async def _added(settings: Settings, name: str, subject: str, secret: str) -> str:
    table = oauth_table(settings, name)
    ref = CredentialRef(provider=name, subject=subject or table.service)
    async with opened(settings) as store:
        grants = grants_of(settings, table, store.client, store.address)
        assert grants is not None, "an OAuth provider has grants"
        await grants.add(name_of(ref), secret)
        token = await oauth_source(settings, name, table, grants).fetch(ref)
        await signed_in(store.store, ref, by="sayso credentials add")
    return f"Signed in: {line(ref.subject)} gets {token}."


async def _revoked(settings: Settings, name: str, subject: str) -> str:
    table = oauth_table(settings, name)
    ref = CredentialRef(provider=name, subject=subject or table.service)
    async with opened(settings) as store:
        grants = grants_of(settings, table, store.client, store.address)
        there = await oauth_source(settings, name, table, grants).revoke(ref)
        if there:
            await noted(store.store, Event.CREDENTIAL_REVOKED, ref, by="sayso credentials revoke")
    if not there:
        return f"{line(ref.subject)} had not signed in to {name}: nothing to revoke."
    if table.provider is not None and table.provider.revoke_url:
        return f"Revoked at {name} and forgotten here: {line(ref.subject)}."
    return f"Forgotten here: {line(ref.subject)}. {name} has to be told in its own pages, where the app is connected."


def _table_of(settings: Settings, name: str) -> Credential:
    """Raises: BadSetting."""
    if table := settings.credentials.get(name):
        return table
    hint = did_you_mean(name, settings.credentials)
    raise BadSetting(f"There is no [credentials.{name}] in {settings.file}{hint or '.'}")


def oauth_table(settings: Settings, name: str) -> OAuthTable:
    """Raises: BadSetting."""
    table = _table_of(settings, name)
    if not isinstance(table, OAuthTable):
        raise BadSetting(f"[credentials.{name}] is of kind {table.kind}: nobody signs in to it here.")
    return table


def _read_secret(question: str) -> str:
    """Typed unseen, or the first line of what is piped in. Raises: BadSetting when there is none."""
    said = (getpass(question) if sys.stdin.isatty() else sys.stdin.readline()).strip()
    if not said:
        raise BadSetting("No refresh token was given; nothing is changed.")
    return said


def _table(rows: Sequence[_Row]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for head in ("Name", "Kind", "Account", "State"):
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(Text(line(text)) for text in (row.name, row.kind, row.account, row.state)))
    return table
