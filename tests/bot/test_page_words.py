"""The links of a page: one to every copy of the card, each called by what people know it by."""

from __future__ import annotations

from dataclasses import replace

from both_channels import both_channels
from sayso.approvals.people import Place
from sayso.approvals.store import Target, TargetKind, Told
from sayso.bot.channel import Channel
from sayso.bot.page_words import PageWriter
from sayso.bot.slack.transport import SlackChannel, slack_client


async def test_every_copy_has_its_link_and_none_an_id_for_a_name() -> None:
    """Two cards in Slack and one in Teams: three links, whoever reads them at night."""
    async with both_channels() as b:
        places = (Place("slack:C0FINANCE"), Place("slack:C0OPS"), b.there())
        request = await b.asks(route=replace(b.route, places=places))
        slack = SlackChannel(slack_client(b.slack.bot_token, base_url=b.slack.api_url))
        channels: dict[str, Channel] = {"slack": slack, "teams": b.bot.channel}
        words = await PageWriter(store=b.store, channels=channels, name=str)(request)
        cards = {name: link for name, link in words.details.items() if name.startswith("Card in ")}
        assert sorted(cards) == ["Card in Slack", "Card in Slack (2)", "Card in Teams"]
        assert len(set(cards.values())) == 3
        assert {one.text for one in words.links} == {
            f"Open the card ({name.removeprefix('Card in ')})" for name in cards
        }


async def test_a_direct_message_is_called_by_whose_it_is() -> None:
    """Kim is paged, and cannot open what stands in Sue's."""
    async with both_channels() as b:
        request = await b.asks()
        refs = [told.ref for told in (await b.store.all_told(request.id)).values() if told.ref]
        ref = next(one for one in refs if one.platform == "slack")  # any message that is there
        card = Target(kind=TargetKind.CARD, id=request.id, where="person:sue")
        await b.store.set_told(card, Told(ref=ref, version=1))
        slack = SlackChannel(slack_client(b.slack.bot_token, base_url=b.slack.api_url))
        names = {"alex": "Alex Asker", "sue": "Sue Supervisor"}
        words = await PageWriter(
            store=b.store, channels={"slack": slack}, name=lambda one: names.get(one, one)
        )(request)
        assert "Card in a direct message to Sue Supervisor" in words.details
