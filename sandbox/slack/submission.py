"""What Slack does with an app's answer to a submitted modal."""

from __future__ import annotations

import json

from ..loopback import Json
from .courier import Answer, SignedRequest
from .results import Backstage, SubmitResult
from .screen import View
from .workspace import SlackError, check_view

_TROUBLE = "We had some trouble connecting. Try again?"


def after_submission(
    stage: Backstage, view: View, request: SignedRequest, answer: Answer, trigger_id: str
) -> SubmitResult:
    """Close, update, push or complain as the app says; what it may not say is a violation."""
    result = SubmitResult(view=view, answer=answer, request=request, error_shown=_TROUBLE)
    if not answer.ok:
        return result
    try:
        result = _applied(stage, result, _told(answer.body), trigger_id)
    except ValueError:
        stage.violations.note("slack view_submission", "the answer is not JSON")
    except SlackError as error:
        stage.violations.note("slack view_submission", " ".join((error.error, *error.messages)))
    return result


def _told(body: str) -> Json:
    told = json.loads(body) if body.strip() else {}
    if not isinstance(told, dict):
        raise SlackError("the answer is not a JSON object")
    return told


def _applied(stage: Backstage, result: SubmitResult, told: Json, trigger_id: str) -> SubmitResult:
    view, workspace = result.view, stage.workspace
    updated, pushed = False, None
    match told.get("response_action"):
        case None | "":
            if view.open:
                workspace.close_view(view, whole_stack=False)
        case "clear":
            workspace.close_view(view, whole_stack=True)
        case "errors":
            view.errors = _complaints(view, told.get("errors"))
        case "update":
            workspace.update_view(view, told.get("view") or {})
            updated = True
        case "push":
            check_view(told.get("view") or {}, "modal")
            workspace.check_depth(view)
            pushed = workspace.show_view(view.owner, told["view"], trigger_id, view)
        case unknown:
            raise SlackError(f"unknown response_action {unknown!r}")
    return SubmitResult(
        view=view, answer=result.answer, request=result.request, updated=updated, pushed=pushed
    )


def _complaints(view: View, errors: object) -> dict[str, str]:
    """The app's complaints by label; Slack takes them for input blocks only."""
    if not isinstance(errors, dict) or not errors:
        raise SlackError("response_action errors without errors")
    inputs = {block["block_id"]: block["label"]["text"] for block in view.blocks if block["type"] == "input"}
    complaints = {}
    for block_id, words in errors.items():
        if block_id not in inputs:
            raise SlackError(f"errors name {block_id!r}, which is no input block of the view")
        if not isinstance(words, str) or not 0 < len(words) <= 2000:
            raise SlackError(f"the error for {block_id!r} is not text of 1 to 2000 characters")
        complaints[inputs[block_id]] = words
    return complaints
