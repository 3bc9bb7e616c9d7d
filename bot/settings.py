"""What the operator chose: one TOML file plus secrets from the environment, read once, refused by name when wrong."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from ..agent.policy import Policy
from ..agent.policy_file import Duration, read_policy
from ..approvals.errors import BadSetting
from ..approvals.people import PersonId
from ..approvals.route import Route

#: Where the settings are when nobody says otherwise.
DEFAULT_FILE = "sayso.toml"

_POLICY_KEYS = ("default_route", "routes", "tools", "ttl", "denied", "low_confidence")

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")]


class _Table(BaseModel):
    """A key that nobody reads is a misspelling."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PersonTable(_Table):
    """`[people.bo]`: one human and the accounts that are theirs; ids, never display names."""

    name: str = Field(min_length=1, max_length=80)
    slack: Annotated[str, StringConstraints(pattern=r"^[UW][A-Z0-9]{2,}$")] | None = None


class SetTable(_Table):
    """`[sets.finance]`: persons, a Slack user group, or both."""

    people: tuple[Id, ...] = ()
    slack_group: Annotated[str, StringConstraints(pattern=r"^S[A-Z0-9]{2,}$")] | None = None


def _people_only(value: object) -> object:
    return {"people": value} if isinstance(value, list) else value


class SlackTable(_Table):
    """`[slack]`; the token and the signing secret come from `SLACK_BOT_TOKEN` and `SLACK_SIGNING_SECRET`."""

    team: Annotated[str, StringConstraints(pattern=r"^[TE][A-Z0-9]{2,}$")]
    api: Url = "https://slack.com/api/"


class PagerTable(_Table):
    """`[pagers.primary]`: PagerDuty Events v2; `routing_key` names the environment variable that holds it."""

    kind: Literal["pagerduty"] = "pagerduty"
    routing_key: EnvName
    url: Url = "https://events.pagerduty.com"


class CredentialTable(_Table):
    """`[credentials.entra]`: a token service; `client_secret` names the environment variable that holds it."""

    kind: Literal["entra"] = "entra"
    authority: Annotated[str, StringConstraints(pattern=r"^https://[^\s]+$")]
    client_id: str = Field(min_length=1)
    client_secret: EnvName
    service: str = Field(min_length=1)
    ca_file: Path | None = None
    #: What `sayso check` asks a token for; Entra gives every application one for this.
    check_scope: str = Field(default="https://graph.microsoft.com/.default", min_length=1)


class StoreTable(_Table):
    """`[store]`: where the embedded store keeps its files when `REDIS_URL` is not set, and the key prefix."""

    data_dir: Path = Path(".sayso")
    prefix: Id = "sayso"


class ServerTable(_Table):
    """`[server]`: where the bot listens."""

    host: str = "127.0.0.1"
    port: int = Field(default=8790, ge=0, le=65535)


class WorkerTable(_Table):
    """`[worker]`: after `lease` without a sign of life a worker's item goes to another one."""

    lease: Duration = timedelta(seconds=30)
    concurrency: int = Field(default=8, ge=1, le=256)


class _File(_Table):
    graphs: dict[Id, str] = Field(min_length=1)
    people: dict[Id, PersonTable] = Field(min_length=1)
    sets: dict[Id, Annotated[SetTable, BeforeValidator(_people_only)]] = Field(min_length=1)
    slack: SlackTable | None = None
    pagers: dict[Id, PagerTable] = {}
    credentials: dict[Id, CredentialTable] = {}
    store: StoreTable = StoreTable()
    server: ServerTable = ServerTable()
    worker: WorkerTable = WorkerTable()
    operators: tuple[Id, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything chosen, checked. Secrets are kept apart so that `repr` of this shows none.

    Attributes:
        redis_url: None means the embedded store in `store.data_dir`.
        demo: The store's clock may be pushed (`SAYSO_DEMO=1`); never set this for real work.
        env: The environment, for secrets named in the tables.
    """

    file: Path
    graphs: Mapping[str, str]
    people: Mapping[str, PersonTable]
    sets: Mapping[str, SetTable]
    policy: Policy
    slack: SlackTable | None
    pagers: Mapping[str, PagerTable]
    credentials: Mapping[str, CredentialTable]
    store: StoreTable
    server: ServerTable
    worker: WorkerTable
    operators: frozenset[PersonId]
    redis_url: str | None
    demo: bool
    env: Mapping[str, str] = field(repr=False)

    def secret(self, name: str, why: str) -> str:
        """A secret from the environment. Raises: BadSetting, naming the variable."""
        if value := self.env.get(name, "").strip():
            return value
        raise BadSetting(f"{name} is not set in the environment; {why}")

    @property
    def data_dir(self) -> Path:
        """Beside the settings file, unless it is absolute."""
        return (self.file.parent / self.store.data_dir).absolute()


def load_settings(file: Path | None = None, env: Mapping[str, str] | None = None) -> Settings:
    """Read `file` (default: `SAYSO_SETTINGS`, else `sayso.toml`). Raises: BadSetting, one sentence."""
    env = os.environ if env is None else env
    path = file or Path(env.get("SAYSO_SETTINGS") or DEFAULT_FILE)
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadSetting(
            f"There are no settings at {path}: write one, name another with --settings, or try `sayso demo`."
        ) from None
    except OSError as error:
        raise BadSetting(f"The settings {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"The settings {path} are not TOML: {error}.") from error
    try:
        return _checked(path, said, env)
    except BadSetting as error:
        raise BadSetting(f"{path}: {error}") from error


def _checked(path: Path, said: Mapping[str, Any], env: Mapping[str, str]) -> Settings:
    policy = read_policy({key: said[key] for key in _POLICY_KEYS if key in said})
    try:
        read = _File.model_validate({key: said[key] for key in said if key not in _POLICY_KEYS})
    except ValidationError as error:
        raise BadSetting(_first_problem(error)) from error
    settings = Settings(
        file=path, graphs=read.graphs, people=read.people, sets=read.sets, policy=policy, slack=read.slack,
        pagers=read.pagers, credentials=read.credentials, store=read.store, server=read.server,
        worker=read.worker, operators=frozenset(PersonId(person) for person in read.operators),
        redis_url=env.get("REDIS_URL") or None, demo=env.get("SAYSO_DEMO") == "1", env=env,
    )  # fmt: skip
    _check_names(settings)
    return settings


def _first_problem(error: ValidationError) -> str:
    """The first thing that is wrong, as "pagers.primary.routing_key: ..."."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"] if part != "[key]") or "settings"
    said = {"extra_forbidden": "there is no such setting", "missing": "it is missing"}
    return f"{key}: {said.get(first['type'], first['msg'].removeprefix('Value error, '))}"


def _check_names(settings: Settings) -> None:
    """Every name leads somewhere, so that no request opens that nobody could answer. Raises: BadSetting."""
    for name, members in settings.sets.items():
        _must_be_people(f"sets.{name}", members.people, settings)
        if not members.people and not members.slack_group:
            raise BadSetting(f"sets.{name}: it has neither people nor a slack_group, so nobody is in it")
        if members.slack_group and settings.slack is None:
            raise BadSetting(f"sets.{name}.slack_group: {members.slack_group} needs a [slack] table")
    _must_be_people("operators", settings.operators, settings)
    _must_be_people("denied", settings.policy.denied, settings)
    for set_name in sorted(settings.policy.approver_sets):
        if set_name not in settings.sets:
            raise BadSetting(f"A route names the approver set {set_name!r}, but there is no sets.{set_name}")
    for route in settings.policy.routes.values():
        _check_route(route, settings)
    accounts = [person.slack for person in settings.people.values() if person.slack]
    for account in accounts:
        if accounts.count(account) > 1:
            raise BadSetting(f"people: the Slack account {account} is listed for more than one person")


def _must_be_people(key: str, ids: Iterable[str], settings: Settings) -> None:
    for person in sorted(ids):
        if person not in settings.people:
            raise BadSetting(f"{key}: there is no [people.{person}]")


def _check_route(route: Route, settings: Settings) -> None:
    """Its cards can stand somewhere, and enough people may answer them. Raises: BadSetting."""
    if route.pager and route.pager not in settings.pagers:
        raise BadSetting(f"routes.{route.name}.pager: there is no [pagers.{route.pager}]")
    groups = [name for name in route.rule.approvers if settings.sets[name].slack_group]
    people = {person for name in route.rule.approvers for person in settings.sets[name].people}
    able = people - settings.policy.denied
    if not groups and len(able) < route.rule.needed:
        raise BadSetting(
            f"routes.{route.name}.needed: {route.rule.needed} approvals are needed "
            f"but its approver sets have {len(able)} people"
        )
    for place in route.places:
        if problem := _place_problem(place, settings):
            raise BadSetting(f"routes.{route.name}.places: {place}{problem}")


def _place_problem(place: str, settings: Settings) -> str:
    """What is wrong with a place of cards; empty when it could be right."""
    platform, _, name = place.partition(":")
    match platform:
        case "teams":
            return ": Microsoft Teams is not connected yet"
        case "person" if name not in settings.people:
            return f": there is no [people.{name}]"
        case "person" if not settings.people[name].slack:
            return f": people.{name} has no Slack account to write to"
        case "slack" if settings.slack is None:
            return " needs a [slack] table"
        case "slack" if not re.fullmatch(r"[CGD][A-Z0-9]{2,}", name):
            return " is no channel id: Slack's own begin with C (channel, About, at the very bottom), as slack:C0123ABC"
        case _:
            return ""
