"""The API's own description: whole, and true of what is really answered."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api_scene import ApiScene, an_api
from jsonschema import Draft202012Validator


def refs(node: Any) -> Iterator[str]:
    """Every reference in a document."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from refs(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from refs(inner)


def test_a_bot_with_an_api_loads_no_agents() -> None:
    """Their libraries would take half of its start."""
    code = "import sys, sayso.bot.api.calls; print([one for one in ('langgraph', 'langchain_core') if one in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


async def test_what_is_answered_is_as_described(tmp_path: Path, redis_url: str) -> None:
    """Every reference leads somewhere, every call is there, and every answer fits its schema."""
    async with an_api(tmp_path, redis_url) as scene:
        answer = await scene.http.get("/v1/openapi.json", headers={"authorization": ""})
        document = answer.json()
        assert (answer.status_code, document["openapi"]) == (200, "3.1.0")
        assert {path: set(calls) for path, calls in document["paths"].items()} == {
            "/v1/runs": {"get", "post"}, "/v1/runs/{run}": {"get"}, "/v1/runs/{run}/withdraw": {"post"},
            "/v1/requests/{request}": {"get"}, "/v1/requests/{request}/withdraw": {"post"},
        }  # fmt: skip
        fields = {one["name"]: one["required"] for one in document["paths"]["/v1/runs"]["get"]["parameters"]}
        assert fields == {"state": True, "limit": False, "after": False}
        schemas = document["components"]["schemas"]
        assert {ref.removeprefix("#/components/schemas/") for ref in refs(document)} <= set(schemas)
        await _each_answer_fits(scene, document)


async def _each_answer_fits(scene: ApiScene, document: dict[str, Any]) -> None:
    run, request = await scene.paused(thread="t1")
    why = {"why": "No."}
    asked: list[tuple[str, str, Any]] = [
        ("post", "/v1/runs", {"graph": "ops", "input": "129.90", "asked_by": "alex", "thread": "t1"}),
        ("post", "/v1/runs", {"graph": "ops"}), ("post", "/v1/runs", {"graph": "ops", "input": "1", "thread": "t1"}),
        ("post", "/v1/runs", {"graph": "ops", "input": "1", "asked_by": "bo"}),
        ("get", "/v1/runs", None), ("get", "/v1/runs/{run}", None), ("get", "/v1/requests/{request}", None),
        ("post", "/v1/requests/{request}/withdraw", why), ("post", "/v1/requests/{request}/withdraw", why),
        ("post", "/v1/runs/{run}/withdraw", why),
    ]  # fmt: skip
    seen = set()
    for method, path, body in asked:
        query = {"state": "open"} if (method, path) == ("get", "/v1/runs") else None
        answer = await scene.http.request(
            method, path.format(run=run, request=request.id), json=body, params=query
        )
        described = document["paths"][path][method]["responses"][str(answer.status_code)]["content"]
        schema = described[answer.headers["content-type"].partition(";")[0]]["schema"]
        Draft202012Validator({**schema, "components": document["components"]}).validate(answer.json())
        seen.add(answer.status_code)
    assert seen == {200, 202, 403, 409, 422}
