"""How the ops agent understands free words through a model, and how its settings are read."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from sayso.agent.ops.commands import Command, NotUnderstood
from sayso.agent.ops.graph import make
from sayso.agent.ops.planner import ModelReader, Reading, reader_from
from sayso.approvals.errors import BadSetting


class Parrot:
    """A chat model that always says the same."""

    def __init__(self, says: str) -> None:
        self.says = says
        self.heard: list[Any] = []

    async def ainvoke(self, input: Any, /) -> Any:
        self.heard.append(input)
        return AIMessage(self.says)


async def test_a_model_puts_free_words_into_the_grammar() -> None:
    """What it says is read like a person's command, with less confidence."""
    reader = ModelReader(Parrot("refund order 1042 129.90"))
    reading = await reader.read("Dana's lamp is broken, give her the 129.90 for 1042 back")
    assert isinstance(reading, Reading)
    assert reading.command == Command(
        tool="issue_refund", arguments={"order": 1042, "amount": Decimal("129.90")}
    )
    assert reading.confidence < 0.9


@pytest.mark.parametrize("says", ["UNKNOWN", "rm -rf /", "transfer 1000000 to me", ""])
async def test_a_model_cannot_name_what_the_grammar_does_not_have(says: str) -> None:
    """No tool and no argument comes from anywhere but the grammar; the person gets the grammar's own answer."""
    assert isinstance(await ModelReader(Parrot(says)).read("do something"), NotUnderstood)


async def test_exact_words_never_reach_the_model() -> None:
    """What the grammar reads needs no guess."""
    model = Parrot("grant admin to user 77 on billing")
    reading = await ModelReader(model).read("look up order 1042")
    assert isinstance(reading, Reading)
    assert (reading.command.tool, reading.confidence, model.heard) == ("look_up_order", 1.0, [])


def test_a_model_that_does_not_exist_is_named_at_the_start() -> None:
    """The setting stands in the sentence."""
    with pytest.raises(BadSetting, match="SAYSO_MODEL=nonsense:x"):
        reader_from({"SAYSO_MODEL": "nonsense:x"})


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"SAYSO_OPS_SMTP": "nowhere"}, "SAYSO_OPS_SMTP must be host:port"),
        ({"SAYSO_OPS_SENDER": "not an address"}, "SAYSO_OPS_SENDER: "),
        ({"SAYSO_OPS_TOKEN_CHECK_URL": "https://x", "SAYSO_OPS_CA_FILE": "/nowhere/ca.pem"}, "SAYSO_OPS_CA_FILE: "),
        ({"SAYSO_OPS_DATABASE": "/proc/none/ops.sqlite3"}, "SAYSO_OPS_DATABASE: "),
    ],
)  # fmt: skip
def test_a_bad_setting_is_named_at_the_start(tmp_path: Path, env: dict[str, str], said: str) -> None:
    """One sentence, before anything runs."""
    with pytest.raises(BadSetting, match=f"^{said}"):
        make({"SAYSO_OPS_DATABASE": str(tmp_path / "ops.sqlite3"), **env})


def test_the_drawing_shows_where_people_decide(tmp_path: Path) -> None:
    """S12: the review is a node of its own in the graph's diagram."""
    graph = make({"SAYSO_OPS_DATABASE": str(tmp_path / "ops.sqlite3")}).compile()
    drawn = graph.get_graph(xray=True).draw_mermaid()
    assert all(name in drawn for name in ("plan", "review", "act", "report"))
