"""Answers of slow neighbours: one question at a time, a few seconds old at most, and never more than there is room for."""

from __future__ import annotations

import asyncio

import pytest
from sayso.approvals.store import MessageRef
from sayso.bot import fresh
from sayso.bot.fresh import Fresh
from sayso.bot.teams import whereabouts
from sayso.bot.teams.registration import Registration
from sayso.bot.teams.whereabouts import Whereabouts


async def test_ten_ask_at_once_and_one_question_goes_out() -> None:
    """An answer serves until it is old; its age counts from the question."""
    now, asked = [0.0], list[str]()

    async def answer(key: str) -> str:
        asked.append(key)
        now[0] += 5
        await asyncio.sleep(0)
        return key.upper()

    known = Fresh(answer, monotonic=lambda: now[0])
    assert await asyncio.gather(*(known.get("bo") for _ in range(10))) == ["BO"] * 10
    assert asked == ["bo"]
    now[0] = 14.9
    await known.get("bo")
    assert asked == ["bo"]
    now[0] = 15.0
    await known.get("bo")
    assert asked == ["bo", "bo"]


async def test_old_answers_are_forgotten() -> None:
    """Every stranger who presses a button is asked about; none of them stays for ever."""
    now = [0.0]

    async def answer(key: str) -> str:
        return key

    known = Fresh(answer, monotonic=lambda: now[0])
    for stranger in range(5 * fresh.MOST):
        now[0] += 0.1
        await known.get(str(stranger))
    assert len(known._known) <= fresh.MOST


def test_conversations_heard_of_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written there keeps its own address; everything new goes where Teams said last."""
    monkeypatch.setattr(whereabouts, "MOST", 2)
    here = Whereabouts(Registration(app_id="a", tenant="t", service_url="https://start.example/"))

    def heard(channel: str) -> MessageRef:
        facts = {"tenant": "elsewhere", "service_url": f"https://{channel}.example/", "bot_id": "28:a"}
        return MessageRef(platform="teams", channel=channel, message="1", thread="1", facts=facts)

    for channel in ("old", "kept", "old", "new"):
        here.learn(heard(channel))
    assert here.of("kept") == "https://start.example/"
    assert here.of("kept", heard("kept")) == "https://kept.example/"
    assert (here.of("old"), here.of("new")) == ("https://old.example/", "https://new.example/")
