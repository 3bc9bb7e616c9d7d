"""How the ops agent reads a command or a change to one, and spells it back; pure, and it never raises on any text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from difflib import get_close_matches

Value = int | Decimal | date | str

#: Longest text that is read, in characters; Slack's own limit for a message people type.
MAX_TEXT = 4_000

#: Longest text of an e-mail, in characters.
MAX_EMAIL = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One tool with the arguments that a person named.

    Attributes:
        tool: Name of the tool ("issue_refund").
        arguments: By parameter name. A refund has no `currency` when none was said: it is the order's own.
    """

    tool: str
    arguments: Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotUnderstood:
    """Why a text was not read.

    Attributes:
        sentence: What the person reads; says what would have been understood.
        key: The argument it is about; empty when it is about the whole text.
        suggestion: A command that was probably meant, ready to be sent; empty when there is no guess.
    """

    sentence: str
    key: str = ""
    suggestion: str = ""


def read_command(text: str) -> Command | NotUnderstood:
    """Read one command; case, spaces, a leading mention, "please" and curly quotes do not matter."""
    if len(text) > MAX_TEXT:
        return NotUnderstood(sentence=f"That is longer than {MAX_TEXT} characters. {_what_is_understood()}")
    plain = _without_greeting(text)
    for form in FORMS:
        if found := form.pattern.fullmatch(plain):
            said = {key: value for key, value in found.groupdict().items() if value is not None}
            return _read_arguments(form, said, {})
    return _did_you_mean(plain)


def read_change(text: str, command: Command) -> Command | NotUnderstood:
    """Read what a reviewer wants instead of `command`.

    Either a whole command, which is taken as it stands (a refund that names no currency is again in the order's own),
    or `key=value` for some of the arguments, separated by commas or spaces, values quoted where they hold either.
    """
    form = _FORM_OF[command.tool]
    plain = _without_greeting(text)
    if len(text) > MAX_TEXT or not _STARTS_WITH_KEY.match(plain):
        read = read_command(text)
        return _no_change(read, form) if isinstance(read, NotUnderstood) else read
    said: dict[str, str] = {}
    end = 0
    while found := _ASSIGNMENT.match(plain, end):
        key, end = found["key"].casefold(), found.end()
        if key in said:
            return NotUnderstood(sentence=f"“{_clip(key)}” is given twice; say it once.", key=key)
        said[key] = found["value"]
    if rest := plain[end:].strip(" \t\r\n,;."):
        return NotUnderstood(sentence=f"I did not understand “{_clip(rest)}”. {_keys_of(form)}")
    return _read_arguments(form, said, command.arguments)


def spell(command: Command) -> str:
    """The command in the grammar that `read_command` reads back to an equal one."""
    said = {
        key: f"{value:f}" if isinstance(value, Decimal) else str(value)
        for key, value in command.arguments.items()
    }
    return _FORM_OF[command.tool].spelling.format_map({"currency": "", **said}).strip()


# --- what a value looks like; each reader raises ValueError with the end of the sentence "“amount” must be ..." ---


def _number(text: str) -> int:
    if not re.fullmatch(r"#?[0-9]{1,9}", text):
        raise ValueError("a whole number like 1042")
    return int(text.lstrip("#"))


def _amount(text: str) -> Decimal:
    # A comma is a decimal mark to some and a thousands mark to others: with money we ask instead of guessing.
    if not re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,2})?", text) or Decimal(text) == 0:
        raise ValueError("an amount above zero with a decimal point, like 129.90")
    return Decimal(text).quantize(Decimal("0.01"))


def _currency(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{3}", text):
        raise ValueError("a currency of three letters like USD")
    return text.upper()


def _day(text: str) -> date:
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:  # the shape of a date, but no such day: falls through to the same sentence
        pass
    raise ValueError("a day of the calendar like 2024-01-01")


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", text):
        raise ValueError("a name of letters, digits, dots and dashes like 443-public")
    return text.lower()


def _words(text: str) -> str:
    words = text.strip()
    strange = any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t" for char in words)
    if not words or strange or len(words) > MAX_EMAIL:
        raise ValueError(f"1 to {MAX_EMAIL} characters of text in quotes, without control characters")
    return words


# --- the grammar, as one table ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One command: how it is recognised, read and spelled."""

    tool: str
    verb: str
    example: str
    spelling: str
    pattern: re.Pattern[str]
    readers: Mapping[str, Callable[[str], Value]]


#: A quoted text: straight or curly quotes; whatever stands between the outermost two is the text.
_QUOTED = r"""(?:["“”„«»].*["“”„«»]|['‘’].*['‘’])"""


def _pattern(words: str) -> re.Pattern[str]:
    """`<key>` stands for one word, a space for any white space; a full stop may end the sentence."""
    spaced = re.sub(r"(?<!P)<(\w+)>", r"(?P<\1>\\S+?)", words).replace(" ", r"\s+")
    return re.compile(rf"{spaced}\s*[.!?]?", re.IGNORECASE | re.DOTALL)


FORMS: tuple[Form, ...] = (
    Form(
        tool="look_up_order",
        verb="look",
        example="look up order 1042",
        spelling="look up order {order}",
        pattern=_pattern("look\\s*up order <order>"),
        readers={"order": _number},
    ),
    Form(
        tool="issue_refund",
        verb="refund",
        example="refund order 1042 129.90",
        spelling="refund order {order} {amount} {currency}",
        pattern=_pattern("refund order <order> <amount>(?: <currency>)?"),
        readers={"order": _number, "amount": _amount, "currency": _currency},
    ),
    Form(
        tool="delete_inactive_customers",
        verb="delete",
        example="delete inactive customers before 2024-01-01",
        spelling="delete inactive customers before {before}",
        pattern=_pattern("delete inactive customers before <before>"),
        readers={"before": _day},
    ),
    Form(
        tool="grant_role",
        verb="grant",
        example="grant admin to user 77 on billing",
        spelling="grant {role} to user {user} on {system}",
        pattern=_pattern("grant <role> to user <user> on <system>"),
        readers={"user": _number, "role": _name, "system": _name},
    ),
    Form(
        tool="email_customer",
        verb="email",
        example='email order 1042 "your refund is on its way"',
        spelling='email order {order} "{text}"',
        pattern=_pattern(f"e-?mail order <order> (?P<text>{_QUOTED})"),
        readers={"order": _number, "text": lambda text: _words(text[1:-1])},
    ),
    Form(
        tool="draft_email",
        verb="draft",
        example='draft email order 1042 "your refund is on its way"',
        spelling='draft email order {order} "{text}"',
        pattern=_pattern(f"draft e-?mail order <order> (?P<text>{_QUOTED})"),
        readers={"order": _number, "text": lambda text: _words(text[1:-1])},
    ),
    Form(
        tool="close_firewall_rule",
        verb="close",
        example="close firewall rule 443-public",
        spelling="close firewall rule {rule}",
        pattern=_pattern("close firewall rule <rule>"),
        readers={"rule": _name},
    ),
)

_FORM_OF: Mapping[str, Form] = {form.tool: form for form in FORMS}

#: <@U123>, <@U123|name> or @sayso, once or more, then perhaps a colon and "please".
_GREETING = re.compile(r"(?:(?:<@[^\s>]{1,80}>|@[\w.-]+)[:,]?\s*)*(?:please\s+)?", re.IGNORECASE)

#: Characters that chat programs slip into pasted text and nobody sees.
_INVISIBLE = dict.fromkeys((0x200B, 0x2060, 0xFEFF))

_STARTS_WITH_KEY = re.compile(r"[^\W\d]\w*\s*=")
_ASSIGNMENT = re.compile(
    r"""[\s,;]*(?P<key>\w+)\s*=\s*(?P<value>["“„«][^"“”„«»]*["“”»]|['‘][^'‘’]*['’]|[^\s,;"“”„«»]+)(?=[\s,;.]|$)"""
)


def _without_greeting(text: str) -> str:
    plain = text.translate(_INVISIBLE).strip()
    greeting = _GREETING.match(plain)
    return plain[greeting.end() :] if greeting else plain


def _read_arguments(
    form: Form, said: Mapping[str, str], before: Mapping[str, Value]
) -> Command | NotUnderstood:
    read: dict[str, Value] = dict(before)
    for key, text in said.items():
        if key not in form.readers:
            return _unknown_key(form, key)
        bare = (
            text
            if form.tool in ("email_customer", "draft_email") and key == "text"
            else text.strip("\"'“”„«»‘’")
        )
        try:
            read[key] = form.readers[key](bare)
        except ValueError as error:
            return NotUnderstood(
                sentence=f"“{key}” must be {error}, not “{_clip(bare)}”. For example: “{form.example}”.",
                key=key,
            )
    return Command(tool=form.tool, arguments=read)


def _unknown_key(form: Form, key: str) -> NotUnderstood:
    close = get_close_matches(key[:40], form.readers, n=1)
    guess = f" Did you mean “{close[0]}”?" if close else ""
    return NotUnderstood(sentence=f"There is no “{_clip(key)}” to change.{guess} {_keys_of(form)}", key=key)


def _did_you_mean(plain: str) -> NotUnderstood:
    """Guess from a misspelt first word; otherwise list everything."""
    first = re.match(r"[\w-]{1,40}", plain)
    verbs = {form.verb: form for form in FORMS}
    close = get_close_matches(first[0].casefold(), verbs, n=1) if first else []
    if first is None or not close:
        return NotUnderstood(sentence=f"I did not understand that. {_what_is_understood()}")
    form = verbs[close[0]]
    repaired = form.pattern.fullmatch(form.verb + plain[first.end() :])
    read = (
        _read_arguments(form, {k: v for k, v in repaired.groupdict().items() if v}, {}) if repaired else None
    )
    suggestion = spell(read) if isinstance(read, Command) else ""
    guess = f"Did you mean “{_clip(suggestion, 200)}”?" if suggestion else f"Write it like “{form.example}”."
    return NotUnderstood(
        sentence=f"I did not understand that. {guess} {_what_is_understood()}", suggestion=suggestion
    )


def _no_change(read: NotUnderstood, form: Form) -> NotUnderstood:
    if read.key:
        return read
    return NotUnderstood(
        sentence=f"I did not understand the change. {_keys_of(form)}", suggestion=read.suggestion
    )


def _keys_of(form: Form) -> str:
    keys = ", ".join(f"“{key}=...”" for key in form.readers)
    return f"I understand {keys}, or a whole command like “{form.example}”."


def _what_is_understood() -> str:
    return "I understand: " + ", ".join(f"“{form.example}”" for form in FORMS) + "."


def _clip(text: str, limit: int = 40) -> str:
    """Short enough for a sentence, on one line, and unable to end the code span it stands in."""
    visible = "".join(char if char.isprintable() and char not in "“”" else " " for char in text[:limit])
    return visible + ("..." if len(text) > limit else "")
