"""Typed edits: changed arguments become a new revision that says what differs (pure)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

import jsonschema

from . import canonical
from .action import Action, Json
from .errors import BadChange
from .looks import first_in, withheld
from .people import PersonId
from .request import Proposal, Request, Revision
from .risk import RiskAssessment
from .verdict import Approve, Modify, Reject, Respond, Verdict


def _bounding(keyword: str) -> Callable[..., Iterator[jsonschema.ValidationError]]:
    """This keyword, which JSON Schema knows for numbers only, also for a decimal that is written as text."""
    as_written = jsonschema.Draft202012Validator.VALIDATORS[keyword]

    def check(
        checker: Any, bound: float, instance: Any, schema: Mapping[str, Any]
    ) -> Iterator[jsonschema.ValidationError]:
        if isinstance(instance, str) and schema.get("format") == "decimal":
            try:
                instance, bound = Decimal(instance), Decimal(str(bound))  # type: ignore[assignment]
            except InvalidOperation:
                return  # its pattern says what is wrong
        yield from as_written(checker, bound, instance, schema)

    return check


#: JSON Schema's names of the bounds of a number.
BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
_Checker = jsonschema.validators.extend(  # type: ignore[no-untyped-call] # theirs has no types
    jsonschema.Draft202012Validator, {keyword: _bounding(keyword) for keyword in BOUNDS}
)


def check_arguments(schema: str, arguments: Mapping[str, Json]) -> None:
    """Check arguments against a tool's JSON Schema (draft 2020-12). Raises: BadChange, per argument."""
    checker = _Checker(json.loads(schema), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    problems: dict[str, str] = {}
    for error in checker.iter_errors(dict(arguments)):
        name = str(error.absolute_path[0]) if error.absolute_path else ""
        problems.setdefault(name, _words(error)[:200])
    if problems:
        raise BadChange(problems)


def without_tokens(verdict: Verdict) -> Verdict:
    """What somebody answered, before it is signed: a no counts with a token withheld from its reason.

    Raises: BadChange where the agent would be given a token.
    """
    match verdict:
        case Reject(reason=reason):
            return replace(verdict, reason=withheld(reason))
        case Approve(why=why):
            return replace(verdict, why=withheld(why))
        case Respond(text=text) | Modify(instruction=text):
            changes = verdict.changes if isinstance(verdict, Modify) else {}
            said = {"": text, **changes}
            found = {name: hit[1] for name, value in said.items() if (hit := first_in(value)) is not None}
            if found:
                raise BadChange(
                    {
                        name: f"this holds {kind.value}, which no agent is given"
                        for name, kind in found.items()
                    }
                )
            return replace(verdict, why=withheld(verdict.why)) if isinstance(verdict, Modify) else verdict
        case _:
            return verdict


#: JSON Schema's keyword -> what is said to whoever typed the value; all others say it in jsonschema's words.
_WORDS: Mapping[str, str] = {
    "minimum": "this must be at least {0}", "exclusiveMinimum": "this must be above {0}",
    "maximum": "this must be at most {0}", "exclusiveMaximum": "this must be below {0}",
    "minLength": "this must be at least {0} characters long", "maxLength": "this must be at most {0} characters long",
    "minItems": "this needs at least {0} entries", "maxItems": "this may have at most {0} entries",
    "pattern": "this must be written in the form {0}", "format": "this must be a valid {0}",
    "multipleOf": "this must be a multiple of {0}", "type": "this must be of the type {0}",
}  # fmt: skip
_DECIMAL = "this must be a plain number like 129.90, within what the tool takes"


def _words(error: jsonschema.ValidationError) -> str:
    decimal = isinstance(error.schema, Mapping) and error.schema.get("format") == "decimal"
    if error.validator == "pattern" and decimal:
        return _DECIMAL
    return _WORDS.get(str(error.validator), error.message).replace("{0}", str(error.validator_value))


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
