"""What an Agent Server may be told and asked: nothing stale, nothing of strangers, no key that is not its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_server import BINARY, RemoteWorld, ServerProcess, a_spec, paused
from gated import TEAM
from langgraph.errors import UnknownInterruptError
from sayso.agent.remote.server import AgentServer
from sayso.approvals import machine
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Outcome, OutcomeKind, Request
from sayso.approvals.signing import Signer
from sayso.approvals.verdict import Approve
from sayso.bot.agents import open_worker
from sayso.bot.settings import load_settings
from sayso.bot.signing_keys import public_text
from scenes import BO, a_vote
from settings_files import write_settings

pytestmark = [
    pytest.mark.second_server,
    pytest.mark.skipif(
        not BINARY.exists(), reason="no Agent Server here: sh .ci/agent-server python3 installs one"
    ),
]


async def test_an_answer_to_what_is_not_asked_goes_nowhere(world: RemoteWorld) -> None:
    """The server takes `strict_resume` for nothing; LangGraph's own switch is what refuses, and it gets through."""
    thread, request = await paused(world)
    (server,) = world.servers
    with pytest.raises(UnknownInterruptError):
        await server.answer(thread, "0" * 32, "yes")
    assert world.process.acted(thread) == []
    assert not await server.sent(thread, "0" * 32)
    assert [one.id for one in await server.paused()].count(thread) == 1
    await world.answer(request)
    await world.work()
    assert world.process.acted(thread) == ["yes"]


async def test_who_asked_may_not_be_a_stranger(world: RemoteWorld) -> None:
    """The thread names somebody whom the settings do not know, and the route takes no runs of nobody: nobody is asked."""
    thread = await world.begin("loose", asked_by="mallory")
    await world.look()
    await world.look()
    assert await world.asked(thread) == []
    assert (await world.events(f"crm/{thread}")).count("run started") == 1
    assert len(await world.pending(thread)) == 1


async def test_a_gate_of_ours_is_not_answered_there(
    world: RemoteWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """It could not verify a vote at that server, so nobody is asked, and the log says what to do."""
    thread = await world.begin("loose", value={"schema": "sayso.gate/1", "frozen": "{}"})
    await world.look()
    assert await world.asked(thread) == []
    assert any("name its graph under [graphs]" in getattr(one, "words", "") for one in caplog.records)


async def test_no_key_of_another_service_is_sent(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK would take whatever key it finds in the environment and send it to this server."""
    monkeypatch.setenv("LANGSMITH_API_KEY", "of-another-service")
    for key in (None, "ours"):
        there = AgentServer(a_spec(server.url, key=key))
        assert there._client.http.client.headers.get("x-api-key") == key
        await there.close()


async def test_a_worker_of_the_settings_watches_and_answers(
    server: ServerProcess, redis_url: str, tmp_path: Path
) -> None:
    """A settings file that names a server and no graph: `sayso serve --role worker` stands on this."""
    named = f'[servers.crm]\nurl = "{server.url}"\ngraphs = ["loose"]\nowner = "sue"'
    signer = Signer(b"s" * 32)
    env = {
        "REDIS_URL": redis_url,
        "PAGER_KEY": "0" * 32,
        "ENTRA_SECRET": "x",
        "SAYSO_VERIFY_KEYS": public_text(signer),
    }
    graphs = '[graphs]\nops = "little_graph.py:graph"'
    settings = load_settings(write_settings(tmp_path, (graphs, named)), env)
    world = RemoteWorld(server)
    store = await RedisStore.connect(redis_url)
    try:
        thread = await world.begin("loose")
        async with open_worker(settings, store, redis_url) as worker:
            await worker.watch_once()
            while await worker.work_once():
                pass
            (request,) = [one for one in await store.live() if one.ask.run.thread == f"crm/{thread}"]
            assert request.requesters == {"alex", "sue"}
            vote = a_vote(request, BO, Approve(), signer=signer)
            await store.change(request.id, lambda record, now: machine.vote(record, vote, TEAM, 1, now))
            while await worker.work_once():
                pass
        assert server.acted(thread) == ["yes"]
    finally:
        await store.close()
        await world.close()


async def test_what_was_deployed_meanwhile_acts_on_no_old_answer(tmp_path: Path) -> None:
    """Between pause and yes the server gets new code: what asks something else now is asked about anew, what is gone
    is ended aloud, and what is as it was acts once.
    """
    server = ServerProcess(tmp_path)
    server.start()
    try:
        world = RemoteWorld(server)
        other, gone = await paused(world), await paused(world, "again")
        same = await paused(world, value="Send it to Dana?")
        server.stop()
        server.changed = {
            '"Send?"': '"Send to everybody?"',
            "again = one_gate(twice=True)": "again = two_gates()",
        }
        server.start()
        for _, request in (other, gone, same):
            await world.answer(request)
        await world.work()
        await world.wait_out(minutes=11)  # as long as a rolling deployment may take
        await world.work()
        await world.look()
        kinds = [(await ended(world, request)).kind for _, request in (other, gone, same)]
        assert kinds == [OutcomeKind.INVALIDATED, OutcomeKind.INVALIDATED, OutcomeKind.ANSWERED]
        assert [server.acted(thread) for thread, _ in (other, gone, same)] == [[], [], ["yes"]]
        assert not await world.goes_on(gone[0])
        (again,) = await world.asked(other[0])
        assert again.proposal.action.summary == "Send to everybody?"
        await world.answer(again)
        await world.work()
        assert server.acted(other[0]) == ["yes"]
        await world.close()
    finally:
        server.stop()


async def ended(world: RemoteWorld, request: Request) -> Outcome:
    record = await world.request(request)
    assert record.outcome is not None, record
    return record.outcome
