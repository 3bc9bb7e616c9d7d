"""Graphs as their authors have them: modules, files, packages, factories of every kind, and their own langgraph.json."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from sayso.agent.foreign import ANSWERS
from sayso.approvals.errors import BadSetting
from sayso.bot.agents import open_graphs
from sayso.bot.graphs import GraphLoader
from sayso.bot.langgraph_json import read_project
from sayso.bot.langgraph_version import MINIMUM
from sayso.bot.settings import load_settings
from settings_files import RIGHT, sayso, write_settings

#: One builder in every form that may be named.
FORMS = """
from contextlib import asynccontextmanager, contextmanager
from langchain_core.runnables import RunnableConfig
from langgraph.func import entrypoint
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

class State(TypedDict):
    goal: str

builder = StateGraph(State)
builder.add_node("plan", lambda state: {"goal": state["goal"] + "!"})
builder.add_edge(START, "plan")
graph = builder.compile()
closed = []

@entrypoint()
async def functional(given: dict) -> dict:
    return given

def plain():
    return builder

def configured(config: RunnableConfig):
    assert config["configurable"].get("user", "nobody") == "nobody"
    return graph

async def later():
    return builder

@asynccontextmanager
async def context(config: RunnableConfig):
    yield builder
    closed.append("context")

@contextmanager
def plain_context():
    yield graph
    closed.append("plain_context")

async def generator(config):
    yield graph
    closed.append("generator")

def two(store, config):
    return graph

def served(runtime: "ServerRuntime"):
    return graph

def exits():
    raise SystemExit("OPENAI_API_KEY is missing")

def quotes():
    raise ValueError("cannot reach postgres://me:hunter2@db/agents")
"""


async def ran(folder: Path, spec: str, loader: GraphLoader | None = None) -> Mapping[str, Any]:
    """What the graph makes of one run."""
    async with (loader or GraphLoader(folder)).opened(spec, InMemorySaver()) as kept:
        ended: Mapping[str, Any] = await kept.graph.ainvoke(
            {"goal": "go"}, {"configurable": {"thread_id": "t1"}}
        )
        return ended


@pytest.mark.parametrize(
    "name", ["builder", "graph", "functional", "plain", "configured", "later", "context", "plain_context", "generator"]
)  # fmt: skip
async def test_every_form_of_a_graph_is_brought_in(tmp_path: Path, name: str) -> None:
    """Compiled, builder, functional, and factories: plain or async, with or without a configuration, contexts too."""
    (tmp_path / "forms.py").write_text(FORMS)
    assert (await ran(tmp_path, f"forms.py:{name}"))["goal"] == ("go" if name == "functional" else "go!")


async def test_a_factorys_context_is_left_with_the_block(tmp_path: Path) -> None:
    """What it opened for its graph is open while the graph may run, and closed after it."""
    (tmp_path / "forms.py").write_text(FORMS)
    loader = GraphLoader(tmp_path)
    closed = loader._found("forms.py:closed")
    for name in ("context", "plain_context", "generator"):
        async with loader.opened(f"forms.py:{name}", InMemorySaver()):
            assert name not in closed  # type: ignore[operator]
        assert name in closed  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("two", "wants store, config, and a factory is given nothing but a RunnableConfig"),
        ("served", "wants a ServerRuntime, which only LangGraph's own server has"),
        ("exits", "could not make its graph: it wants to end the process"),
        ("quotes", r"could not make its graph: ValueError: \(withheld: it may hold a secret\)"),
        ("closed", "is a list, not a LangGraph graph"),
    ],
)
async def test_a_factory_that_cannot_be_called_is_one_sentence(tmp_path: Path, name: str, words: str) -> None:
    """And none of its secrets are in it."""
    (tmp_path / "forms.py").write_text(FORMS)
    with pytest.raises(BadSetting, match=f"^forms.py:{name} {words}"):
        await ran(tmp_path, f"forms.py:{name}")


#: What a user's project looks like whose packages are called like ours.
AGENT = """
import os
from cards.words import shout
from .parts import State
from langgraph.graph import START, StateGraph

assert os.environ["FROM_FILE"] == "the file's", os.environ["FROM_FILE"]
assert os.environ["SET_BEFORE"] == "mine", os.environ["SET_BEFORE"]

async def make(config):
    builder = StateGraph(State)
    builder.add_node("plan", lambda state: {"goal": shout(state["goal"])})
    builder.add_edge(START, "plan")
    return builder
"""
PROJECT = """{
  "$schema": "https://langgra.ph/schema.json", "python_version": "3.11", "store": {"index": {"dims": 3}},
  "dependencies": ["langchain", "./libs"], "env": "./.env",
  "graphs": {"agent": "./agent/graph.py:make", "described": {"path": "bot.main:graph", "description": "The same."}}
}"""
#: A process that loads sayso's own packages first, then the project's, runs both graphs and names where each came from.
LOADS = """
import asyncio, sys
from pathlib import Path
from langgraph.checkpoint.memory import InMemorySaver
import sayso.agent.worker, sayso.bot.app, sayso.cards.card
from sayso.bot.graphs import GraphLoader
from sayso.bot.settings import load_settings

settings = load_settings(Path(sys.argv[1]))
async def main():
    loader = GraphLoader(settings.file.parent)
    for name, spec in settings.graphs.items():
        async with loader.opened(spec, InMemorySaver()) as kept:
            ended = await kept.graph.ainvoke({"goal": "go"}, {"configurable": {"thread_id": name}})
            print(name, spec, ended["goal"])
asyncio.run(main())
for name in ("agent", "bot", "cards"):
    print(name, sys.modules[name].__file__ != sys.modules["sayso." + name].__file__)
print("once", sys.modules["agent.parts"].State is sys.modules["bot.main"].State)
"""


def a_project(folder: Path) -> None:
    """Packages `agent`, `bot` and `cards`, an environment file and a langgraph.json."""
    for name in ("agent", "bot", "libs/cards"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").touch()
    (folder / "agent/graph.py").write_text(AGENT)
    parts = "from typing_extensions import TypedDict\nclass State(TypedDict):\n    goal: str\n"
    (folder / "agent/parts.py").write_text(parts)
    (folder / "bot/main.py").write_text(
        "from agent.parts import State\nfrom agent.graph import make\n"
        "async def graph(config):\n    return (await make(config)).compile()\n"
    )
    (folder / "libs/cards/words.py").write_text("def shout(words):\n    return words.upper()\n")
    (folder / ".env").write_text('# ours\nexport FROM_FILE="the file\'s" # quoted\nSET_BEFORE=theirs\n')
    (folder / "langgraph.json").write_text(PROJECT)


def test_a_project_loads_as_it_is_beside_our_own_packages(tmp_path: Path) -> None:
    """Its `agent`, `bot` and `cards` are its own, whatever folder it is started in; what is set already stays."""
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    elsewhere.mkdir()
    a_project(project)
    file = tmp_path / "sayso.toml"
    file.write_text(
        'graphs = "project/langgraph.json"\n' + RIGHT.replace('[graphs]\nops = "little_graph.py:graph"\n', "")
    )
    process = subprocess.run(
        [sys.executable, "-c", LOADS, str(file)], cwd=elsewhere, env={**os.environ, "SET_BEFORE": "mine"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines() == [
        "agent project/langgraph.json:agent GO", "described project/langgraph.json:described GO",
        "agent True", "bot True", "cards True", "once True",
    ]  # fmt: skip


def test_one_graph_of_a_project_may_stand_beside_others(tmp_path: Path) -> None:
    """`langgraph.json:name` is a place like any other."""
    file = write_settings(
        tmp_path, ("[graphs]", '[graphs]\nhelper = "project/langgraph.json:agent"')
    )  # fmt: skip
    assert list(load_settings(file, {}).graphs) == ["helper", "ops"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "langgraph.json is not JSON"), ("[]", "must be an object with graphs"), ("{}", "names no graphs"),
        ('{"graphs": {"a": 7}}', 'graphs.a must be "file.py:attribute"'),
        ('{"graphs": {"my agent": "a.py:b"}}', "my agent.*a name has letters"), (None, "there is no file .*langgraph.json"),
    ],
)  # fmt: skip
def test_a_project_that_cannot_be_read_is_one_sentence(tmp_path: Path, text: str | None, words: str) -> None:
    """Led by the setting that names it."""
    if text is not None:
        (tmp_path / "langgraph.json").write_text(text)
    file = tmp_path / "sayso.toml"
    file.write_text(
        'graphs = "langgraph.json"\n' + RIGHT.replace('[graphs]\nops = "little_graph.py:graph"\n', "")
    )
    with pytest.raises(BadSetting, match=f"graphs.*{words}"):
        load_settings(file, {})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('"graphs": {"a": "x.ts:g"}', "x.ts is JavaScript"), ('"graphs": {"b": "x.py:g"}', "has no graph 'a'"),
        ('"graphs": {"a": "x.py:g"}', "there is no file .*x.py"), ('"graphs": {"a": "x.py:g"}, "dependencies": "."', "dependencies must be"),
        ('"graphs": {"a": "x.py:g"}, "env": "no.env"', "env names no.env, which cannot be read"),
        ('"graphs": {"a": "x.py:g"}, "env": "bad.env"', "bad.env, line 2, is not NAME=value$"),
        ('"graphs": {"a": "x.py:g"}, "env": []', "env must be the name of a file"),
    ],
)  # fmt: skip
async def test_what_is_wrong_inside_a_project_is_one_sentence(tmp_path: Path, said: str, words: str) -> None:
    """A line of the environment is never quoted."""
    (tmp_path / "langgraph.json").write_text(f"{{{said}}}")
    (tmp_path / "bad.env").write_text("A=1\nhunter2\n")
    with pytest.raises(BadSetting, match=rf"^langgraph.json:a: .*{words}"):
        await ran(tmp_path, "langgraph.json:a")


def test_the_environment_is_read_as_it_is_written(tmp_path: Path) -> None:
    """Quotes, comments, empty values, and values written into the file itself."""
    (tmp_path / "an.env").write_text(
        '\ufeffPLAIN=a=b#c\nNOTE=one two # why\nEMPTY=\nQUOTED="two\\nlines \\"x\\""\nLITERAL=\'a\\n# b\'\n\n'
    )
    file = tmp_path / "langgraph.json"
    file.write_text('{"graphs": {"a": "b:c"}, "env": "an.env"}')
    assert read_project(file).environment == {
        "PLAIN": "a=b#c", "NOTE": "one two", "EMPTY": "", "QUOTED": 'two\nlines "x"', "LITERAL": "a\\n# b",
    }  # fmt: skip
    file.write_text('{"graphs": {"a": "b:c"}, "env": {"NAME": "Jo", "PORT": 8080}}')
    assert read_project(file).environment == {"NAME": "Jo", "PORT": "8080"}


async def test_two_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    """And a file that is named twice is run once."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "graph.py").write_text(f"{FORMS}\nmark = []\nhere = {folder!r}\n")
    loader = GraphLoader(tmp_path)
    assert (loader._found("a/graph.py:here"), loader._found("b/graph.py:here")) == ("a", "b")
    assert loader._found("a/graph.py:mark") is loader._found("a/graph.py:mark")
    assert sys.modules["sayso_graph_a_graph"] is not sys.modules["sayso_graph_b_graph"]


async def test_a_module_may_run_a_loop_of_its_own(tmp_path: Path) -> None:
    """Agents often fetch their tools with `asyncio.run` while they are imported."""
    loops = "\nimport asyncio\nasync def made():\n    return builder\nfetched = asyncio.run(made())\n"
    (tmp_path / "loops.py").write_text(FORMS + loops)
    assert (await ran(tmp_path, "loops.py:fetched"))["goal"] == "go!"


def test_a_langgraph_that_is_too_old_is_one_sentence(tmp_path: Path) -> None:
    """In `serve` as in `check`, before anything of it is imported."""
    write_settings(tmp_path)
    old = tmp_path / "old" / "langgraph-1.0.3.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: langgraph\nVersion: 1.0.3\n")
    path = os.pathsep.join([str(old.parent), os.environ.get("PYTHONPATH", "")])
    words = 'sayso needs LangGraph 1.2.22 or newer, and here is 1.0.3: pip install "langgraph>=1.2.22"'
    said = sayso("check", "--offline", folder=tmp_path, env={"PYTHONPATH": path, "COLUMNS": "200"})
    assert words in said.stdout
    refused = sayso("serve", "--role", "worker", folder=tmp_path, env={"PYTHONPATH": path, "PAGER_KEY": "x"})
    assert (refused.returncode, refused.stderr) == (1, f"sayso: {words}\n")


def test_what_is_refused_as_too_old_is_what_pip_would_not_install() -> None:
    """One lower bound, in two places that must agree."""
    wanted = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"][
        "dependencies"
    ]
    assert f"langgraph>={'.'.join(map(str, MINIMUM))},<2" in wanted


def test_nothing_of_a_projects_environment_reaches_our_own_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own REDIS_URL is not where approvals are kept."""
    settings = load_settings(write_settings(tmp_path))
    (tmp_path / "langgraph.json").write_text('{"graphs": {"a": "x.py:g"}, "env": {"REDIS_URL": "redis://x"}}')
    monkeypatch.delenv("REDIS_URL", raising=False)
    with pytest.raises(BadSetting):
        asyncio.run(ran(tmp_path, "langgraph.json:a"))
    assert os.environ.pop("REDIS_URL") == "redis://x"
    assert "REDIS_URL" not in settings.env


async def test_what_a_graph_reads_as_a_no_goes_with_it(tmp_path: Path) -> None:
    """From the settings to whoever answers its pauses; a graph without such words is left as it is."""
    (tmp_path / "mine.py").write_text(FORMS)
    file = write_settings(tmp_path)
    named = 'ops = "mine.py:graph"\n\n[graphs.mails]\ngraph = "mine.py:graph"\nanswers.reject = false'
    file.write_text(file.read_text().replace('ops = "little_graph.py:graph"', named))
    async with open_graphs(load_settings(file, {}), InMemorySaver()) as graphs:
        said = {name: (graph.config or {}).get("metadata", {}) for name, graph in graphs.items()}
    assert said == {"ops": {}, "mails": {ANSWERS: {"reject": False}}}


def test_a_file_that_imports_another_one_beside_it_is_told_how_to_be_named(tmp_path: Path) -> None:
    """The cure stands in the sentence; with a module that is nowhere there is none."""
    (tmp_path / "my_words.py").write_text("there = True")
    (tmp_path / "mw3.py").write_text("import my_words\n" + FORMS)
    (tmp_path / "mw4.py").write_text("import my_wrods")
    with pytest.raises(
        BadSetting, match=r"^mw3\.py:graph: it imports 'my_words' .* as a module: \"mw3:graph\"$"
    ):
        asyncio.run(ran(tmp_path, "mw3.py:graph"))
    with pytest.raises(
        BadSetting, match=r"cannot be imported: ModuleNotFoundError: No module named 'my_wrods'"
    ):
        asyncio.run(ran(tmp_path, "mw4.py:graph"))
    assert asyncio.run(ran(tmp_path, "mw3:graph"))
