"""The tutorial works as it is written: each of its commands is run, and what it says in Slack is said, in its order."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sayso.sandbox.workplace import ThreadedWorkplace, Workplace

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
CHANNEL = "#random"


def blocks(language: str) -> list[str]:
    """What stands in the tutorial's fences of a language, in order."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def answers() -> str:
    """The second column of its table, a line for each question."""
    rows = re.findall(
        r"^\| (?!it asks|---)[^|]+\|([^|]*)\|$", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE
    )
    return "".join(f"{row.strip()}\n" for row in rows if "---" not in row)


@dataclass(slots=True)
class Terminal:
    """A shell whose folder and environment stay from block to block.

    Attributes:
        notes: Where it keeps them.
    """

    folder: Path
    env: dict[str, str]
    notes: Path

    def runs(self, block: str, *, answers: str = "") -> str:
        """What a block prints; it has to succeed."""
        keep = f'{{ pwd; env -0; }} > "{self.notes}"'
        ran = subprocess.run(
            ["bash", "-ec", f"{block}\n{keep}"], cwd=self.folder, env=self.env, input=answers,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, f"{block}\n{ran.stdout}{ran.stderr}"
        folder, _, env = self.notes.read_text().partition("\n")
        self.folder = Path(folder)
        self.env = dict(line.split("=", 1) for line in env.split("\0") if line)
        return ran.stdout

    @contextmanager
    def starts(self, block: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Run a block on, into a log; nothing of it is left after this."""
        command = ["bash", "-ec", f"exec {block}"]
        with log.open("wb") as out, subprocess.Popen(
            command, cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture
def workplace() -> Iterator[ThreadedWorkplace]:
    """A workspace whose app was made from the manifest: Slack calls no address."""
    with Workplace.in_thread() as running:
        running.slack.links.enabled = True
        yield running


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """A home without any secret, where `sayso` is installed."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "sayso"
    command.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -c "from sayso.bot.cli import main; main()" "$@"\n'
    )
    command.chmod(0o755)
    (tmp_path / "home").mkdir()
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "PYTHONPATH") if name in os.environ}
    env = {**kept, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path / "home")}
    return Terminal(folder=tmp_path / "home", env=env, notes=tmp_path / "notes")


def edited(file: Path, *edits: tuple[str, str]) -> None:
    """What a person would do in an editor."""
    text = file.read_text()
    for old, new in edits:
        assert text.count(old) == 1
        text = text.replace(old, new)
    file.write_text(text)


def prepared(work: ThreadedWorkplace, terminal: Terminal, second: Terminal) -> None:
    """Settings, app, secrets, invitation and check, in both terminals as the tutorial has it."""
    slack = work.slack
    start, manifest, copy, load, check, *_ = blocks("sh")
    assert "Wrote sayso.toml" in terminal.runs(start, answers=answers())
    second.folder = here = terminal.folder
    # The workspace is the sandbox's, and the port may be any.
    edited(here / "sayso.toml", ("[slack]\n", f'[server]\nport = 0\n\n[slack]\napi = "{slack.api_url}"\n'))
    assert "socket_mode_enabled: true" in terminal.runs(manifest)
    terminal.runs(copy)
    secrets = here / "sayso.env"
    assert secrets.stat().st_mode & 0o077 == 0
    edited(
        secrets, ("SLACK_BOT_TOKEN=\n", f"SLACK_BOT_TOKEN={slack.bot_token}\n"),
        ("SLACK_APP_TOKEN=\n", f"SLACK_APP_TOKEN={slack.links.app_token}\n"),
    )  # fmt: skip
    terminal.runs(load)
    second.runs(load)
    assert blocks("text")[0] == "/invite @sayso\n"
    slack.invite_bot(CHANNEL)
    checked = terminal.runs(check)
    for name in ("Workplace, where sayso is @sayso", CHANNEL, "@bo (Bo Berg)", "Slack gives connections"):
        assert name in checked
    assert "WARN" not in checked


@pytest.mark.chaos
def test_from_nothing_to_an_approval(
    workplace: ThreadedWorkplace, terminal: Terminal, tmp_path: Path
) -> None:
    """Two refunds in one's own Slack: one asked for there, which its asker may not approve, one in the terminal."""
    work, slack = workplace, workplace.slack
    alex, bo = slack.person("alex"), slack.person("bo")
    second = Terminal(folder=terminal.folder, env=dict(terminal.env), notes=tmp_path / "second notes")
    prepared(work, terminal, second)
    *_, serve, run, pending = blocks("sh")

    with terminal.starts(serve, tmp_path / "serve.log") as serving:
        work.until(lambda: slack.links.live, timeout=30, what="the bot's connection")
        asked = work.run(alex.says(CHANNEL, blocks("text")[1].strip()))
        card = work.run(bo.waits_for(CHANNEL, "Refund 100.00", timeout=20))
        work.run(alex.clicks(card, "Approve"))
        work.until(lambda: alex.ephemerals, what="why Alex may not")
        work.run(bo.clicks(card, "Approve"))
        work.until(lambda: any("efunded" in one.text for one in bo.sees_in_thread(asked)[1:]), timeout=20)

        with second.starts(run, tmp_path / "run.log") as following:
            card = work.run(bo.waits_for(CHANNEL, "Refund 10.00", timeout=20))
            assert "10.00" in second.runs(pending)
            work.run(bo.clicks(card, "Approve"))
            assert following.wait(30) == 0
        assert "Refunded 10.00" in (tmp_path / "run.log").read_text()

        serving.send_signal(signal.SIGINT)
        assert serving.wait(20) == 0
    assert "Traceback" not in (tmp_path / "serve.log").read_text()


def test_every_command_of_the_tutorial_stands_in_a_block_that_is_run() -> None:
    """No fence of another kind, which nobody would try."""
    text = TUTORIAL.read_text(encoding="utf-8")
    assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * (len(blocks("sh")) + len(blocks("text")))
    assert answers().splitlines()[0] == "slack"


def test_the_tutorials_links_lead_somewhere() -> None:
    """Each file beside it that it points to is there."""
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", TUTORIAL.read_text(encoding="utf-8")):
        assert (TUTORIAL.parent / link).is_file(), link
