"""One policy for all replicas: the bot publishes the one it works by, and whoever works by another says so loudly.

What is published allows nothing and forbids nothing: each process acts by the policy of its own settings, so a store
that was tampered with changes no decision.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from ..agent.policy import Policy
from ..approvals import canonical
from ..approvals.change import NO_RUN, AuditEntry, Event
from ..approvals.sealing import CannotOpen
from ..approvals.store import PublishedPolicy, RequestStore

log = logging.getLogger(__name__)

#: How often each process compares.
LOOK_EVERY = timedelta(seconds=30)
#: Most places that are named in which two policies differ.
NAMED = 5


class OnePolicy:
    """This process's policy beside the published one."""

    def __init__(self, store: RequestStore, policy: Policy) -> None:
        self._store = store
        self._policy = policy
        self._said = ""
        #: In what way they differ, for people; empty while they are the same, or none is published.
        self.problem = ""

    async def publish(self) -> None:
        """Say that this is the policy now; the bot that was started last is right. Raises: StoreDown."""
        before = await self._published_version()
        await self._store.publish_policy(self._policy.version, canonical.encode(self._policy).decode())
        if before != self._policy.version:
            entry = AuditEntry(
                event=Event.POLICY_CHANGED, words=f"The bot works by policy {self._policy.version} from now on",
                facts={"policy": self._policy.version, "before": before},
            )  # fmt: skip
            await self._store.note(entry, thread=NO_RUN)
        log.info("policy.published version=%s", self._policy.version)

    async def _published_version(self) -> str:
        try:
            published = await self._store.published_policy()
        except CannotOpen:
            return "(sealed with a key that is not here)"
        return published.version if published else ""

    async def look(self) -> None:
        """Compare, and say once what is new. Raises: StoreDown."""
        self.problem = await difference_to_published(self._store, self._policy)
        if self.problem and self.problem != self._said:
            log.error("policy.differs %s", self.problem)
        elif self._said and not self.problem:
            log.info("policy.same version=%s", self._policy.version)
        self._said = self.problem


async def difference_to_published(store: RequestStore, policy: Policy) -> str:
    """In what this policy differs from the published one, a sentence; empty when in nothing. Raises: StoreDown."""
    try:
        return _unlike(policy, await store.published_policy())
    except CannotOpen as error:
        return f"{error} It is the policy by which the bot works: start the bot again with the keys of today."


def _unlike(policy: Policy, published: PublishedPolicy | None) -> str:
    if published is None or published.version == policy.version:
        return ""
    where = ", ".join(list(_places(json.loads(canonical.encode(policy)), json.loads(published.text)))[:NAMED])
    return (
        f"The policy here is {policy.version}, but the bot that was started last works by {published.version}: "
        f"{where or 'it is written otherwise'} differ. Give every process the same settings and start it again."
    )


def _places(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    """Names of the settings that are not the same in both."""
    for key in sorted({*ours, *theirs} - {"version"}):
        one, other = ours.get(key), theirs.get(key)
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            yield from (
                f"{key}.{name}" for name in sorted({*one, *other}) if one.get(name) != other.get(name)
            )
        else:
            yield key
