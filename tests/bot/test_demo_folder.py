"""The folder of `sayso demo`: emptied at the start, unless it is somebody else's or another demo runs in it."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from sayso.approvals.errors import BadSetting
from sayso.bot.demo.office import left_in, note_page, opened
from sayso.bot.demo.play import called


def test_a_second_demo_leaves_the_folder_of_one_that_runs_alone(tmp_path: Path) -> None:
    """Started again in another terminal it says so, and the first one's rows are still there."""
    mark, rows = tmp_path / ".sayso-demo-folder", tmp_path / "back-office.db"
    rows.write_text("the first one's")
    with mark.open("a") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        with pytest.raises(
            BadSetting, match=r"already; end it, or name another folder, like .*make demo ARGS="
        ):
            opened(tmp_path).__enter__()
        note_page(tmp_path, "http://127.0.0.1:4321/")
        with pytest.raises(BadSetting, match=r"already \(its page is http://127\.0\.0\.1:4321/\); end it"):
            opened(tmp_path).__enter__()
    assert rows.read_text() == "the first one's"


def test_a_demo_knows_what_an_earlier_one_left(tmp_path: Path) -> None:
    """Its mark alone is nothing that anybody would miss."""
    assert not left_in(tmp_path / "nowhere")
    note_page(tmp_path, "http://127.0.0.1:4321/")
    assert not left_in(tmp_path)
    (tmp_path / "bot.log").touch()
    assert left_in(tmp_path)


def test_what_to_type_in_another_terminal_works_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name where a shell finds it; else by the path from here, as whoever typed it had it."""
    script = tmp_path / "a venv" / "bin" / "sayso"
    script.parent.mkdir(parents=True)
    script.touch(mode=0o755)
    monkeypatch.setattr("sys.argv", [str(script), "demo"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert called() == "'a venv/bin/sayso'"
    monkeypatch.setenv("PATH", str(script.parent))
    assert called() == "sayso"


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    """It holds something, and no mark of ours."""
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BadSetting, match="not empty and not a demo's"):
        opened(tmp_path).__enter__()
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.txt"]
