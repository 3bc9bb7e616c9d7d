"""`sayso check`: looks at everything the settings name, says of each what is wrong and what to do, and stops at nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from ...agent.setting_words import BadSettings
from ...approvals.errors import BadSetting
from ...approvals.sealing import STATE_KEYS
from ...approvals.watched import can_be_undone
from ...scheduler.pagerduty import RoutingKey
from ..api.signature import CallbackSecret
from ..opening import open_store
from ..settings import DEFAULT_FILE, Settings, load_settings
from ..signing_keys import kept_signer, load_signer, load_verifier, public_text
from .check_api import api_keys
from .check_audit import audit_trail
from .check_credentials import credential_secrets, tokens
from .check_graphs import GatedTools
from .check_policy import nothing_paused, same_policy
from .check_reach import out_of_reach
from .check_servers import server
from .check_slack import check_slack, ids_of_named, slack_secrets
from .check_teams import check_teams, teams_secrets
from .findings import Checks, summed
from .looks import Look, Wrong
from .terminal import console


def check(settings_file: Path | None, *, offline: bool) -> int:
    """Check everything and print a line for each: 0 when all is well, 1 when anything is wrong.

    Args:
        offline: Look at the file, the secrets and the graphs only; call nobody, make nothing.

    Raises: BadSetting, when the settings cannot be read at all.
    """
    try:
        settings = load_settings(settings_file)
    except BadSetting as error:
        raise BadSetting(_with_ids(error, settings_file, offline=offline)) from error
    checks = Checks(console())
    asyncio.run(_all(settings, checks, offline))
    wrong = sum(1 for found in checks.found if found.problem)
    checks.out.print(Text(summed(checks.found), style="bold red" if wrong else "bold green"))
    return 1 if wrong else 0


def _with_ids(error: BadSetting, settings_file: Path | None, *, offline: bool) -> str:
    """Its words, and the id of each channel that is named by its name, where Slack can be asked."""
    if offline or not isinstance(error.__cause__, BadSettings):
        return str(error)
    file = settings_file or Path(os.environ.get("SAYSO_SETTINGS") or DEFAULT_FILE)
    return "\n  ".join([str(error), *ids_of_named(file, os.environ)])


async def _all(settings: Settings, checks: Checks, offline: bool) -> None:
    keys = _keys(settings, offline=offline)
    await checks.each(("settings", lambda: _settings(settings)), *_secrets(settings), *keys)
    tools = GatedTools(settings, offline=offline)
    await checks.each(*((f"graphs.{name}", tools.look(name)) for name in settings.graphs))
    await checks.each(
        *((f"servers.{name}", server(settings, name, one, offline=offline)) for name, one in settings.servers.items())
    )  # fmt: skip
    await checks.each(*tools.compared(), *out_of_reach(settings))
    if offline:
        return
    if await checks.each(("store", lambda: _store(settings))):
        # One after the other: each opens the embedded store, and whoever closes it last ends its server.
        await checks.each(("policy", lambda: same_policy(settings)))
        await checks.each(("audit", lambda: audit_trail(settings)))
        await checks.each(("paused", lambda: nothing_paused(settings)))
    if settings.slack:
        await check_slack(settings, settings.slack, checks)
    if settings.teams:
        await check_teams(settings, settings.teams, checks)
    await checks.each(*tokens(settings))


# ---- the file and the secrets


async def _settings(settings: Settings) -> str:
    counted = (
        (settings.graphs, "graph"), (settings.people, "person"), (settings.sets, "set"),
        (settings.policy.routes, "route"), (settings.policy.tools, "tool"),
    )  # fmt: skip
    words = (f"{len(them)} {name}{'s' if len(them) != 1 else ''}" for them, name in counted)
    return f"{settings.file}: {', '.join(words)}".replace("persons", "people")


def _secrets(settings: Settings) -> Iterator[tuple[str, Look]]:
    if settings.slack:
        yield from slack_secrets(settings, settings.slack)
    if settings.teams:
        yield from teams_secrets(settings, settings.teams)
    if settings.api:
        yield from api_keys(settings, settings.api)
    for name, pager in settings.pagers.items():
        for variable in pager.variables:
            yield variable, _pager_secret(settings, variable, name, pager.kind)
    if settings.pagerduty:
        yield settings.pagerduty.token, _there(settings, settings.pagerduty.token, "[pagerduty]")
    if settings.metrics:
        yield settings.metrics.token, _there(settings, settings.metrics.token, "[metrics]")
    if settings.watchdog:
        yield settings.watchdog.heartbeat, _there(settings, settings.watchdog.heartbeat, "[watchdog]")
    yield from credential_secrets(settings)


def _there(settings: Settings, variable: str, table: str) -> Look:
    async def look() -> str:
        settings.secret(variable, f"{table} needs it")
        return f"set, for {table}"

    return look


def _pager_secret(settings: Settings, variable: str, pager: str, kind: str) -> Look:
    async def look() -> str:
        secret = settings.secret(variable, f"pagers.{pager} needs it")
        try:
            if kind == "pagerduty":
                RoutingKey(secret)
            elif kind == "webhook":
                CallbackSecret(secret)
        except ValueError as error:
            raise Wrong(f"{variable}: {error}") from error
        return f"set, for pagers.{pager}"

    return look


def _keys(settings: Settings, *, offline: bool) -> Iterator[tuple[str, Look]]:
    """The bot's key, and what workers trust; a machine that has only verify keys runs workers only."""
    trusted = bool(settings.env.get("SAYSO_VERIFY_KEYS"))
    if trusted:
        yield "SAYSO_VERIFY_KEYS", lambda: _verify_keys(settings)
    if settings.env.get(STATE_KEYS, "").strip():
        yield STATE_KEYS, lambda: _state_keys(settings)
    if not trusted or settings.env.get("SAYSO_SIGNING_KEY"):
        yield "signing key", lambda: _signing_key(settings, offline=offline)


async def _signing_key(settings: Settings, *, offline: bool) -> str:
    signer = kept_signer(settings) if offline else load_signer(settings)
    if signer is None:
        return f"will be made in {settings.data_dir / 'keys'} at the bot's first start"
    return f"SAYSO_VERIFY_KEYS for workers elsewhere: {public_text(signer)}"


async def _state_keys(settings: Settings) -> str:
    first, *others = settings.seal.names
    return f"the store is sealed with {first}" + (f", and {', '.join(others)} opened too" if others else "")


async def _verify_keys(settings: Settings) -> str:
    load_verifier(settings)
    keys = [part.strip() for part in settings.env["SAYSO_VERIFY_KEYS"].split(",")]
    signer = kept_signer(settings) if settings.env.get("SAYSO_SIGNING_KEY") else None
    if signer and public_text(signer) not in keys:
        raise Wrong(
            "SAYSO_VERIFY_KEYS lacks the public key of SAYSO_SIGNING_KEY, so workers would trust no vote"
        )
    return f"{len(keys)} public key{'s' if len(keys) > 1 else ''}"


# ---- what runs, and what is called


async def _store(settings: Settings) -> str:
    async with open_store(settings) as store:
        waiting = sum(not can_be_undone(one) for one in await store.live())
    where = settings.store_named if settings.redis_url else f"embedded in {settings.data_dir / 'store'}"
    return f"{where}: fit, {waiting} open request{'s' if waiting != 1 else ''}"
