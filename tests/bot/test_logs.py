"""What a process writes to its log holds no token, whichever library or thread says it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tokens import CANARIES

#: Says every canary in every way that a process has, once logging is set up.
SPEAKS = """
import logging, sys, threading, warnings
from sayso.agent.secrets import LiveTokens
from sayso.bot import logs
secrets = sys.stdin.read().split("\\0")
logs.set_up()
live = LiveTokens()
live.remember(secrets[-1])
logs.withhold_also(live.withheld)
for secret in secrets:
    for name in ("uvicorn.error", "slack_sdk.web", "botbuilder.core", "httpx", "msal.token", "asyncio", "graph"):
        logger = logging.getLogger(name)
        logger.error("POST https://x.example/?access_token=%s", secret, extra={"headers": {"authorization": secret}})
        try:
            raise ValueError(secret) from KeyError(secret)
        except ValueError:
            logger.exception("request.failed %r", {"token": secret})
    warnings.warn(secret, stacklevel=1)
    def break_off(secret=secret):
        raise RuntimeError(secret)
    thread = threading.Thread(target=break_off)
    thread.start()
    thread.join()
logging.getLogger("graph").info("order %s of commit %s is done", 1042, "3f786850e387550fdab836ed7e6dc881de23001b")
raise SystemError(" ".join(secrets))
"""
LIVE = "an-opaque-token-that-looks-like-nothing"


@pytest.fixture(scope="module")
def log() -> str:
    """What that process wrote, to either stream."""
    said = "\0".join([*CANARIES.values(), LIVE])
    ended = subprocess.run(
        [sys.executable, "-c", SPEAKS], input=said, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 1, ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.parametrize("name", [*CANARIES, "live"])
def test_no_token_is_logged(name: str, log: str) -> None:
    """P11: Words, arguments, extras, chained traces, warnings, threads, and the error that ends the process."""
    for secret in CANARIES.get(name, LIVE).splitlines():
        assert not any(
            secret[at : at + 16] in log for at in range(8, len(secret) - 15, 4) if "KEY--" not in secret
        )


def test_what_is_no_token_is_logged(log: str) -> None:
    """Types, places and ids stay."""
    assert "order 1042 of commit 3f786850e387550fdab836ed7e6dc881de23001b is done" in log
    assert "ValueError: (withheld: a GitHub token)" in log
    assert "CRITICAL sayso.bot.logs process.uncaught" in log
