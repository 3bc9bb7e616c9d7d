"""Pausing sayso: from the chat and from the terminal, by who may, with words for everybody who waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from chat_scene import Chat
from sayso.approvals import machine
from sayso.approvals.change import Event
from sayso.approvals.errors import BadSetting, SaysoError
from sayso.approvals.halt import HALTS, Halt
from sayso.approvals.people import Identity, Person, PersonId
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import State
from sayso.approvals.verdict import Approve
from sayso.bot.cli import timeline
from sayso.bot.cli.check_policy import nothing_paused
from sayso.bot.cli.halting import pause, unpause
from sayso.bot.cli.looks import Doubtful
from sayso.bot.halting import Halting, NoReason, NoSpan, NothingPaused, NotOperator, PausedLonger
from sayso.bot.hearing import STARTED
from sayso.bot.settings import load_settings
from sayso.cards.words import answered
from sayso.scheduler.sweep import Sweeper
from scenes import an_ask
from settings_files import with_store, write_settings

HOUR = timedelta(hours=1)


class Talk(Chat):
    """The chat of the withdrawals, in which replies to everybody are read as well."""

    async def says(self, text: str, user: str = "kim", *, reply: bool = False, mention: bool = True) -> str:
        return await self.told(text, user, reply=reply, mention=mention)

    async def words(self) -> list[str]:
        return [record.entry.words for record in await self.store.trail(HALTS)]


async def test_an_operator_pauses_and_ends_it_in_chat() -> None:
    """P21: Everybody in the thread reads until when and why."""
    talk = Talk()
    said = await talk.says("pause for 2h: the refunds look wrong")
    assert said.startswith("Sayso is paused by Kim until Tue 1 Jan 2030 14:00 UTC: “the refunds look wrong”.")
    assert [halt.until for halt in await talk.store.halts()] == [await talk.store.now() + 2 * HOUR]
    assert await talk.says("Unpause: found it") == "Sayso goes on."
    assert await talk.store.halts() == []
    assert await talk.words() == [
        "Paused everything until 2030-01-01 14:00:00 UTC: the refunds look wrong",
        "Ended the pause of everything: found it",
    ]
    assert await talk.says("unpause") == str(NothingPaused())


async def test_one_agent_is_paused_by_its_name() -> None:
    """Another name is nothing of ours: then it is for the agent."""
    talk = Talk()
    assert (await talk.says("pause OPS: wrong refunds")).startswith("The agent ops is paused by Kim: “wrong")
    assert [halt.graph for halt in await talk.store.halts()] == ["ops"]
    assert await talk.says("unpause ops") == "The agent ops goes on."
    for text in ("pause campaigns: they annoy people", "pause the campaign", "paused: yes"):
        assert await talk.says(text) == STARTED


@pytest.mark.parametrize("text", ["pause: for fun", "unpause"])
async def test_others_may_not(text: str) -> None:
    """It is refused and on record; nothing changes."""
    talk = Talk()
    await talk.says("pause: real")
    assert await talk.says(text, "bo") == str(NotOperator())
    assert [halt.why for halt in await talk.store.halts()] == ["real"]
    refused = (await talk.store.trail(HALTS))[-1].entry
    assert (refused.event, refused.by) == (Event.REFUSED_ANSWER, "bo")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("pause for ever: x", NoSpan()), ("pause for 0h: x", NoSpan()), ("pause for 900d: x", NoSpan()),
        ("pause:   \u202e", NoReason()),
    ],
)  # fmt: skip
async def test_what_cannot_be_meant_pauses_nothing(text: str, why: SaysoError) -> None:
    """A sentence says what is missing."""
    talk = Talk()
    assert await talk.says(text) == str(why)
    assert await talk.store.halts() == []


async def test_a_pause_is_never_shortened_by_another_one() -> None:
    """Only ending it does; a longer one takes its place, and one that is over stands in nobody's way."""
    talk = Talk()
    await talk.says("pause for 2h: first")
    assert await talk.says("pause for 1h: second") == str(PausedLonger())
    await talk.says("pause: third")
    assert await talk.says("pause for 2h: fourth") == str(PausedLonger())
    await talk.says("unpause")
    await talk.says("pause for 1h: fifth")
    talk.store.advance(HOUR)
    await talk.says("pause for 30m: sixth")
    assert [halt.why for halt in await talk.store.halts()] == ["sixth"]


async def test_whoever_answers_reads_that_it_waits() -> None:
    """The answer counts; nothing is done yet, and by whom and why is said."""
    talk = Talk()
    await talk.says("pause for 2h: the refunds look wrong")
    request = await talk.asks()
    done = await talk.desk.answer(
        request.id, 1, Approve(), Identity(platform="slack", tenant="T1", user="bo"), token="c1"
    )
    assert done.request.state is State.DECIDED
    assert answered(done.request, Approve(), talk.desk.waits(done)) == (
        "Approved: Refund 129.90 USD to Dana Smith for order 1042\n"
        "It waits, and nothing is done yet. Sayso is paused by Kim until Tue 1 Jan 2030 14:00 UTC: “the refunds look wrong”"
    )


class Nobody:
    """A directory without anybody."""

    async def person(self, identity: Identity) -> Person:
        raise AssertionError

    async def members(self, approvers: str) -> frozenset[PersonId]:
        return frozenset()

    def known(self, id: PersonId) -> Person | None:
        return None


async def test_the_clocks_run_on_and_nobody_is_called_for_what_waits() -> None:
    """P21: Unanswered questions expire as ever; a decision that waits is not called stuck until the pause has ended."""
    talk = Talk()
    await talk.says("pause for 2d: the refunds look wrong")
    decided, open_one = await talk.asks(), await talk.asks(interrupt="other")
    await talk.approve(decided, "bo")
    sweeper = Sweeper(talk.store, Nobody())
    for _ in range(26):
        talk.store.advance(HOUR)
        await sweeper.sweep()
    waits = await talk.store.get(decided.id)
    assert (waits.state, waits.stuck_at, waits.paged_at) == (State.DECIDED, None, None)
    assert (await talk.store.get(open_one.id)).state is State.EXPIRED
    assert Event.PAGED in await talk.events(open_one)
    await talk.says("unpause")
    talk.store.advance(HOUR)
    await sweeper.sweep()
    assert (await talk.store.get(decided.id)).stuck_at is not None


async def test_whoever_looks_second_at_what_waits_for_a_pause_puts_nothing_on_record() -> None:
    """The other scheduler has put it off already."""
    talk = Talk()
    await talk.says("pause for 2d: the refunds look wrong")
    decided = await talk.asks()
    await talk.approve(decided, "bo")
    talk.store.advance(HOUR)
    first, second = Sweeper(talk.store, Nobody()), Sweeper(talk.store, Nobody())
    due = await talk.store.due(10)
    moved = [await sweeper._moved(id) for sweeper in (first, second) for id in due]
    assert moved == [True, False]


async def test_its_end_is_put_on_record_once() -> None:
    """By whichever scheduler looks first."""
    talk = Talk()
    await talk.says("pause ops for 1h: a look")
    halting = Halting(store=talk.store, operators=())
    await halting.end_by_itself()
    talk.store.advance(HOUR)
    for _ in range(2):
        await halting.end_by_itself()
    assert (await talk.words())[1:] == ["The pause of the agent ops ended by itself"]


# ---- the terminal


@pytest.fixture
def office(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.delenv("COLUMNS", raising=False)
    return write_settings(tmp_path)


def standing(url: str) -> Sequence[Halt]:
    async def looked(store: RedisStore) -> Sequence[Halt]:
        return await store.halts()

    return with_store(url, looked)


def test_in_the_terminal_and_on_the_lists(
    office: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has the store operates it; `pending` and `check` say so until it is ended."""

    async def opened(store: RedisStore) -> object:
        return await store.open(machine.opened(an_ask(opened_at=await store.now())))

    with_store(redis_url, opened)
    pause(office, "", "2h", "the refunds look wrong", None)
    assert "Sayso is paused by an operator until " in capsys.readouterr().out
    assert [halt.by for halt in standing(redis_url)] == ["an operator"]
    timeline.print_pending(office)
    shown = capsys.readouterr().out
    assert shown.startswith("Sayso is paused by an operator until ")
    assert "Refund 129.90 USD" in shown
    with pytest.raises(PausedLonger, match="the refunds look wrong"):
        pause(office, "", "1h", "again", None)
    with pytest.raises(NothingPaused, match="Sayso is paused by an operator"):
        unpause(office, "ops", "", None)
    unpause(office, "", "", None)
    assert capsys.readouterr().out == "Sayso goes on.\n"
    assert standing(redis_url) == []


async def test_check_doubts_a_pause(office: Path, redis_url: str) -> None:
    """It may be forgotten."""
    settings = load_settings(office)
    assert await nothing_paused(settings) == "nothing"
    store = await RedisStore.connect(redis_url)
    await Halting(store=store, operators=()).pause("ops", None, "a look", by="sue")
    await store.close()
    with pytest.raises(Doubtful, match="The agent ops is paused by Sue Supervisor: “a look”"):
        await nothing_paused(settings)


@pytest.mark.parametrize(
    ("graph", "person", "error"),
    [("opss", None, BadSetting), ("", "nobody", BadSetting), ("", "bo", NotOperator)],
)
def test_in_the_terminal_a_wrong_name_pauses_nothing(
    office: Path, redis_url: str, graph: str, person: str | None, error: type[SaysoError]
) -> None:
    """A misspelt agent would be believed to be paused."""
    with pytest.raises(error):
        pause(office, graph, "", "why", person)
    assert standing(redis_url) == []
