"""What the operator chose: one TOML file plus secrets from the environment, read once, refused by name when wrong."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..agent.policy import Policy
from ..agent.policy_file import read_policy
from ..agent.policy_tables import SLACK_PLACE
from ..agent.setting_lines import with_lines
from ..agent.setting_words import BadSettings, did_you_mean, problems_of, refuse
from ..approvals.action import Json
from ..approvals.authority import Glass
from ..approvals.errors import BadSetting
from ..approvals.people import PersonId, Place
from ..approvals.quorum import can_decide
from ..approvals.route import Route
from ..approvals.sealing import STATE_KEYS, Seal, read_keys
from .credential_tables import Credential, OAuthTable, VaultTable
from .daily_table import DailyTable
from .evidence.table import AuditTable
from .langgraph_json import graphs_of
from .pager_table import PagerTable
from .rotations import RotationFile
from .tables import (
    STORE,
    STORE_WORDS,
    AgentServerTable,
    ApiTable,
    MetricsTable,
    PagerDutyTable,
    PersonTable,
    ServerTable,
    SetTable,
    SettingsFile,
    SlackTable,
    StoreTable,
    TeamsTable,
    WatchdogTable,
    WorkerTable,
)

#: Where the settings are when nobody says otherwise.
DEFAULT_FILE = "sayso.toml"

_TEAMS_PLACE = (
    'write "teams:" and the channel\'s id (19:…@thread.tacv2), decoded from the link that Teams copies'
)
_POLICY_KEYS = (
    "default_route",
    "routes",
    "tools",
    "rules",
    "ttl",
    "chains",
    "hours",
    "denied",
    "low_confidence",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything chosen, checked. Secrets are kept apart so that `repr` of this shows none.

    Attributes:
        graphs: Where each is.
        answers: What each graph is told, by "reject" and "expired"; empty where its dialect's own words hold.
        unguarded: Those whose models may call any tool without asking.
        redis_url: None means the embedded store in `store.data_dir`; it may hold a password.
        rotations: By the set whose members they name.
        shadow: The next policy, which is held against every action and changes nothing; None where there is none.
        daily: When people read what ran the day before without anybody being asked; None: never.
        glass: Who may approve alone in an emergency.
        demo: The store's clock may be pushed (`SAYSO_DEMO=1`, `store.demo`); never set this for real work.
        env: The environment, for secrets named in the tables.
    """

    file: Path
    graphs: Mapping[str, str]
    answers: Mapping[str, Mapping[str, Json]]
    unguarded: frozenset[str]
    servers: Mapping[str, AgentServerTable]
    people: Mapping[str, PersonTable]
    sets: Mapping[str, SetTable]
    policy: Policy
    slack: SlackTable | None
    teams: TeamsTable | None
    pagers: Mapping[str, PagerTable]
    watchdog: WatchdogTable | None
    metrics: MetricsTable | None
    pagerduty: PagerDutyTable | None
    rotations: Mapping[str, RotationFile]
    credentials: Mapping[str, Credential]
    vault: VaultTable | None
    store: StoreTable
    server: ServerTable
    api: ApiTable | None
    worker: WorkerTable
    operators: frozenset[PersonId]
    glass: Glass
    shadow: Policy | None
    audit: AuditTable
    daily: DailyTable | None
    redis_url: str | None = field(repr=False)
    demo: bool
    env: Mapping[str, str] = field(repr=False)

    def secret(self, name: str, why: str) -> str:
        """A secret from the environment. Raises: BadSetting, naming the variable."""
        if value := self.env.get(name, "").strip():
            return value
        raise BadSetting(f"{name} is not set in the environment; {why}")

    @property
    def seal(self) -> Seal:
        """What encrypts the store; without keys in the environment nothing does. Raises: BadSetting."""
        return read_keys(self.env.get(STATE_KEYS, ""))

    @property
    def store_named(self) -> str:
        """What says where the store is, for an error to name."""
        if self.env.get("REDIS_URL"):
            return "REDIS_URL"
        return f"store.url in {self.file}" if self.redis_url else f"store.data_dir ({self.data_dir})"

    @property
    def data_dir(self) -> Path:
        """Where the embedded store and the keys live."""
        return self.beside(self.store.data_dir)

    @property
    def anchor_file(self) -> Path | None:
        """Where anchors are written; None where nobody named a file and the store is on another machine."""
        if self.audit.anchor_file:
            return self.beside(self.audit.anchor_file)
        return None if self.redis_url else self.data_dir / "audit-anchors.jsonl"

    def beside(self, path: Path) -> Path:
        """A path of the settings: beside their file, unless it is absolute."""
        return (self.file.parent / path).absolute()


def policy_of(path: Path) -> Policy:
    """The policy that another settings file would bring, or a file that holds a policy alone. Raises: BadSetting."""
    try:
        text = path.read_text(encoding="utf-8")
        said = tomllib.loads(text)
    except OSError as error:
        raise BadSetting(f"The policy {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"The policy {path} is not TOML: {error}.") from error
    try:
        return read_policy({key: said[key] for key in said if key not in SettingsFile.model_fields})
    except BadSettings as error:
        raise BadSetting(f"{path}: {BadSettings(with_lines(error.problems, text))}") from error


def load_settings(file: Path | None = None, env: Mapping[str, str] | None = None) -> Settings:
    """Read `file` (default: `SAYSO_SETTINGS`, else `sayso.toml`). Raises: BadSetting, one sentence."""
    env = dict(os.environ) if env is None else env  # what a graph's own project sets later is none of ours
    path = file or Path(env.get("SAYSO_SETTINGS") or DEFAULT_FILE)
    try:
        text = path.read_text(encoding="utf-8")
        said = tomllib.loads(text)
    except FileNotFoundError:
        raise BadSetting(
            f"There are no settings at {path}: `sayso init` writes one, --settings names another, `sayso demo` needs none."
        ) from None
    except OSError as error:
        raise BadSetting(f"The settings {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"The settings {path} are not TOML: {error}.") from error
    try:
        settings = _checked(path, said, env)
    except BadSettings as error:
        raise BadSetting(f"{path}: {BadSettings(with_lines(error.problems, text))}") from error
    if not re.fullmatch(STORE, settings.redis_url or "redis://"):
        raise BadSetting(f"REDIS_URL {STORE_WORDS.removeprefix('it ')}")  # it may be a password: not quoted
    return settings


def _checked(path: Path, said: Mapping[str, Any], env: Mapping[str, str]) -> Settings:
    """Raises: BadSettings, with every mistake in the form of the tables, or else with every name that leads nowhere."""
    problems = list[str]()
    policy, read = None, None
    if isinstance(project := said.get("graphs"), str):
        try:
            said = {**said, "graphs": graphs_of(project, path.parent)}
        except BadSetting as error:
            raise BadSettings([f"graphs: {error}"]) from error
    try:
        policy = read_policy({key: said[key] for key in _POLICY_KEYS if key in said})
    except BadSettings as error:
        problems.extend(error.problems)
    try:
        read = SettingsFile.model_validate({key: said[key] for key in said if key not in _POLICY_KEYS})
    except ValidationError as error:
        problems.extend(problems_of(error, SettingsFile, more=_POLICY_KEYS))
    refuse(problems)
    assert policy is not None
    assert read is not None
    rotations = _rotations(path, read)
    shadow = _shadow(path.parent / read.shadow.policy) if read.shadow else None
    settings = Settings(
        file=path, graphs={name: table.graph for name, table in read.graphs.items()},
        answers={name: table.answers.model_dump(exclude_none=True) for name, table in read.graphs.items()},
        unguarded=frozenset(name for name, table in read.graphs.items() if table.unguarded),
        servers=read.servers, people=read.people, sets=read.sets, policy=policy, slack=read.slack, teams=read.teams, pagers=read.pagers,
        watchdog=read.watchdog, metrics=read.metrics, pagerduty=read.pagerduty, rotations=rotations,
        credentials=read.credentials, vault=read.vault, store=read.store, server=read.server, api=read.api,
        worker=read.worker, operators=frozenset(PersonId(person) for person in read.operators), shadow=shadow, audit=read.audit,
        daily=read.daily, glass=Glass(people=frozenset(map(PersonId, read.break_glass.people)), tell=tuple(map(Place, read.break_glass.tell)))
        if read.break_glass else Glass(),
        redis_url=env.get("REDIS_URL") or read.store.url, env=env,
        demo=env["SAYSO_DEMO"] == "1" if env.get("SAYSO_DEMO") else read.store.demo,
    )  # fmt: skip
    refuse(_wrong_names(settings))
    return settings


def _rotations(path: Path, read: SettingsFile) -> Mapping[str, RotationFile]:
    """Raises: BadSettings."""
    found, problems = {}, []
    names = {id: person.name for id, person in read.people.items()}
    for name, table in read.sets.items():
        if table.rotation:
            try:
                found[name] = RotationFile((path.parent / table.rotation).absolute(), names)
            except BadSetting as error:
                problems.append(f"sets.{name}.rotation: {error}")
    refuse(problems)
    return found


def _shadow(path: Path) -> Policy:
    try:
        return policy_of(path)
    except BadSetting as error:
        raise BadSettings([f"shadow.policy: {error}"]) from error


def _wrong_names(settings: Settings) -> Iterator[str]:
    """What leads nowhere: a request must not open that nobody could answer."""
    if not settings.graphs and not settings.servers:
        yield "graphs: name at least 1, or a LangGraph Agent Server under [servers]"
    for name, server in settings.servers.items():
        yield from _strangers(f"servers.{name}", filter(None, (server.asked_by, server.owner)), settings)
    for name, members in settings.sets.items():
        yield from _strangers(f"sets.{name}", members.people, settings)
        yield from _wrong_set(name, members, settings)
        if members.slack_group and settings.slack is None:
            yield f"sets.{name}.slack_group: {members.slack_group} needs a [slack] table"
        if members.entra_group and settings.teams is None:
            yield f"sets.{name}.entra_group: {members.entra_group} needs a [teams] table"
    yield from _strangers("operators", settings.operators, settings)
    yield from _wrong_glass(settings)
    yield from _strangers("denied", settings.policy.denied, settings)
    for name, key in settings.api.keys.items() if settings.api else ():
        yield from _strangers(f"api.keys.{name}.owner", [key.owner], settings)
        if key.may_act_for != "anyone":
            yield from _strangers(f"api.keys.{name}.may_act_for", key.may_act_for, settings)
    for route in settings.policy.routes.values():
        yield from _wrong_route(route, settings)
    yield from _nowhere(settings)
    yield from _wrong_daily(settings)
    if bool(settings.audit.anchor_url) != bool(settings.audit.anchor_secret):
        yield "audit: anchor_url and anchor_secret go together"
    accounts = [account for person in settings.people.values() for account in person.accounts.items()]
    for platform, account in dict.fromkeys(accounts):
        if accounts.count((platform, account)) > 1:
            yield f"people: the {platform.capitalize()} account {account} is listed for more than one person"


def _wrong_set(name: str, members: SetTable, settings: Settings) -> Iterator[str]:
    if not (members.people or members.groups or members.rotation):
        yield f"sets.{name}: it has neither people nor a slack_group nor an entra_group, so nobody is in it"
    if members.pagerduty_schedule and settings.pagerduty is None:
        yield f"sets.{name}.pagerduty_schedule: {members.pagerduty_schedule} needs a [pagerduty] table"
    if members.fallback and members.fallback not in settings.sets:
        hint = did_you_mean(members.fallback, settings.sets)
        yield f"sets.{name}.fallback: there is no sets.{members.fallback}{hint}"
    elif members.fallback and (members.fallback == name or settings.sets[members.fallback].fallback):
        yield f"sets.{name}.fallback: name a set that has no fallback of its own"


def _wrong_daily(settings: Settings) -> Iterator[str]:
    for name in settings.daily.routes if settings.daily else ():
        if name not in settings.policy.routes:
            yield f"daily.routes.{name}: there is no such route{did_you_mean(name, settings.policy.routes)}"


def _wrong_glass(settings: Settings) -> Iterator[str]:
    """Glass that is broken by strangers, or where nobody else would hear of it."""
    glass = settings.glass
    yield from _strangers("break_glass.people", glass.people, settings)
    for place in glass.tell:
        if problem := _place_problem(place, settings):
            yield f"break_glass.tell: {problem}"
    for route in settings.policy.routes.values():
        if glass.people and not set(glass.tell) - set(route.places):
            yield f"break_glass.tell: name a channel beside those of routes.{route.name}, where others hear of it"


def _nowhere(settings: Settings) -> Iterator[str]:
    """Chains that ask nobody, and providers that say no address."""
    for chain in settings.policy.written.values():
        for circle in chain.sets:
            if circle not in settings.sets:
                yield f"chains.{chain.name}.steps: there is no sets.{circle}{did_you_mean(circle, settings.sets)}"
    if settings.vault and settings.vault.problem:
        yield f"vault: {settings.vault.problem}"
    for name, one in settings.credentials.items():
        if isinstance(one, OAuthTable) and one.kept == "vault" and settings.vault is None:
            yield f"credentials.{name}.kept: there is no [vault]"
        if isinstance(one, OAuthTable) and one.provider is None:
            yield f"credentials.{name}: it needs a preset (hubspot, google or salesforce) or a token_url"


def _strangers(key: str, ids: Iterable[str], settings: Settings) -> Iterator[str]:
    for person in sorted(ids):
        if person not in settings.people:
            yield f"{key}: there is no [people.{person}]{did_you_mean(person, settings.people)}"


def _wrong_route(route: Route, settings: Settings) -> Iterator[str]:
    """Whether its cards can stand somewhere, and enough people may answer them."""
    key = f"routes.{route.name}"
    circles = (
        *(("approvers", name) for name in route.rule.approvers), *(("veto", name) for name in route.rule.veto), ("second_line", route.second_line),
        ("supervisor", route.supervisor), ("on_call", route.on_call),
    )  # fmt: skip
    for circle, name in circles:
        if name and name not in settings.sets:
            yield f"{key}.{circle}: there is no sets.{name}{did_you_mean(name, settings.sets)}"
    for which, pager in (("pager", route.pager), *(("backup_pagers", name) for name in route.backup_pagers)):
        if pager and pager not in settings.pagers:
            yield f"{key}.{which}: there is no [pagers.{pager}]{did_you_mean(pager, settings.pagers)}"
    sets = [settings.sets[name] for name in route.rule.approvers if name in settings.sets]
    able = {person for members in sets for person in members.people} - settings.policy.denied
    closed = all(members.people and not (members.groups or members.rotation) for members in sets)
    closed = closed and len(sets) == len(route.rule.approvers)
    if closed and len(able) < route.rule.needed:
        yield (
            f"{key}.needed: {route.rule.needed} approvals are needed "
            f"but its approver sets have {len(able)} people"
        )
    elif closed and not can_decide(route.rule, _sets_of(able, route, settings)):
        yield f"{key}.seats: its approvers cannot fill them, each person counts for one set"
    places = (*(("places", place) for place in route.places), ("fallback", route.fallback))
    for name, place in places:
        if place and (problem := _place_problem(place, settings)):
            yield f"{key}.{name}: {problem}"


def _sets_of(people: Iterable[str], route: Route, settings: Settings) -> Mapping[PersonId, Sequence[str]]:
    """Which of a route's sets each of them is listed in."""
    listed = {name: settings.sets[name].people for name in route.rule.approvers}
    return {PersonId(one): [name for name in listed if one in listed[name]] for one in people}


def _place_problem(place: str, settings: Settings) -> str:
    """What is wrong with a place of cards; empty when it could be right."""
    platform, _, name = place.partition(":")
    match platform:
        case "person" if name not in settings.people:
            return f"{place}: there is no [people.{name}]{did_you_mean(name, settings.people)}"
        case "person" if not _accounts_here(settings, name):
            return f"{place}: people.{name} has no account to write to"
        case "slack" if settings.slack is None:
            return f"{place} needs a [slack] table"
        case "slack" if not re.fullmatch(r"[CGD][A-Z0-9]{2,}", name):
            return f'"{place}" is not a place; {SLACK_PLACE}'
        case "teams" if settings.teams is None:
            return f"{place} needs a [teams] table"
        case "teams" if not re.fullmatch(r"19:[\w=.-]+@thread\.(tacv2|skype)", name):
            return f'"{place}" is not a place; {_TEAMS_PLACE}'
        case _:
            return ""


def _accounts_here(settings: Settings, person: str) -> bool:
    """Whether one of their accounts is on a platform that is connected."""
    connected = {"slack": settings.slack, "teams": settings.teams}
    return any(connected.get(platform) for platform in settings.people[person].accounts)
