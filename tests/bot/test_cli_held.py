"""`sayso show pauses` and `sayso show hand-overs`: what holds now, by name, and the record of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sayso.approvals.change import AuditEntry, Event
from sayso.approvals.handover import HandOver
from sayso.approvals.people import PersonId
from sayso.approvals.redis_store import RedisStore
from sayso.bot.cli.commands import show
from sayso.bot.cli.halting import pause, unpause
from sayso.bot.settings import load_settings
from sayso.bot.signing_keys import load_signer
from settings_files import with_store, write_settings

ENTRY = AuditEntry(event=Event.HANDED_OVER, by="cy", words="Handed over to bo until next week: on leave")


@pytest.fixture
def office(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return write_settings(tmp_path)


def test_pauses_that_hold_and_that_held(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing, then one with its reason, then what was."""
    show("pauses", office)
    assert capsys.readouterr().out == "Nothing is paused.\n"
    pause(office, "", "2h", "the refunds look wrong", None)
    capsys.readouterr()
    show("pauses", office)
    said = capsys.readouterr().out
    assert said.startswith("Sayso is paused by an operator until ")
    unpause(office, "", "", None)
    show("pauses", office)
    said = capsys.readouterr().out
    assert "Nothing is paused." in said
    assert "the refunds look wrong" in said


def test_who_decides_in_whose_place(office: Path, redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By name and until when; of what was written into the store by hand it is said that it gives nothing."""
    show("hand-overs", office)
    assert capsys.readouterr().out == "Nobody's authority is in a colleague's hands.\n"
    signer = load_signer(load_settings(office))

    def given(
        by: str, to: str, *, begins: timedelta, signed: bool = True
    ) -> Callable[[RedisStore], Awaitable[None]]:
        async def kept(store: RedisStore) -> None:
            since = await store.now() + begins
            one = HandOver(
                by=PersonId(by), to=PersonId(to), since=since, until=since + timedelta(days=3), why="on leave"
            )
            await store.hand_over(signer.sign_handover(one) if signed else one, ENTRY)

        return kept

    for kept in (
        given("cy", "bo", begins=-timedelta(hours=1)), given("bo", "sue", begins=timedelta(days=2)),
        given("sue", "alex", begins=-timedelta(hours=1), signed=False),
        given("alex", "bo", begins=-timedelta(days=9)),
    ):  # fmt: skip
        with_store(redis_url, kept)
    show("hand-overs", office)
    lines = capsys.readouterr().out.split("\n")
    (now,) = [one for one in lines if " in place of Cy " in one]
    assert " decides in place of Cy " in now
    assert now.endswith(": “on leave”.")
    (forged,) = [one for one in lines if " in place of Sue" in one]
    assert forged.endswith("The bot has not signed this: it gives nobody anything.")
    (later,) = [one for one in lines if " in place of Bo" in one]
    assert " will decide from " in later
    assert not [one for one in lines if " in place of Alex" in one]
    assert any("on leave" in one and "authority handed over" in one for one in lines)
