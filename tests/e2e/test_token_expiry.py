"""Tokens and waiting: whatever expired meanwhile, the tool runs under a fresh token or says that nothing was done."""

from __future__ import annotations

import secrets
from datetime import timedelta

from sayso.approvals.request import OutcomeKind, Request, State
from sayso.bot.demo.stage import FINANCE, Stage, soon
from sayso.sandbox.slack.screen import Message


def asked_and_waiting(stage: Stage, goal: str, words: str) -> tuple[Message, Request, Message]:
    """The mention, its request, and the card that waits."""
    asked = stage.asks(goal)
    card = stage.card(FINANCE, words)
    return asked, stage.request(asked), card


def closed(stage: Stage, request: Request) -> Request:
    """The record once it is closed."""
    soon(lambda: stage.now(request).state is State.CLOSED, "it is closed")
    return stage.now(request)


def test_a_token_that_expired_during_the_wait_does_no_harm(stage: Stage) -> None:
    """S24: three hours pass over a card; the tool runs under a token that was issued after the approval."""
    tokens = stage.work.tokens
    tokens.lifetime = 300
    old = tokens.access_token_for("ops-agent")
    _, request, card = asked_and_waiting(stage, "refund order 1042 2.01", "2.01")
    stage.pass_time(timedelta(hours=3))
    assert not tokens.is_valid(old)
    issued = len(stage.tool_tokens())
    stage.work.run(stage.person("bo").clicks(card, "Approve"))
    after = closed(stage, request)

    assert after.outcome is not None
    assert after.outcome.kind is OutcomeKind.EXECUTED
    assert stage.refunded(1042) == 201
    assert len(stage.tool_tokens()) == issued + 1
    assert tokens.is_valid(stage.tool_tokens()[-1].token)


def test_a_token_that_would_die_halfway_is_not_begun_with(stage: Stage) -> None:
    """Two seconds are not enough for any tool: nothing is done, and people read why."""
    stage.work.tokens.lifetime = 2
    asked, request, card = asked_and_waiting(stage, "refund order 1042 2.02", "2.02")
    stage.work.run(stage.person("bo").clicks(card, "Approve"))
    after = closed(stage, request)

    assert after.outcome is not None
    assert after.outcome.kind is OutcomeKind.FAILED
    assert after.effect is None
    assert stage.count("SELECT count(*) FROM refunds WHERE amount_cents = 202") == 0
    stage.replies(asked, "but the tool needs one")


def test_a_dead_credential_fails_aloud(stage: Stage) -> None:
    """The client secret is changed while a card waits: approved, not done, and everybody is told why."""
    tokens = stage.work.tokens
    tokens.lifetime = 3600
    asked, request, card = asked_and_waiting(stage, "refund order 1042 2.03", "2.03")
    before, tokens.client_secret = tokens.client_secret, secrets.token_urlsafe(30)
    stage.work.run(stage.person("bo").clicks(card, "Approve"))
    after = closed(stage, request)
    tokens.client_secret = before

    assert after.outcome is not None
    assert after.outcome.kind is OutcomeKind.FAILED
    assert after.effect is None
    assert stage.count("SELECT count(*) FROM refunds WHERE amount_cents = 203") == 0
    stage.shows(card, "Failed, nothing was done")
    assert "client secret is wrong" in stage.replies(asked, "not done").text_as_seen()
