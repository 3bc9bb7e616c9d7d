"""`sayso policy compare` and `advice`: what the record says about the next policy, and about this one."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sayso.agent.risk import assess, assess_call
from sayso.agent.shadow import difference
from sayso.approvals import machine
from sayso.approvals.action import Action
from sayso.approvals.change import AuditEntry, Event
from sayso.approvals.errors import BadSetting
from sayso.approvals.people import PersonId
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request
from sayso.approvals.signing import Signer, Verifier
from sayso.approvals.trust import Trust, TrustId
from sayso.approvals.verdict import Modify, RequestId
from sayso.bot.app import _comparing, directory_of
from sayso.bot.cli.commands import app
from sayso.bot.confirming import Confirming
from sayso.bot.electorate import Electing
from sayso.bot.one_policy import OnePolicy
from sayso.bot.settings import Settings, load_settings, policy_of
from sayso.bot.shadowing import Shadow
from scenes import BO, CY, a_vote, an_action, an_ask
from settings_files import write_settings
from typer.testing import CliRunner, Result

LOOK_UP = """
[tools.look_up]
category = "read"
irreversibility = "low"
blast_radius = "low"
compliance = "low"

[server]
"""
NOTE = 'category = "internal_change"\nirreversibility = "high"\nblast_radius = "high"\ncompliance = "low"\n'
#: After how many seconds people answer, and whether they want it otherwise.
APPROVED, REPLANNED = (4, False), (900, True)
EVERYBODY = frozenset({BO, CY})


def policy(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["policy", *arguments], env={"COLUMNS": "300"})


def call(tool: str, confidence: float | None = 0.95) -> Action:
    return an_action(tool=tool, category="", confidence=confidence, summary=f"{tool} for Dana")


@pytest.fixture
def file(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A policy under which notes are gated and look-ups are free, over a store whose clock can be pushed."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("SAYSO_DEMO", "1")
    return write_settings(
        tmp_path, ("[server]\n", LOOK_UP.replace("[server]", f"[tools.note]\n{NOTE}\n[server]"))
    )


def the_next(folder: Path) -> Path:
    """Notes are watched, look-ups gated."""
    text = (folder / "sayso.toml").read_text()
    text = text.replace('blast_radius = "high"', 'blast_radius = "low"', 1)
    rule = '[[rules]]\nname = "look-ups"\ntools = ["look_up"]\noversight = "gate"\nreason = "Too many of them."\n\n[server]'
    path = folder / "next.toml"
    path.write_text(text.replace("[server]", rule))
    return path


async def opened(store: RedisStore, file: Path, action: Action, thread: str) -> Request:
    """As a worker opens it under this policy: with or without asking."""
    rules = load_settings(file).policy
    ask = an_ask(thread=thread, action=action, assessment=assess(action, rules), opened_at=await store.now())
    free = ask.first.proposal.assessment.oversight == "free"
    return await store.open(machine.opened_unasked(ask, "w") if free else machine.opened(ask))


async def in_demo(url: str, file: Path, *actions: Action) -> None:
    store = await RedisStore.connect(url, demo=True)
    for number, action in enumerate(actions):
        await opened(store, file, action, f"t{number}")
    await store.close()


async def test_gates_that_would_vanish_or_appear_are_counted_with_examples(
    file: Path, redis_url: str
) -> None:
    """From what happened; what stays the same is only counted."""
    await in_demo(redis_url, file, call("note"), call("note"), call("look_up"), call("issue_refund"))
    said = await _said("compare", str(the_next(file.parent)), "-s", str(file))
    assert "4 actions of the last 7 d" in said
    assert "2 gates would vanish\n  note: gate -> watch, 2 x" in said
    assert "1 gate would appear\n  look_up: free -> gate, 1 x" in said
    assert "look_up for Dana: Too many of them." in said
    assert "1 would stay as they are" in said


async def test_what_is_older_is_left_out(file: Path, redis_url: str) -> None:
    """By the store's time."""
    await in_demo(redis_url, file, call("note"))
    store = await RedisStore.connect(redis_url, demo=True)
    await store.push_clock(timedelta(hours=3))
    await store.close()
    assert "0 actions of the last 2 h" in await _said(
        "compare", str(the_next(file.parent)), "--since", "2h", "-s", str(file)
    )


def test_a_bare_call_and_an_agent_that_does_not_say_how_sure_it_is_are_told_apart(file: Path) -> None:
    """As they were when they were asked about: nobody expects a model to say so."""
    live, path = load_settings(file).policy, file.parent / "next.toml"
    head, _, rest = file.read_text().partition("[tools.look_up]")
    path.write_text(f"{head}[tools.look_up]{rest.replace('low', 'medium', 1)}")
    action = call("look_up", confidence=None)
    for judge, before in ((assess_call, "free"), (assess, "watch")):
        request = Request(ask=an_ask(action=action, assessment=judge(action, live)))
        found = difference(request, live, policy_of(path))
        assert found is not None
        assert (found.before, found.after) == (before, "gate")


def test_agents_that_pause_by_themselves_are_left_out(file: Path) -> None:
    """No policy decides whether they do."""
    other, request = policy_of(the_next(file.parent)), Request(ask=an_ask(action=call("note")))
    live = load_settings(file).policy
    assert difference(request, live, other) is not None
    assert difference(Request(ask=replace(request.ask, dialect="langchain middleware")), live, other) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [("default_route = 1", "default_route"), ("[", "is not TOML"), (None, "cannot be read")],
)
def test_a_next_policy_that_is_none_is_refused(file: Path, text: str | None, words: str) -> None:
    """Before anything is compared."""
    path = file.parent / "next.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadSetting, match=words):
        policy_of(path)
    ran = policy("compare", str(path), "-s", str(file))
    assert isinstance(ran.exception, BadSetting)


async def test_the_shadow_notes_each_difference_once_and_changes_nothing(file: Path, redis_url: str) -> None:
    """However many bots look, and however often."""
    live, other = load_settings(file).policy, policy_of(the_next(file.parent))
    store = await RedisStore.connect(redis_url, demo=True)
    note = await opened(store, file, call("note"), "t1")
    await opened(store, file, call("issue_refund"), "t2")
    for shadow in (Shadow(store, live=live, other=other), Shadow(store, live=live, other=other)):
        await shadow.look()
        await shadow.look()
    found = [
        one
        for one in await store.happened(await store.now() - timedelta(hours=1))
        if one.entry.event is Event.SHADOWED
    ]
    assert [(one.request, one.entry.facts["before"], one.entry.facts["after"]) for one in found] == [
        (note.id, "gate", "watch")
    ]
    assert found[0].entry.facts["next"] == other.version
    assert await store.get(note.id) == note
    await store.close()


def test_the_shadow_of_the_settings_follows_what_agents_do(file: Path, redis_url: str) -> None:
    """In the bot, from its start; and trust of somebody whom it cannot find ends."""
    the_next(file.parent)
    file.write_text(file.read_text() + '\n[shadow]\npolicy = "next.toml"\n')
    settings = load_settings(file)

    async def scene() -> None:
        store = await RedisStore.connect(redis_url, demo=True)
        note = await opened(store, file, call("note"), "t1")
        one_policy, confirming = OnePolicy(store, settings.policy), await trusted_by_nobody(store, settings)
        async with asyncio.timeout(30), _comparing(settings, store, one_policy, confirming):
            while Event.SHADOWED not in await events(store, note) or await store.trusts():  # noqa: ASYNC110 a tick tells nobody
                await asyncio.sleep(0.01)
        await store.close()

    asyncio.run(scene())


async def trusted_by_nobody(store: RedisStore, settings: Settings) -> Confirming:
    """What would confirm trust, and one in the store of somebody whose platform is not there."""
    signer, now = Signer(b"s" * 32), await store.now()
    directory = directory_of(settings, {}, {}, now=store.now)
    one = Trust(
        id=TrustId("1f" * 32), tool="note", graph="ops", asked_by=CY, by=BO, via="slack:T1/U0BO", since=now, seen=now,
        until=now + timedelta(hours=1), request=RequestId("07-" + "0" * 20), why="the sale is on",
    )  # fmt: skip
    entry = AuditEntry(event=Event.TRUSTED, words="x")
    assert await store.trust(signer.sign_trust(one), (), entry, token="m1")
    verifier = Verifier([signer.public_key])
    electing = Electing(directory=directory, rules=settings.policy, store=store, verifier=verifier)
    return Confirming(store=store, directory=directory, electing=electing, signer=signer)


async def events(store: RedisStore, request: Request) -> list[Event]:
    """What is on its trail."""
    return [one.entry.event for one in await store.trail(request.ask.run.thread)]


def test_a_shadow_that_is_no_policy_stops_the_start(file: Path) -> None:
    """Named with its line, and the file that is wrong."""
    (file.parent / "next.toml").write_text("tools = 1")
    file.write_text(file.read_text() + '\n[shadow]\npolicy = "next.toml"\n')
    with pytest.raises(BadSetting, match=r"line \d+, shadow.policy: .*next.toml"):
        load_settings(file)


async def decided(
    store: RedisStore, request: Request, *, after: timedelta, changed: bool = False, by: PersonId = BO
) -> None:
    """Shown, and answered so much later."""
    facts = {"digest": request.current.digest, "revision": "1"}
    await store.note(
        AuditEntry(event=Event.SHOWN, words="Shown", facts=facts),
        thread=request.ask.run.thread,
        request=request.id,
    )
    await store.push_clock(after)
    now = await store.now()
    verdict = Modify({}, "Half of it.") if changed else None
    vote = a_vote(request, by, verdict, at=now)
    await store.change(request.id, lambda r, at: machine.vote(r, replace(vote, at=at), EVERYBODY, 1, at))


@pytest.mark.parametrize(
    ("tool", "answer", "words"),
    [
        ("note", APPROVED, r"tools.note: 6 of 6 approved as asked, half of them within [4-6] s. People seem to add little: rate it lower"),
        ("issue_refund", APPROVED, "but financial_transaction is always put to people"),
        ("note", REPLANNED, r"tools.note: 0 of 6 approved as asked \(0 edited first\). What the agent proposes is not what"),
        ("note", APPROVED, r"people.bo: 6 of 6 votes came faster than the card can be read \(half within [4-6] s, for \d\d\d signs\)"),
    ],
)  # fmt: skip
async def test_the_record_advises_with_its_numbers(
    file: Path, redis_url: str, tool: str, answer: tuple[int, bool], words: str
) -> None:
    """S21: gates that are waved through, and people who answer faster than they can read; nothing is changed."""
    store = await RedisStore.connect(redis_url, demo=True)
    for number in range(6):
        request = await opened(store, file, call(tool), f"t{number}")
        await decided(store, request, after=timedelta(seconds=answer[0]), changed=answer[1])
    await store.close()
    said = " ".join((await _said("advice", "-s", str(file))).split())
    assert re.search(words, said), said
    assert "from 6 decisions of the last 30 d. Nothing was changed." in said


async def test_a_gate_that_once_said_no_is_needed(file: Path, redis_url: str) -> None:
    """However fast the others were."""
    store = await RedisStore.connect(redis_url, demo=True)
    for number in range(7):
        request = await opened(store, file, call("note"), f"t{number}")
        await decided(store, request, after=timedelta(seconds=4), changed=number == 3)
    await store.close()
    assert "tools.note" not in await _said("advice", "-s", str(file))


async def test_too_few_cases_advise_nothing(file: Path, redis_url: str) -> None:
    """Nor does somebody who takes the time."""
    store = await RedisStore.connect(redis_url, demo=True)
    for number in range(4):
        await decided(
            store, await opened(store, file, call("note"), f"t{number}"), after=timedelta(seconds=1)
        )
    for number in range(6):
        request = await opened(store, file, call("issue_refund"), f"u{number}")
        await decided(store, request, after=timedelta(minutes=5), by=CY)
    await store.close()
    assert (await _said("advice", "-s", str(file))).startswith("0 suggestions from 10 decisions")


async def _said(*arguments: str) -> str:
    """What a command prints; it runs its own loop, so in a thread of its own."""
    ran = await asyncio.to_thread(policy, *arguments)
    assert ran.exception is None, ran.output
    return ran.output
