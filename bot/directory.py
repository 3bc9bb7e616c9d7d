"""Who people are and who is in which approver set: the configuration, checked live against each platform."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ..approvals.errors import BadSetting, NotAllowed, WhyNot
from ..approvals.people import Identity, Person, PersonId
from .fresh import Fresh
from .rotations import RotationFile


class Accounts(Protocol):
    """One platform's own list of accounts, asked live."""

    async def standing(self, identity: Identity) -> WhyNot | None:
        """Why this account may never decide (guest, bot, foreign, deactivated, unknown); None when it may.

        Raises: DirectoryDown.
        """
        ...

    async def group(self, id: str) -> frozenset[str]:
        """Accounts in a group of the platform; empty when it is unknown or disabled. Raises: DirectoryDown."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproverSet:
    """A named circle of people.

    Attributes:
        people: Listed one by one.
        groups: Groups whose members belong to it, as "platform:id" ("slack:S0FINANCE").
        rotation: Says who of it is on call; None where it has none.
        fallback: The set that counts while nobody is in this one; empty where there is none.
    """

    people: tuple[PersonId, ...] = ()
    groups: tuple[str, ...] = ()
    rotation: RotationFile | None = None
    fallback: str = ""


class ConfiguredDirectory:
    """A `Directory` over the configured people; what platforms say is at most 15 seconds old."""

    def __init__(
        self, *, people: Iterable[Person], sets: Mapping[str, ApproverSet], platforms: Mapping[str, Accounts],
        monotonic: Callable[[], float] = time.monotonic, now: Callable[[], Awaitable[datetime]] | None = None,
    ) -> None:  # fmt: skip
        """Take the store's time as `now`, where some set has a rotation.

        Raises: BadSetting, for a person listed twice or a set naming somebody who is not listed.
        """
        everybody = tuple(people)
        self._people = {person.id: person for person in everybody}
        if len(self._people) != len(everybody):
            raise BadSetting("people: one id is given to two persons")
        for name, members in sets.items():
            strangers = [person for person in members.people if person not in self._people]
            if strangers:
                raise BadSetting(f"sets.{name}: there is no person {strangers[0]!r}")
        self._sets = dict(sets)
        self._now = now
        self._on_call = dict[str, PersonId | None]()
        self._platforms = dict(platforms)
        self._by_account = _by_account(everybody)
        self._standing = Fresh(self._ask_standing, monotonic=monotonic)
        self._groups = Fresh(self._ask_group, monotonic=monotonic)

    async def person(self, identity: Identity) -> Person:
        """Who this account is. Raises: NotAllowed, DirectoryDown."""
        why = await self._standing.get(f"{identity.platform}\0{identity.tenant}\0{identity.user}")
        if why is not None:
            raise NotAllowed(why)
        return self._people[self._owner(identity.platform, identity.user)]

    async def members(self, approvers: str) -> frozenset[PersonId]:
        """Who is in this approver set right now, or in its fallback. Raises: DirectoryDown, StoreDown."""
        listed = self._sets.get(approvers, ApproverSet())
        groups = await asyncio.gather(*(self._groups.get(group) for group in listed.groups))
        found = frozenset(listed.people).union(*groups, await self._turn(approvers, listed))
        return await self.members(listed.fallback) if listed.fallback and not found else found

    async def _turn(self, name: str, listed: ApproverSet) -> frozenset[PersonId]:
        """Who is on call by the set's rotation."""
        if listed.rotation is None or self._now is None:
            return frozenset()
        who = self._on_call[name] = listed.rotation.rotation.on_call(await self._now())
        return frozenset([who] if who else ())

    def known(self, id: PersonId) -> Person | None:
        """The person of the configuration."""
        return self._people.get(id)

    def account(self, platform: str) -> Callable[[PersonId], str]:
        """What finds a person's account on a platform; empty when they have none."""

        def find(id: PersonId) -> str:
            person = self._people.get(id)
            return person.accounts.get(platform, "") if person else ""

        return find

    def mentions(self, platform: str) -> Callable[[str], tuple[str, ...]]:
        """What finds whom to mention for an approver set: its groups and its people, as the platform's ids."""

        def find(name: str) -> tuple[str, ...]:
            listed = self._sets.get(name, ApproverSet())
            groups = [group.partition(":") for group in listed.groups]
            turn = self._on_call.get(name)  # as of the last time that somebody asked who it is
            accounts = map(self.account(platform), (*listed.people, *([turn] if turn else ())))
            return (*(id for where, _, id in groups if where == platform), *filter(None, accounts))

        return find

    async def _ask_standing(self, key: str) -> WhyNot | None:
        platform, tenant, user = key.split("\0", 2)
        accounts = self._platforms.get(platform)
        if accounts is None:
            return WhyNot.UNKNOWN_PERSON  # nobody vouches for accounts of this platform
        return await accounts.standing(Identity(platform=platform, tenant=tenant, user=user))

    async def _ask_group(self, group: str) -> frozenset[PersonId]:
        platform, _, id = group.partition(":")
        accounts = self._platforms.get(platform)
        users = await accounts.group(id) if accounts else frozenset()
        owners = (self._by_account.get((platform, user), ()) for user in users)
        return frozenset(persons[0] for persons in owners if len(persons) == 1)

    def _owner(self, platform: str, user: str) -> PersonId:
        owners = self._by_account.get((platform, user), ())
        if len(owners) > 1:
            raise NotAllowed(WhyNot.AMBIGUOUS)
        if not owners:
            raise NotAllowed(WhyNot.UNKNOWN_PERSON)
        return owners[0]


def _by_account(people: Iterable[Person]) -> Mapping[tuple[str, str], tuple[PersonId, ...]]:
    owners: dict[tuple[str, str], tuple[PersonId, ...]] = {}
    for person in people:
        for platform, user in person.accounts.items():
            owners[platform, user] = (*owners.get((platform, user), ()), person.id)
    return owners
