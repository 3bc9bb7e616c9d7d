"""The tables of the settings file as their authors write them: what each key means, and words for what is wrong in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
)

from ..agent.chain_tables import MaybeName
from ..agent.policy_tables import Places
from ..agent.setting_words import Name, listed, written
from ..agent.table_forms import Duration
from ..approvals.address import SCHEMES
from ..approvals.server_check import Accepted
from .credential_tables import AnyCredential, VaultTable
from .daily_table import DailyTable
from .evidence.table import AuditTable
from .pager_table import PagerTable
from .table_parts import Table as _Table
from .table_parts import Url
from .table_parts import variable as _variable
from .teams.registration import Registration

_MEMBER = 'a Slack member id begins with U or W, from the profile\'s menu "Copy member ID"'
_GROUP = "a Slack user group's id begins with S, from the group's menu in Slack's directory"
_OBJECT = "a Teams account is its object id in Entra, from the person's page in the Entra admin center"
_ENTRA_GROUP = "a group is its object id in Entra, from the group's page in the Entra admin center"
_DUTY = "a PagerDuty user's id begins with P, from the end of their profile's address"
_SCHEDULE = "a PagerDuty schedule's id begins with P, from the end of its address"
_APP = "it is the Application (client) ID of the bot's app registration in Entra"
_TENANT = "it is the Directory (tenant) ID of the bot's app registration in Entra"
_SET = 'write a list of people like ["bo", "cy"], { slack_group = "S0123ABC" } or { entra_group = "…" }'
_TEAM = "a Slack workspace's id begins with T, from Slack's address in a browser (app.slack.com/client/T…)"
_PUBLIC = "it is the bot's address as browsers know it, without a path, like https://sayso.example.com"
STORE = r"(rediss?(\+(sentinel|cluster))?|unix)://.*"
STORE_WORDS = f"it must begin with {SCHEMES}"


def _json(value: object) -> object:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError(
            "an agent is told JSON: write a text, a number, true, false, a list or a table"
        ) from None
    return value


Id = Name
#: Entra's ids mean the same in capitals.
GUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
Guid = Annotated[str, StringConstraints(to_lower=True)]
People = Annotated[tuple[Id, ...], listed("people's ids")]
_HOST = "a host is its name in lower case, with its port where that is not the usual one, like hooks.example.com:8443"
Host = Annotated[str, written(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?", _HOST)]
Hosts = Annotated[tuple[Host, ...], listed('hosts, like ["hooks.example.com"]')]


class PersonTable(_Table):
    """`[people.bo]`: one human and the accounts that are theirs; ids, never display names."""

    name: str = Field(min_length=1, max_length=80)
    slack: Annotated[str, written(r"[UW][A-Z0-9]{2,}", _MEMBER)] | None = None
    teams: Annotated[Guid, written(GUID, _OBJECT)] | None = None
    pagerduty: Annotated[str, written(r"P[A-Z0-9]{2,}", _DUTY)] | None = None

    @property
    def accounts(self) -> Mapping[str, str]:
        """Their account on each platform where they have one."""
        return {
            name: id
            for name, id in (("slack", self.slack), ("teams", self.teams), ("pagerduty", self.pagerduty))
            if id
        }


class SetTable(_Table):
    """`[sets.finance]`: persons, a group of Slack or Entra, whoever is on call, or several of them.

    Attributes:
        pagerduty_schedule: A schedule of PagerDuty; who is on call by it belongs to the set.
        rotation: A file that says who takes turns, beside this one; who is on call by it belongs to the set.
        fallback: A set that counts instead while nobody at all is in this one.
    """

    people: People = ()
    slack_group: Annotated[str, written(r"S[A-Z0-9]{2,}", _GROUP)] | None = None
    entra_group: Annotated[Guid, written(GUID, _ENTRA_GROUP)] | None = None
    pagerduty_schedule: Annotated[str, written(r"P[A-Z0-9]{2,}", _SCHEDULE)] | None = None
    rotation: Path | None = None
    fallback: MaybeName = ""

    @property
    def groups(self) -> tuple[str, ...]:
        """Its groups as the directory knows them."""
        named = (
            ("slack", self.slack_group), ("teams", self.entra_group), ("pagerduty", self.pagerduty_schedule),
        )  # fmt: skip
        return tuple(f"{platform}:{id}" for platform, id in named if id)


def _people_only(value: object) -> object:
    if not isinstance(value, list | dict):
        raise ValueError(_SET)  # noqa: TRY004 for pydantic
    return {"people": value} if isinstance(value, list) else value


class SlackTable(_Table):
    """`[slack]`; the token and the signing secret come from `SLACK_BOT_TOKEN` and `SLACK_SIGNING_SECRET`.

    Attributes:
        socket_mode: Slack needs no address of ours: we connect, with `SLACK_APP_TOKEN` instead of the signing secret.
    """

    team: Annotated[str, written(r"[TE][A-Z0-9]{2,}", _TEAM)]
    api: Url = "https://slack.com/api/"
    socket_mode: bool = False


class TeamsTable(_Table):
    """`[teams]`: the bot's registration; its secret comes from `TEAMS_CLIENT_SECRET`, unless it has a `certificate`.

    Attributes:
        certificate: PEM file with the private key and its certificate.
        sdk: Microsoft's library underneath: the Bot Framework or the Microsoft 365 Agents SDK.
        authority, service_url, issuer, metadata_url, scope, graph: Microsoft's public cloud unless given.
    """

    app_id: Annotated[Guid, written(GUID, _APP)]
    tenant: Annotated[Guid, written(GUID, _TENANT)]
    certificate: Path | None = None
    sdk: Literal["botbuilder", "agents"] = "botbuilder"
    authority: Annotated[str, written(r"https://\S+", "it must begin with https://")] | None = None
    service_url: Url | None = None
    issuer: Url | None = None
    metadata_url: Url | None = None
    scope: str | None = Field(default=None, min_length=1)
    graph: Url = "https://graph.microsoft.com/v1.0/"
    ca_file: Path | None = None

    @property
    def registration(self) -> Registration:
        """The bot as it is registered."""
        names = ("app_id", "tenant", "service_url", "issuer", "metadata_url", "scope")
        return Registration(**self.model_dump(include=set(names), exclude_none=True))

    @property
    def token_authority(self) -> str:
        """Where the bot gets its tokens."""
        return self.authority or f"https://login.microsoftonline.com/{self.tenant}"


class PagerDutyTable(_Table):
    """`[pagerduty]`: its REST API, asked for schedules; `token` names the environment variable that holds a read-only key."""

    token: Annotated[str, _variable("key", "PAGERDUTY_API_TOKEN")]
    api: Url = "https://api.pagerduty.com"


class WatchdogTable(_Table):
    """`[watchdog]`: `heartbeat` names the environment variable with an address that is called while nothing is overdue."""

    heartbeat: Annotated[str, _variable("address", "HEARTBEAT_URL")]


class MetricsTable(_Table):
    """`[metrics]`: `token` names the environment variable with the bearer token that `GET /metrics` wants."""

    token: Annotated[str, _variable("token", "METRICS_TOKEN")]


class StoreTable(_Table):
    """`[store]`: the embedded store's files, or another store's address; and the key prefix.

    `REDIS_URL` replaces `url`, and is the better place for an address with a password. `SAYSO_DEMO` replaces `demo`.
    """

    data_dir: Path = Path(".sayso")
    prefix: Id = "sayso"
    url: Annotated[str, written(STORE, STORE_WORDS)] | None = Field(default=None, repr=False)
    #: Settings of the server that could lose approvals and are known to.
    accepts: Annotated[tuple[Accepted, ...], listed("names of the server's settings")] = ()
    demo: bool = False


class ApiKeyTable(_Table):
    """`[api.keys.crm]`: a service that starts runs over HTTP, known by its key.

    Attributes:
        secret: Names the environment variable that holds the key.
        owner: Who answers for the service; counts as having asked for each of its runs.
        may_act_for: Whom it may name as asking; nobody unless given.
        callback_secret: Names the environment variable that its callbacks are signed with; without one it gets none.
    """

    secret: Annotated[str, _variable("key", "CRM_API_KEY")]
    owner: Id
    may_act_for: Literal["anyone"] | People = ()
    callback_secret: Annotated[str, _variable("secret", "CRM_CALLBACK_SECRET")] | None = None


class ApiTable(_Table):
    """`[api]`: runs are started over HTTP by whoever has one of the keys.

    Attributes:
        callback_hosts: Where callbacks may go, as "hooks.example.com" or "hooks.example.com:8443"; over https, and
            never to an address inside a network.
        private_callback_hosts: Those inside your network, where http will do.
    """

    keys: dict[Id, ApiKeyTable] = Field(min_length=1)
    callback_hosts: Hosts = ()
    private_callback_hosts: Hosts = ()


class ServerTable(_Table):
    """`[server]`: where the bot listens.

    Attributes:
        url: Where browsers reach it from outside; needed for the links with which people reconnect an account.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8790, ge=0, le=65535)
    url: Annotated[str, written(r"https://[^\s/?#@]+", _PUBLIC)] | None = None


class WorkerTable(_Table):
    """`[worker]`: after `lease` without a sign of life a worker's item goes to another one."""

    lease: Duration = timedelta(seconds=30)
    concurrency: int = Field(default=8, ge=1, le=256)


class AnswersTable(_Table):
    """`answers` of a graph: what it is told where people said no, and where nobody answered; any JSON value."""

    reject: Annotated[Any, AfterValidator(_json)] = None
    expired: Annotated[Any, AfterValidator(_json)] = None


class GraphTable(_Table):
    """`[graphs.mails]`: where the graph is, and what its own code reads as a refusal. A text alone says where it is.

    Attributes:
        graph: "file.py:attribute", "package.module:attribute" or "langgraph.json:name".
        unguarded: Its model may call tools without asking that the policy would have people decide.
    """

    graph: str
    answers: AnswersTable = AnswersTable()
    unguarded: bool = False


def _graph_only(value: object) -> object:
    return {"graph": value} if isinstance(value, str) else value


class BreakGlassTable(_Table):
    """`[break_glass]`: who may approve alone in an emergency, and where that is told at once.

    Attributes:
        people: Who may, whatever the routes say; never for what they asked for themselves.
        tell: Channels where others read it, besides those where the card stands.
    """

    people: People = Field(min_length=1)
    tell: Places = Field(min_length=1)


class ShadowTable(_Table):
    """`[shadow]`: a policy that is held against every action beside the live one; where they differ, the audit says so.

    Attributes:
        policy: Another settings file, or one that holds a policy alone.
    """

    policy: Path


class AgentServerTable(_Table):
    """`[servers.crm]`: a LangGraph Agent Server; `api_key` names the environment variable that holds its key.

    Attributes:
        graphs: Graphs, or assistants' ids, whose threads are watched.
        asked_by: Whom its threads act for, where a thread's own metadata does not say.
        owner: Who answers for its agents; counts as having asked.
        reads: Dialects whose every answer its agents are known to read.
    """

    url: Url
    graphs: Annotated[tuple[Id, ...], listed('graphs, like ["agent"]')] = Field(min_length=1)
    api_key: Annotated[str, _variable("key", "CRM_API_KEY")] | None = None
    asked_by: Id | None = None
    owner: Id | None = None
    reads: Annotated[tuple[str, ...], listed('dialects, like ["langchain middleware"]')] = ()


class SettingsFile(_Table):
    """The file without its policy; it names graphs, servers, or both.

    Attributes:
        graphs: The agents: "file.py:attribute", "package.module:attribute" or "langgraph.json:name" by name; or all of
            a project, "langgraph.json".
        servers: LangGraph Agent Servers whose threads are watched.
        people: Who asks and who answers, with their accounts.
        sets: Who may answer together: people, or a group of Slack or Entra.
        slack: The workspace.
        teams: The bot's registration in Entra.
        pagers: Who pages on-call.
        watchdog: Told once a minute that no clock is late.
        metrics: How long people and clocks have waited, for Prometheus.
        pagerduty: Asked who is on call, for sets with a pagerduty_schedule.
        credentials: Where fresh tokens come from.
        vault: A Vault that keeps refresh tokens.
        store: Where the record is kept.
        server: Where the bot listens.
        api: Services that start runs over HTTP.
        worker: What runs agents.
        shadow: The next policy, held against every action beside the live one.
        audit: Where the audit trail is anchored, and how long it is kept.
        daily: When people read what ran the day before without anybody being asked.
        operators: People who may put right what got stuck, and pause sayso.
        break_glass: Who may approve alone in an emergency; nobody unless given.
    """

    graphs: dict[
        Id, Annotated[GraphTable, BeforeValidator(_graph_only, json_schema_input_type=str | GraphTable)]
    ] = Field(default={})
    servers: dict[Id, AgentServerTable] = Field(default={})
    people: dict[Id, PersonTable] = Field(min_length=1)
    sets: dict[
        Id, Annotated[SetTable, BeforeValidator(_people_only, json_schema_input_type=People | SetTable)]
    ] = Field(min_length=1)
    slack: SlackTable | None = None
    teams: TeamsTable | None = None
    pagers: dict[Id, PagerTable] = Field(default={})
    watchdog: WatchdogTable | None = None
    metrics: MetricsTable | None = None
    pagerduty: PagerDutyTable | None = None
    credentials: dict[Id, AnyCredential] = Field(default={})
    vault: VaultTable | None = None
    store: StoreTable = StoreTable()
    server: ServerTable = ServerTable()
    api: ApiTable | None = None
    worker: WorkerTable = WorkerTable()
    shadow: ShadowTable | None = None
    audit: AuditTable = AuditTable()
    daily: DailyTable | None = None
    operators: People = ()
    break_glass: BreakGlassTable | None = None
