"""`sayso serve bot` in Socket Mode: it needs no address, and `/readyz` tells whether Slack reaches it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sayso.sandbox.faults import FOREVER, Status
from sayso.sandbox.workplace import ThreadedWorkplace, Workplace
from settings_files import write_settings


@pytest.fixture
def workplace() -> Iterator[ThreadedWorkplace]:
    with Workplace.in_thread() as threaded:
        threaded.slack.links.enabled = True
        yield threaded


def a_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def until(seen: Callable[[], Any]) -> Any:
    """The first truthy `seen()` of another process, within 30 s."""
    deadline = time.monotonic() + 30
    while not (found := seen()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def answer_of(port: int, path: str) -> tuple[int, str]:
    """Status and text for whoever knows the scraper's token; zero while nobody listens."""
    token = {"authorization": f"Bearer {'m' * 32}"}
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}{path}", headers=token, trust_env=False)
    except httpx.HTTPError:
        return 0, ""
    return answer.status_code, answer.text


@pytest.mark.chaos
def test_it_is_ready_as_long_as_slack_reaches_it(
    workplace: ThreadedWorkplace, tmp_path: Path, redis_url: str
) -> None:
    """Ready with a connection, not ready seconds after it was lost, ready again; and it hangs up when it is told to end."""
    slack, port = workplace.slack, a_port()
    api = f'[metrics]\ntoken = "METRICS_TOKEN"\n\n[slack]\nsocket_mode = true\napi = "{slack.api_url}"'
    write_settings(tmp_path, ("[slack]", api), ("port = 0", f"port = {port}"))
    env = {
        **os.environ, "REDIS_URL": redis_url, "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.links.app_token, "PAGER_KEY": "0123456789abcdef" * 2, "ENTRA_SECRET": "e" * 32,
        "METRICS_TOKEN": "m" * 32,
    }  # fmt: skip
    bot = subprocess.Popen(
        [sys.executable, "-c", "from sayso.bot.cli import main; main()", "serve", "--role", "bot"],
        cwd=tmp_path,
        env=env,
    )

    def ready() -> tuple[int, str]:
        return answer_of(port, "/readyz")

    try:
        until(lambda: ready()[0] == 200)
        assert len(slack.links.live) == 1
        until(lambda: answer_of(port, "/metrics")[0] == 200)
        slack.faults.add(Status(503), on="apps.connections.open", times=FOREVER)
        workplace.run(slack.links.close())
        words = until(lambda: (said := ready())[0] == 503 and said[1])
        assert re.search(r"Slack has not been connected for \d+ s: Slack cannot be reached", words)
        slack.faults.clear()
        until(lambda: ready()[0] == 200)
        bot.send_signal(signal.SIGTERM)
        assert bot.wait(30) == 0
        workplace.until(lambda: not slack.links.live)
        assert slack.links.history[-1].code == 1000
    finally:
        bot.kill()
        bot.wait()
