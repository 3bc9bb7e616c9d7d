"""Clients of somebody's own making in Teams: whatever they send, it opens nothing unseen and decides for nobody."""

from __future__ import annotations

import json

from sayso.sandbox.teams.places import object_id
from teams_office import teams_office


async def test_somebody_from_another_tenant_decides_nothing() -> None:
    """P6: In a shared channel Teams names the channel's tenant beside zoe: our own tenant is asked whether it knows her."""
    async with teams_office() as o:
        request = await o.asks()
        click = await o.teams.person("kim").clicks(o.card(), "Approve")
        assert click.delivery is not None
        zoe = {**click.delivery.activity["from"], "aadObjectId": object_id("zoe")}
        told = await o.sends(click.delivery, sender=zoe)
        assert (told["statusCode"], told["value"]["code"]) == (403, "NotAllowed")
        assert (await o.now(request)).votes == ()


async def test_somebody_without_an_object_id_is_nobody() -> None:
    """Teams leaves it out for some; their name counts for nothing, and Details stay closed to them, too."""
    async with teams_office() as o:
        request = await o.asks()
        for title, account in (("Approve", ""), ("Details", None)):
            click = await o.teams.person("kim").clicks(o.card(), title)
            assert click.delivery is not None
            sender = {**click.delivery.activity["from"], "name": "Bo Berg", "aadObjectId": account}
            told = await o.sends(click.delivery, sender=sender)
            assert told["statusCode"] == 403
        assert (await o.now(request)).votes == ()


async def test_a_client_that_looks_by_itself_decides_nothing() -> None:
    """A refresh draws, whatever verb stands in it."""
    async with teams_office() as o:
        request = await o.asks()
        click = await o.teams.person("kim").clicks(o.card(), "Approve")
        assert click.delivery is not None
        value = {**click.delivery.activity["value"], "trigger": "automatic"}
        sender = {**click.delivery.activity["from"], "aadObjectId": o.teams.person("bo").aad}
        told = await o.sends(click.delivery, value=value, sender=sender)
        assert (told["statusCode"], told["type"]) == (200, "application/vnd.microsoft.card.adaptive")
        assert (await o.now(request)).votes == ()


async def test_a_button_that_no_longer_exists_is_answered() -> None:
    """A card drawn by an older version, one that carries nonsense, and one that does not say what it stood beside."""
    async with teams_office() as o:
        request = await o.asks()
        click = await o.teams.person("kim").clicks(o.card(), "Approve")
        assert click.delivery is not None
        bo = {**click.delivery.activity["from"], "aadObjectId": o.teams.person("bo").aad}
        action = click.delivery.activity["value"]["action"]
        for changed in (
            {**action, "verb": "ship_it"},
            {**action, "data": {"press": "nonsense"}},
            {**action, "data": {"press": f"{request.id}.1"}},
        ):
            told = await o.sends(click.delivery, value={"action": changed}, sender=bo)
            assert told["statusCode"] == 400
            assert "newest card" in told["value"]["message"]
        assert (await o.now(request)).votes == ()


async def test_a_press_of_ones_own_making_opens_nothing_that_one_has_not_seen() -> None:
    """Clients send what they like: another request, another revision, a page beyond the end, another digest."""
    async with teams_office() as o:
        mine, other = await o.asks(), await o.asks()
        click = await o.teams.person("bo").clicks(o.cards()[0], "Details")
        assert click.delivery is not None
        shown = mine.current.digest[:24]
        for press in (f"{other.id}.1.{shown}", f"{mine.id}.2.{shown}", f"{mine.id}.1.{'0' * 24}"):
            for verb in ("details", "card", "approve"):
                action = {**click.delivery.activity["value"]["action"], "verb": verb}
                told = await o.sends(
                    click.delivery, {"press": press, "posted": None}, value={"action": action}
                )
                assert told["statusCode"] == 409, (press, verb)
        far = await o.sends(click.delivery, {"press": f"{mine.id}.1.{shown}.p99999"})
        assert "issue_refund" in json.dumps(far)
        assert [(await o.now(one)).votes for one in (mine, other)] == [(), ()]


async def test_a_press_that_claims_another_cards_place_overwrites_nothing() -> None:
    """Whatever message a client says it pressed on: the card that stands there stays, for everybody."""
    async with teams_office() as o:
        await o.asks()
        mine = o.card()
        await o.asks()
        theirs = o.card()
        click = await o.teams.person("bo").clicks(mine, "Details")
        assert click.delivery is not None
        place = {"id": f"{theirs.conversation};messageid={theirs.id}", "conversationType": "channel"}
        await o.sends(click.delivery, replyToId=theirs.id, conversation=place)
        await o.listener.close()
        assert theirs.edits == 0
        assert "Approve" in theirs.buttons()
