"""What a governed tool hands its graph besides the words for its model: on the tool's message, as it was, or missing aloud."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from gated import REJECT, World
from governed import call, governed_world, open_requests, says
from langchain_core.documents import Document
from langchain_core.messages import ToolMessage
from langchain_core.tools import tool
from sayso.agent import artifacts
from sayso.agent.artifacts import MOST, WithArtifact
from sayso.agent.secrets import LiveTokens
from sayso.approvals.request import Request
from tokens import CANARIES

FOUND = [Document(page_content="Order 1042", metadata={"paid": Decimal("129.90"), "on": date(2030, 1, 1)})]


def searching(artifact: Any) -> Any:
    """A tool that tells its model how many, and its graph which."""

    @tool(response_format="content_and_artifact")
    async def send_mail(to: str) -> tuple[str, Any]:
        """Send a mail."""
        return f"Sent to {to}.", artifact

    return send_mail


async def ended(artifact: Any, *, verdict: Any = None) -> tuple[World, Request, ToolMessage]:
    """Asked about, answered, and over."""
    world = governed_world(says("Dana asked for it.", call(1)), tools=[searching(artifact)])
    await world.ask()
    (request,) = await open_requests(world)
    await world.answer(request, verdict)
    await world.work()
    (message,) = [one for one in (await world.state())["messages"] if one.type == "tool"]
    return world, await world.request(request), message


async def test_it_stands_on_the_message_as_it_was() -> None:
    """Decimals and dates too (LangGraph itself keeps a document as a mapping); the model reads the words alone, so do people."""
    _, request, message = await ended(FOUND)
    assert message.content == "Sent to p1@example.com."
    assert message.artifact == [one.model_dump() for one in FOUND]
    assert request.effect is not None
    assert request.effect.result == '"Sent to p1@example.com."'


async def test_what_did_not_run_hands_nothing_on() -> None:
    """Nor does a tool without one."""
    for _, _, message in (await ended(FOUND, verdict=REJECT), await ended(None)):
        assert message.artifact is None
        assert "sayso_artifact" not in message.response_metadata


@pytest.mark.parametrize(
    ("artifact", "why"),
    [
        ("x" * MOST, "65,536 are kept at most"),
        (object(), "not msgpack serializable"),
        ({"headers": [CANARIES["Bearer"]]}, "headers[0] holds a bearer token"),
        ({"wei": 10**30}, "cannot be kept"),
    ],
    ids=["too large", "no value", "a token", "too large a number"],
)
async def test_what_cannot_be_kept_is_missing_aloud(
    artifact: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The tool has run, so the agent goes on; the message and the log say what is missing and why."""
    world, _, message = await ended(artifact)
    assert (message.status, message.artifact) == ("success", None)
    assert why in message.response_metadata["sayso_artifact"]
    (logged,) = [one for one in caplog.records if one.message == "tool.artifact_left_out"]
    assert why in logged.__dict__["why"]
    assert CANARIES["Bearer"] not in message.response_metadata["sayso_artifact"]
    assert (await world.events())[-1] == "run finished"


def test_a_record_that_was_damaged_is_said_to_be() -> None:
    """Whoever writes into the store gets no other type out of it, and holds nothing up."""
    text = artifacts.kept(WithArtifact("x", FOUND), LiveTokens(), "look_up")
    assert artifacts.read(text) == (FOUND, "")
    for damaged in (text[:-8], text + "!", "msgpack:", text.replace("msgpack:", "msgpack:\u00e9")):
        assert artifacts.read(damaged) == (None, "what the record holds of it cannot be read")
