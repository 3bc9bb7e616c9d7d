"""The questions of `sayso init` in a terminal: each says where its answer is found; a wrong one is asked again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import typer

from ...approvals.errors import BadSetting
from .init_answers import (
    APP_ID,
    SLACK_CHANNEL,
    TEAMS_CHANNEL,
    TENANT,
    Told,
    account_of,
    agent,
    enough,
    guid,
    human,
    humans,
    name_of,
    slack_place,
    teams_channel,
    teams_place,
)
from .init_file import Chosen, Human, TeamsPlace

T = TypeVar("T")

_WHERE = {"slack": {"slack"}, "teams": {"teams"}, "both": {"slack", "teams"}}
_ACCOUNT = {
    "slack": "Slack member id (their profile in Slack, menu “…”, Copy member ID)",
    "teams": "Teams account (their page in the Entra admin center, Object ID)",
}


def asked(told: Told, folder: Path) -> Chosen:
    """Ask for what the command line did not say. Raises: BadSetting, for what it said wrongly."""
    typer.echo("Each question says where its answer is found. Nothing is written before the last one.\n")
    where = {name for name, said in (("slack", told.slack), ("teams", told.teams)) if said} or _ask(
        "Where do people answer: slack, teams or both", _platforms, default="slack"
    )
    slack = None
    if "slack" in where:
        words = f"Slack channel for the cards: {SLACK_CHANNEL}"
        slack = slack_place(told.slack) if told.slack else _ask(words, slack_place)
    teams = _teams(told) if "teams" in where else None
    approvers = humans(told.approvers, ()) or _people("Who may approve?", where, (), approve=True)
    requesters = humans(told.requesters, approvers) or _people(
        "Who else asks the agent? Whoever asks for something never approves it.",
        where,
        approvers,
        approve=False,
    )
    enough(approvers, requesters, where)
    words = "Your LangGraph agent, as file.py:attribute or package.module:attribute (Enter: the sample agent)"
    graph, tools = agent(told.graph, folder) if told.graph else _ask(words, lambda text: agent(text, folder))
    return Chosen(
        slack=slack, teams=teams, approvers=approvers, requesters=requesters, graph=graph, tools=tools
    )


def _platforms(text: str) -> set[str]:
    if text.strip().lower() not in _WHERE:
        raise BadSetting("write slack, teams or both")
    return _WHERE[text.strip().lower()]


def _teams(told: Told) -> TeamsPlace:
    def channel(text: str) -> str:
        teams_channel(text)
        return text

    said = replace(
        told,
        teams=told.teams or _ask(f"Teams channel for the cards: {TEAMS_CHANNEL}", channel),
        teams_app=told.teams_app or _ask(f"Teams app id: {APP_ID}", guid),
    )
    tenant = said.teams_tenant or teams_channel(said.teams)[1] or _ask(f"Teams tenant: {TENANT}", guid)
    return teams_place(replace(said, teams_tenant=tenant))


def _people(
    what: str, where: Collection[str], before: Sequence[Human], *, approve: bool
) -> tuple[Human, ...]:
    """Names and accounts until a name is left empty; whoever approves has an account, and two people take part."""
    typer.echo(f"\n{what}")
    people = list[Human]()
    while True:
        needed = not people and len(before) < 2
        hint = "Name" if needed else "Next name (Enter: nobody else)"
        name = _ask(hint, _given if needed else name_of)
        if not name:
            return tuple(people)
        try:
            accounts = _accounts(sorted(where), needed=approve)
            people.append(human(name, accounts, [*before, *people]))
        except BadSetting as error:
            typer.echo(f"  {error}; once more.")


def _accounts(platforms: Sequence[str], *, needed: bool) -> dict[str, str]:
    """Raises: BadSetting, when an approver has none."""
    found = dict[str, str]()
    for platform in platforms:
        must = needed and len(platforms) == 1

        def read(text: str, platform: str = platform, must: bool = must) -> str:
            if must and not text.strip():
                raise BadSetting("whoever approves needs an account to answer with")
            kind, id = account_of(text) if text.strip() else (platform, "")
            if kind != platform:
                raise BadSetting(f"that is an account of {kind.capitalize()}")
            return id

        words = _ACCOUNT[platform] + ("" if must else ", or Enter for none")
        if id := _ask(words, read):
            found[platform] = id
    if needed and not found:
        raise BadSetting("whoever approves needs an account to answer with")
    return found


def _given(text: str) -> str:
    if not text.strip():
        raise BadSetting("somebody is needed here")
    return name_of(text)


def _ask(words: str, read: Callable[[str], T], *, default: str = "") -> T:
    """The answer as it was read; nothing typed is an answer too, which `read` may refuse with what would fit."""
    while True:
        text = typer.prompt(words, default=default, show_default=bool(default), prompt_suffix="\n> ")
        try:
            return read(str(text))
        except BadSetting as error:
            typer.echo(f"  That does not fit: {error}.")
