"""Web API methods for modals and the Home tab."""

from __future__ import annotations

from collections.abc import Mapping

from ..loopback import Json
from .arguments import Arguments
from .chat_methods import Method
from .screen import View
from .workspace import SlackError, Workspace


def open_view(workspace: Workspace, given: Arguments) -> Json:
    return {"view": workspace.open_view(given.required("trigger_id"), given.object("view")).as_json()}


def push_view(workspace: Workspace, given: Arguments) -> Json:
    return {"view": workspace.push_view(given.required("trigger_id"), given.object("view")).as_json()}


def update_view(workspace: Workspace, given: Arguments) -> Json:
    view = _found(workspace, given)
    return {"view": workspace.update_view(view, given.object("view"), given.text("hash")).as_json()}


def publish(workspace: Workspace, given: Arguments) -> Json:
    home = workspace.publish_home(given.required("user_id"), given.object("view"), given.text("hash"))
    return {"view": home.as_json()}


def _found(workspace: Workspace, given: Arguments) -> View:
    if "external_id" in given:
        for view in workspace.views.values():
            if view.open and view.content.get("external_id") == given.text("external_id"):
                return view
        raise SlackError("not_found")
    view_id = given.required("view_id")
    if view_id not in workspace.views:
        raise SlackError("not_found")
    return workspace.views[view_id]


VIEW_METHODS: Mapping[str, Method] = {
    "views.open": open_view,
    "views.push": push_view,
    "views.update": update_view,
    "views.publish": publish,
}
