"""What bots and schedulers do for the audit trail again and again, as the settings want it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from datetime import timedelta

from ...approvals.errors import BadSetting
from ...approvals.linker import Linker
from ...approvals.redis_store import RedisStore
from ...scheduler.ticking import Job
from ..api.signature import CallbackSecret
from ..settings import Settings
from ..signing_keys import load_link_keys
from . import anchors, keeping

#: How often each process looks for records that are not linked.
LINK_EVERY = timedelta(seconds=2)


def jobs(settings: Settings, store: RedisStore) -> Sequence[Job]:
    """Raises: BadSetting."""
    keys, holder = load_link_keys(settings), f"{os.getpid()}-{secrets.token_hex(8)}"
    linker = Linker(store, keys, holder=holder)
    outside = anchors.Anchors(
        store, keys, holder=holder, file=settings.anchor_file, webhook=webhook_of(settings)
    )
    found = [
        Job(name="audit links", every=LINK_EVERY, run=linker.link),
        Job(name="audit anchors", every=anchors.LOOK_EVERY, run=outside.look),
    ]
    if settings.audit.keep_days:
        old = keeping.Keeping(store, keys, timedelta(days=settings.audit.keep_days))
        found.append(Job(name="audit keeping", every=keeping.LOOK_EVERY, run=old.look))
    return found


def webhook_of(settings: Settings) -> anchors.Webhook | None:
    """The address that takes anchors. Raises: BadSetting."""
    url, name = settings.audit.anchor_url, settings.audit.anchor_secret
    if not url or not name:
        return None
    secret = settings.secret(
        name, "audit.anchor_secret says it holds the secret that anchors are signed with."
    )
    try:
        return anchors.Webhook(url=url, secret=CallbackSecret(secret))
    except ValueError as error:
        raise BadSetting(f"{name}: {error}.") from error
