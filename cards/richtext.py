"""Rows as Slack blocks: untrusted words in rich text, which Slack never parses; rows with a time in dead mrkdwn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..approvals.people import PersonId
from .card import Button
from .escape import clean, cut, line, mrkdwn, size
from .form_words import UNDO_LABEL, UNDO_TITLE
from .spans import Circle, Form, Link, Row, Span, Spans, Text, When, Where, Who, place_words, plain

Block = dict[str, Any]
#: A person's Slack user id; empty when they have none, and their name is shown instead.
Account = Callable[[PersonId], str]
#: Slack ids of an approver set's members (users U… or W…, user groups S…); empty: the set's name is shown.
Members = Callable[[str], Iterable[str]]
#: Of one rich text block, in UTF-16 units; ours, Slack states none.
BLOCK = 2_800
#: Of the text of a section (Slack's limit).
SECTION = 3_000
_CHANNEL = re.compile(r"slack:([CG][A-Z0-9]{2,20})(?:/.*)?")


def no_account(_: PersonId) -> str:
    """People by name only."""
    return ""


def no_members(_: str) -> tuple[str, ...]:
    """Circles by name only."""
    return ()


class Page:
    """Collects rows into as few blocks as fit; short rows share a block, each on its own line."""

    def __init__(self, account: Account = no_account, members: Members = no_members) -> None:
        self._account = account
        self._members = members
        self._done: list[Block] = []
        self._elements: list[Block] = []
        self._used = 0

    def add(self, row: Row) -> None:
        """The next row."""
        if any(isinstance(span, When) for span in row.spans):
            words = self.dead(row)
            if size(words) <= SECTION:
                self._flush()
                self._done.append(section(words))
                return
        need = size(plain(row.spans)) + size(row.label)
        if self._elements and self._used + need > BLOCK:
            self._flush()
        self._used += need
        match row.form:
            case Form.WORDS:
                self._say((*_label(row), *row.spans))
            case Form.QUOTE:
                self._say(_label(row))
                self._elements.append({"type": "rich_text_quote", "elements": self._rich(row.spans)})
            case Form.VALUES:
                self._say(_label(row))
                lines = "\n".join(plain((span,)) for span in row.spans)
                self._elements.append(
                    {"type": "rich_text_preformatted", "elements": self._rich((Text(lines),))}
                )

    def part(self) -> None:
        """What follows stands apart from what was added so far."""
        self._flush()

    def dead(self, row: Row) -> str:
        """The row as mrkdwn in which only our own links, mentions and times live."""
        label = f"*{mrkdwn(row.label)}*  " if row.label else ""
        return label + "".join(self._dead(span) for span in row.spans)

    def blocks(self) -> list[Block]:
        """Everything added."""
        self._flush()
        return self._done

    def _say(self, spans: Spans) -> None:
        """Go on in the running section, on a new line."""
        if not spans:
            return
        if not self._elements or self._elements[-1]["type"] != "rich_text_section":
            self._elements.append({"type": "rich_text_section", "elements": self._rich(spans)})
            return
        self._elements[-1]["elements"] += [{"type": "text", "text": "\n"}, *self._rich(spans)]

    def _flush(self) -> None:
        if self._elements:
            self._done.append({"type": "rich_text", "elements": self._elements})
        self._elements, self._used = [], 0

    def _rich(self, spans: Spans) -> list[Block]:
        made = [element for span in spans for element in self._element(span)]
        return made or [{"type": "text", "text": "(empty)"}]

    def _element(self, span: Span) -> list[Block]:
        match span:
            case Text(text, strong):
                style = {"style": {"bold": True}} if strong else {}
                return [{"type": "text", "text": clean(text), **style}] if clean(text) else []
            case Link(url):
                return [{"type": "link", "url": url, "text": span.host}]
            case Who(person) if user := self._account(person):
                return [{"type": "user", "user_id": user}]
            case Circle(name) if ids := list(self._members(name)):
                return _joined([_mention(id) for id in ids])
            case Where(place) if found := _CHANNEL.fullmatch(place):
                return [{"type": "channel", "channel_id": found[1]}]
            case _:
                return [{"type": "text", "text": clean(plain((span,)))}]

    def _dead(self, span: Span) -> str:
        """One span in mrkdwn."""
        match span:
            case When(at, words):
                return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{mrkdwn(words)}>"
            case Link(url):
                safe = url.replace("&", "&amp;").replace("|", "%7C").replace(">", "%3E")
                return f"<{safe}|{mrkdwn(span.host)}>"
            case Who(person) if user := self._account(person):
                return f"<@{user}>"
            case Circle(name) if ids := list(self._members(name)):
                return ", ".join(f"<!subteam^{id}>" if id.startswith("S") else f"<@{id}>" for id in ids)
            case Where(place) if found := _CHANNEL.fullmatch(place):
                return f"<#{found[1]}>"
            case Where(place):
                return mrkdwn(place_words(place))
            case Text(text, strong=True):
                return f"*{mrkdwn(text)}*"
            case _:
                return mrkdwn(plain((span,)))


def section(words: str) -> Block:
    """A section of mrkdwn that Slack does not look for addresses in."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": words, "verbatim": True}}


def plain_text(words: str, limit: int) -> Block:
    """A text object that Slack shows literally; never empty."""
    return {"type": "plain_text", "text": cut(line(words), limit) or "(empty)", "emoji": False}


def actions(buttons: Sequence[Button], press: str) -> Block:
    """A row of buttons."""
    return {"type": "actions", "elements": [button(one, press) for one in buttons]}


def button(one: Button, press: str) -> Block:
    """A button that carries which card it stands on."""
    style = {"style": one.style.value} if one.style else {}
    confirm = {"confirm": _confirm(one)} if one.confirm else {}
    return {
        "type": "button", "action_id": f"sayso.{one.verb.value}", "text": plain_text(one.label, 75), "value": press,
        **style, **confirm,
    }  # fmt: skip


def _confirm(one: Button) -> Block:
    """What Slack asks before it sends the press."""
    return {
        "title": plain_text(UNDO_TITLE, 100), "text": plain_text(one.confirm, 300),
        "confirm": plain_text(UNDO_LABEL, 30), "deny": plain_text("Cancel", 30), "style": "danger",
    }  # fmt: skip


def numbered(blocks: list[Block], key: str) -> tuple[Block, ...]:
    """The blocks with ids of their own that change whenever `key` does (Slack wants that on updates)."""
    return tuple(
        {**block, "block_id": block.get("block_id", f"sayso.{index}:{key}")}
        for index, block in enumerate(blocks)
    )


def _label(row: Row) -> Spans:
    return (Text(row.label, strong=True), Text("  ")) if row.label else ()


def _mention(id: str) -> Block:
    return (
        {"type": "usergroup", "usergroup_id": id} if id.startswith("S") else {"type": "user", "user_id": id}
    )


def _joined(elements: list[Block]) -> list[Block]:
    commas = [[{"type": "text", "text": ", "}, element] for element in elements[1:]]
    return [elements[0], *(part for pair in commas for part in pair)]
