"""The JSON Schema of the settings file, for editors: made from the tables that read it, and described by their docstrings."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from ..agent.policy_tables import PolicyTable
from .tables import SettingsFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ATTRIBUTE = re.compile(r"^    (\w+(?:, \w+)*): (.+(?:\n        .+)*)", re.MULTILINE)
#: How pydantic writes a length of time.
_SPAN = re.compile(r"PT?[0-9].*")


def settings_schema() -> str:
    """As it stands in `docs/sayso.schema.json`."""
    policy, rest = _of(PolicyTable), _of(SettingsFile)
    graphs = {"anyOf": [{"type": "string"}, rest["properties"]["graphs"]]}
    graphs["description"] = rest["properties"]["graphs"].pop("description")
    whole = {
        "$schema": DIALECT,
        "title": "sayso.toml",
        "type": "object",
        "additionalProperties": False,
        "required": [*policy["required"], *rest["required"]],
        "properties": {**policy["properties"], **rest["properties"], "graphs": graphs},
        "$defs": dict(sorted({**policy.get("$defs", {}), **rest.get("$defs", {})}.items())),
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _of(table: type[BaseModel]) -> dict[str, Any]:
    """One table's schema with every table within it."""
    schema = _plain(table.model_json_schema())
    kinds = {kind.__name__: kind for kind in _within(table)}
    _describe(schema, table)
    for name, one in schema.get("$defs", {}).items():
        if name in kinds:
            _describe(one, kinds[name])
    found: dict[str, Any] = schema
    return found


def _within(table: type[BaseModel]) -> set[type[BaseModel]]:
    """Every kind of table of ours."""
    found = set[type[BaseModel]]()
    left: list[type[BaseModel]] = [*table.__bases__[0].__subclasses__()]
    while left:
        kind = left.pop()
        found.add(kind)
        left += kind.__subclasses__()
    return found


def _describe(schema: dict[str, Any], table: type[BaseModel]) -> None:
    """Give it and each of its keys the words of the docstring."""
    said = inspect.cleandoc(table.__dict__.get("__doc__") or "")
    head, _, attributes = said.partition("Attributes:")
    schema.pop("description", None)
    if head.strip():
        schema["description"] = " ".join(head.split())
    for names, words in _ATTRIBUTE.findall(attributes):
        for name in names.split(", "):
            schema["properties"][name]["description"] = " ".join(words.split())


def _plain(schema: Any) -> Any:
    """The same without nulls, which TOML has not, and without what says nothing."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept = {name: _plain(one) for name, one in schema.items() if not _is_noise(name, one)}
    if "patternProperties" in kept:  # else a key of another form would pass
        kept["additionalProperties"] = False
        kept.pop("propertyNames", None)
    some = [one for one in kept.pop("anyOf", ()) if one != {"type": "null"}]
    if len(some) == 1:
        return {**some[0], **kept}
    return {**kept, "anyOf": some} if some else kept


def _is_noise(name: str, value: Any) -> bool:
    """A default that is empty or not written so in TOML, and names that pydantic made up; a key may have such a name."""
    if name == "default" and not isinstance(value, Mapping):
        return not isinstance(value, str | int | float) or value == "" or bool(_SPAN.fullmatch(str(value)))
    return (name == "title" and isinstance(value, str)) or (
        name == "default" and "$ref" not in value and "type" not in value
    )
