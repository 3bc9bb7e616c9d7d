"""Taking back what one asked for: in chat and in the terminal, by who may, before anything was done."""

from __future__ import annotations

from pathlib import Path

import pytest
from chat_scene import Chat
from sayso.approvals import machine
from sayso.approvals.change import Event
from sayso.approvals.errors import SaysoError
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import OutcomeKind, Request, State
from sayso.bot.cli.withdraw import withdraw
from sayso.bot.hearing import NOTHING_STANDS
from sayso.bot.withdrawal import NotTheirs, TooLate
from scenes import an_ask
from settings_files import with_store, write_settings


@pytest.mark.parametrize("text", ["withdraw", "Withdraw.", "withdraw: the customer wrote again"])
@pytest.mark.parametrize("mention", [True, False])
async def test_who_asked_takes_it_back_in_the_cards_thread(text: str, mention: bool) -> None:
    """Nothing is done, the record says who and why, and a worker tells the agent."""
    chat = Chat()
    request = await chat.shown()
    assert (await chat.says(text, mention=mention)).startswith(
        "Withdrawn, nothing is done: Refund 129.90 USD"
    )
    after = await chat.store.get(request.id)
    assert after.outcome is not None
    why = ": the customer wrote again" if ":" in text else "."
    assert (after.outcome.kind, after.outcome.words) == (OutcomeKind.WITHDRAWN, f"Alex took it back{why}")
    assert [held.work.request for held in chat.store._work.values()] == [request.id]
    again = await chat.says(text, mention=mention)  # delivered again: it starts no run
    assert again == (NOTHING_STANDS if mention else "")


async def test_a_redelivered_word_is_answered_as_the_first_time() -> None:
    """The platform sends it again after a crash."""
    chat = Chat()
    request = await chat.shown()
    first = await chat.says(f"withdraw {request.id}")
    assert await chat.says(f"withdraw {request.id}") == first
    assert (await chat.events(request)).count(Event.CLOSED) == 1


@pytest.mark.parametrize(("user", "may"), [("alex", True), ("kim", True), ("bo", False), ("di", False)])
async def test_only_who_asked_and_operators_may(user: str, may: bool) -> None:
    """An approver says no on the card; a refusal is on record."""
    chat = Chat()
    request = await chat.shown()
    said = await chat.says(f"withdraw {request.id}, never mind", user, reply=False)
    assert (await chat.state(request) is State.CLOSED) is may
    assert said.startswith("Withdrawn" if may else str(NotTheirs()))
    assert ((await chat.events(request))[-1] is Event.REFUSED_ANSWER) is not may


async def test_what_is_for_the_agent_goes_to_the_agent() -> None:
    """Money can be withdrawn, too."""
    chat = Chat()
    request = await chat.shown()
    for text in ("withdraw 200 EUR from savings", "withdraw the offer of 1042", "withdrawals of today"):
        assert "I am on it" in await chat.says(text)
    assert "I am on it" in await chat.says("withdraw: 200 EUR", reply=False)
    assert await chat.says("withdraw", reply=False) == NOTHING_STANDS
    assert await chat.says("withdraw it all", mention=False) == ""
    assert await chat.state(request) is State.OPEN


async def test_of_two_cards_in_a_thread_one_has_to_be_named() -> None:
    """Nothing is taken back by guessing."""
    chat = Chat()
    one, two = await chat.shown(), await chat.shown(interrupt="another")
    said = await chat.says("withdraw")
    assert one.id in said
    assert two.id in said
    assert [await chat.state(request) for request in (one, two)] == [State.OPEN, State.OPEN]


async def test_what_has_ended_or_never_was_is_said() -> None:
    """In a sentence, to whoever asks."""
    chat = Chat()
    request = await chat.shown()
    await chat.store.change(request.id, lambda r, now: machine.withdrawn(r, "alex", "before", now))
    assert await chat.says(f"withdraw {request.id}") == str(TooLate())
    assert "I do not know this request" in await chat.says("withdraw 00-" + "0" * 20)


# ---- the terminal


@pytest.fixture
def office(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Request]:
    """A settings file, and a request in its store that Alex asked for."""
    monkeypatch.setenv("REDIS_URL", redis_url)

    async def opened(store: RedisStore) -> Request:
        return await store.open(machine.opened(an_ask(opened_at=await store.now())))

    return write_settings(tmp_path), with_store(redis_url, opened)


def as_it_stands(url: str, request: Request) -> Request:
    async def looked(store: RedisStore) -> Request:
        return await store.get(request.id)

    return with_store(url, looked)


@pytest.mark.parametrize(
    ("person", "name"), [(None, "An operator"), ("alex", "Alex Asker"), ("sue", "Sue Supervisor")]
)
def test_in_the_terminal(
    office: tuple[Path, Request],
    redis_url: str,
    capsys: pytest.CaptureFixture[str],
    person: str | None,
    name: str,
) -> None:
    """Whoever operates the store may, and a named person as in chat."""
    file, request = office
    withdraw(file, request.id, "no need", person)
    after = as_it_stands(redis_url, request)
    assert after.outcome is not None
    assert after.outcome.words == f"{name} took it back: no need"
    assert "Withdrawn, nothing is done: Refund 129.90 USD" in capsys.readouterr().out
    with pytest.raises(TooLate):
        withdraw(file, request.id, "again", person)


@pytest.mark.parametrize(("person", "words"), [("bo", str(NotTheirs())), ("al", "There is no person 'al'")])
def test_in_the_terminal_others_may_not(
    office: tuple[Path, Request], redis_url: str, person: str, words: str
) -> None:
    """Nothing is taken back."""
    file, request = office
    with pytest.raises(SaysoError, match=words):
        withdraw(file, request.id, "no need", person)
    assert as_it_stands(redis_url, request).state is State.OPEN
