"""Trusting from the chat and the terminal: the phrase in a card's thread, the list, and how it is taken back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from chat_scene import Chat
from sayso.agent.policy import Category, Rating, ToolPolicy
from sayso.approvals.change import AuditEntry, Event
from sayso.approvals.errors import BadSetting
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request
from sayso.approvals.risk import Level
from sayso.approvals.trust import Trust, TrustId
from sayso.approvals.verdict import RequestId
from sayso.bot.cli import timeline, trust
from sayso.bot.trusting import ApproveFirst, NoSuchTrust
from scenes import ALEX, BO, an_action
from settings_files import with_store, write_settings

HIGH = Rating(level=Level.HIGH, reason="It says so.")
PRICE = an_action(
    tool="set_price", arguments={"item": "lamp", "cents": 90}, category="internal_change", confidence=0.95
)


class Talk(Chat):
    """A chat about a price, under a policy that asks about prices."""

    def __init__(self) -> None:
        super().__init__()
        tool = ToolPolicy(
            name="set_price", route="finance", category=Category.INTERNAL_CHANGE, irreversibility=HIGH
        )  # fmt: skip
        self.desk = self.a_desk({"tools": {"set_price": tool}, "version": "p1"})
        self.ear._desk = self.desk

    async def price(self) -> Request:
        return await self.shown(action=PRICE)

    async def says(self, text: str, user: str = "bo", *, reply: bool = True, mention: bool = True) -> str:
        return await self.told(text, user, reply=reply, mention=mention)


async def test_an_approver_trusts_what_they_approved_in_its_thread() -> None:
    """Everybody there reads what, until when, why, and how it ends; the message counts once."""
    talk = Talk()
    request = await talk.price()
    assert await talk.says("trust 30m: the sale is on") == str(ApproveFirst())
    await talk.approve(request, "bo")
    said = await talk.says("Trust for 30m: the sale goes on")
    (given,) = await talk.store.trusts()
    assert said == (
        f"Bo trusts set_price of ops, with exactly the arguments of {request.id}, for Alex, until "
        f"Tue 1 Jan 2030 12:30 UTC ({given.id[:12]}): “the sale goes on”. "
        "It ends by itself, or when you say “distrust” and that id."
    )
    assert await talk.says(f"distrust {given.id[:12]}") == "People are asked again about set_price."
    assert await talk.says("Trust for 30m: the sale goes on") == str(NoSuchTrust())
    assert await talk.store.trusts() == []


async def test_elsewhere_the_request_is_named() -> None:
    """And where nothing is meant for us, an agent is asked."""
    talk = Talk()
    request = await talk.price()
    await talk.approve(request, "bo")
    assert "Say which request" in await talk.says("trust 30m: why", reply=False)
    assert "Bo trusts set_price" in await talk.says(f"trust {request.id} 30m: why", reply=False)
    assert "I am on it" in await talk.says("trust Dana with the lamps", reply=False)


@pytest.fixture
def office(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings over a store in which Bo trusts something."""

    async def given(store: RedisStore) -> None:
        now = await store.now()
        one = Trust(
            id=TrustId("1f" * 32), tool="set_price", graph="ops", asked_by=ALEX, by=BO, since=now,
            until=now + timedelta(hours=1), request=RequestId("07-" + "0" * 20), why="the sale is on",
            seen=now,
        )  # fmt: skip
        await store.trust(one, (), AuditEntry(event=Event.TRUSTED, words="x"), token="m1")

    with_store(redis_url, given)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.delenv("COLUMNS", raising=False)
    return write_settings(tmp_path)


def test_the_terminal_lists_and_revokes(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also among what is pending; who is nobody, or did not give it, revokes nothing."""
    trust.listed(office)
    timeline.print_pending(office)
    first, second, nothing = capsys.readouterr().out.splitlines()
    assert "trusts set_price of ops" in first
    assert (first, nothing) == (second, "Nothing waits for anybody.")
    with pytest.raises(BadSetting, match="no person"):
        trust.revoke("1f1f", "zed", office)
    with pytest.raises(NoSuchTrust):
        trust.revoke("2f", None, office)
    trust.revoke("1f1f", None, office)
    assert capsys.readouterr().out == "People are asked again about set_price of ops.\n"
    trust.listed(office)
    assert capsys.readouterr().out == "Nothing is trusted ahead.\n"
