"""Set-up on a machine that lacks something: one sentence says what, and what to do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: a Python of version $1 that knows no module $2 asks for; answers the questions that .ci/setup puts to it
PYTHON = """#!/bin/sh
case $2 in
    *print*) echo {version} ;;
    *sys.exit*) exit {unsuitable} ;;
    *ensurepip*) exit 1 ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout as far as set-up reads it, with no environment in it."""
    for name in (".ci/setup", ".ci/install.py", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def a_python(folder: Path, *, version: str, suits: bool) -> Path:
    """An interpreter without the venv module."""
    path = folder / f"python{version}"
    path.write_text(PYTHON.format(version=version, unsuitable=int(not suits)), encoding="utf-8")
    path.chmod(0o755)
    return path


def complaint(folder: Path, python: Path | str) -> str:
    """What set-up says when it gives up; nothing may be left behind."""
    done = subprocess.run(
        ["sh", ".ci/setup", str(python)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert not (folder / ".venv").exists()
    return done.stdout + done.stderr


def test_a_missing_venv_module_is_named_with_the_way_to_get_it(folder: Path) -> None:
    """Debian ships Python without it; the sentence holds the command for this very version."""
    said = complaint(folder, a_python(folder, version="3.12", suits=True))
    assert "lacks the venv module" in said
    assert "sudo apt-get install python3.12-venv" in said
    assert len(said.splitlines()) == 1


def test_a_python_that_is_too_old_is_named(folder: Path) -> None:
    """The sentence says what is there and what is needed."""
    said = complaint(folder, a_python(folder, version="3.9", suits=False))
    assert "needs Python 3.11 to 3.14" in said
    assert "is Python 3.9" in said
    assert len(said.splitlines()) == 1


def test_no_python_at_all_is_said(folder: Path) -> None:
    """The name that was tried stands in the sentence."""
    said = complaint(folder, "python-of-nobody")
    assert "there is no python-of-nobody here" in said
    assert len(said.splitlines()) == 1


def test_an_environment_that_is_up_to_date_is_left_alone(folder: Path) -> None:
    """Set-up costs nothing the second time; a change of the pinned versions makes it work again."""
    (folder / ".venv/bin").mkdir(parents=True)
    python = folder / ".venv/bin/python"
    python.write_text("#!/bin/sh\necho installs\n", encoding="utf-8")
    python.chmod(0o755)
    (folder / ".venv/made-at").write_text(f"{folder}\n", encoding="utf-8")

    def setup() -> str:
        return subprocess.run(
            ["sh", ".ci/setup"], cwd=folder, capture_output=True, text=True, check=True
        ).stdout

    assert setup() == "installs\n"
    assert setup() == ""
    (folder / "constraints.txt").write_text("rich==15.0.0\n", encoding="utf-8")
    assert setup() == "installs\n"
