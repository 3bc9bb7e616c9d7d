"""Finds the graph that a setting names: `package.module:attribute`, or `path/to/file.py:attribute` as LangGraph writes it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from ..agent.resume import Graph
from ..agent.setting_words import did_you_mean
from ..agent.worker import compiled
from ..approvals.errors import BadSetting, SaysoError


def load_graph(spec: str, folder: Path) -> Any:
    """The graph (`StateGraph` or compiled); an attribute that is a function makes it.

    Args:
        folder: Where the settings are; a path that is not absolute begins there.

    Raises: BadSetting, one sentence that begins with `spec`.
    """
    place, _, attribute = spec.rpartition(":")
    if not place or not attribute:
        raise BadSetting(f'{spec!r} names no graph: write "package.module:attribute" or "file.py:attribute"')
    module = _module(place, spec, folder)
    try:
        found = getattr(module, attribute)
    except AttributeError:
        hint = did_you_mean(attribute, vars(module))
        raise BadSetting(f"{spec}: {place} has no {attribute!r}{hint}") from None
    made = _made(found, spec) if callable(found) and not _is_graph(found) else found
    if not _is_graph(made):
        raise BadSetting(f"{spec} is a {type(made).__name__}, not a LangGraph graph")
    return made


def compiled_graph(spec: str, folder: Path, saver: BaseCheckpointSaver[Any]) -> Graph:
    """As `load_graph`, ready to run and kept by this saver. Raises: BadSetting, one sentence that begins with `spec`."""
    graph = load_graph(spec, folder)
    try:
        return compiled(graph, saver)
    except ValueError as error:  # LangGraph's own, about nodes and edges
        words = _first_line(error) or type(error).__name__
        raise BadSetting(f"{spec} does not compile: {words}") from error
    except Exception as error:  # other people's code may raise anything
        raise BadSetting(f"{spec} does not compile: {_words(error)}") from error


def _is_graph(found: object) -> bool:
    return hasattr(found, "compile") or hasattr(found, "aget_state")


def _made(factory: Any, spec: str) -> object:
    try:
        return factory()
    except SaysoError as error:
        raise BadSetting(f"{spec}: {error}") from error
    except Exception as error:  # other people's code may raise anything
        raise BadSetting(f"{spec} could not make its graph: {_words(error)}") from error


def _module(place: str, spec: str, folder: Path) -> ModuleType:
    """Import it; for a module's name the current directory counts, as it does for `python -m`."""
    if not place.endswith(".py"):
        if "" not in sys.path and str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        return _imported(place, spec)
    path = (folder / place).resolve()
    if not path.is_file():
        raise BadSetting(f"{spec}: there is no file {path} (paths begin beside the settings file)")
    about = importlib.util.spec_from_file_location(f"sayso_graph_{path.stem}", path)
    assert about is not None
    assert about.loader is not None
    module = importlib.util.module_from_spec(about)
    sys.modules[about.name] = module  # dataclasses and type hints in the file look themselves up here
    try:
        about.loader.exec_module(module)
    except Exception as error:  # as above
        raise BadSetting(f"{spec} cannot be imported: {_words(error)}") from error
    return module


def _imported(name: str, spec: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise BadSetting(f"{spec}: there is no module {error.name!r} here") from error
        raise BadSetting(f"{spec} cannot be imported: {_words(error)}") from error
    except Exception as error:  # as above
        raise BadSetting(f"{spec} cannot be imported: {_words(error)}") from error


def _words(error: Exception) -> str:
    first = _first_line(error)
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
