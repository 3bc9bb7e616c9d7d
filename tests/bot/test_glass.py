"""Breaking the glass: one person, permitted beforehand, decides alone; others hear of it at once, and the worker believes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from chat_scene import Chat
from desk_scene import SIGNER
from sayso.agent.policy import Policy
from sayso.approvals import signing
from sayso.approvals.authority import Glass
from sayso.approvals.change import Event, NoticeKind
from sayso.approvals.errors import BadSetting, BadVote, SaysoError, WhyNot
from sayso.approvals.glass import NoGlassReason, NoSecondChannel
from sayso.approvals.people import PersonId, Place
from sayso.approvals.request import Request, State
from sayso.approvals.saying import ALL_CARDS
from sayso.approvals.signing import Verifier
from sayso.approvals.store import MessageRef, Target, TargetKind, Told
from sayso.approvals.verdict import Approve, Rule, Seats
from sayso.bot.desk import Desk
from sayso.bot.glass import MayNotBreakGlass, NotShownYet
from sayso.bot.settings import load_settings
from sayso.cards import plaintext
from sayso.cards.card import card_of
from sayso.cards.plaintext import rows_text
from sayso.cards.words import notice_text
from scenes import FINANCE, a_vote, an_assessment
from settings_files import write_settings

SECURITY = Place("slack:C0SECURITY")
MANY = replace(
    FINANCE, rule=Rule(approvers=("finance",), needed=3, seats=(Seats(approvers="finance", needed=3),))
)
WHY = "the shop is down and Bo is on a plane"


class Emergency(Chat):
    """Kim may break the glass; so may Alex, who asks for things himself."""

    def __init__(self, tell: tuple[Place, ...] = (SECURITY,)) -> None:
        super().__init__()
        self.desk = Desk(
            store=self.store, directory=self.desk._directory, rules=cast("Policy", self.desk._electing.rules), signer=SIGNER,
            assess=lambda _: an_assessment(), operators={PersonId("kim")},
            glass=Glass(people=frozenset({PersonId("kim"), PersonId("alex"), PersonId("bo")}), tell=tell),
        )  # fmt: skip
        self.ear._desk = self.desk

    async def breaks(
        self, request: Request, why: str = WHY, user: str = "kim", *, named: bool = False
    ) -> str:
        text = f"break glass {request.id}: {why}" if named else f"Break the glass: {why}"
        return await self.told(text, user, reply=not named, mention=True)

    async def left_open(self, request: Request) -> bool:
        """Nothing was decided, and the refusal is on record."""
        refused = (await self.events(request))[-1] is Event.REFUSED_ANSWER
        return refused and await self.state(request) is State.OPEN


@pytest.mark.parametrize("named", [True, False])
async def test_one_person_decides_alone_and_everybody_hears_of_it(named: bool) -> None:
    """P22: Kim is in none of its sets; the second channel, the card's thread, card and record say who and why."""
    scene = Emergency()
    request = await scene.shown(route=MANY)
    assert (await scene.breaks(request, named=named)).startswith("Approved: Refund 129.90 USD")
    after = await scene.store.get(request.id)
    assert (after.state, after.decision and after.decision.by) == (State.DECIDED, ("kim",))
    told = [one for one in scene.store._notices.values() if one.kind is NoticeKind.GLASS_BROKEN]
    assert {one.place for one in told} == {ALL_CARDS, SECURITY}
    said = rows_text(notice_text(told[0], after, name=scene.desk.name))
    assert "@Kim broke the glass and approved alone. Please review it:" in said
    assert WHY in said
    card = " ".join(plaintext.text(card_of(after, name=scene.desk.name)).split())
    assert f"alone, breaking the glass: “{WHY}”" in card
    entries = {one.entry.event: one.entry for one in await scene.store.trail(request.ask.run.thread)}
    assert entries[Event.GLASS_BROKEN].by == "kim"
    assert entries[Event.GLASS_BROKEN].facts["told"] == SECURITY


async def test_the_acting_worker_believes_it_and_nothing_like_it() -> None:
    """P22: Its reason is signed: written into an ordinary vote, or by a requester, it is none."""
    scene = Emergency()
    request = await scene.shown(route=MANY)
    await scene.breaks(request)
    after = await scene.store.get(request.id)
    verifier, frozen, now = Verifier([SIGNER.public_key]), request.ask.first.frozen, await scene.store.now()

    def acting(record: Request) -> int:
        thread = record.ask.run.thread
        return signing.warrant(record, verifier, thread=thread, frozen=frozen, now=now).attempt

    assert acting(after) == 1
    ordinary = a_vote(request, signer=SIGNER)
    by_alex = a_vote(request, PersonId("alex"), signer=SIGNER, changed={"glass": WHY})
    for forged in (ordinary, replace(ordinary, glass=WHY), by_alex):
        with pytest.raises(BadVote):
            acting(replace(after, votes=(forged,)))


async def test_who_asked_never_breaks_the_glass_for_it() -> None:
    """P22: Also where they are permitted for everything else."""
    scene = Emergency()
    request = await scene.shown(route=MANY)
    assert await scene.breaks(request, user="alex") == WhyNot.OWN_REQUEST.value
    assert await scene.left_open(request)


@pytest.mark.parametrize(
    ("user", "why", "refusal"),
    [("cy", WHY, MayNotBreakGlass()), ("kim", "", NoGlassReason()), ("kim", "now!", NoGlassReason())],
)
async def test_it_takes_the_permission_and_a_reason(user: str, why: str, refusal: SaysoError) -> None:
    """P22: An approver of the route has none of it."""
    scene = Emergency()
    request = await scene.shown(route=MANY)
    assert await scene.breaks(request, why, user) == str(refusal)
    assert await scene.left_open(request)


@pytest.mark.parametrize("tell", [(), (Place("slack:C0FIN"),)])
async def test_without_a_second_channel_it_is_not_broken(tell: tuple[Place, ...]) -> None:
    """P22: Those who read the card are no second channel."""
    scene = Emergency(tell)
    request = await scene.shown(route=MANY)
    assert await scene.breaks(request) == str(NoSecondChannel())
    assert await scene.left_open(request)


async def test_what_nobody_has_been_shown_is_not_approved() -> None:
    """Neither an unposted card nor an edit that no card shows yet."""
    scene = Emergency()
    unposted = await scene.asks(route=MANY)
    assert await scene.breaks(unposted, named=True) == str(NotShownYet())
    ref = MessageRef(platform="slack", channel="C0FIN", message="1.1")
    card = Target(kind=TargetKind.CARD, id=unposted.id, where="slack:C0FIN")
    await scene.store.set_told(card, Told(ref=ref, version=1, revision=2))
    assert await scene.breaks(unposted, named=True) == str(NotShownYet())
    assert await scene.left_open(unposted)


async def test_said_again_it_is_decided_once() -> None:
    """A redelivered message reads the same; a new one that comes later hears who was faster; after the end it is too late."""
    scene = Emergency()
    request = await scene.shown(route=MANY)
    said = [await scene.breaks(request) for _ in range(2)]
    assert said[0] == said[1]
    assert "@Kim was faster" in await scene.breaks(request, named=True)
    late = await scene.shown(route=MANY, interrupt="late")
    scene.store.advance(late.ask.deadline.expires_at - await scene.store.now())
    await scene.breaks(late, named=True)
    assert await scene.state(late) is State.EXPIRED


async def test_in_a_thread_without_one_card_it_asks_which() -> None:
    """Nothing is approved by guessing."""
    scene = Emergency()
    assert (await scene.told(f"break glass: {WHY}", "kim", reply=True, mention=True)).startswith("Say which")


async def test_the_verdict_is_an_approval() -> None:
    """Of exactly what the record shows."""
    scene = Emergency()
    request = await scene.shown(route=MANY)
    await scene.breaks(request)
    (vote,) = (await scene.store.get(request.id)).votes
    assert (vote.verdict, vote.digest, vote.via) == (Approve(), request.current.digest, "slack:T1/kim")


# ---- the settings

TABLE = '[break_glass]\npeople = ["sue"]\ntell = ["{}"]\n[server]'


def test_the_permission_has_its_own_table(tmp_path: Path) -> None:
    """Nobody has it unless named."""
    assert load_settings(write_settings(tmp_path)).glass == Glass()
    settings = load_settings(write_settings(tmp_path, ("[server]", TABLE.format("slack:C0SECURITY"))))
    assert settings.glass == Glass(people=frozenset({PersonId("sue")}), tell=(SECURITY,))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (TABLE.format("slack:C0FINANCE"), "name a channel beside those of routes.finance"),
        (TABLE.format("teams:19:a@thread.tacv2"), r"break_glass\.tell: teams:\S+ needs a \[teams\] table"),
        (TABLE.format("slack:C0SECURITY").replace("sue", "sui"), r"there is no \[people.sui\]; did you mean sue"),
        (TABLE.format("slack:C0SECURITY").replace('["sue"]', "[]"), "break_glass.people"),
    ],
)  # fmt: skip
def test_glass_that_nobody_would_hear_break_is_refused(tmp_path: Path, table: str, words: str) -> None:
    """At load, naming the key."""
    with pytest.raises(BadSetting, match=words):
        load_settings(write_settings(tmp_path, ("[server]", table)))
