"""docs/api.md works as it is written: its settings load, its calls are made, its check of a signature says yes and no."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from api_scene import CRM_KEY, ENV, SECRET, ApiScene, Receiver, an_api, listening
from sayso.bot.api.keys import load_keys
from sayso.bot.settings import load_settings
from settings_files import write_settings

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """What stands in its fences of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


async def curled(scene: ApiScene, block: str) -> dict[str, Any]:
    """What a call of the page answers."""
    process = await asyncio.create_subprocess_exec(
        "bash", "-ec", block, env={"SAYSO": str(scene.http.base_url), "CRM_API_KEY": CRM_KEY, "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    answer: dict[str, Any] = json.loads(out)
    return answer


def test_its_settings_load(tmp_path: Path) -> None:
    """With the names and hosts that it shows."""
    (api,) = blocks("toml")
    settings = load_settings(write_settings(tmp_path, ("[server]", f"{api}\n[server]")), ENV)
    service = load_keys(settings).services["crm"]
    assert (service.owner, service.acts_for("alex"), service.acts_for("bo")) == ("sue", True, False)


async def test_its_calls_are_answered_as_it_says(tmp_path: Path, redis_url: str) -> None:
    """Started, looked at, taken back."""
    _, start, look, list_open, withdraw = blocks("sh")
    async with an_api(tmp_path, redis_url) as scene:
        work = asyncio.create_task(_works(scene))
        assert (await curled(scene, start))["state"] == "waiting"
        await scene.asks(thread="invoice-9", wait=10)
        work.cancel()
        assert (await curled(scene, look))["id"] == "api:crm:invoice-9"
        open_ones = await curled(scene, list_open)
        assert "api:crm:invoice-9" in [one["id"] for one in open_ones["runs"]]
        taken_back = await curled(scene, withdraw)
        assert taken_back["requests"][0]["outcome"]["words"] == "crm took it back: The customer called again."


async def test_its_check_of_a_signature_holds(tmp_path: Path, redis_url: str) -> None:
    """For what sayso sends, and for nothing else."""
    names: dict[str, Any] = {}
    exec(blocks("python")[0], names)
    checks, receiver = names["is_from_sayso"], Receiver()
    async with listening(receiver) as receiver.host, an_api(tmp_path, redis_url, receiver=receiver) as scene:
        await scene.asks(callback=f"http://{receiver.host}/")
        await scene.world.work()
        await scene.tells()
    ((headers, body),) = receiver.taken
    assert checks(headers, body, SECRET)
    assert not checks(headers, body + b" ", SECRET)
    assert not checks({**headers, "webhook-id": "msg_other"}, body, SECRET)
    assert not checks({**headers, "webhook-timestamp": "1614265330"}, body, SECRET)


@pytest.mark.parametrize(
    "word", ["/v1/openapi.json", "sayso withdraw", "sayso dead-letters", "private_callback_hosts"]
)
def test_it_names_what_people_look_for(word: str) -> None:
    """A user who reads it must be able to use it."""
    assert word in PAGE


async def _works(scene: ApiScene) -> None:
    while True:
        await scene.world.work()
        await asyncio.sleep(0.05)
