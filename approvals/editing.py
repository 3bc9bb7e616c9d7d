"""Typed edits: changed arguments become a new revision that says what differs (pure)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import jsonschema

from . import canonical
from .action import Action, Json
from .errors import BadChange
from .people import PersonId
from .request import Proposal, Request, Revision
from .risk import RiskAssessment


def check_arguments(schema: str, arguments: Mapping[str, Json]) -> None:
    """Check arguments against a tool's JSON Schema (draft 2020-12). Raises: BadChange, per argument."""
    checker = jsonschema.Draft202012Validator(
        json.loads(schema), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    problems: dict[str, str] = {}
    for error in checker.iter_errors(dict(arguments)):
        name = str(error.absolute_path[0]) if error.absolute_path else ""
        problems.setdefault(name, error.message[:200])
    if problems:
        raise BadChange(problems)


def _same(one: Json, other: Json) -> bool:
    """Whether two values are the same JSON; 1, 1.0 and true are three."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def edited(
    request: Request,
    changes: Mapping[str, Json],
    editor: PersonId,
    assess: Callable[[Action], RiskAssessment],
) -> tuple[Revision, bool]:
    """The next revision with `changes` applied, and whether its risk is higher than before.

    Raises: BadChange when a name is unknown, a value does not fit, or nothing differs.
    """
    before = request.proposal
    unknown = {name: "there is no such argument" for name in changes if name not in before.action.arguments}
    if unknown:
        raise BadChange(unknown)
    arguments = {**before.action.arguments, **changes}
    check_arguments(request.ask.schema, arguments)
    differs = {
        name: (before.action.arguments[name], value)
        for name, value in changes.items()
        if not _same(before.action.arguments[name], value)
    }
    if not differs:
        raise BadChange({"": "nothing differs from what was asked"})
    first = request.ask.first.proposal
    since_first = {
        name: (first.action.arguments[name], value)
        for name, value in arguments.items()
        if not _same(first.action.arguments[name], value)
    }
    said = ", ".join(f"{name} {new} instead of {old}" for name, (old, new) in since_first.items())
    summary = f"{first.action.summary} (edited: {said})" if said else first.action.summary
    action = replace(before.action, arguments=arguments, summary=summary)
    assessment = assess(action)
    proposal = Proposal(
        action=action, assessment=assessment, thread=before.thread, asked_by=before.asked_by,
        revises=request.ask.first.digest, changes=since_first,
    )  # fmt: skip
    frozen = canonical.encode(proposal).decode()
    rises = sum(f.level for f in assessment.findings) > sum(f.level for f in before.assessment.findings)
    return Revision(number=request.revision + 1, frozen=frozen, editor=editor), rises
