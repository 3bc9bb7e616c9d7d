"""The directions of import: which folder may import which, and where each outside library may appear."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: folder -> the folders of ours it may import, besides itself
MAY_IMPORT: dict[str, frozenset[str]] = {
    "approvals": frozenset(),
    "agent": frozenset({"approvals"}),
    "cards": frozenset({"approvals"}),
    "scheduler": frozenset({"approvals"}),
    "bot": frozenset({"approvals", "agent", "cards", "scheduler"}),
    "sandbox": frozenset(),
}

#: outside library -> where it may be imported; `sayso[worker]` installs none of them
LIVES_IN: dict[str, tuple[str, ...]] = {
    "slack_bolt": ("bot/slack",),
    "slack_sdk": ("bot/slack",),
    "botbuilder": ("bot/teams",),
    "botframework": ("bot/teams",),
    "fastapi": ("bot", "sandbox"),
    "starlette": ("bot", "sandbox"),
    "uvicorn": ("bot", "sandbox"),
    "aiohttp": ("bot", "sandbox"),
    "aiosmtpd": ("sandbox",),
    "pytest": (),
    "hypothesis": (),
}


def imported(path: PurePosixPath, source: str) -> Iterator[str]:
    """Every module that a file names in an import, relative ones spelled out as `sayso....`."""
    package = ("sayso", *path.parent.parts)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join((*base, *filter(None, [node.module])))
            yield from (f"{stem}.{alias.name}" for alias in node.names) if node.level else (stem,)


def may_import_ours(path: PurePosixPath, target: str) -> bool:
    """Whether the file may import that folder of ours."""
    here = path.parts[0]
    if target == "sandbox" and here == "bot":
        return any(part.startswith("demo") for part in path.parts)
    return target == here or target in MAY_IMPORT[here]


def complaints(path: str, source: str) -> list[str]:
    """What a file imports and must not."""
    where, found = PurePosixPath(path), list[str]()
    for module in imported(where, source):
        top, _, rest = module.partition(".")
        if top == "sayso" and not may_import_ours(where, rest.partition(".")[0]):
            found.append(f"{path} imports {module}")
        homes = LIVES_IN.get(top)
        if homes is not None and not any(where.is_relative_to(home) for home in homes):
            found.append(f"{path} imports {module}")
    if any(
        isinstance(node, ast.ImportFrom)
        and not node.level
        and (node.module or "").partition(".")[0] == "sayso"
        for node in ast.walk(ast.parse(source))
    ):
        found.append(f"{path} names its own package: write the import relative")
    return found


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_a_folder_imports_only_what_lies_below_it(folder: str) -> None:
    """The table of the architecture holds in every file, also for imports inside functions."""
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files, f"there is no {folder}/"
    found = [
        complaint
        for file in files
        for complaint in complaints(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("approvals/request.py", "from ..agent import gate"),
        ("approvals/request.py", "from .. import Gate"),
        ("agent/ops/tools.py", "from ...bot.settings import Settings"),
        ("cards/card.py", "from ..scheduler import steps"),
        ("scheduler/pages.py", "def late():\n    from ..cards import card"),
        ("sandbox/pager.py", "from ..approvals.request import Request"),
        ("bot/app.py", "from ..sandbox import workplace"),
        ("bot/app.py", "from .. import sandbox"),
        ("bot/app.py", "from sayso.approvals import Request"),
        ("bot/app.py", "import slack_bolt.async_app"),
        ("bot/slack/app.py", "from botbuilder.core import TurnContext"),
        ("agent/worker.py", "import aiohttp"),
        ("approvals/testing.py", "import pytest"),
    ],
)
def test_an_import_the_other_way_is_named(path: str, source: str) -> None:
    """The check can fail: each wrong import is found, however it is spelled."""
    assert complaints(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("approvals/request.py", "from .errors import SaysoError"),
        ("agent/ops/tools.py", "from ...approvals.action import Action\nfrom ..effects import effect"),
        ("bot/app.py", "from ..agent.worker import Worker\nfrom . import settings"),
        ("bot/slack/app.py", "from slack_bolt.async_app import AsyncApp"),
        ("bot/demo.py", "from ..sandbox.workplace import Workplace"),
        ("bot/demo/tour.py", "from ...sandbox.workplace import Workplace"),
    ],
)
def test_an_import_downwards_is_fine(path: str, source: str) -> None:
    """What the table allows is not complained about."""
    assert complaints(path, source) == []


def test_the_root_holds_no_module_but_the_package_itself() -> None:
    """A stray file at the root would be shipped inside `sayso`."""
    assert [file.name for file in ROOT.glob("*.py")] == ["__init__.py"]
