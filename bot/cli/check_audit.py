"""`sayso check` on the audit trail: its key, what is not linked, and whether it is anchored outside the store."""

from __future__ import annotations

from ...approvals.naming import PARTITIONS
from ..evidence.jobs import webhook_of
from ..opening import open_store
from ..settings import Settings
from ..signing_keys import NoLinkKeys, kept_link_keys
from .looks import Doubtful

#: So many records without a link, and nobody seems to link them.
MANY = 1_000


async def audit_trail(settings: Settings) -> str:
    """In one line. Raises: Doubtful, BadSetting, StoreDown."""
    webhook_of(settings)
    try:
        keys = kept_link_keys(settings)
    except NoLinkKeys:
        return f"a key for its links will be made in {settings.data_dir / 'keys'} at the bot's first start"
    async with open_store(settings) as store:
        extents = [await store.extent(partition) for partition in range(PARTITIONS)]
    strangers = {one.head.key for one in extents if one.head.key} - set(keys.names)
    if strangers:
        raise Doubtful(
            f"it was linked with the key {', '.join(sorted(strangers))}, which is not here: give every bot, every "
            "scheduler and whoever verifies the same SAYSO_AUDIT_KEYS"
        )
    waiting = sum(one.written - one.head.number for one in extents)
    if waiting > MANY:
        raise Doubtful(f"{waiting:,} records are not linked: run a bot or a scheduler, and read its log")
    where = [str(settings.anchor_file or ""), settings.audit.anchor_url or ""]
    anchored = (
        " and ".join(filter(None, where)) or "the log alone ([audit] anchor_file or anchor_url names more)"
    )
    return f"linked with {keys.names[0]}, {waiting} to be linked; anchored in {anchored}"
