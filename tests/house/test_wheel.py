"""The built wheel: every module and asset is in it, no test is, and a worker needs no chat or web library."""

from __future__ import annotations

import email
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("approvals", "agent", "cards", "scheduler", "bot", "sandbox")
ROOT_FILES = ("__init__.py", "py.typed", "pyproject.toml", "README.md", "LICENSE")
NOT_FOR_WORKERS = ("slack", "botbuilder", "aiohttp", "fastapi", "uvicorn", "aiosmtpd", "pytest")


def shipped() -> set[str]:
    """What a user must get: each file of each package, under its name inside the wheel."""
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*"))
    names = {file.relative_to(ROOT) for file in files if file.is_file() and "__pycache__" not in file.parts}
    return {f"sayso/{name.as_posix()}" for name in names} | {"sayso/__init__.py", "sayso/py.typed"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel built from a clean copy of the sources, without the network."""
    source = tmp_path_factory.mktemp("source")
    for name in ROOT_FILES:
        shutil.copy(ROOT / name, source)
    for folder in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", str(source)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = (source / "dist").glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_all_of_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    """A new sub-package or kind of asset that pyproject.toml does not list is noticed here."""
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert shipped() - inside == set(), "list these in pyproject.toml"
    assert inside - shipped() == set(), "these must not be shipped"


def test_the_wheel_offers_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    """`sayso` is a command after installation, and the licence travels with the code."""
    names = {name.partition(".dist-info/")[2]: name for name in wheel.namelist()}
    assert "sayso = sayso.bot.cli:main" in wheel.read(names["entry_points.txt"]).decode()
    assert "licenses/LICENSE" in names


def test_a_worker_installs_no_chat_or_web_library(wheel: zipfile.ZipFile) -> None:
    """`pip install sayso[worker]` brings neither Slack nor Teams nor an HTTP server."""
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    required = email.message_from_bytes(wheel.read(name)).get_all("Requires-Dist", [])
    of_worker = [line for line in required if "extra ==" not in line or 'extra == "worker"' in line]
    assert of_worker, "the metadata lists no requirements at all"
    assert [line for line in of_worker if line.lower().startswith(NOT_FOR_WORKERS)] == []


def test_each_sub_package_is_listed() -> None:
    """A folder with an `__init__.py` is a package of the distribution, and the other way round."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = {file.parent for package in PACKAGES for file in (ROOT / package).rglob("__init__.py")}
    names = {"sayso", *("sayso." + ".".join(folder.relative_to(ROOT).parts) for folder in found)}
    assert set(settings["tool"]["setuptools"]["packages"]) == names
