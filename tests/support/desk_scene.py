"""A desk over the store in memory, and a platform whose accounts a test controls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest
from sayso.agent.policy import Policy
from sayso.approvals import machine
from sayso.approvals.action import Action
from sayso.approvals.change import Event
from sayso.approvals.deadline import CHAINS
from sayso.approvals.errors import (
    DirectoryDown,
    NotAllowed,
    WhyNot,
)
from sayso.approvals.memory import MemoryStore
from sayso.approvals.people import Identity, Person, PersonId
from sayso.approvals.request import Request, State
from sayso.approvals.risk import RiskAssessment
from sayso.approvals.signing import Signer
from sayso.approvals.verdict import Approve, Rule
from sayso.bot.desk import Desk
from sayso.bot.directory import ApproverSet, ConfiguredDirectory
from scenes import DI, FINANCE, a_request, an_assessment

SIGNER = Signer(bytes(range(32)))
TWO = replace(FINANCE, rule=Rule(approvers=("finance",), needed=2))


@dataclass
class Doorman:
    """A platform whose accounts a test controls; `down` makes it unreachable."""

    standing_of: dict[str, WhyNot] = field(default_factory=dict)
    groups: dict[str, frozenset[str]] = field(default_factory=dict)
    down: bool = False
    asked: int = 0

    async def standing(self, identity: Identity) -> WhyNot | None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise DirectoryDown
        return self.standing_of.get(identity.user)

    async def group(self, id: str) -> frozenset[str]:
        if self.down:
            raise DirectoryDown
        return self.groups.get(id, frozenset())


def who(user: str, platform: str = "slack") -> Identity:
    return Identity(platform=platform, tenant="T1", user=user)


PEOPLE = [
    Person(id=PersonId(name), name=name.capitalize(), accounts={"slack": name, "teams": f"{name}@teams"})
    for name in ("alex", "bo", "cy", "di", "kim")
]
TWINS = [Person(id=PersonId(name), name=name, accounts={"slack": "twin"}) for name in ("bo2", "cy2")]


class Scene:
    """A desk over the store in memory."""

    def __init__(
        self, *, policy: Mapping[str, object] | None = None, sets: Mapping[str, ApproverSet] | None = None
    ) -> None:
        self.slack = Doorman(groups={"S1": frozenset({"bo", "cy", "alex", "twin", "nobody"})})
        self.clock = [0.0]
        self.store = MemoryStore()
        self.sets = sets or {
            "finance": ApproverSet(groups=("slack:S1",)), "seniors": ApproverSet(people=(DI,)),
            "on-call": ApproverSet(people=(PersonId("kim"),)),
        }  # fmt: skip
        self.desk = self.a_desk(policy or {})

    def a_desk(
        self,
        policy: Mapping[str, object],
        scored: Callable[[Action], RiskAssessment] = lambda _: an_assessment(),
    ) -> Desk:
        values = {
            "tools": {},
            "routes": {"finance": FINANCE},
            "chains": CHAINS,
            "default_route": "finance",
            **policy,
        }
        rules = Policy(**values)  # type: ignore[arg-type]
        directory = ConfiguredDirectory(
            people=[*PEOPLE, *TWINS], sets=self.sets, platforms={"slack": self.slack, "teams": Doorman()},
            monotonic=lambda: self.clock[0], now=self.store.now,
        )  # fmt: skip
        return Desk(store=self.store, directory=directory, rules=rules, signer=SIGNER, assess=scored)

    async def asks(self, **overrides: object) -> Request:
        return await self.store.open(machine.opened(a_request(**overrides).ask))

    async def approve(self, request: Request, user: str, token: str = "", **more: object) -> Request:
        values = {"revision": request.revision, "verdict": Approve(), **more}
        token = token or f"click of {user}"
        done = await self.desk.answer(request.id, who=who(user), token=token, **values)  # type: ignore[arg-type]
        return done.request

    async def events(self, request: Request) -> list[Event]:
        return [record.entry.event for record in await self.store.trail(request.ask.run.thread)]

    async def why(self, request: Request, user: str) -> WhyNot:
        """Why this person's approval is refused; refused, audited, and nothing moved."""
        with pytest.raises(NotAllowed) as refused:
            await self.approve(request, user)
        assert (await self.store.get(request.id)).state is State.OPEN
        assert (await self.events(request))[-1] is Event.REFUSED_ANSWER
        return refused.value.why
