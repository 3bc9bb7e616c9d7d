"""`sayso check`: looks at everything the settings name, says of each what is wrong and what to do, and stops at nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...agent.msal_source import EnvironmentRefreshTokens, MsalSource
from ...approvals.credential import CredentialRef
from ...approvals.errors import SaysoError
from ...scheduler.pagerduty import RoutingKey
from ..opening import open_store
from ..settings import CredentialTable, Settings, load_settings
from ..signing_keys import kept_signer, load_signer, load_verifier, public_text
from .check_graphs import GatedTools
from .looks import Doubtful, Look, Wrong
from .terminal import console

#: Slack is asked this many things at once.
AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Found:
    """What one check came to; `problem` and `doubt` are empty when all is well."""

    what: str
    words: str = ""
    problem: str = ""
    doubt: str = ""


@dataclass(slots=True)
class Checks:
    """The checks of one run of the command, in order."""

    out: Console
    found: list[Found] = field(default_factory=list)

    async def each(self, *looks: tuple[str, Look]) -> bool:
        """Make these checks, some at once, and print each; whether all were well."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(what: str, look: Look) -> Found:
            async with gate:
                return await _looked(what, look)

        made = await asyncio.gather(*(one(what, look) for what, look in looks))
        for found in made:
            self._tell(found)
        return not any(found.problem for found in made)

    def _tell(self, found: Found) -> None:
        self.found.append(found)
        row = Table.grid(padding=(0, 2, 0, 0))
        row.add_column(width=5)
        row.add_column(min_width=24, max_width=32 if self.out.is_terminal else None, overflow="fold")
        row.add_column(overflow="fold")
        row.add_row(_mark(found), Text(found.what), Text(found.problem or found.doubt or found.words))
        self.out.print(row)


def _mark(found: Found) -> Text:
    if found.problem:
        return Text("WRONG", style="bold red")
    return Text("WARN", style="bold yellow") if found.doubt else Text("ok", style="green")


def check(settings_file: Path | None, *, offline: bool) -> int:
    """Check everything and print a line for each: 0 when all is well, 1 when anything is wrong.

    Args:
        offline: Look at the file, the secrets and the graphs only; call nobody, make nothing.

    Raises: BadSetting, when the settings cannot be read at all.
    """
    settings = load_settings(settings_file)
    checks = Checks(console())
    asyncio.run(_all(settings, checks, offline))
    wrong = sum(1 for found in checks.found if found.problem)
    checks.out.print(Text(_sum(checks.found), style="bold red" if wrong else "bold green"))
    return 1 if wrong else 0


def _sum(found: Sequence[Found]) -> str:
    wrong = len([one for one in found if one.problem])
    doubts = len([one for one in found if one.doubt])
    words = f"{wrong} of {len(found)} checks {'is' if wrong == 1 else 'are'} wrong"
    rest = f" {doubts} {'has a warning' if doubts == 1 else 'have warnings'}." if doubts else ""
    return f"{words if wrong else f'All {len(found)} checks are ok'}.{rest}"


async def _all(settings: Settings, checks: Checks, offline: bool) -> None:
    keys = _keys(settings, offline=offline)
    await checks.each(("settings", lambda: _settings(settings)), *_secrets(settings), *keys)
    tools = GatedTools(settings)
    await checks.each(*((f"graphs.{name}", tools.look(name)) for name in settings.graphs))
    await checks.each(*tools.compared())
    if offline:
        return
    await checks.each(("store", lambda: _store(settings)))
    if settings.slack and settings.env.get("SLACK_BOT_TOKEN"):
        await _slack(settings, checks)
    await checks.each(
        *((f"credentials.{name}", _token(settings, name, one)) for name, one in _usable(settings))
    )


async def _looked(what: str, look: Look) -> Found:
    try:
        return Found(what, words=await look())
    except Doubtful as error:
        return Found(what, doubt=str(error))
    except SaysoError as error:
        return Found(what, problem=str(error).removesuffix(".") + ".")


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
        yield "SLACK_BOT_TOKEN", lambda: _bot_token(settings)
        yield (
            "SLACK_SIGNING_SECRET",
            lambda: _present(settings, "SLACK_SIGNING_SECRET", "Slack's clicks are checked with it"),
        )
    for name, pager in settings.pagers.items():
        yield pager.routing_key, _routing_key(settings, pager.routing_key, name)
    for name, one in settings.credentials.items():
        yield one.client_secret, _client_secret(settings, one, name)


async def _present(settings: Settings, name: str, why: str) -> str:
    settings.secret(name, why)
    return "set"


async def _bot_token(settings: Settings) -> str:
    token = settings.secret("SLACK_BOT_TOKEN", "the bot talks to Slack with it")
    if not token.startswith("xoxb-"):
        raise Wrong(
            "SLACK_BOT_TOKEN is not a bot token: those begin with xoxb- (Slack app, OAuth & Permissions)"
        )
    return "set"


def _routing_key(settings: Settings, variable: str, pager: str) -> Look:
    async def look() -> str:
        secret = settings.secret(variable, f"pagers.{pager} needs it")
        try:
            RoutingKey(secret)
        except ValueError as error:
            raise Wrong(f"{variable}: {error}") from error
        return f"set, for pagers.{pager}"

    return look


def _client_secret(settings: Settings, one: CredentialTable, name: str) -> Look:
    async def look() -> str:
        settings.secret(one.client_secret, f"credentials.{name} needs it")
        if one.ca_file and not one.ca_file.is_file():
            raise Wrong(f"credentials.{name}.ca_file: there is no file {one.ca_file}")
        return f"set, for credentials.{name}"

    return look


def _keys(settings: Settings, *, offline: bool) -> Iterator[tuple[str, Look]]:
    """The bot's key, and what workers trust; a machine that has only verify keys runs workers only."""
    trusted = bool(settings.env.get("SAYSO_VERIFY_KEYS"))
    if trusted:
        yield "SAYSO_VERIFY_KEYS", lambda: _verify_keys(settings)
    if not trusted or settings.env.get("SAYSO_SIGNING_KEY"):
        yield "signing key", lambda: _signing_key(settings, offline=offline)


async def _signing_key(settings: Settings, *, offline: bool) -> str:
    signer = kept_signer(settings) if offline else load_signer(settings)
    if signer is None:
        return f"will be made in {settings.data_dir / 'keys'} at the bot's first start"
    return f"SAYSO_VERIFY_KEYS for workers elsewhere: {public_text(signer)}"


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
        waiting = len(await store.live())
    where = settings.store_named if settings.redis_url else f"embedded in {settings.data_dir / 'store'}"
    return f"{where}: fit, {waiting} open request{'s' if waiting != 1 else ''}"


async def _slack(settings: Settings, checks: Checks) -> None:
    from ..slack.checks import SlackChecks

    assert settings.slack is not None
    slack, groups = (
        SlackChecks(settings.env["SLACK_BOT_TOKEN"].strip(), settings.slack.api),
        _groups(settings),
    )
    team = settings.slack.team
    if not await checks.each(("slack", lambda: slack.workspace(team, groups=bool(groups)))):
        checks.out.print(
            "       (channels, accounts and groups were not looked at: Slack has to let us in first)"
        )
        return
    by_place: dict[str, list[str]] = {}
    for route in settings.policy.routes.values():
        for place in route.places:
            by_place.setdefault(place, []).append(f"routes.{route.name}")
    channels = (
        (f"{', '.join(names)}: {place}", _said(slack.channel, place.removeprefix("slack:").partition("/")[0]))
        for place, names in by_place.items() if place.startswith("slack:")
    )  # fmt: skip
    people = (
        (f"people.{id}: {person.slack}", _said(slack.account, person.slack))
        for id, person in settings.people.items() if person.slack
    )  # fmt: skip
    accounts = {person.slack for person in settings.people.values() if person.slack}
    circles = (
        (f"sets.{name}: {group}", _members(slack.group, group, accounts)) for name, group in groups.items()
    )
    await checks.each(*channels, *people, *circles)


def _groups(settings: Settings) -> dict[str, str]:
    return {name: members.slack_group for name, members in settings.sets.items() if members.slack_group}


def _said(look: Callable[[str], Awaitable[str]], id: str) -> Look:
    return lambda: look(id)


def _members(ask: Callable[[str], Awaitable[frozenset[str]]], group: str, accounts: set[str]) -> Look:
    async def look() -> str:
        members = await ask(group)
        if not members & accounts:
            raise Wrong("nobody in this user group is listed under [people], so nobody in it can decide")
        return f"{len(members & accounts)} of its {len(members)} members are listed under [people]"

    return look


def _usable(settings: Settings) -> Iterator[tuple[str, CredentialTable]]:
    """The providers whose secret is there; a missing one has its own line already."""
    return (
        (name, one)
        for name, one in settings.credentials.items()
        if settings.env.get(one.client_secret, "").strip()
    )


def _token(settings: Settings, name: str, one: CredentialTable) -> Look:
    """Fetch a token of the service and throw it away."""

    async def look() -> str:
        source = MsalSource(
            authority=one.authority, client_id=one.client_id, service=one.service,
            client_secret=settings.secret(one.client_secret, f"credentials.{name} needs it"),
            refresh_tokens=EnvironmentRefreshTokens(settings.env), ca_file=str(one.ca_file) if one.ca_file else None,
        )  # fmt: skip
        scope = one.check_scope
        token = await source.fetch(CredentialRef(provider=name, subject=one.service, scopes=(scope,)))
        return f"{one.service} gets {token} for {scope}"

    return look
