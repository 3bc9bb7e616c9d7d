"""Cards and short messages as Adaptive Cards 1.5 for Teams; the forms are in `adaptive_forms`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any

from ..approvals.people import PersonId
from ..approvals.request import Request, State
from . import details as everything
from . import rows
from .adaptive_actions import MOST_BYTES, Surface, action_set, back, card, press_of, rows_of, turning
from .adaptive_answers import Pressed, pressed
from .adaptive_bodies import answer, attachment, closing, dialog, error
from .adaptive_escape import literal
from .adaptive_forms import (
    Retry,
    approve_form,
    approve_values,
    modify_form,
    modify_retry,
    modify_values,
    reject_form,
    reject_retry,
    reject_values,
    undo_form,
)
from .adaptive_text import (
    Account,
    Element,
    Members,
    Mentioned,
    Page,
    labelled,
    no_account,
    no_members,
    note,
    shorter,
    utf8,
)
from .answers import encode_press
from .card import DETAILS, TOO_LONG, Card, Verb, answers
from .escape import cut, line
from .rows import Writer
from .spans import Row, Span, Text, plain
from .standing import standing

#: Of the rows on one page of Details, in bytes; the rest is for heads and buttons.
PAGE_BYTES = 14_000
MOST_PENDING = 40
#: Of the line in a notification, in UTF-16 units.
SUMMARY = 500
#: How short each piece of a card is cut, in turn, until all of it fits; None first: as it is.
_LENGTHS = (None, 300, 120, 60, 24)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveMessage:
    """What one message in Teams holds.

    Attributes:
        card: The content of its only attachment, mentions included.
        summary: For notifications and lists; nothing in it is live. It is not the message's text: Teams splits
            a message that has both.
        entities: The mentions that stand in the card.
    """

    card: dict[str, Any]
    summary: str
    entities: tuple[Element, ...]


def message(shown: Card, *, surface: Surface = Surface.CARD) -> AdaptiveMessage:
    """A card as a message, or as what one person sees in its place.

    It calls nobody, and names people only: whom the agent works for may not answer it, and is often no member where
    it stands, whom Teams lets nobody call.
    """
    return _first_that_fits(lambda limit: _message(shown, surface, limit))


def say(
    said: Sequence[Row], *, account: Account = no_account, members: Members = no_members
) -> AdaptiveMessage:
    """A short message; `members` names the people of the circles it speaks to."""
    return _first_that_fits(lambda limit: _said(said, account, members, limit))


def pending(
    requests: Sequence[Request], *, name: Callable[[PersonId], str], tz: tzinfo = UTC
) -> AdaptiveMessage:
    """What waits for somebody, most urgent first, each with its Details; as many as fit."""
    writer, page = Writer(name, tz), Page()
    ordered = sorted(requests, key=lambda one: one.ask.deadline.expires_at)
    listed = 0
    for one in ordered[:MOST_PENDING]:
        made = _pending(one, writer, page)
        if utf8([*page.elements(), *made]) > MOST_BYTES - 1_000:
            break
        page.put(*made)
        listed += 1
    if listed < len(ordered):
        page.put(note(f"… and {len(ordered) - listed} more, less urgent."))
    waiting = f"{len(ordered)} waiting for an answer" if ordered else "Nothing waits for you."
    if not ordered:
        page.add(Row("", (Text(waiting),)))
    return _whole(page, waiting)


def details(
    request: Request, number: int = 1, *,
    name: Callable[[PersonId], str], tz: tzinfo = UTC, surface: Surface = Surface.VIEW,
) -> dict[str, Any]:  # fmt: skip
    """One page of everything; answers can be given on each. A page number beyond the ends means the nearest."""
    pages = _pages(everything.details(request, name=name, tz=tz))
    at = min(max(number, 1), len(pages))
    page = Page()
    page.head(rows.flags(request), Writer(name, tz).must_fit(request.proposal.action.summary, rows.SUMMARY))
    page.put(*pages[at - 1])
    if len(pages) > 1:
        page.put(note(f"Page {at} of {len(pages)}"), action_set(turning(request, at, len(pages), surface)))
    press = press_of(request)
    page.put(*rows_of(answers(request), press, surface))
    if surface is not Surface.DIALOG:
        page.put(action_set([back(press)]))
    return card(page.elements(), fallback=literal(cut(line(request.proposal.action.summary), SUMMARY)))


def words_view(words: str, press: str, *more: Span) -> dict[str, Any]:
    """A sentence in place of the card, and the way back to it."""
    page = Page()
    page.add(Row("", (Text(cut(line(words), SUMMARY)), *more)))
    page.put(action_set([back(press)]))
    return card(page.elements(), fallback=literal(cut(line(words), SUMMARY)))


def _message(shown: Card, surface: Surface, limit: int | None) -> AdaptiveMessage:
    page = Page()
    page.head(shown.flags, shown.summary)
    buttons, body = shown.buttons, shown.rows
    if limit is not None:
        buttons = tuple(one for one in buttons if one.verb in (Verb.DETAILS, Verb.RECONNECT))
        body = (*(shorter(row, limit) for row in body if row != TOO_LONG), TOO_LONG)
    for row in body:
        page.add(row)
    press = encode_press(shown.request, shown.revision, shown.digest)
    page.put(*rows_of(buttons, press, surface))
    return _whole(page, shown.push)


def _said(
    said: Sequence[Row], account: Account, members: Members, limit: int | None
) -> AdaptiveMessage:  # fmt: skip
    page = Page(account, members)
    for row in said:
        page.add(row if limit is None else shorter(row, limit))
    return _whole(page, " ".join(plain(row.spans) for row in said))


def _pending(request: Request, writer: Writer, page: Page) -> list[Element]:
    summary = cut(line(request.proposal.action.summary), rows.SUMMARY)
    row = rows.deadline(request, writer) if request.state is State.OPEN else standing(request, writer)
    return [*labelled(summary, row, page), *rows_of((DETAILS,), press_of(request), Surface.VIEW)]


def _pages(some: tuple[Row, ...]) -> list[list[Element]]:
    """The rows in pages that are small enough to be sent; nothing is lost between them."""
    drawing, pages, room = Page(), list[list[Element]]([[]]), PAGE_BYTES
    for row in (row for page in everything.paged(some) for row in page):
        made = drawing.drawn(row)
        need = utf8(made)
        if pages[-1] and need > room:
            pages.append([])
            room = PAGE_BYTES
        pages[-1] += made
        room -= need
    return pages


def _whole(page: Page, summary: str) -> AdaptiveMessage:
    said = literal(cut(line(summary), SUMMARY)) or "(empty)"
    entities = page.mentions()
    return AdaptiveMessage(
        card=card(page.elements(), fallback=said, entities=entities), summary=said, entities=entities
    )


def _first_that_fits(draw: Callable[[int | None], AdaptiveMessage]) -> AdaptiveMessage:
    """As it is, or with its pieces cut ever shorter; the shortest fits whatever an agent says."""
    for limit in _LENGTHS:
        made = draw(limit)
        if utf8(made.card) <= MOST_BYTES:
            break
    return made


__all__ = [
    "Account",
    "AdaptiveMessage",
    "Members",
    "Mentioned",
    "Pressed",
    "Retry",
    "Surface",
    "answer",
    "approve_form",
    "approve_values",
    "attachment",
    "closing",
    "details",
    "dialog",
    "error",
    "message",
    "modify_form",
    "modify_retry",
    "modify_values",
    "pending",
    "pressed",
    "reject_form",
    "reject_retry",
    "reject_values",
    "say",
    "undo_form",
    "words_view",
]  # fmt: skip
