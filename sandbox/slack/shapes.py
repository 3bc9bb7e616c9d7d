"""Small checks that combine into a description of a JSON value; each notes what is wrong and where."""

from __future__ import annotations

from collections.abc import Callable, Mapping

#: What was found wrong, worded as Slack words it, with a JSON pointer.
Findings = list[str]

#: Looks at one value at a JSON pointer and adds to the findings.
Check = Callable[[object, str, Findings], None]

PLAIN, MRKDWN = "plain_text", "mrkdwn"


def note(findings: Findings, problem: str, at: str) -> None:
    """Add one finding."""
    findings.append(f"[ERROR] {problem} [json-pointer:{at}]")


def string(most: int, least: int = 1) -> Check:
    """Text of `least` to `most` characters."""

    def check(value: object, at: str, findings: Findings) -> None:
        if not isinstance(value, str):
            note(findings, "must provide a string", at)
        elif len(value) > most:
            note(findings, f"must be less than {most + 1} characters", at)
        elif len(value) < least:
            note(findings, f"must be more than {least - 1} characters", at)

    return check


def boolean(value: object, at: str, findings: Findings) -> None:
    """True or false."""
    if not isinstance(value, bool):
        note(findings, "must provide a boolean", at)


def integer(value: object, at: str, findings: Findings) -> None:
    """A whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        note(findings, "must provide an integer", at)


def anything(value: object, at: str, findings: Findings) -> None:
    """Not looked into."""


def one_of(*allowed: str) -> Check:
    """One of these words."""

    def check(value: object, at: str, findings: Findings) -> None:
        if value not in allowed:
            note(findings, f"must be one of {', '.join(allowed)}", at)

    return check


def list_of(each: Check, most: int, least: int = 1) -> Check:
    """A list of `least` to `most` values."""

    def check(value: object, at: str, findings: Findings) -> None:
        if not isinstance(value, list):
            note(findings, "must provide an array", at)
            return
        if len(value) > most:
            note(findings, f"no more than {most} items allowed", at)
        if len(value) < least:
            note(findings, f"must have at least {least} items", at)
        for index, entry in enumerate(value):
            each(entry, f"{at}/{index}", findings)

    return check


def shape(
    required: Mapping[str, Check],
    optional: Mapping[str, Check] | None = None,
    *,
    any_of: tuple[str, ...] = (),
    exclusive: tuple[str, ...] = (),
) -> Check:
    """An object with these fields and no others.

    Args:
        any_of: At least one of these must be there.
        exclusive: At most one of these may be there.
    """
    known = {**required, **(optional or {})}

    def check(value: object, at: str, findings: Findings) -> None:
        if not isinstance(value, dict):
            note(findings, "must provide an object", at)
            return
        for name in required:
            if name not in value:
                note(findings, f"missing required field: {name}", at)
        if any_of and not any(name in value for name in any_of):
            note(findings, f"missing required field: {' or '.join(any_of)}", at)
        if sum(name in value for name in exclusive) > 1:
            note(findings, f"only one of {', '.join(exclusive)} allowed", at)
        for name, field in value.items():
            if name in known:
                known[name](field, f"{at}/{name}", findings)
            else:
                note(findings, f"invalid additional property: {name}", at)

    return check


def by_type(shapes: Mapping[str, Check]) -> Check:
    """An object whose `type` chooses the check."""

    def check(value: object, at: str, findings: Findings) -> None:
        if not isinstance(value, dict):
            note(findings, "must provide an object", at)
        elif (kind := value.get("type")) not in shapes:
            note(findings, f"unsupported type: {kind}", f"{at}/type")
        else:
            shapes[str(kind)](value, at, findings)

    return check


def both(*checks: Check) -> Check:
    """All of these."""

    def check(value: object, at: str, findings: Findings) -> None:
        for each in checks:
            each(value, at, findings)

    return check


def text(most: int, *kinds: str) -> Check:
    """A text object of at most `most` characters; `kinds` default to plain_text alone."""
    content = {"type": anything, "text": string(most)}
    shapes = {
        PLAIN: shape(content, {"emoji": boolean}),
        MRKDWN: shape(content, {"verbatim": boolean}),
    }
    return by_type({kind: shapes[kind] for kind in kinds or (PLAIN,)})
