"""Microsoft's SDKs live in one file each, and either file may be deleted without touching another."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("approvals", "agent", "cards", "scheduler", "bot", "sandbox")

#: Top-level module of an SDK -> the one file that may import it.
HOME = {
    "botbuilder": "bot/teams/transport.py",
    "botframework": "bot/teams/transport.py",
    "msrest": "bot/teams/transport.py",
    "microsoft_agents": "bot/teams/agents_transport.py",
    "microsoft_teams": "nowhere",
    "msgraph": "nowhere",
    "azure": "nowhere",
    "msal": "agent/msal_source.py",
}

#: Imports the rest with no SDK of Microsoft's there, then each transport without the other's.
ALONE = """
import importlib, sys
from importlib.machinery import PathFinder

class Removed:
    gone = {"botbuilder", "botframework", "botframework_streaming", "msrest", "microsoft_agents"}
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.gone or name in sys.argv[1:3]:
            raise ModuleNotFoundError(name)

removed = Removed()
sys.meta_path.insert(0, removed)
for name in sys.argv[3:]:
    importlib.import_module(name)
assert not any(name.partition(".")[0] in removed.gone for name in sys.modules)
both, sys.argv[1:3] = sys.argv[1:3], []
for name, there in zip(both, ({"microsoft_agents"}, {"botbuilder", "botframework", "botframework_streaming", "msrest"})):
    removed.gone = Removed.gone - there
    importlib.import_module(name)
    for old in [old for old in sys.modules if old.partition(".")[0] in there]:
        del sys.modules[old]
print("alone")
"""


def top_levels(source: str) -> set[str]:
    """The first part of every outside module that a file imports."""
    nodes = list(ast.walk(ast.parse(source)))
    found = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    found |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {one.partition(".")[0] for one in found}


def complaints(path: str, source: str) -> list[str]:
    """SDKs of Microsoft's that this file imports and must not."""
    if not any(top in source for top in HOME):
        return []
    return sorted(top for top in top_levels(source) if HOME.get(top, path) != path)


def test_each_sdk_has_one_home() -> None:
    """Nothing else imports it, also not inside a function; and the homes do, or the table would be old."""
    files = {
        file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8")
        for folder in FOLDERS
        for file in sorted((ROOT / folder).rglob("*.py"))
    }
    assert {path: found for path, source in files.items() if (found := complaints(path, source))} == {}
    for top, home in HOME.items():
        assert home == "nowhere" or top in top_levels(files[home])


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("bot/teams/channel.py", "from botbuilder.schema import Activity"),
        ("bot/teams/transport.py", "import microsoft_agents.activity"),
        ("bot/teams/agents_transport.py", "def late():\n    from botframework.connector import models"),
        ("bot/teams/graph.py", "import msal"),
        ("bot/teams/graph.py", "from azure.identity import DefaultAzureCredential"),
    ],
)
def test_an_sdk_elsewhere_is_named(path: str, source: str) -> None:
    """The check can fail."""
    assert complaints(path, source)


def test_either_transport_may_be_deleted() -> None:
    """Everything else beside them is imported without any SDK, and each transport without the other's."""
    modules = [
        "sayso." + file.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for file in sorted((ROOT / "bot" / "teams").glob("*.py"))
        if file.name != "__init__.py"
    ]
    both = ["sayso.bot.teams.agents_transport", "sayso.bot.teams.transport"]
    rest = [module for module in modules if module not in both]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *both, *rest], capture_output=True, text=True, check=False
    )
    assert done.stdout == "alone\n", done.stderr[-2_000:]
