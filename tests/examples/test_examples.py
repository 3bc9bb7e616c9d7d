"""What we show people works as shown."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from gated import World
from langgraph.checkpoint.memory import InMemorySaver
from sayso.approvals.request import OutcomeKind
from sayso.bot.graphs import GraphLoader
from sayso.bot.settings import load_settings

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_sample_settings_are_whole() -> None:
    """Every name in them leads somewhere, and the tool has a day."""
    settings = load_settings(EXAMPLES / "sayso.toml", {})
    route = settings.policy.route(settings.policy.of("issue_refund").route)
    assert (route.name, route.rule.approvers) == ("finance", ("finance",))
    ttl_class = settings.policy.of("issue_refund").ttl_class
    assert settings.policy.chain(ttl_class).ttl == timedelta(hours=24)


async def test_the_sample_agent_pauses_and_acts_once() -> None:
    """Asked, approved, executed; the picture names the gate."""
    settings = load_settings(EXAMPLES / "sayso.toml", {})
    async with GraphLoader(EXAMPLES).opened(settings.graphs["refunds"], InMemorySaver()) as kept:
        graph = kept.graph
    assert "review" in graph.get_graph(xray=True).draw_mermaid()
    world = World(graph=graph.builder, policy=settings.policy)
    await world.ask("refund order 1042 129.90")
    request = await world.open_request()
    assert request.proposal.action.summary == "Refund 129.90 USD for order 1042"
    await world.answer(request)
    await world.work()
    ended = await world.request(request)
    assert ended.outcome is not None
    assert ended.outcome.kind is OutcomeKind.EXECUTED
    assert await world.reports() == ["Refunded 129.90 USD for order 1042."]
