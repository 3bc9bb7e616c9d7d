"""What the operator chose: one TOML file plus secrets from the environment, read once, refused by name when wrong."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..agent.policy import Policy
from ..agent.policy_file import SLACK_PLACE, Duration, read_policy
from ..agent.setting_words import BadSettings, Name, did_you_mean, listed, problems_of, refuse, written
from ..approvals.errors import BadSetting
from ..approvals.people import PersonId
from ..approvals.route import Route

#: Where the settings are when nobody says otherwise.
DEFAULT_FILE = "sayso.toml"

_POLICY_KEYS = ("default_route", "routes", "tools", "ttl", "denied", "low_confidence")

_MEMBER = 'a Slack member id begins with U or W, from the profile\'s menu "Copy member ID"'
_GROUP = "a Slack user group's id begins with S, from the group's menu in Slack's directory"
_TEAM = "a Slack workspace's id begins with T, from Slack's address in a browser (app.slack.com/client/T…)"
_STORE = r"(redis|rediss|unix)://.*"
_STORE_WORDS = "it must begin with redis://, rediss:// or unix://"


def _variable(what: str, example: str) -> AfterValidator:
    words = f"names the environment variable that holds the {what}, like {example}; do not write the {what} itself here"
    return written(r"[A-Z][A-Z0-9_]*", words)


Id = Name
Url = Annotated[str, written(r"https?://\S+", "it must begin with https:// or http://")]
People = Annotated[tuple[Id, ...], listed("people's ids")]


class _Table(BaseModel):
    """A key that nobody reads is a misspelling."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PersonTable(_Table):
    """`[people.bo]`: one human and the accounts that are theirs; ids, never display names."""

    name: str = Field(min_length=1, max_length=80)
    slack: Annotated[str, written(r"[UW][A-Z0-9]{2,}", _MEMBER)] | None = None


class SetTable(_Table):
    """`[sets.finance]`: persons, a Slack user group, or both."""

    people: People = ()
    slack_group: Annotated[str, written(r"S[A-Z0-9]{2,}", _GROUP)] | None = None


def _people_only(value: object) -> object:
    if not isinstance(value, list | dict):
        raise ValueError('write a list of people like ["bo", "cy"], or { slack_group = "S0123ABC" }')  # noqa: TRY004 for pydantic
    return {"people": value} if isinstance(value, list) else value


class SlackTable(_Table):
    """`[slack]`; the token and the signing secret come from `SLACK_BOT_TOKEN` and `SLACK_SIGNING_SECRET`."""

    team: Annotated[str, written(r"[TE][A-Z0-9]{2,}", _TEAM)]
    api: Url = "https://slack.com/api/"


class PagerTable(_Table):
    """`[pagers.primary]`: PagerDuty Events v2; `routing_key` names the environment variable that holds it."""

    kind: Literal["pagerduty"] = "pagerduty"
    routing_key: Annotated[str, _variable("key", "PAGER_ROUTING_KEY")]
    url: Url = "https://events.pagerduty.com"


class CredentialTable(_Table):
    """`[credentials.entra]`: a token service; `client_secret` names the environment variable that holds it."""

    kind: Literal["entra"] = "entra"
    authority: Annotated[str, written(r"https://\S+", "it must begin with https://")]
    client_id: str = Field(min_length=1)
    client_secret: Annotated[str, _variable("secret", "ENTRA_CLIENT_SECRET")]
    service: str = Field(min_length=1)
    ca_file: Path | None = None
    #: What `sayso check` asks a token for; Entra gives every application one for this.
    check_scope: str = Field(default="https://graph.microsoft.com/.default", min_length=1)


class StoreTable(_Table):
    """`[store]`: the embedded store's files, or another store's address; and the key prefix.

    `REDIS_URL` replaces `url`, and is the better place for an address with a password. `SAYSO_DEMO` replaces `demo`.
    """

    data_dir: Path = Path(".sayso")
    prefix: Id = "sayso"
    url: Annotated[str, written(_STORE, _STORE_WORDS)] | None = Field(default=None, repr=False)
    demo: bool = False


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
    operators: People = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything chosen, checked. Secrets are kept apart so that `repr` of this shows none.

    Attributes:
        redis_url: None means the embedded store in `store.data_dir`; it may hold a password.
        demo: The store's clock may be pushed (`SAYSO_DEMO=1`, `store.demo`); never set this for real work.
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
    redis_url: str | None = field(repr=False)
    demo: bool
    env: Mapping[str, str] = field(repr=False)

    def secret(self, name: str, why: str) -> str:
        """A secret from the environment. Raises: BadSetting, naming the variable."""
        if value := self.env.get(name, "").strip():
            return value
        raise BadSetting(f"{name} is not set in the environment; {why}")

    @property
    def store_named(self) -> str:
        """What says where the store is, for an error to name."""
        if self.env.get("REDIS_URL"):
            return "REDIS_URL"
        return f"store.url in {self.file}" if self.redis_url else f"store.data_dir ({self.data_dir})"

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
        settings = _checked(path, said, env)
    except BadSettings as error:
        raise BadSetting(f"{path}: {error}") from error
    if not re.fullmatch(_STORE, settings.redis_url or "redis://"):
        raise BadSetting(f"REDIS_URL {_STORE_WORDS.removeprefix('it ')}")  # it may be a password: not quoted
    return settings


def _checked(path: Path, said: Mapping[str, Any], env: Mapping[str, str]) -> Settings:
    """Raises: BadSettings, with every mistake in the form of the tables, or else with every name that leads nowhere."""
    problems = list[str]()
    policy, read = None, None
    try:
        policy = read_policy({key: said[key] for key in _POLICY_KEYS if key in said})
    except BadSettings as error:
        problems.extend(error.problems)
    try:
        read = _File.model_validate({key: said[key] for key in said if key not in _POLICY_KEYS})
    except ValidationError as error:
        problems.extend(problems_of(error, _File, more=_POLICY_KEYS))
    refuse(problems)
    assert policy is not None
    assert read is not None
    settings = Settings(
        file=path, graphs=read.graphs, people=read.people, sets=read.sets, policy=policy, slack=read.slack,
        pagers=read.pagers, credentials=read.credentials, store=read.store, server=read.server,
        worker=read.worker, operators=frozenset(PersonId(person) for person in read.operators),
        redis_url=env.get("REDIS_URL") or read.store.url, env=env,
        demo=env["SAYSO_DEMO"] == "1" if env.get("SAYSO_DEMO") else read.store.demo,
    )  # fmt: skip
    refuse(_wrong_names(settings))
    return settings


def _wrong_names(settings: Settings) -> Iterator[str]:
    """What leads nowhere: a request must not open that nobody could answer."""
    for name, members in settings.sets.items():
        yield from _strangers(f"sets.{name}", members.people, settings)
        if not members.people and not members.slack_group:
            yield f"sets.{name}: it has neither people nor a slack_group, so nobody is in it"
        if members.slack_group and settings.slack is None:
            yield f"sets.{name}.slack_group: {members.slack_group} needs a [slack] table"
    yield from _strangers("operators", settings.operators, settings)
    yield from _strangers("denied", settings.policy.denied, settings)
    for route in settings.policy.routes.values():
        yield from _wrong_route(route, settings)
    accounts = [person.slack for person in settings.people.values() if person.slack]
    for account in dict.fromkeys(accounts):
        if accounts.count(account) > 1:
            yield f"people: the Slack account {account} is listed for more than one person"


def _strangers(key: str, ids: Iterable[str], settings: Settings) -> Iterator[str]:
    for person in sorted(ids):
        if person not in settings.people:
            yield f"{key}: there is no [people.{person}]{did_you_mean(person, settings.people)}"


def _wrong_route(route: Route, settings: Settings) -> Iterator[str]:
    """Whether its cards can stand somewhere, and enough people may answer them."""
    key = f"routes.{route.name}"
    circles = (
        *(("approvers", name) for name in route.rule.approvers), ("second_line", route.second_line),
        ("supervisor", route.supervisor), ("on_call", route.on_call),
    )  # fmt: skip
    for circle, name in circles:
        if name and name not in settings.sets:
            yield f"{key}.{circle}: there is no sets.{name}{did_you_mean(name, settings.sets)}"
    if route.pager and route.pager not in settings.pagers:
        hint = did_you_mean(route.pager, settings.pagers)
        yield f"{key}.pager: there is no [pagers.{route.pager}]{hint}"
    sets = [settings.sets[name] for name in route.rule.approvers if name in settings.sets]
    able = {person for members in sets for person in members.people} - settings.policy.denied
    closed = all(members.people and not members.slack_group for members in sets)
    if len(sets) == len(route.rule.approvers) and closed and len(able) < route.rule.needed:
        yield (
            f"{key}.needed: {route.rule.needed} approvals are needed "
            f"but its approver sets have {len(able)} people"
        )
    for place in route.places:
        if problem := _place_problem(place, settings):
            yield f"{key}.places: {problem}"


def _place_problem(place: str, settings: Settings) -> str:
    """What is wrong with a place of cards; empty when it could be right."""
    platform, _, name = place.partition(":")
    match platform:
        case "teams":
            return f"{place}: Microsoft Teams is not connected yet"
        case "person" if name not in settings.people:
            return f"{place}: there is no [people.{name}]{did_you_mean(name, settings.people)}"
        case "person" if not settings.people[name].slack:
            return f"{place}: people.{name} has no Slack account to write to"
        case "slack" if settings.slack is None:
            return f"{place} needs a [slack] table"
        case "slack" if not re.fullmatch(r"[CGD][A-Z0-9]{2,}", name):
            return f'"{place}" is not a place; {SLACK_PLACE}'
        case _:
            return ""
