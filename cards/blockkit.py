"""Cards and short messages as Slack Block Kit; the forms are in `views`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any

from ..approvals.people import PersonId
from ..approvals.request import Request, State
from . import rows
from .answers import encode_press
from .card import DETAILS, Card, flag_line
from .escape import cut, line, mrkdwn
from .richtext import (
    Account,
    Block,
    Members,
    Page,
    actions,
    button,
    no_account,
    no_members,
    numbered,
    section,
)
from .rows import Writer
from .spans import Row, Text, plain
from .standing import standing
from .views import details_view, modify_view, reject_view

#: Longest fallback text, in characters (Slack advises at most 4,000).
TEXT = 3_000
MOST_PENDING = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackMessage:
    """What `chat.postMessage` and `chat.update` take.

    Attributes:
        text: Mrkdwn for notifications and screen readers; nothing in it is live.
        metadata: Names the request, so that a message whose id was lost can be found again; empty for notices.
    """

    text: str
    blocks: tuple[Block, ...]
    metadata: dict[str, Any] = field(default_factory=dict)


def message(card: Card, *, account: Account = no_account) -> SlackMessage:
    """A card as a message."""
    page = Page(account)
    if card.flags:
        page.add(Row("", (Text(flag_line(card.flags), strong=True),)))
    page.add(Row("", (Text(card.summary, strong=True),)))
    page.part()
    for row in card.rows:
        page.add(row)
    buttons = actions(card.buttons, encode_press(card.request, card.revision, card.digest))
    payload = {"request": card.request, "revision": card.revision, "digest": card.digest}
    return SlackMessage(
        text=mrkdwn(cut(card.push, TEXT // 6)),
        blocks=numbered([*page.blocks(), buttons], f"{card.request}:{card.version}"),
        metadata={"event_type": "sayso_request", "event_payload": payload},
    )


def say(said: Sequence[Row], *, account: Account = no_account, members: Members = no_members) -> SlackMessage:
    """A short message; `members` names the people of the circles it speaks to."""
    page = Page(account, members)
    for row in said:
        page.add(row)
    text = " ".join(plain(row.spans) for row in said)
    return SlackMessage(text=mrkdwn(cut(line(text), TEXT // 6)), blocks=tuple(page.blocks()))


def pending_blocks(
    requests: Sequence[Request], *, name: Callable[[PersonId], str], tz: tzinfo = UTC
) -> tuple[Block, ...]:
    """What waits for somebody, most urgent first, each with its Details."""
    writer = Writer(name, tz)
    if not requests:
        return (section("Nothing waits for you."),)
    ordered = sorted(requests, key=lambda one: one.ask.deadline.expires_at)
    blocks = [_pending(one, writer) for one in ordered[:MOST_PENDING]]
    if len(ordered) > MOST_PENDING:
        blocks.append(section(f"… and {len(ordered) - MOST_PENDING} more, less urgent."))
    return tuple(blocks)


def _pending(request: Request, writer: Writer) -> Block:
    summary = mrkdwn(cut(line(request.proposal.action.summary), rows.SUMMARY))
    row = rows.deadline(request, writer) if request.state is State.OPEN else standing(request, writer)
    press = encode_press(request.id, request.revision, request.question)
    return {**section(f"*{summary}*\n{Page().dead(row)}"), "accessory": button(DETAILS, press)}


__all__ = [
    "SlackMessage", "details_view", "message", "modify_view", "pending_blocks", "reject_view", "say",
]  # fmt: skip
