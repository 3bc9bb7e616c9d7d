"""What follows once somebody has signed in to a provider, or has ended it: the audit trail, and whatever waited for it."""

from __future__ import annotations

from ..agent.grants import name_of
from ..approvals import lacking
from ..approvals.change import AuditEntry, Event
from ..approvals.credential import CredentialRef
from ..approvals.store import Store
from ..approvals.verdict import ThreadId

_WORDS = {Event.CREDENTIAL_ADDED: "Somebody has signed in", Event.CREDENTIAL_REVOKED: "The sign-in was ended"}


async def signed_in(store: Store, ref: CredentialRef, *, by: str) -> int:
    """Let what waits for this sign-in go on; how many requests that were. Raises: StoreDown; saying it again is safe.

    What is not reached here is tried again by its own clock.
    """
    await noted(store, Event.CREDENTIAL_ADDED, ref, by=by)
    waiting = [
        one.id for one in await store.live()
        if one.dead_credential is not None and lacking.same_account(one.dead_credential.ref, ref)
    ]  # fmt: skip
    for id in waiting:
        await store.change(id, lambda record, now: lacking.mended(record, ref, by, now))
    return len(waiting)


async def noted(store: Store, event: Event, ref: CredentialRef, *, by: str) -> None:
    """Put it on record that a sign-in was added or ended, under the credential's own name."""
    entry = AuditEntry(event=event, by=by, words=_WORDS[event], facts=lacking.facts_of(ref))
    await store.note(entry, thread=ThreadId(f"credential:{name_of(ref)}"))
