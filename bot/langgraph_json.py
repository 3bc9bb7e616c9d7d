"""A LangGraph project's own `langgraph.json`, read as it is: its graphs, what its imports need, its environment.

Everything else in it concerns LangGraph's server and is left alone.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..agent.setting_words import did_you_mean
from ..approvals.errors import BadSetting

#: One line of an environment file: a name and a value, which may stand in quotes.
_LINE = re.compile(
    r"""(?:export\s+)?(?P<name>[A-Za-z_][\w.]*)\s*=\s*
    (?:'(?P<plain>[^']*)'|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^'"\s][^\r\n]*?)?)\s*(?:(?<=\s)\#.*|(?<=['"])\#.*)?""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What a `langgraph.json` says.

    Attributes:
        graphs: "file.py:attribute" or "module:attribute" by name; files begin beside the `langgraph.json`.
        folders: Where its imports are looked for: beside the file, and in its dependencies that are folders.
        environment: What its code finds in the environment where nothing else is set.
    """

    file: Path
    graphs: Mapping[str, str]
    folders: tuple[Path, ...]
    environment: Mapping[str, str]

    def graph(self, name: str) -> str:
        """Raises: BadSetting."""
        if name in self.graphs:
            return self.graphs[name]
        raise BadSetting(f"{self.file.name} has no graph {name!r}{did_you_mean(name, self.graphs)}")

    def set_environment(self) -> None:
        """What is set already stays as it is."""
        for name, value in self.environment.items():
            os.environ.setdefault(name, value)


def graphs_of(place: str, folder: Path) -> dict[str, str]:
    """Every graph of the file as settings name them: `{"agent": "langgraph.json:agent"}`. Raises: BadSetting."""
    return {name: f"{place}:{name}" for name in _graphs(_read(folder / place), folder / place)}


def read_project(file: Path) -> Project:
    """Raises: BadSetting, one sentence."""
    said = _read(file)
    dependencies = said.get("dependencies", [])
    if not isinstance(dependencies, list) or not all(isinstance(one, str) for one in dependencies):
        raise BadSetting(f"{file.name}: dependencies must be a list of packages and folders")
    beside = file.parent.resolve()
    folders = (beside, *((beside / one).resolve() for one in dependencies))
    return Project(
        file=file, graphs=_graphs(said, file),
        folders=tuple(dict.fromkeys(folder for folder in folders if folder.is_dir())),
        environment=_environment(said.get("env", {}), file),
    )  # fmt: skip


def _read(file: Path) -> Mapping[str, Any]:
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadSetting(f"there is no file {file}") from None
    except OSError as error:
        raise BadSetting(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BadSetting(f"{file} is not JSON: {error}") from error
    if not isinstance(said, dict):
        raise BadSetting(f"{file} is no LangGraph configuration: it must be an object with graphs")
    return said


def _graphs(said: Mapping[str, Any], file: Path) -> Mapping[str, str]:
    named = said.get("graphs")
    if not isinstance(named, dict) or not named:
        raise BadSetting(f"{file} names no graphs")
    graphs = dict[str, str]()
    for name, one in named.items():
        place = one.get("path") if isinstance(one, dict) else one
        if not isinstance(place, str):
            raise BadSetting(f'{file.name}: graphs.{name} must be "file.py:attribute"')
        graphs[name] = place
    return graphs


def _environment(said: object, file: Path) -> Mapping[str, str]:
    """Of the file that is named, or written out in place."""
    if isinstance(said, dict):
        return {
            str(name): value if isinstance(value, str) else json.dumps(value) for name, value in said.items()
        }
    if not isinstance(said, str):
        raise BadSetting(f"{file.name}: env must be the name of a file, or names with their values")
    try:
        text = (file.parent / said).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise BadSetting(f"{file.name}: env names {said}, which cannot be read") from None
    found = dict[str, str]()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:  # the line is not quoted: it may hold a secret
            raise BadSetting(f"{said}, line {number}, is not NAME=value")
        found[match["name"]] = _value(match)
    return found


def _value(match: re.Match[str]) -> str:
    if match["quoted"] is not None:
        return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), match["quoted"])
    return match["plain"] if match["plain"] is not None else match["bare"] or ""
