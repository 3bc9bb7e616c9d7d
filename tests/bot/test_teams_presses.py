"""What people press in Teams, over real HTTP with signed tokens: every press gets its answer at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from office import SIGNER
from sayso.approvals.request import Request, State
from sayso.approvals.signing import Verifier
from sayso.approvals.verdict import Rule
from teams_bot import TRANSPORTS
from teams_office import ROUTE, teams_office

TWO = replace(ROUTE, rule=Rule(approvers=("finance",), needed=2))


def decided(request: Request) -> bool:
    return request.state is State.DECIDED


@pytest.mark.parametrize("sdk", TRANSPORTS)
async def test_bo_approves_and_every_card_says_so(sdk: str) -> None:
    """Bo's own card is redrawn in the answer, everybody else's by update; the vote is signed."""
    async with teams_office(sdk=sdk) as o:
        request = await o.asks()
        bo = o.teams.person("bo")
        click = await bo.clicks(o.card(), "Approve")
        assert click.card is not None
        assert "Approved by" in bo.reads(o.card())
        assert bo.offered(o.card()) == ["Details", "Details in a dialog…"]
        (vote,) = (await o.until(request, decided)).votes
        await o.deliver()
        for channel in ("#finance-approvals", "#support"):
            assert "Approved by @Bo" in o.card(channel).text_as_seen()
            assert o.card(channel).buttons() == ["Details", "Details in a dialog…"]
        Verifier([SIGNER.public_key]).check(vote)
        assert vote.via == f"teams:{o.teams.tenant_id}/{bo.aad}"
