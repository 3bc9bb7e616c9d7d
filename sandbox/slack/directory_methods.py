"""Web API methods that say who and what there is."""

from __future__ import annotations

from collections.abc import Mapping

from ..loopback import Json
from .arguments import Arguments
from .chat_methods import Method
from .places import APP_ID, BOT_ID, BOT_USER_ID, TEAM_DOMAIN, TEAM_ID, Usergroup
from .workspace import SlackError, Workspace


def auth_test(workspace: Workspace, _: Arguments) -> Json:
    return {
        "url": f"https://{TEAM_DOMAIN}.slack.com/", "team": "Workplace", "user": workspace.name_of(BOT_USER_ID),
        "team_id": TEAM_ID, "user_id": BOT_USER_ID, "bot_id": BOT_ID, "is_enterprise_install": False,
    }  # fmt: skip


def users_info(workspace: Workspace, given: Arguments) -> Json:
    user = workspace.users.get(given.required("user"))
    if user is None:
        raise SlackError("user_not_found")
    return {"user": user.as_json()}


def users_list(workspace: Workspace, given: Arguments) -> Json:
    page, more = given.page([user.as_json() for user in workspace.users.values() if not user.is_stranger])
    return {"members": page, "response_metadata": more}


def lookup_by_email(workspace: Workspace, given: Arguments) -> Json:
    email = given.required("email").lower()
    for user in workspace.users.values():
        if user.email == email and not user.deleted:
            return {"user": user.as_json()}
    raise SlackError("users_not_found")


def usergroups_list(workspace: Workspace, given: Arguments) -> Json:
    shown = []
    for group in workspace.groups.values():
        if group.disabled and not given.flag("include_disabled"):
            continue
        users = {"users": list(group.members)} if given.flag("include_users") else {}
        shown.append({**group.as_json(), **users})
    return {"usergroups": shown}


def usergroups_users_list(workspace: Workspace, given: Arguments) -> Json:
    group: Usergroup | None = workspace.groups.get(given.required("usergroup"))
    if group is None or (group.disabled and not given.flag("include_disabled")):
        raise SlackError("no_such_subteam")
    return {"users": list(group.members)}


def conversations_info(workspace: Workspace, given: Arguments) -> Json:
    return {"channel": workspace.visible_channel(given.required("channel")).as_json()}


def conversations_list(workspace: Workspace, given: Arguments) -> Json:
    kinds = {"im": "im", "private_channel": "group", "public_channel": "channel"}
    wanted = {kinds.get(one) for one in given.words("types") or ["public_channel"]}
    shown = [
        channel.as_json() for channel in workspace.channels.values()
        if channel.kind in wanted
        and not (channel.is_archived and given.flag("exclude_archived"))
        and (not channel.is_private or BOT_USER_ID in channel.members)
    ]  # fmt: skip
    page, more = given.page(shown)
    return {"channels": page, "response_metadata": more}


def conversations_members(workspace: Workspace, given: Arguments) -> Json:
    channel = workspace.visible_channel(given.required("channel"))
    page, more = given.page(sorted(channel.members))
    return {"members": page, "response_metadata": more}


def conversations_open(workspace: Workspace, given: Arguments) -> Json:
    users = given.words("users")
    if len(users) != 1:
        raise SlackError("invalid_arguments", "[ERROR] the sandbox opens conversations with one person only")
    return {"channel": {"id": workspace.direct_channel(users[0]).id}}


def team_info(_: Workspace, __: Arguments) -> Json:
    return {"team": {"id": TEAM_ID, "name": "Workplace", "domain": TEAM_DOMAIN}}


def bots_info(_: Workspace, given: Arguments) -> Json:
    if given.text("bot") != BOT_ID:
        raise SlackError("bot_not_found")
    return {
        "bot": {"id": BOT_ID, "app_id": APP_ID, "user_id": BOT_USER_ID, "name": "sayso", "deleted": False}
    }


DIRECTORY_METHODS: Mapping[str, Method] = {
    "auth.test": auth_test,
    "users.info": users_info,
    "users.list": users_list,
    "users.lookupByEmail": lookup_by_email,
    "usergroups.list": usergroups_list,
    "usergroups.users.list": usergroups_users_list,
    "conversations.info": conversations_info,
    "conversations.list": conversations_list,
    "conversations.members": conversations_members,
    "conversations.open": conversations_open,
    "team.info": team_info,
    "bots.info": bots_info,
}
