"""Brings in the graphs that settings name: a graph, a builder or a factory of either, in a module, a file or a `langgraph.json`.

Whatever an author's own code does wrong on the way is one sentence that begins with the place it was named by.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import os
import re
import sys
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from ..agent.faults import told_of
from ..agent.kept import Kept, UnfitSaver, check_saver, kept
from ..agent.setting_words import did_you_mean
from ..agent.unguarded import check_asks_outside
from ..approvals.errors import BadSetting, SaysoError
from .langgraph_json import read_project

#: What a factory that takes a configuration is given: it is called once, for all runs.
NO_CONFIGURATION: Mapping[str, Any] = {"configurable": {}}


class GraphLoader:
    """Loads the graphs of one settings file; a file that several of them name is run once.

    Args:
        folder: Where the settings are; a path that is not absolute begins there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._files: dict[Path, ModuleType] = {}
        self._one_at_a_time = threading.Lock()

    @asynccontextmanager
    async def opened(
        self, spec: str, saver: BaseCheckpointSaver[Any], *, try_own: bool = True
    ) -> AsyncIterator[Kept]:
        """The graph, ready to run while the block lasts, and who keeps its state.

        Args:
            spec: "package.module:attribute", "file.py:attribute" or "langgraph.json:name".
            saver: Keeps its state unless it has a durable checkpointer of its own.
            try_own: Read from such a checkpointer once; a graph that could not pause is refused.

        Raises: BadSetting, one sentence that begins with `spec`.
        """
        async with AsyncExitStack() as stack:
            # Apart from the event loop: imports are slow, and some run a loop of their own.
            found = await asyncio.to_thread(self._found, spec)
            graph = await _made(found, spec, stack)
            try:
                ready = kept(graph, saver)
                check_asks_outside(ready.graph)
                if ready.own is not None and try_own:
                    await check_saver(ready.own)
            except (UnfitSaver, BadSetting) as error:
                raise BadSetting(f"{spec}: {error}") from error
            except ValueError as error:  # LangGraph's own, about nodes and edges
                words = told_of(error)["words"] or type(error).__name__
                raise BadSetting(f"{spec} does not compile: {words}") from error
            except Exception as error:  # other people's code may raise anything
                raise BadSetting(f"{spec} does not compile: {_words(error)}") from error
            yield ready

    def _found(self, spec: str) -> object:
        with self._one_at_a_time:
            return self._attribute(spec, spec, self._folder)

    def _attribute(self, named: str, spec: str, folder: Path) -> object:
        """What the name leads to. `spec` is what the settings say, `named` what the file they lead to says."""
        place, _, attribute = named.rpartition(":")
        if not place or not attribute:
            raise BadSetting(
                f'{spec!r} names no graph: write "package.module:attribute" or "file.py:attribute"'
            )
        if place.endswith(".json"):
            return self._of_project(folder / place, attribute, spec)
        module = self._module(place, spec, folder)
        try:
            return getattr(module, attribute)
        except AttributeError:
            hint = did_you_mean(attribute, vars(module))
            raise BadSetting(f"{spec}: {place} has no {attribute!r}{hint}") from None

    def _of_project(self, file: Path, name: str, spec: str) -> object:
        try:
            project = read_project(file)
            named = project.graph(name)
        except BadSetting as error:
            raise BadSetting(f"{spec}: {error}") from error
        project.set_environment()
        _look_in(project.folders)
        return self._attribute(named, spec, file.parent)

    def _module(self, place: str, spec: str, folder: Path) -> ModuleType:
        """Import it; a module is looked for beside the file that names it, and where this process was started."""
        if re.search(r"\.[cm]?[jt]sx?$", place):
            raise BadSetting(f"{spec}: {place} is JavaScript, and sayso runs Python graphs")
        if not place.endswith(".py"):
            _look_in([folder, Path.cwd()])
            return _imported(place, spec)
        path = (folder / place).resolve()
        if not path.is_file():
            raise BadSetting(f"{spec}: there is no file {path} (paths begin beside the file that names them)")
        if path not in self._files:
            inside = (path.parent / "__init__.py").is_file()
            self._files[path] = _part_of_package(path, spec) if inside else self._standing_alone(path, spec)
        return self._files[path]

    def _standing_alone(self, path: Path, spec: str) -> ModuleType:
        """A file that belongs to no package gets a name that is the same on every machine: checkpoints hold it."""
        stem = re.sub(r"\W+", "_", os.path.relpath(path.with_suffix(""), self._folder.resolve())).strip("_")
        about = importlib.util.spec_from_file_location(f"sayso_graph_{stem}", path)
        assert about is not None
        assert about.loader is not None
        module = importlib.util.module_from_spec(about)
        sys.modules[about.name] = module  # dataclasses and type hints in the file look themselves up here
        with _own_code(spec, "cannot be imported"):
            try:
                about.loader.exec_module(module)
            except ModuleNotFoundError as error:
                self._refuse_beside(error.name or "", path, spec)
                raise
        return module

    def _refuse_beside(self, imported: str, path: Path, spec: str) -> None:
        """Raises: BadSetting where a file imports another one beside it, which only a module can."""
        beside = path.parent / imported.partition(".")[0]
        found = imported and (beside.with_suffix(".py").is_file() or beside.is_dir())
        if found and path.parent in (self._folder.resolve(), Path.cwd().resolve()):
            better = f"{path.stem}:{spec.rpartition(':')[2]}"
            raise BadSetting(f'it imports {imported!r} from beside it, so name it as a module: "{better}"')


def _part_of_package(path: Path, spec: str) -> ModuleType:
    """Under its own name, so that its relative imports work and nothing of it exists twice."""
    top = path.parent
    while (top / "__init__.py").is_file():
        top = top.parent
    _look_in([top])
    name = ".".join(path.relative_to(top).with_suffix("").parts)
    module = _imported(name, spec)
    if Path(module.__file__ or "").resolve() != path:
        raise BadSetting(f"{spec}: another package here is called {name.partition('.')[0]!r} too")
    return module


def _look_in(folders: Iterable[Path]) -> None:
    """Find modules here first, in this order, as Python does for a script's own folder."""
    for folder in reversed([str(one.resolve()) for one in folders]):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    importlib.invalidate_caches()


def _imported(name: str, spec: str) -> ModuleType:
    with _own_code(spec, "cannot be imported"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name and (name == error.name or name.startswith(f"{error.name}.")):
                raise BadSetting(f"there is no module {error.name!r} here") from error
            raise


async def _made(found: Any, spec: str, stack: AsyncExitStack) -> Any:
    """The graph, made where a factory makes it; one that is a context stays open as long as the stack."""
    if not callable(found) or _is_graph(found):
        made = found
    else:
        factory = asynccontextmanager(found) if inspect.isasyncgenfunction(found) else found
        arguments = _arguments(factory, spec)
        with _own_code(spec, "could not make its graph"):
            made = factory(*arguments)
            if inspect.isawaitable(made):
                made = await made
            if hasattr(made, "__aenter__"):
                made = await stack.enter_async_context(made)
            elif hasattr(made, "__enter__"):
                made = stack.enter_context(made)
    if not _is_graph(made):
        raise BadSetting(f"{spec} is a {type(made).__name__}, not a LangGraph graph")
    return made


def _arguments(factory: Any, spec: str) -> tuple[Any, ...]:
    """None, or an empty configuration where it has to be given one."""
    given = inspect.signature(factory).parameters.values()
    required = [one for one in given if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]  # fmt: skip
    if any("ServerRuntime" in str(one.annotation) for one in required):
        raise BadSetting(f"{spec} wants a ServerRuntime, which only LangGraph's own server has")
    if len(required) > 1 or any(one.kind is one.KEYWORD_ONLY for one in required):
        names = ", ".join(one.name for one in required)
        raise BadSetting(
            f"{spec} wants {names}, and a factory is given nothing but a RunnableConfig where it takes one"
        )
    return (NO_CONFIGURATION,) if required else ()


def _is_graph(found: object) -> bool:
    return hasattr(found, "compile") or hasattr(found, "aget_state")


@contextmanager
def _own_code(spec: str, what: str) -> Any:
    """An author's code runs in this block; what it raises becomes one sentence."""
    try:
        yield
    except SaysoError as error:
        raise BadSetting(f"{spec}: {error}") from error
    except SystemExit as error:
        raise BadSetting(f"{spec} {what}: it wants to end the process") from error
    except Exception as error:  # other people's code may raise anything
        raise BadSetting(f"{spec} {what}: {_words(error)}") from error


def _words(error: Exception) -> str:
    words = told_of(error)["words"]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
