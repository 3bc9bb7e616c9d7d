"""Reads what somebody answers to `sayso init`, as it is pasted or typed; knows no terminal and no file but a graph's."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, ValidationError

from ...agent.setting_words import problems_of
from ...approvals.errors import BadSetting
from ..tables import GUID, PersonTable, SlackTable, TeamsTable
from .init_file import SAMPLE, Human, SlackPlace, TeamsPlace, own_tools, sample_tools

SLACK_CHANNEL = (
    "open it in a browser and copy the address, https://app.slack.com/client/T…/C…; or write T…/C…"
)
TEAMS_CHANNEL = "its menu in Teams has “Get link to channel”; paste the link, or write 19:…@thread.tacv2"
APP_ID = "the Application (client) ID of the bot's registration in Entra; docs/teams.md goes through it"
TENANT = "the Directory (tenant) ID of the same registration"
PERSON = 'write a name and accounts, like "Bo Berg=U0123ABC": a Slack member id, a Teams object id, or both with a comma'


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the command line said already; empty where it said nothing.

    Attributes:
        slack: The channel's address in a browser, or T…/C….
        teams: A link to the channel, or its id.
        approvers, requesters: "Name=ACCOUNT,ACCOUNT" each.
        graph: As in `[graphs]`.
    """

    slack: str = ""
    teams: str = ""
    teams_app: str = ""
    teams_tenant: str = ""
    approvers: Sequence[str] = ()
    requesters: Sequence[str] = ()
    graph: str = ""


def slack_place(text: str) -> SlackPlace:
    """Raises: BadSetting."""
    found = re.search(r"(?:^|/)([TE][A-Z0-9]{2,})/([CG][A-Z0-9]{2,})(?:[/?#]|$)", text.strip())
    if found is None:
        raise BadSetting(f"the channel: {SLACK_CHANNEL}")
    _fits(SlackTable, {"team": found[1]})
    return SlackPlace(team=found[1], channel=found[2])


def teams_channel(text: str) -> tuple[str, str]:
    """The channel's id and, where a link says so, the tenant. Raises: BadSetting."""
    found = re.search(r"19:[\w=.-]+@thread\.(?:tacv2|skype)", unquote(text), re.ASCII)
    try:
        link = urlsplit(text.strip())
    except ValueError:
        found = None
    if found is None:
        raise BadSetting(f"the channel: {TEAMS_CHANNEL}")
    return found[0], parse_qs(link.query).get("tenantId", [""])[0]


def teams_place(told: Told) -> TeamsPlace:
    """Raises: BadSetting."""
    channel, tenant = teams_channel(told.teams)
    tenant = told.teams_tenant or tenant
    for option, words, said in (("--teams-app", APP_ID, told.teams_app), ("--teams-tenant", TENANT, tenant)):
        if not said:
            raise BadSetting(f"{option} is needed too: {words}")
    _fits(TeamsTable, {"app_id": told.teams_app, "tenant": tenant})
    return TeamsPlace(app_id=told.teams_app.lower(), tenant=tenant.lower(), channel=channel)


def guid(text: str) -> str:
    """Raises: BadSetting."""
    if not re.fullmatch(GUID, text.strip().lower()):
        raise BadSetting("it looks like 11111111-2222-4333-8444-555555555555")
    return text.strip().lower()


def name_of(text: str) -> str:
    """Raises: BadSetting."""
    text = text.strip()
    if not text.isprintable() or "=" in text or len(text) > 80:
        raise BadSetting("a name has at most 80 printable characters, and no “=”")
    return text


def account_of(text: str) -> tuple[str, str]:
    """The platform and the account. Raises: BadSetting."""
    text = text.strip()
    platform, id = ("teams", text.lower()) if re.fullmatch(GUID, text.lower()) else ("slack", text)
    _fits(PersonTable, {"name": "-", platform: id})
    return platform, id


def human(name: str, accounts: Mapping[str, str], before: Collection[Human]) -> Human:
    """Somebody with an id that nobody has yet. Raises: BadSetting, for an account that is another's."""
    for other in before:
        if both := {id for id in (other.slack, other.teams) if id} & set(accounts.values()):
            raise BadSetting(f"{both.pop()} is {other.name}'s account already")
    taken = {one.id for one in before}
    return Human(
        id=_id(name, taken), name=name, slack=accounts.get("slack", ""), teams=accounts.get("teams", "")
    )


def humans(told: Sequence[str], before: Sequence[Human]) -> tuple[Human, ...]:
    """Each as "Bo Berg=U0BO,aaaa…" describes them. Raises: BadSetting."""
    found = list(before)
    for text in told:
        name, _, rest = text.partition("=")
        parts = [part for part in rest.split(",") if part.strip()]
        accounts = dict(map(account_of, parts))
        if not name_of(name) or len(accounts) < len(parts):
            raise BadSetting(PERSON)
        found.append(human(name_of(name), accounts, found))
    return tuple(found[len(before) :])


def agent(spec: str, folder: Path) -> tuple[str, Mapping[str, Mapping[str, Any]]]:
    """The graph as settings name it, and how risky its tools are. Raises: BadSetting, when it does not load."""
    spec = spec.strip() or SAMPLE
    return spec, sample_tools() if spec == SAMPLE else own_tools(spec, folder)


def enough(approvers: Sequence[Human], requesters: Sequence[Human], where: Collection[str]) -> None:
    """Whether somebody can answer what somebody else asks, on each platform. Raises: BadSetting."""
    if not approvers:
        raise BadSetting(f"--approver: somebody has to answer; {PERSON}")
    for one in approvers:
        if not (one.slack or one.teams):
            raise BadSetting(f"--approver: {one.name} needs an account to answer with; {PERSON}")
    answered = {name for name in where if any(getattr(one, name) for one in approvers)}
    for platform in sorted(set(where) - answered):
        raise BadSetting(
            f"--approver: cards stand in {platform.capitalize()} too, where no approver has an account; {PERSON}"
        )
    if len(approvers) + len(requesters) < 2:
        raise BadSetting(
            f"--requester: whoever asks never approves it, so somebody beside {approvers[0].name} has to ask; "
            "for asking in the terminal a name alone will do"
        )


def _id(name: str, taken: Collection[str]) -> str:
    """The first name in the letters that settings take, with a number where somebody has it already."""
    plain = (
        unicodedata.normalize("NFKD", name.split(maxsplit=1)[0]).encode("ascii", "ignore").decode().lower()
    )
    base = re.sub(r"[^a-z0-9]+", "", plain) or "person"
    return next(id for id in (base, *(f"{base}{n}" for n in range(2, len(taken) + 3))) if id not in taken)


def _fits(table: type[BaseModel], values: Mapping[str, str]) -> None:
    """Raises: BadSetting, in the words of the settings themselves."""
    try:
        table.model_validate(values)
    except ValidationError as error:
        raise BadSetting("; ".join(problems_of(error, table))) from error
