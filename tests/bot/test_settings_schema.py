"""The JSON Schema of the settings: what editors complete by says what the tables read, no more and no less."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from sayso.bot.cli.commands import app
from sayso.bot.settings_schema import settings_schema
from settings_files import RIGHT
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[2]
SCHEMA: dict[str, Any] = json.loads(settings_schema())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

#: Each way to write what may be written in several.
WAYS = """
graphs = "langgraph.json"
default_route = "a"
low_confidence = 0.6
denied = ["bo"]

[people]
bo = { name = "Bo", slack = "U0BO" }

[sets]
some = ["bo"]
others = { slack_group = "S0123ABC" }

[routes.a]
places = ["slack:C0123ABC", "person:bo"]
approvers = ["some"]

[tools.t]
category = "read"
irreversibility = "low"
blast_radius = { level = "high", reason = "Many." }
compliance = [{ if = "amount > 5", level = "high" }, { level = "low", reason = "Few." }]
ttl = "1h30m"
mcp = { readOnlyHint = true }

[[rules]]
name = "large"
if = "amount > 500"
oversight = "gate"

[ttl.urgent]
remind = [0.5]
grace = "10m"

[worker]
lease = "30s"

[shadow]
policy = "next.toml"
"""


def wrong(text: str) -> list[str]:
    """Where the schema says no."""
    return [one.json_path for one in VALIDATOR.iter_errors(tomllib.loads(text))]


def test_the_published_schema_is_the_one_of_the_tables() -> None:
    """Where they changed, make it anew: `sayso policy schema > docs/sayso.schema.json`."""
    assert (ROOT / "docs" / "sayso.schema.json").read_text(encoding="utf-8") == settings_schema()
    assert CliRunner().invoke(app, ["policy", "schema"]).output == settings_schema()
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*.toml")), ids=lambda file: file.name)
def test_examples_hold_and_name_it(file: Path) -> None:
    """Their first line leads an editor to it."""
    text = file.read_text(encoding="utf-8")
    assert wrong(text) == []
    named = text.splitlines()[0].removeprefix("#:schema ")
    assert (file.parent / named).resolve() == ROOT / "docs" / "sayso.schema.json"


def test_what_init_writes_holds_and_stands_beside_it(tmp_path: Path) -> None:
    """The line names the file that was written with it."""
    people = ("--approver", "Bo Berg=U0BO", "--requester", "Alex Asker=U0ALEX")
    channel = "https://app.slack.com/client/T0WORKPLACE/C0SUPPORT"
    ran = CliRunner().invoke(app, ["init", "--slack", channel, *people, "--yes", "--folder", str(tmp_path)])
    assert ran.exception is None, ran.output
    text = (tmp_path / "sayso.toml").read_text()
    assert wrong(text) == []
    assert (tmp_path / text.splitlines()[0].removeprefix("#:schema ")).read_text() == settings_schema()


@pytest.mark.parametrize("text", [RIGHT, WAYS], ids=["whole", "ways"])
def test_what_can_be_read_is_right(text: str) -> None:
    """Levels as text, table or list; sets as list or table; graphs as text or table; times as text."""
    assert wrong(text) == []


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('lease = "30s"', "lease = 30", "$.worker.lease"),
        ('lease = "30s"', 'laese = "30s"', "$.worker"),
        ('category = "read"', 'category = "reed"', "$.tools.t.category"),
        ('irreversibility = "low"', 'irreversibility = "lower"', "$.tools.t.irreversibility"),
        ('some = ["bo"]', "some = 7", "$.sets.some"),
        ("low_confidence = 0.6", "low_confidence = 6", "$.low_confidence"),
        ('slack = "U0BO"', 'slack = "bo"', "$.people.bo.slack"),
        ("[routes.a]", '[routes."a b"]', "$.routes"),
        ("[shadow]", "[shodow]", "$"),
    ],
)
def test_what_cannot_be_read_is_marked(old: str, new: str, where: str) -> None:
    """At its place, while it is typed."""
    assert old in WAYS
    assert where in wrong(WAYS.replace(old, new))


def test_every_key_of_the_policy_says_what_it_is_for() -> None:
    """In the docstring of its table, from which the schema takes it."""
    tables = {
        name: SCHEMA["$defs"][name]
        for name in ("ToolTable", "RuleTable", "RouteTable", "ChainTable", "_Case")
    }
    bare = [
        f"{name}.{key}"
        for name, table in {"the file": SCHEMA, **tables}.items()
        for key, one in table["properties"].items()
        if not one.get("description") and key != "level"
    ]
    assert not bare
