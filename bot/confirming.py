"""Looks again and again whether whoever trusts something may still decide about it; where they may not, the trust ends.

No worker can ask the directory, so what it believes is what the bot has signed in the last two minutes (`FRESH`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import timedelta

from ..approvals.change import AuditEntry, Event
from ..approvals.errors import DirectoryDown, NotAllowed, RequestNotFound, WhyNot
from ..approvals.people import Directory, Identity
from ..approvals.signing import Signer, Verifier
from ..approvals.store import Store
from ..approvals.trust import Trust
from .electorate import Electing

_log = logging.getLogger(__name__)

#: How often each bot looks: several times before what it found last is too old.
EVERY = timedelta(seconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirming:
    """Any number of bots may look at once: the store takes each one's word only over what it has read."""

    store: Store
    directory: Directory
    electing: Electing
    signer: Signer

    async def look(self) -> None:
        """Confirm what stands, and end what does not. Raises: StoreDown, CannotOpen."""
        verifier = Verifier([self.signer.public_key])
        for trust in await self.store.trusts():
            if trust.is_over(await self.store.now()) or not verifier.believes_trust(trust):
                continue  # nothing runs on it
            try:
                await self._look_at(trust)
            except DirectoryDown:
                _log.warning(
                    "trust.unconfirmed", extra={"trust": trust.id}
                )  # too old soon, and people are asked

    async def _look_at(self, trust: Trust) -> None:
        """Raises: DirectoryDown, StoreDown."""
        now = await self.store.now()  # before looking: what is found is no newer than that
        try:
            await self._check(trust)
        except (NotAllowed, RequestNotFound) as error:
            words = f"Ended the trust of {trust.by} in {trust.tool}: they may not decide about it any more"
            facts = {"trust": trust.id, "why": str(error)}
            entry = AuditEntry(event=Event.DISTRUSTED, words=words[:300], facts=facts)
            await self.store.end(trust, entry)
        else:
            await self.store.confirm(trust, self.signer.sign_trust(replace(trust, seen=now)))

    async def _check(self, trust: Trust) -> None:
        """Raises: NotAllowed, RequestNotFound, DirectoryDown, StoreDown."""
        platform, _, rest = trust.via.partition(":")
        tenant, _, user = rest.partition("/")
        person = await self.directory.person(Identity(platform=platform, tenant=tenant, user=user))
        if person.id != trust.by:
            raise NotAllowed(WhyNot.UNKNOWN_PERSON)
        request = await self.store.get(trust.request)
        electorate = await self.electing.of(request)
        electorate.check(request, trust.by)
        if trust.by in electorate.lapsed:
            raise NotAllowed(WhyNot.NOT_ANY_MORE)
