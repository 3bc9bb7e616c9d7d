"""LangGraph Agent Servers in the settings: read, refused by name where wrong, and looked at before anything is asked."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest
from sayso.approvals.errors import BadSetting
from sayso.bot.cli.check import check
from sayso.bot.servers import open_servers
from sayso.bot.settings import load_settings
from settings_files import write_settings

ENV: Mapping[str, str] = {"PAGER_KEY": "0" * 32, "CRM_KEY": "the-key"}


class Info(BaseHTTPRequestHandler):
    """As much of an Agent Server as is asked before anything is watched; it wants a key."""

    info: ClassVar[dict[str, Any]] = {}

    def do_GET(self) -> None:
        self._reply(self.info)

    def do_POST(self) -> None:
        asked = orjson.loads(self.rfile.read(int(self.headers["content-length"])))
        self._reply([{"assistant_id": "a1"}] if asked["graph_id"] == "agent" else [])

    def _reply(self, body: Any) -> None:
        allowed = self.headers.get("x-api-key") == "the-key"
        self.send_response(200 if allowed else 401)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(orjson.dumps(body if allowed else {"detail": "no"}))

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Info, "info", {"langgraph_py_version": "1.2.22", "flags": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), Info)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def a_file(folder: Path, url: str, *more: str, graphs: str = '["agent"]') -> Path:
    lines = "\n".join((f'url = "{url}"', 'api_key = "CRM_KEY"', f"graphs = {graphs}", *more))
    return write_settings(folder, ("[people]", f"[servers.crm]\n{lines}\n\n[people]"))


def opened(file: Path, env: Mapping[str, str] = ENV) -> list[str]:
    """The servers that would be watched."""

    async def scene() -> list[str]:
        async with open_servers(load_settings(file, env)) as servers:
            return [server.spec.name for server in servers]

    return asyncio.run(scene())


def test_a_server_that_is_fit_is_watched(tmp_path: Path, url: str) -> None:
    """It lets us in, has the graph, and its LangGraph refuses stale answers."""
    assert opened(a_file(tmp_path, url)) == ["crm"]


def test_the_key_is_nowhere_in_what_is_printed(tmp_path: Path, url: str) -> None:
    """It comes from the environment and stays out of every repr."""

    async def scene() -> str:
        async with open_servers(load_settings(a_file(tmp_path, url), ENV)) as (server,):
            return repr(server.spec)

    assert "the-key" not in asyncio.run(scene())


@pytest.mark.parametrize("version", ["1.2.21", "0.6.0", "", None])
def test_a_server_that_takes_stale_answers_is_not_watched(
    tmp_path: Path, url: str, version: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Its LangGraph would give an answer to whichever gate comes next."""
    Info.info["langgraph_py_version"] = version
    assert opened(a_file(tmp_path, url)) == []
    assert "takes an answer to a pause that is over" in caplog.records[-1].words  # type: ignore[attr-defined]


def test_a_server_that_says_that_it_is_strict_is_believed(tmp_path: Path, url: str) -> None:
    """Newer servers report it; they need not run Python."""
    Info.info.update({"langgraph_py_version": None, "flags": {"strict_resume": True}})
    assert opened(a_file(tmp_path, url)) == ["crm"]


@pytest.mark.parametrize("why", ["away", "another key"])
def test_a_server_that_may_come_back_is_watched(tmp_path: Path, url: str, why: str) -> None:
    """Its requests wait for it."""
    file = a_file(tmp_path, "http://127.0.0.1:1" if why == "away" else url)
    assert opened(file, ENV if why == "away" else {**ENV, "CRM_KEY": "an-old-key"}) == ["crm"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ('asked_by = "aleks"', "servers.crm: there is no [people.aleks]; did you mean alex?"),
        ('owner = "nobody"', "servers.crm: there is no [people.nobody]"),
        ('url2 = "x"', "servers.crm.url2"),
    ],
)
def test_what_leads_nowhere_is_refused_by_name(tmp_path: Path, wrong: str, words: str) -> None:
    """When the settings are read."""
    with pytest.raises(BadSetting) as told:
        load_settings(a_file(tmp_path, "http://127.0.0.1:1", wrong), ENV)
    assert words in str(told.value)


def test_a_dialect_nobody_speaks_is_refused(tmp_path: Path) -> None:
    """A misspelt dialect would silently end runs instead of telling agents no."""
    with pytest.raises(BadSetting, match=r"servers.crm.reads: there is no dialect 'langchain midleware'"):
        opened(a_file(tmp_path, "http://127.0.0.1:1", 'reads = ["langchain midleware"]'))


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    """By its variable."""
    with pytest.raises(BadSetting, match="CRM_KEY is not set"):
        opened(a_file(tmp_path, "http://127.0.0.1:1"), {"PAGER_KEY": "0" * 32})


def test_settings_need_a_graph_or_a_server(tmp_path: Path, url: str) -> None:
    """One of both is enough."""
    none = ('[graphs]\nops = "little_graph.py:graph"', "")
    with pytest.raises(BadSetting, match="graphs: name at least 1, or a LangGraph Agent Server"):
        load_settings(write_settings(tmp_path, none), ENV)
    server = ("[people]", f'[servers.crm]\nurl = "{url}"\ngraphs = ["agent"]\n\n[people]')
    assert load_settings(write_settings(tmp_path, none, server), ENV).graphs == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, r"ok +servers.crm +http://127.0.0.1:\d+: LangGraph 1.2.22, agent"),
        ({"url": "http://127.0.0.1:1"}, r"WRONG +servers.crm +The server crm cannot be reached"),
        ({"key": "an-old-key"}, r"WRONG +servers.crm +The server crm does not accept our key"),
        ({"graphs": '["agnt"]'}, r"WRONG +servers.crm +http://.*it has no graph or assistant 'agnt'"),
    ],
)
def test_check_says_how_each_server_stands(
    tmp_path: Path, url: str, *, change: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """`sayso check` looks at it as it looks at everything else."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("CRM_KEY", change.get("key", "the-key"))
    check(a_file(tmp_path, change.get("url", url), graphs=change.get("graphs", '["agent"]')), offline=False)
    out = capsys.readouterr().out
    (line,) = [one for one in out.splitlines() if "servers.crm" in one]
    assert re.search(words, line)
