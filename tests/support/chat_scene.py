"""A desk that hears what is said in the thread of a card."""

from __future__ import annotations

from typing import cast

from desk_scene import SIGNER, Scene, who
from sayso.agent.policy import Policy
from sayso.approvals.people import PersonId, Place
from sayso.approvals.request import Request, State
from sayso.approvals.store import MessageRef, Target, TargetKind, Told
from sayso.approvals.verdict import ThreadId
from sayso.bot.desk import Desk
from sayso.bot.hearing import Audience, Ear, Heard, Words
from sayso.cards.spans import Spans, plain
from scenes import an_assessment

THREAD = Place("slack:C0FIN/1.1")


async def answers_nothing(heard: Heard) -> Spans:
    return ()


class Chat(Scene):
    """A desk that knows its operators, and what is said to it in the thread of a card."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(
            store=self.store, directory=self.desk._directory, rules=cast("Policy", self.desk._electing.rules), signer=SIGNER,
            assess=lambda _: an_assessment(), operators={PersonId("kim")},
        )  # fmt: skip
        self.ear = Ear(desk=self.desk, answering=answers_nothing, help="")
        self.audience: Audience | None = None

    async def shown(self, **of: object) -> Request:
        """A request whose card begins the thread."""
        request = await self.asks(**of)
        ref = MessageRef(platform="slack", channel="C0FIN", message="1.1")
        card = Target(kind=TargetKind.CARD, id=request.id, where="slack:C0FIN")
        await self.store.set_told(card, Told(ref=ref, version=1, revision=1))
        return request

    async def says(self, text: str, user: str = "alex", *, reply: bool = True, mention: bool = True) -> str:
        """What somebody is told, and nobody else but of a run that begins; empty for nothing."""
        said = await self.told(text, user, reply=reply, mention=mention)
        assert self.audience is not Audience.THREAD or "I am on it" in said
        return said

    async def told(self, text: str, user: str, *, reply: bool, mention: bool) -> str:
        """The same, whoever may read it."""
        heard = Heard(
            text=text, thread=THREAD, message="2.2", is_reply=reply, run=ThreadId(f"slack:{text}{user}"),
            who=who(user), token=f"{text}{user}",
        )  # fmt: skip
        said = await (self.ear.mentioned(heard) if mention else self.ear.overheard(heard))
        assert said is None or isinstance(said, Words)
        self.audience = said.audience if said else None
        return plain(said.spans) if said else ""

    async def state(self, request: Request) -> State:
        return (await self.store.get(request.id)).state
