"""Canary secrets: they go through whole runs, and stand nowhere afterwards (promise 11)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from leaks import everything, leaks
from sayso.approvals import canonical
from sayso.approvals.change import AuditEntry, Event
from sayso.approvals.connection import open_sync_redis
from sayso.approvals.inspecting import Inspection
from sayso.approvals.packed import pack
from sayso.approvals.request import OutcomeKind, Request, State
from sayso.bot.demo.stage import FINANCE, OPS, SUPPORT, Stage, soon
from sayso.bot.evidence.checking import inspect_store
from sayso.bot.signing_keys import kept_link_keys
from whole_office import restarted

REFRESH = secrets.token_urlsafe(40)


def canaries(stage: Stage) -> dict[str, str]:
    """Every secret that some process has held."""
    work = stage.work
    known = {
        "the client secret": work.tokens.client_secret,
        "the bot's token": work.slack.bot_token,
        "the signing secret": work.slack.signing_secret,
        "the routing key": work.pager.routing_key,
        "a refresh token": REFRESH,
        "the key of the audit trail": (stage.office.settings.data_dir / "keys" / "audit.key")
        .read_text()
        .strip(),
        "the vote's signing key": (stage.office.settings.data_dir / "keys" / "vote.key").read_text().strip(),
    }
    return known | {f"access token {number}": one.token for number, one in enumerate(work.tokens.issued)}


def decided(stage: Stage, amount: str) -> Request:
    """Asked, looked at, approved, and over."""
    stage.asks(f"refund order 1042 {amount}")
    card = stage.card(FINANCE, amount)
    request = stage.wait(stage.store.live())[-1]
    view = stage.work.run(stage.work.run(stage.person("bo").clicks(card, "Details")).modal())
    stage.work.run(stage.person("bo").closes(view))
    stage.teams.clicks(stage.teams.card(FINANCE, amount), "Details", who="cy")
    stage.work.run(stage.person("alex").clicks(stage.card(SUPPORT, amount, who="alex"), "Approve"))  # refused
    stage.work.run(stage.person("bo").clicks(card, "Approve"))
    soon(lambda: stage.now(request).state is State.CLOSED, "it is closed")
    stage.shows(card, "Outcome")
    return stage.now(request)


def paged_and_expired(stage: Stage) -> None:
    """On-call was called, in vain."""
    stage.asks("close firewall rule 443-public")
    stage.card(OPS, "443-public")
    deadline = stage.wait(stage.store.live())[-1].ask.deadline
    stage.pass_time(deadline.ends_at - stage.wait(stage.store.now()))
    soon(stage.work.pager.open_incidents, "on-call is paged")
    stage.pass_time(deadline.expires_at - stage.wait(stage.store.now()))
    soon(lambda: not stage.wait(stage.store.live()), "it is cancelled")
    soon(lambda: not stage.work.pager.open_incidents(), "the page is closed")


@pytest.fixture(scope="module")
def lived(stage: Stage) -> Stage:
    """An office in which everything has happened that handles a secret, failures included."""
    stage.office.worker._env["SAYSO_REFRESH_TOKEN_DANA"] = REFRESH
    restarted(stage.office.worker)
    outcomes = [decided(stage, "4.01").outcome]
    stage.work.tokens.lifetime = 2
    outcomes.append(decided(stage, "4.02").outcome)
    stage.work.tokens.lifetime = 3600
    before, stage.work.tokens.client_secret = stage.work.tokens.client_secret, secrets.token_urlsafe(30)
    outcomes.append(decided(stage, "4.03").outcome)
    stage.work.tokens.client_secret = before
    paged_and_expired(stage)
    assert [one.kind for one in outcomes if one] == [OutcomeKind.EXECUTED, *[OutcomeKind.FAILED] * 2]
    assert len(stage.work.tokens.issued) >= 2
    return stage


def test_no_secret_stands_anywhere(lived: Stage) -> None:
    """S22 S23 P11: store, files, logs, command lines, Slack, Teams, pager, e-mail: no piece of any secret."""
    places = {place.split(" ")[0] for place, _ in everything(lived)}
    assert {"Redis", "bot.log", "worker.log", "Slack's", "Teams'", "back-office.db", "sayso.toml"} <= places
    assert leaks(lived, canaries(lived)) == []


def test_the_trail_of_that_life_proves_itself(lived: Stage) -> None:
    """The bot that served it has linked every record, and nothing is wrong with any."""
    keys = kept_link_keys(lived.office.settings)

    def found() -> list[Inspection]:
        return lived.wait(inspect_store(lived.store, keys))

    soon(lambda: not sum(one.unlinked for one in found()), "everything is linked")
    assert [one.first for one in found() if one.first] == []
    assert sum(one.checked for one in found()) > 50


def in_redis(stage: Stage, token: str, undo: ExitStack) -> None:
    client = undo.enter_context(open_sync_redis(stage.office.redis_url))
    client.xadd("sayso:planted", {"body": f"Bearer {token}"})
    undo.callback(client.delete, "sayso:planted")


def in_a_card_on_record(stage: Stage, token: str, undo: ExitStack) -> None:
    client = undo.enter_context(open_sync_redis(stage.office.redis_url))
    entry = AuditEntry(event=Event.SHOWN, words="Shown", shown=pack(f"Send {token} to Dana"))
    client.xadd("sayso:planted", {"entry": canonical.encode(entry)})
    undo.callback(client.delete, "sayso:planted")


def in_a_log(stage: Stage, token: str, undo: ExitStack) -> None:
    log = stage.office.folder / "planted.log"
    log.write_text(f"fetched {token[7:-5]} in 3 ms")
    undo.callback(log.unlink)


def in_a_message(stage: Stage, token: str, undo: ExitStack) -> None:
    said = stage.work.run(stage.person("bo").says("#support", f"is this a token? {token}"))
    undo.callback(stage.work.slack.workspace.messages.remove, said)


def in_a_message_in_teams(stage: Stage, token: str, undo: ExitStack) -> None:
    said = stage.work.run(stage.teams.person("bo").says("#support", f"is this a token? {token}"))
    undo.callback(stage.work.teams.tenant.messages.remove, said)


@pytest.mark.parametrize(
    "plant", [in_redis, in_a_card_on_record, in_a_log, in_a_message, in_a_message_in_teams]
)
def test_a_planted_secret_is_found(plant: Callable[[Stage, str, ExitStack], None], lived: Stage) -> None:
    """P11: The search can fail: one token where it should not be, even without its ends."""
    name, token = f"access token {len(lived.work.tokens.issued) - 1}", lived.work.tokens.issued[-1].token
    with ExitStack() as undo:
        plant(lived, token, undo)
        assert any(found.startswith(f"{name} in ") for found in leaks(lived, canaries(lived)))
