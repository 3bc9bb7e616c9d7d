"""Two whole programs on one data directory, no Redis of one's own: the one that owns the store is killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from sayso.approvals.request import OutcomeKind, State
from sayso.bot.demo.office import Office, _free_port, _furnished
from sayso.bot.demo.process import Served
from sayso.bot.demo.stage import FINANCE, Stage, soon
from sayso.bot.front import SLACK_PATH, TEAMS_PATH
from sayso.sandbox.workplace import Workplace
from whole_office import quiet, within


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """`serve --role all` twice, as two machines' worth of replicas would be without REDIS_URL; Slack knows the second."""
    with Workplace.in_thread() as workplace:
        first_file = tmp_path / "sayso.toml"
        office = _furnished(tmp_path, workplace, "", "")
        env = dict(office.settings.env)
        one = whole("one", first_file, office.settings.server.port, env)
        port = _free_port()
        second_file = tmp_path / "second.toml"
        second_file.write_text(
            first_file.read_text().replace(f"port = {office.settings.server.port}", f"port = {port}")
        )
        two = whole("two", second_file, port, env)
        workplace.slack.app_url = f"http://127.0.0.1:{port}{SLACK_PATH}"
        workplace.teams.app_url = f"http://127.0.0.1:{port}{TEAMS_PATH}"
        try:
            one.start()
            one.wait_ready()
            two.start()
            two.wait_ready()
            yield replace(office, bot=one, worker=two)
        finally:
            two.stop()
            one.stop()
        workplace.violations.take()  # whoever clicked while no store answered


def whole(name: str, file: Path, port: int, env: dict[str, str]) -> Served:
    """Bot, worker and scheduler in one process."""
    return Served(
        name, ("all",), settings=file, env=env, log=file.parent / f"{name}.log", ready_url=f"http://127.0.0.1:{port}/readyz"
    )  # fmt: skip


def test_the_other_program_takes_the_store_over(office: Office) -> None:
    """Nothing that was asked is lost, and what is decided afterwards is done."""
    folder = office.settings.data_dir / "store"
    socket = quote(json.loads((folder / "address.json").read_text())["socket"])
    stage = Stage(replace(office, redis_url=f"unix://{socket}"), quiet())
    try:
        asked = stage.asks("refund order 1042 6.01")
        card = stage.card(FINANCE, "6.01")
        request = stage.request(asked)
        server = (folder / "valkey.pid").read_text()

        office.bot.kill()
        soon(lambda: (folder / "valkey.pid").read_text() != server, "another process starts the store")
        for _ in range(5):  # as people do until the card moves
            stage.work.run(stage.person("bo").clicks(card, "Approve"))
            if within(3, lambda: stage.now(request).state is not State.OPEN):
                break
        soon(lambda: stage.now(request).state is State.CLOSED, "it is done", seconds=40)
        outcome = stage.now(request).outcome
        assert outcome is not None
        assert outcome.kind is OutcomeKind.EXECUTED
        assert stage.refunded(1042) == 601
        stage.replies(asked, "Refunded 6.01")

        asked = stage.asks("refund order 1042 6.02")  # and life goes on
        card = stage.card(FINANCE, "6.02")
        stage.work.run(stage.person("cy").clicks(card, "Approve"))
        soon(lambda: stage.refunded(1042) == 1203, "the second refund is paid")
    finally:
        stage.close()
