"""The API described for machines (OpenAPI 3.1), made from the very table that answers it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from pydantic.json_schema import models_json_schema

from .door import Call

_SCHEMAS = "#/components/schemas/"
#: What every call may be answered with.
_ALWAYS = {401: "No key, or a wrong one.", 503: "The store cannot be reached; repeat the call."}
_BODY = {400: "The body is not JSON.", 413: "The body is too large.", 422: "A field is wrong."}
_QUERY = {422: "The address asks for what is not there."}
_PROBLEM: dict[str, Any] = {
    "type": "object", "description": "RFC 9457.", "required": ["title", "status", "detail"],
    "properties": {"title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"}},
}  # fmt: skip


def described(calls: Sequence[Call]) -> bytes:
    """The document."""
    models = [
        *((call.answer, "serialization") for call in calls),
        *((call.says, "validation") for call in calls if call.says),
    ]
    _, schemas = models_json_schema(list(dict.fromkeys(models)), ref_template=_SCHEMAS + "{model}")  # type: ignore[arg-type]
    paths: dict[str, Any] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "sayso", "version": version("sayso"),
            "description": "Start runs and see how they stand. Nobody approves here: people answer the cards.",
        },
        "paths": paths,
        "components": {
            "schemas": {**schemas["$defs"], "Problem": _PROBLEM},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}],
    }  # fmt: skip
    return json.dumps(document, indent=1).encode()


def _operation(call: Call) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": call.handler.__name__.strip("_"),
        "summary": call.summary,
        "parameters": [
            *(_parameter(name, "path") for name in re.findall(r"\{(\w+)\}", call.path)),
            *({**_parameter(name, "header"), "description": words} for name, words in call.headers.items()),
            *_asked(call),
        ],
        "responses": {str(status): _response(call, status) for status in _statuses(call)},
    }
    if call.says:
        operation["requestBody"] = {
            "required": True,
            "content": _content("application/json", call.says.__name__),
        }
    return operation


def _parameter(name: str, where: str) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": {"type": "string"}}


def _asked(call: Call) -> list[dict[str, Any]]:
    """Each field of what stands behind the question mark."""
    schema = call.asks.model_json_schema() if call.asks else {}
    return [
        {
            "name": name, "in": "query", "required": name in schema.get("required", ()),
            "description": field.pop("description", ""), "schema": field,
        }
        for name, field in schema.get("properties", {}).items()
    ]  # fmt: skip


def _statuses(call: Call) -> list[int]:
    return sorted({*call.answers, *_ALWAYS, *(_BODY if call.says else ()), *(_QUERY if call.asks else ())})


def _response(call: Call, status: int) -> dict[str, Any]:
    words = {**_ALWAYS, **(_QUERY if call.asks else _BODY), **call.answers}[status]
    kind, name = (
        ("application/json", call.answer.__name__)
        if status < 400
        else ("application/problem+json", "Problem")
    )
    return {"description": f"{HTTPStatus(status).phrase}: {words}", "content": _content(kind, name)}


def _content(kind: str, name: str) -> dict[str, Any]:
    return {kind: {"schema": {"$ref": _SCHEMAS + name}}}
