"""`sayso demo` as people run it: the tour, Ctrl-C, once more, and a folder that is not its own."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sayso.bot.demo.play import SCENES

COMMAND = [sys.executable, "-c", "from sayso.bot.cli import main; main()", "demo"]
CTRL_C = "\x03"
#: How long a person waits for any answer at all before they press Ctrl-C again, seconds.
PATIENCE = 30.0
ENV = {name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "SAYSO_SETTINGS")}


@pytest.mark.chaos  # `make demo` plays it by itself, so the quick tests need not
def test_the_tour_passes(tmp_path: Path) -> None:
    """Every scene, every promise, behind a proxy that answers nobody; only the data directory is left."""
    proxied = {**ENV, **dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY"), "http://127.0.0.1:9")}
    played = subprocess.run(
        [*COMMAND, "--tour", "--data-dir", "demo"], cwd=tmp_path, env=proxied, capture_output=True, text=True, timeout=170,
        check=False,
    )  # fmt: skip

    assert played.returncode == 0, played.stdout[-2000:] + played.stderr[-2000:]
    assert re.findall(r"^(\d+)\. ", played.stdout, re.MULTILINE) == [
        str(number) for number in range(1, len(SCENES) + 1)
    ]
    assert "all as promised" in played.stdout
    assert "✗" not in played.stdout
    assert played.stderr == ""
    assert [one.name for one in tmp_path.iterdir()] == ["demo"]
    assert running_in(tmp_path) == []


def test_a_folder_that_is_not_a_demos_is_left_alone(tmp_path: Path) -> None:
    """One sentence, and nothing in it is touched."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("ten years of work")
    refused = subprocess.run(
        [*COMMAND, "--tour", "--data-dir", str(mine)], env=ENV, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip

    assert refused.returncode != 0
    assert "not empty and not a demo's" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert [one.name for one in mine.iterdir()] == ["thesis.txt"]
    assert (mine / "thesis.txt").read_text() == "ten years of work"


@pytest.mark.chaos
def test_ctrl_c_ends_everything_and_it_can_be_played_again(tmp_path: Path) -> None:
    """At the prompt beside the page, in the middle of a tour in the same folder, and when the terminal is closed."""
    with at_a_terminal(tmp_path) as terminal:
        terminal.reads("Open http://127.0.0.1:", within=60)
        terminal.reads("sayso demo>", within=20)
        terminal.types("alex: refund order 1042 5.01\n")
        terminal.reads("sayso demo>", within=20)
        terminal.types("teams alex: refund order 1041 5.02\n")
        terminal.reads("sayso demo>", within=20)
        terminal.types("teams bo approve\n")
        terminal.reads("Outcome", within=20)
        terminal.reads("sayso demo>", within=20)
        terminal.types("kill\n")
        terminal.reads("started: bot ", within=30)
        terminal.types("+15m\n")
        terminal.reads("15 min pass", within=20)
        terminal.reads("sayso demo>", within=20)
        assert len(running_in(tmp_path)) >= 3  # demo, bot, worker; the store where /proc shows it
        terminal.types(CTRL_C)
        assert terminal.ended() == 0
        assert "Everything has ended" in terminal.seen
    assert running_in(tmp_path) == []
    assert [one.name for one in tmp_path.iterdir()] == ["demo"]

    with at_a_terminal(tmp_path, "--tour") as terminal:
        terminal.reads("2. A refund", within=60)
        terminal.types(CTRL_C)
        assert terminal.ended() == 0
    assert running_in(tmp_path) == []

    with at_a_terminal(tmp_path, "--tour") as terminal:
        terminal.reads("2. A refund", within=60)
        terminal.is_closed()
        assert terminal.ended() == 0
    assert running_in(tmp_path) == []


@pytest.mark.chaos  # an office of its own
def test_without_a_terminal_the_page_stays_open_until_it_is_told_to_end(tmp_path: Path) -> None:
    """Its address is the first thing said; whoever started it in the background ends it, in the midst of whatever happens."""
    with subprocess.Popen(
        [*COMMAND, "--data-dir", "demo"], cwd=tmp_path, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as started:  # fmt: skip
        assert started.stdout is not None
        said = iter(started.stdout.readline, "")
        address = next(line for line in said if line.startswith("Open http://127.0.0.1:")).split()[1]
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=10) as page:
            assert b"sayso" in page.read()
        started.terminate()
        rest = started.stdout.read()
        assert "Everything has ended" in rest
        assert started.wait(30) == 0
    assert running_in(tmp_path) == []


@pytest.mark.chaos  # an office of its own
def test_nothing_goes_on_under_a_demo_that_was_killed(tmp_path: Path) -> None:
    """SIGKILL leaves it no time to end its bot, worker and store, which end by themselves; the next one starts at once."""
    for _ in range(2):
        with subprocess.Popen(
            [*COMMAND, "--data-dir", "demo"], cwd=tmp_path, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        ) as started:  # fmt: skip
            assert started.stdout is not None
            assert any(
                line.startswith("Open http://127.0.0.1:") for line in iter(started.stdout.readline, "")
            )
            assert len(running_in(tmp_path)) > 2
            started.kill()
        until = time.monotonic() + 20
        while running_in(tmp_path) and time.monotonic() < until:
            time.sleep(0.05)
        assert running_in(tmp_path) == []


class Terminal:
    """A person's terminal with `sayso demo` in it."""

    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self.seen = ""
        self._process = process
        self._end = end
        self._at = 0

    def reads(self, words: str, *, within: float) -> None:
        """Wait until these words come, after those read before."""
        deadline = time.monotonic() + within
        while (found := self.seen.find(words, self._at)) < 0:
            left = max(0.0, deadline - time.monotonic())
            says_more = select.select([self._end], [], [], left)[0]
            assert says_more, f"{words!r} did not come:\n{self.seen[-2000:]}"
            assert self._more(), f"it ended without {words!r}:\n{self.seen[-2000:]}"
        self._at = found + len(words)

    def types(self, keys: str) -> None:
        """Press keys; `CTRL_C` is one of them."""
        os.write(self._end, keys.encode())

    def is_closed(self) -> None:
        """What the demo is told when its window is closed."""
        self._process.send_signal(signal.SIGHUP)

    def ended(self) -> int:
        """Wait for its end; the exit status. Python drops an interrupt that comes in a destructor: a person presses again."""
        while not select.select([self._end], [], [], PATIENCE)[0]:
            assert self._process.poll() is None
            self.types(CTRL_C)
        while self._more():
            pass
        return self._process.wait(30)

    def _more(self) -> bool:
        try:
            some = os.read(self._end, 65536)
        except OSError:  # Linux's way to say that nobody is at the other end any more
            return False
        self.seen += some.decode(errors="replace")
        return bool(some)


@contextmanager
def at_a_terminal(folder: Path, *options: str) -> Iterator[Terminal]:
    """`sayso demo` with a terminal of its own; killed with all it started if it is still there at the end."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _LEADER, *COMMAND, *options, "--data-dir", "demo"],
        cwd=folder, env={**ENV, "TERM": "dumb"}, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        os.close(ours)
        if process.poll() is None:
            process.kill()
            process.wait()
        for pid in running_in(folder):
            os.kill(pid, signal.SIGKILL)


#: Makes the terminal the controlling one, so that Ctrl-C becomes SIGINT, then becomes the command.
_LEADER = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


def running_in(folder: Path) -> list[int]:
    """Processes that work in this folder or were told of it (where there is no /proc: that were told of it)."""
    shown = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    told = [int(line.split()[0]) for line in shown.splitlines() if str(folder) in line]
    here = [int(pid.name) for pid in Path("/proc").glob("[0-9]*") if _cwd(pid).is_relative_to(folder)]
    return sorted({*told, *here} - {os.getpid()})


def _cwd(process: Path) -> Path:
    try:
        return (process / "cwd").readlink()
    except OSError:  # not ours, or gone
        return Path()
