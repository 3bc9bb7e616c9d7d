"""The activities Teams sends to a bot."""

from __future__ import annotations

import html
import re
import secrets
from datetime import UTC, datetime

from ..loopback import Json
from .places import Channel, User
from .screen import Message
from .tenant import BOT_NAME, Tenant


def message(tenant: Tenant, service_url: str, user: User, channel: Channel, said: Message) -> Json:
    """Somebody wrote something; with the HTML form beside it, as Teams sends it."""
    markup = {"contentType": "text/html", "content": f"<p>{_html(said.text)}</p>"}
    return {
        **_common(tenant, service_url, user, channel, said, kind="message", id=said.id),
        "text": said.text, "textFormat": "plain", "attachments": [markup],
        "entities": [*said.entities, _client()],
    }  # fmt: skip


def submitted(
    tenant: Tenant, service_url: str, user: User, channel: Channel, card: Message, *, value: Json
) -> Json:
    """An Action.Submit: a message without text, with what was entered."""
    return {**_common(tenant, service_url, user, channel, card, kind="message"), "value": value,
            "replyToId": card.id}  # fmt: skip


def invoke(
    tenant: Tenant, service_url: str, user: User, channel: Channel, over: Message, *, name: str, value: Json
) -> Json:
    """A click, a refresh, or a dialog: something that wants an answer."""
    return {
        **_common(tenant, service_url, user, channel, over, kind="invoke"), "name": name, "value": value,
        "replyToId": over.id, "entities": [_client()],
    }  # fmt: skip


def installation(
    tenant: Tenant, service_url: str, user: User, channel: Channel, *, added: bool
) -> list[Json]:
    """What a bot hears when it is put into a team or taken out: two activities."""
    place = Message(conversation=channel.id, id="", root="", sender=user.id)
    bot = [{"id": tenant.bot_id}]
    update = _common(tenant, service_url, user, channel, place, kind="conversationUpdate")
    update["membersAdded" if added else "membersRemoved"] = bot
    update["channelData"]["eventType"] = "teamMemberAdded" if added else "teamMemberRemoved"
    change = _common(tenant, service_url, user, channel, place, kind="installationUpdate")
    return [update, {**change, "action": "add" if added else "remove"}]


def mentions_in(text: str, tenant: Tenant) -> tuple[str, list[Json]]:
    """Text with `@name` made a mention, and the entities for it."""
    known = {user.name: (user.id, user.real_name) for user in tenant.users.values()}
    known[BOT_NAME] = (tenant.bot_id, BOT_NAME)
    entities: list[Json] = []

    def mention(found: re.Match[str]) -> str:
        if found[1] not in known:
            return found[0]
        id, name = known[found[1]]
        entities.append(
            {"type": "mention", "text": f"<at>{name}</at>", "mentioned": {"id": id, "name": name}}
        )
        return f"<at>{name}</at>"

    return re.sub(r"(?<![\w.])@(\w+)", mention, text), entities


def _html(text: str) -> str:
    escaped = html.escape(text, quote=False)
    return re.sub(r"&lt;(/?)at&gt;", r"<\1at>", escaped)


def _client() -> Json:
    return {
        "type": "clientInfo",
        "locale": "en-US",
        "country": "US",
        "platform": "Web",
        "timezone": "Europe/Berlin",
    }


def _common(
    tenant: Tenant, service_url: str, user: User, channel: Channel, over: Message, *, kind: str, id: str = ""
) -> Json:
    now = datetime.fromtimestamp(tenant.now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    home = user.tenant_id if channel.team is None else tenant.id
    conversation: Json = {"id": over.thread, "tenantId": home, "conversationType": "personal"}
    channel_data: Json = {"tenant": {"id": home}}
    if channel.team is not None:
        conversation |= {"conversationType": "channel", "isGroup": True}
        team = {"id": channel.team.id, "name": channel.team.name, "aadGroupId": channel.team.group_id}
        channel_data |= {"teamsChannelId": channel.id, "teamsTeamId": channel.team.id,
                         "channel": {"id": channel.id}, "team": team}  # fmt: skip
    return {
        "type": kind, "id": id or f"f:{secrets.token_hex(12)}", "timestamp": now, "localTimestamp": now,
        "channelId": "msteams", "serviceUrl": service_url, "locale": "en-US",
        "from": {"id": user.id, "name": user.real_name, "aadObjectId": user.aad},
        "recipient": {"id": tenant.bot_id, "name": BOT_NAME},
        "conversation": conversation, "channelData": channel_data,
    }  # fmt: skip
