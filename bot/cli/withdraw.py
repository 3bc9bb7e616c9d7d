"""`sayso withdraw`: takes a request back before anything was done, as whoever asked for it or as an operator."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

from ...approvals.errors import BadSetting
from ...approvals.people import PersonId
from ...approvals.request import Request
from ...approvals.verdict import RequestId
from ...cards.escape import line
from ..opening import open_store
from ..settings import Settings, load_settings
from ..withdrawal import Withdrawals
from .terminal import console

#: On record for whoever says no name: they have the store, so they operate it.
OPERATOR = "an operator"


def withdraw(settings_file: Path | None, id: str, why: str, as_person: str | None) -> None:
    """Raises: BadSetting, NotTheirs, TooLate, RequestNotFound, and what opening the store raises."""
    settings = load_settings(settings_file)
    if as_person is not None and as_person not in settings.people:
        raise BadSetting(f"There is no person {as_person!r} in {settings.file}.")
    request = asyncio.run(_withdrawn(settings, RequestId(id.strip()), why, as_person))
    console().print(f"Withdrawn, nothing is done: {line(request.proposal.action.summary)}", soft_wrap=True)


async def _withdrawn(settings: Settings, id: RequestId, why: str, as_person: str | None) -> Request:
    async with open_store(settings) as store:
        withdrawals = Withdrawals(store=store, operators=settings.operators)
        if as_person is None:
            return await withdrawals.unasked(
                await store.get(id), by=OPERATOR, name=OPERATOR.capitalize(), why=why
            )
        name = settings.people[as_person].name
        return await withdrawals.by_person(id, PersonId(as_person), name, why, token=uuid.uuid4().hex)
