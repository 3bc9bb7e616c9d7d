"""From what people pressed, filled in or typed back to our verdicts; nothing here decides whether they may."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..approvals import machine
from ..approvals.action import Json
from ..approvals.errors import AnswerRefused, BadChange, NoWhy
from ..approvals.request import Request
from ..approvals.verdict import Approve, Modify, Reject, RequestId, Respond, Way
from . import fields
from .escape import clean

#: Block ids of the forms; argument blocks are named by `fields`.
REASON, INSTRUCTION, HAND_ON, VALUE, WHY = "reason", "instruction", "hand_on", "value", "why"
#: Longest reason or instruction, in characters; as long as Slack's input.
LONGEST = 3_000
#: So much of the digest tells what was shown: 96 bits, which nobody finds a second text for.
DIGEST_DIGITS = 24
_PRESS = re.compile(
    r"([A-Za-z0-9_-]{1,100})\.([1-9][0-9]{0,5})"
    rf"(?:\.([0-9a-f]{{{DIGEST_DIGITS}}}))?(?:\.p([1-9][0-9]{{0,4}}))?"
)
#: What people write under a card when they mean an answer, none of which is certainly one.
_ALMOST = frozenset(
    [
        "yes",
        "yep",
        "yeah",
        "ok",
        "okay",
        "k",
        "sure",
        "fine",
        "good",
        "lgtm",
        "approved",
        "+1",
        ":+1:",
        ":thumbsup:",
        "👍",
        "✅",
        "go",
        "no",
        "nope",
        "nah",
        "rejected",
        "denied",
        "deny",
        "stop",
        "cancel",
        "don't",
        "dont",
        "-1",
        ":-1:",
        ":thumbsdown:",
        "👎",
        "❌",
    ]
) | {"go ahead", "do it", "do not", "not ok", "looks good", "sounds good", "please do", "no way"}
#: Beginnings of the same: an answer with too much around it.
_NEARLY = re.compile(
    r"approved?\b|(?:rejected|reject|denied|deny|declined|decline|modify)\s*[,:;.!-]", re.IGNORECASE
)
_QUOTES = " \"'`*_“”‘’"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_POLITE = re.compile(r"\b(?:thanks|thank you|thx|please|pls)\b", re.IGNORECASE)
#: What may stand as an example as it is: nothing that a person would have to quote, and no words of others.
_PLAIN = re.compile(r"-?[0-9][0-9.:T-]{0,24}|true|false")
_PAIR = re.compile(r"""\s*([^\s="',]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|“([^”]*)”|([^\s,"]+))\s*,?(?=\s|$)""")


class BadPress(AnswerRefused):
    """This button carries nothing I know; please open the newest card."""


@dataclass(frozen=True, slots=True)
class HandOn:
    """Not mine to decide: let the next line be asked at once; `reason` is never empty."""

    reason: str


def encode_press(request: RequestId, revision: int, digest: str = "") -> str:
    """What a button or form carries; with the digest of what it stands under, which the platform keeps for us.

    Whoever can write to the store can change what a revision says, but not what stood on the card.
    """
    return f"{request}.{revision}.{digest[:DIGEST_DIGITS]}" if digest else f"{request}.{revision}"


def decode_press(text: str) -> tuple[RequestId, int]:
    """The request and the revision that were on the pressed card. Raises: BadPress."""
    found = _PRESS.fullmatch(text)
    if not found:
        raise BadPress
    return RequestId(found[1]), int(found[2])


def decode_shown(text: str) -> str:
    """The first digits of the digest of what was shown; empty where the press carries none. Raises: BadPress."""
    found = _PRESS.fullmatch(text)
    if not found:
        raise BadPress
    return found[3] or ""


def encode_page(request: RequestId, revision: int, page: int, digest: str = "") -> str:
    """What the page buttons of Details carry; `decode_press` reads it too."""
    return f"{encode_press(request, revision, digest)}.p{page}"


def decode_page(text: str) -> int:
    """The page that was asked for; 1 when none was. Raises: BadPress."""
    found = _PRESS.fullmatch(text)
    if not found:
        raise BadPress
    return int(found[4] or 1)


def modify_from(request: Request, state: Mapping[str, Mapping[str, Any]]) -> Modify | Respond:
    """What the modify form says: only the values that differ, and the person's words.

    Args:
        state: `view.state.values`: block id -> action id -> state of the element.

    Raises: BadChange, by argument; by the empty name when nothing was changed and nothing written.
    """
    changes: dict[str, Json] = {}
    problems: dict[str, str] = {}
    for one in fields.form(request).fields:
        if one.block not in state:
            continue
        try:
            value = one.read(_typed(state, one.block))
        except fields.DoesNotFit as error:
            problems[one.name] = str(error)
            continue
        if value is not fields.UNCHANGED:
            changes[one.name] = value
    rest, trouble = _overflow(request, state)
    problems.update(trouble)
    instruction = clean(_typed(state, INSTRUCTION)).strip()[:LONGEST]
    changes.update(rest)
    if not problems and not changes and not instruction:
        problems[""] = "Change a value, or write what the agent should do instead."
    responds = bool(instruction) and Way.INSTRUCT not in request.ways
    if responds and changes:
        problems[""] = (
            "Either change values or answer in your own words: the agent can take only one of them."
        )
    if problems:
        raise BadChange(problems)
    why = "" if instruction else clean(_typed(state, WHY)).strip()[:LONGEST]
    return Respond(instruction) if responds else Modify(changes, instruction, why)


def field_errors(request: Request, bad: BadChange) -> dict[str, str]:
    """The problems by block id, as a platform shows them beside its inputs."""
    form = fields.form(request)
    blocks = {one.name: one.block for one in form.fields} | dict.fromkeys(form.overflow, fields.REST)
    if isinstance(bad, NoWhy):
        return dict(bad.problems)
    errors: dict[str, str] = {}
    for name, text in bad.problems.items():
        block = blocks.get(name, INSTRUCTION)
        said = text if name in blocks or not name else f"{name}: {text}"
        errors[block] = clean(f"{errors[block]}; {said}" if block in errors else said)[:300]
    return errors


def reject_from(state: Mapping[str, Mapping[str, Any]]) -> Reject | HandOn:
    """What the reject form says. Raises: BadChange, whose only key is `reason`."""
    reason = reason_of(_typed(state, REASON))
    ticked = state.get(HAND_ON, {}).get(VALUE, {}).get("selected_options") or []
    return HandOn(reason) if ticked else Reject(reason)


def approve_from(state: Mapping[str, Mapping[str, Any]]) -> Approve:
    """What the form says that asks whoever approves why. Raises: NoWhy."""
    if not (why := clean(_typed(state, WHY)).strip()[:LONGEST]):
        raise NoWhy
    return Approve(why)


def reason_of(text: str) -> str:
    """A reason as it is kept. Raises: BadChange when there is none."""
    reason = clean(text).strip()[:LONGEST]
    if not reason:
        raise BadChange({REASON: "Please say why: the agent and the requester read it."})
    return reason


def can_hand_on(request: Request) -> bool:
    """Whether there is a next line to hand it to."""
    return machine.next_line(request) is not None


def typed_answer(text: str) -> Approve | Reject | Modify | None:
    """An answer typed as a reply: exactly `approve`, `reject <reason>` or `modify key=value ...`; else None.

    The values of a modification are still text; `coerce_changes` gives them their types.
    """
    verb, _, rest = clean(text).strip().partition(" ")
    match verb.casefold():
        case "approve" if not rest:
            return Approve()
        case "reject" if rest.strip():
            return Reject(rest.strip()[:LONGEST])
        case "modify":
            changes = _pairs(rest)
            return Modify(changes) if changes else None
        case _:
            return None


def half_an_answer(text: str, waiting: Sequence[Request] = ()) -> str:
    """What is missing from a reply that begins like an answer but is none; empty for every other text.

    Args:
        waiting: What it may answer: an example of a change comes from there.
    """
    said = clean(text).strip()
    verb, _, rest = said.partition(" ")
    bare = " ".join(_POLITE.sub("", said).split()).strip(" \t\n.,!")
    match verb.casefold():
        case "approve" if _pairs(rest):
            return "Nothing was counted: to approve with changed values, write “modify” instead of “approve”."
        case "reject" if not rest.strip():
            return "Nothing was counted: say why, like “reject the customer withdrew the complaint”."
        case "modify" if not _pairs(rest):
            return f"Nothing was counted: {_how_to_change(waiting)}"
        case _ if typed_answer(text) is None and (
            bare.casefold() in _ALMOST or _NEARLY.match(said.lstrip(_QUOTES))
        ):
            return "Nothing was counted: press a button on the card, or write exactly “approve”, or “reject” and why."
        case _:
            return ""


def _how_to_change(waiting: Sequence[Request]) -> str:
    """How a change is typed, by the first argument of the card that makes a good example."""
    inputs = fields.form(waiting[0]).fields if len(waiting) == 1 else ()
    if len(waiting) == 1 and not inputs:
        return "the values on this card cannot be changed here. Press a button on the card."
    names = [one for one in inputs if _NAME.fullmatch(one.name)]
    plain = (f"{one.name}={one.shown}" for one in names if _PLAIN.fullmatch(one.shown))
    example = next(plain, f"{names[0].name}=…" if names else "name=value")
    return f"say what to change, a name and its new value, like “modify {example}”."


def coerce_changes(
    schema: str, raw: Mapping[str, str], arguments: Mapping[str, Json] | None = None
) -> Mapping[str, Json]:
    """Typed texts as the tool's values; an unknown name stays text, for the edit's own check to refuse.

    Args:
        arguments: The present ones; their types count where the schema says nothing.

    Raises: BadChange, per argument.
    """
    now = arguments or {}
    changes: dict[str, Json] = {}
    problems: dict[str, str] = {}
    for name, text in raw.items():
        known = name in now or fields.describes(schema, name)
        try:
            changes[name] = (
                fields.coerce(fields.shape_of(schema, name, now.get(name)), text) if known else text
            )
        except fields.DoesNotFit as error:
            problems[name] = str(error)
    if problems:
        raise BadChange(problems)
    return changes


def _pairs(text: str) -> dict[str, str] | None:
    """`key=value` pairs, values quoted where they hold blanks; None when anything is left over or said twice."""
    pairs: dict[str, str] = {}
    at = 0
    while found := _PAIR.match(text, at):
        if found[1] in pairs:
            return None
        pairs[found[1]] = next((value for value in found.groups()[1:] if value is not None), "")
        at = found.end()
    return pairs if at and not text[at:].strip() else None


def _overflow(
    request: Request, state: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Json], dict[str, str]]:
    """The changed ones among the arguments that share one JSON input."""
    form = fields.form(request)
    if not form.overflow or fields.REST not in state:
        return {}, {}
    first = form.overflow[0]
    try:
        said = fields.read_json(_typed(state, fields.REST))
    except fields.DoesNotFit as error:
        return {}, {first: str(error)}
    if not isinstance(said, dict) or set(said) != set(form.overflow):
        return {}, {first: "Keep the braces and every name; change only the values."}
    now = request.proposal.action.arguments
    return {name: value for name, value in said.items() if not fields.same(value, now[name])}, {}


def _typed(state: Mapping[str, Mapping[str, Any]], block: str) -> str:
    """The text of one input, whatever its kind; empty when nothing was given."""
    element = state.get(block, {}).get(VALUE, {})
    option = element.get("selected_option") or {}
    found = element.get("value") or element.get("selected_date") or option.get("value") or ""
    return str(found)
