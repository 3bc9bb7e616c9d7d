"""Who may decide one request at this moment: its frozen sets and today's policy, with everybody looked up live."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..approvals.authority import Roster
from ..approvals.errors import NotAllowed, SaysoError, WhyNot
from ..approvals.handover import StandIns, stand_ins, with_stand_ins
from ..approvals.people import Directory, Identity, PersonId
from ..approvals.quorum import stricter
from ..approvals.request import Request
from ..approvals.signing import Verifier
from ..approvals.store import Store
from ..approvals.verdict import Reject, Rule, Verdict
from ..approvals.watched import decides_about
from .rules import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Electorate:
    """Everybody who may decide one request now.

    Attributes:
        rule: The stricter of the frozen one and today's, set by set.
        members: Who is in each set that either of them names.
        lapsed: Earlier voters who may not decide any more, or no longer for the same sets.
        acting: Who stands in for whom; `members` has the stand-ins already.
    """

    roster: Roster
    rule: Rule
    members: Mapping[str, frozenset[PersonId]]
    lapsed: frozenset[PersonId] = frozenset()
    acting: StandIns = field(default_factory=dict)

    @property
    def needed(self) -> int:
        return self.rule.needed

    def may_decide(self, request: Request) -> frozenset[PersonId]:
        return self.roster.may_decide(request) - self.lapsed

    def check(self, request: Request, person: PersonId, verdict: Verdict | None = None) -> None:
        """Whether this person may decide, or give this verdict. Raises: NotAllowed, with the reason that helps most."""
        if isinstance(verdict, Reject) and self._may_veto(request, person):
            return
        if person in self.acting and person not in self.roster.may_decide(request):
            raise NotAllowed(WhyNot.HANDED_OVER)
        self.roster.check(request, person)

    def _may_veto(self, request: Request, person: PersonId) -> bool:
        inside = any(person in self.members[name] for name in request.ask.rule.veto)
        return inside and person not in self.roster.denied | request.requesters

    def stands_for(self, person: PersonId) -> tuple[PersonId, ...]:
        """Whose authority this person has in their hands."""
        return tuple(sorted(by for by, to in self.acting.items() if to == person))

    def fills(self, request: Request, person: PersonId) -> tuple[str, ...]:
        """Of which sets this person may take a seat: of their own, or of any once a wider circle brought them in."""
        seats = tuple(one.approvers for one in self.rule.seats)
        if any(person in self.members[circle] for circle in request.circles if circle in self.members):
            return seats
        return tuple(name for name in seats if person in self.members[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Electing:
    """Finds the electorate of a request."""

    directory: Directory
    rules: Rules
    store: Store
    verifier: Verifier

    async def of(self, request: Request) -> Electorate:
        """Everybody who may decide, looked up now. Raises: DirectoryDown.

        Today's route is that of the action: which one it was asked on stands in the record alone.
        """
        rule = self.rule(request)
        try:
            allowed = self.rules.sets_for(decides_about(request))
        except SaysoError:
            allowed = frozenset()  # today's policy has no such route: nobody may decide
        names = dict.fromkeys((*request.approver_sets, *request.ask.rule.veto, *sorted(allowed)))
        acting, found = await asyncio.gather(
            self._acting(request), asyncio.gather(*map(self.directory.members, names))
        )
        members = {name: with_stand_ins(people, acting) for name, people in zip(names, found, strict=True)}
        roster = Roster(
            frozen={name: members[name] for name in request.approver_sets},
            current=frozenset().union(*(members[name] for name in allowed)),
            denied=self.rules.denied,
        )  # fmt: skip
        now = Electorate(roster=roster, rule=rule, members=members, acting=acting)
        moved = {
            vote.person for vote in request.votes if set(vote.fills) != set(now.fills(request, vote.person))
        }
        return replace(now, lapsed=await self._lapsed(request) | moved)

    def rule(self, request: Request) -> Rule:
        """The stricter of the frozen rule and today's."""
        try:
            return stricter(request.ask.rule, self.rules.route_for(decides_about(request)).rule)
        except SaysoError:
            return request.ask.rule

    async def _acting(self, request: Request) -> StandIns:
        """Who stands in for whom on this request, as far as the bot has signed it."""
        given = [one for one in await self.store.handovers() if self.verifier.believes(one)]
        if not given:
            return {}
        return stand_ins(given, self.rules.denied | request.requesters, await self.store.now())

    async def _lapsed(self, request: Request) -> frozenset[PersonId]:
        """Earlier voters whose account may not decide any more. Raises: DirectoryDown."""
        lapsed = set()
        for vote in request.votes:
            platform, _, rest = vote.via.partition(":")
            tenant, _, user = rest.partition("/")
            try:
                now_is = await self.directory.person(Identity(platform=platform, tenant=tenant, user=user))
            except NotAllowed:
                lapsed.add(vote.person)
            else:
                lapsed |= {vote.person} - {now_is.id}
        return frozenset(lapsed)
