"""Handing one's authority over: for some days, to one colleague, signed, never for the colleague's own requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from chat_scene import Chat
from desk_scene import SIGNER
from sayso.approvals.change import AuditEntry, Event
from sayso.approvals.errors import AnswerRefused, NotAllowed, WhyNot
from sayso.approvals.handover import HANDOVERS, HandOver, stand_ins
from sayso.approvals.memory import MemoryStore
from sayso.approvals.people import PersonId
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request, State
from sayso.approvals.sealing import Seal
from sayso.approvals.signing import Signer
from sayso.approvals.store import Store
from sayso.approvals.verdict import Rule
from sayso.bot.handing_over import AwayThemselves, NoSuchColleague, NoSuchTime, NotToThem
from sayso.cards import plaintext
from sayso.cards.card import card_of
from scenes import BO, CY, DI, FINANCE, NOON

KIM, DAY = PersonId("kim"), timedelta(days=1)
TWO = replace(FINANCE, rule=Rule(approvers=("finance",), needed=2))
ENTRY = AuditEntry(event=Event.HANDED_OVER, words="x")


class Office(Chat):
    """Bo and Cy are finance (and Alex, who asks); Di and Kim are not."""

    async def says(self, text: str, user: str = "cy", *, reply: bool = False, mention: bool = True) -> str:
        return await self.told(text, user, reply=reply, mention=mention)

    async def asks_two(self) -> Request:
        self.desk = self.a_desk({"routes": {"finance": TWO}})
        self.ear._desk = self.desk
        return await self.asks(route=TWO)

    def drawn(self, request: Request) -> str:
        return " ".join(plaintext.text(card_of(request, name=self.desk.name)).split())


async def refused(scene: Office, request: Request, user: str) -> WhyNot:
    with pytest.raises(NotAllowed) as caught:
        await scene.approve(request, user, token=f"{user} at {await scene.store.now()}")
    return caught.value.why


async def test_a_colleague_decides_in_somebody_s_place() -> None:
    """P24: For the time that was said: then it is as before. The card says in whose place, and the giver does not decide."""
    scene = Office()
    request = await scene.asks_two()
    assert await refused(scene, request, "kim") is WhyNot.NOT_AN_APPROVER
    said = await scene.says("hand over to kim for 3h: at the dentist")
    assert said.startswith("Kim decides in your place until Tue 01 Jan 2030 15:00 UTC, and you do not.")
    after = await scene.approve(request, "kim")
    assert "votes: @Kim (for @Cy) approved" in scene.drawn(after)
    assert await refused(scene, request, "cy") is WhyNot.HANDED_OVER
    voted = (await scene.store.trail(request.ask.run.thread))[1:]
    assert [one.entry.facts["stands for"] for one in voted if one.entry.event is Event.VOTED] == ["cy"]
    scene.store.advance(timedelta(hours=3))
    assert await refused(scene, request, "kim") is WhyNot.NOT_AN_APPROVER
    after = await scene.approve(request, "bo", token="bo")
    assert [vote.person for vote in after.votes] == [BO]  # nobody's vote outlives what it was given with
    assert (await scene.approve(request, "cy", token="cy")).state is State.DECIDED


async def test_one_person_with_two_authorities_is_one_person() -> None:
    """Bo stands in for Cy and is an approver: still one of two."""
    scene = Office()
    request = await scene.asks_two()
    await scene.says("hand over to bo for 1d")
    assert (await scene.approve(request, "bo")).state is State.OPEN
    assert await refused(scene, request, "bo") is WhyNot.ALREADY_VOTED


async def test_who_asked_neither_gives_nor_gets_authority_over_it() -> None:
    """P24: Alex cannot have his own request approved through Kim, nor approve it in Cy's place: Cy keeps it then."""
    scene = Office()
    request = await scene.asks_two()
    await scene.says("hand over to kim for 1d", "alex")
    assert await refused(scene, request, "kim") is WhyNot.NOT_AN_APPROVER
    await scene.says("hand over to alex for 1d")
    assert await refused(scene, request, "alex") is WhyNot.OWN_REQUEST
    assert (await scene.approve(request, "cy", token="cy")).votes[0].stands_for == ()


async def test_it_is_not_passed_on() -> None:
    """P24: Whoever is away takes nobody's place; going away later leaves the giver their own."""
    scene = Office()
    request = await scene.asks_two()
    await scene.says("hand over to di for 1d", "kim")
    assert await scene.says("hand over to kim for 1d") == str(AwayThemselves())
    await scene.says("hand over to nobody", "kim")
    await scene.says("hand over to kim for 1d")
    await scene.says("hand over to di for 1d", "kim")
    assert await refused(scene, request, "kim") is WhyNot.HANDED_OVER
    assert await refused(scene, request, "di") is WhyNot.NOT_AN_APPROVER
    assert (await scene.approve(request, "cy", token="cy")).votes[0].person == CY


async def test_taken_back_it_is_over_at_once() -> None:
    """And both are on record, with the days and the reason."""
    scene = Office()
    request = await scene.asks_two()
    await scene.says("hand over to kim from 2030-01-01 until 2030-01-05: on leave")
    assert await scene.says("hand over to nobody") == "Your authority is yours again."
    assert await refused(scene, request, "kim") is WhyNot.NOT_AN_APPROVER
    assert [(one.entry.by, one.entry.words) for one in await scene.store.trail(HANDOVERS)] == [
        ("cy", "To kim, 2030-01-01 12:00 to 2030-01-06 00:00 UTC: on leave"),
        ("cy", "Has their authority back"),
    ]


async def test_days_to_come_hold_when_they_come() -> None:
    """Whole days, the last one included."""
    scene = Office()
    request = await scene.asks_two()
    await scene.says("hand over to kim from 2030-01-02 until 2030-01-02")
    assert await refused(scene, request, "kim") is WhyNot.NOT_AN_APPROVER
    scene.store.advance(timedelta(hours=12))
    assert [vote.person for vote in (await scene.approve(request, "kim")).votes] == [KIM]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hand over to zed for 1d", NoSuchColleague()), ("hand over to cy for 1d", NotToThem()),
        ("hand over to kim", NoSuchTime()), ("hand over to kim for ever", NoSuchTime()),
        ("hand over to kim until 2029-12-31", NoSuchTime()), ("hand over to kim until 2031-01-01", NoSuchTime()),
        ("hand over to kim until 2030-02-31", NoSuchTime()), ("hand over to kim from 2030-02-03 until 2030-02-01", NoSuchTime()),
    ],
)  # fmt: skip
async def test_what_cannot_be_meant_hands_nothing_over(text: str, why: AnswerRefused) -> None:
    """A sentence says what is missing."""
    scene = Office()
    assert await scene.says(text) == str(why)
    assert await scene.store.handovers() == []


def given(**changed: object) -> HandOver:
    values = {"by": CY, "to": KIM, "since": NOON, "until": NOON + DAY, **changed}
    return HandOver(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "forged",
    [
        given(), given(key="0" * 16, signature="x"), Signer(b"o" * 32).sign_handover(given()),
        replace(SIGNER.sign_handover(given()), until=NOON + 9 * DAY),
        replace(SIGNER.sign_handover(given(to=DI)), to=KIM),
    ],
)  # fmt: skip
async def test_what_the_bot_has_not_signed_gives_nobody_anything(forged: HandOver) -> None:
    """Whoever writes to the store appoints no approver."""
    scene = Office()
    request = await scene.asks_two()
    await scene.store.hand_over(forged, ENTRY)
    assert await refused(scene, request, "kim") is WhyNot.NOT_AN_APPROVER
    await scene.store.hand_over(SIGNER.sign_handover(given()), ENTRY)
    scene.store.advance(timedelta(seconds=1))
    assert [vote.person for vote in (await scene.approve(request, "kim", token="k")).votes] == [KIM]


def test_it_holds_from_its_first_instant_until_its_last() -> None:
    """P24: At the end no more."""
    assert stand_ins([given()], (), NOON) == {CY: KIM}
    assert stand_ins([given()], (), NOON + DAY) == {}
    assert stand_ins([given()], (), NOON - timedelta(seconds=1)) == {}
    assert stand_ins([given()], {CY}, NOON) == stand_ins([given()], {KIM}, NOON) == {}


@pytest.mark.parametrize("kind", ["memory", "redis", "sealed"])
async def test_the_store_keeps_one_for_each_giver(kind: str, redis_url: str) -> None:
    """The newest, over restarts, until it is taken back."""
    seal = Seal([b"k" * 32] if kind == "sealed" else [])
    store: Store = MemoryStore() if kind == "memory" else await RedisStore.connect(redis_url, seal=seal)
    first, second, other = given(), given(to=DI), given(by=BO)
    for one in (first, second, other):
        await store.hand_over(one, ENTRY)
    assert sorted(await store.handovers(), key=lambda one: one.by) == [other, second]
    await store.take_back(CY, ENTRY)
    await store.take_back(CY, ENTRY)
    assert await store.handovers() == [other]
    assert len(await store.trail(HANDOVERS)) == 4
    await store.close()
