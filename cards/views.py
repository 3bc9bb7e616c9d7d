"""Slack's modals: Details with every answer, the modify form drawn from the arguments, the reject form."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, tzinfo
from typing import Any

from ..approvals.people import PersonId
from ..approvals.request import Request
from . import details, fields, form_words, rows
from .answers import HAND_ON, INSTRUCTION, REASON, VALUE, WHY, can_hand_on, encode_page, encode_press
from .card import answers, flag_line
from .escape import cut, line
from .fields import Field, Kind
from .richtext import Account, Block, Page, actions, no_account, numbered, plain_text
from .spans import Row, Text

View = dict[str, Any]
#: Lengths of labels and hints, in UTF-16 units; Slack allows 2,000 and 75 for an option.
LABEL, HINT, OPTION = 150, 300, 75
#: Digits that a number input keeps exactly.
DIGITS = 15


def details_view(
    request: Request, page: int = 1, *,
    name: Callable[[PersonId], str], account: Account = no_account, tz: tzinfo = UTC,
) -> View:  # fmt: skip
    """One page of everything; answers can be given on each. A page number beyond the ends means the nearest."""
    shown = details.page(request, page, name=name, tz=tz)
    body = Page(account)
    if shown.flags:
        body.add(Row("", (Text(flag_line(shown.flags), strong=True),)))
    body.add(Row("", (Text(shown.summary, strong=True),)))
    body.part()
    for row in shown.rows:
        body.add(row)
    blocks = body.blocks()
    if shown.of > 1:
        blocks += _turning(request, shown.number, shown.of)
    if given := answers(request):
        blocks.append(actions(given, encode_press(request.id, request.revision, request.question)))
    here = encode_page(request.id, request.revision, shown.number, request.question)
    return _modal(
        "details", "Details", here, numbered(blocks, f"{request.id}:{request.version}:{shown.number}")
    )


def modify_view(request: Request, *, ask_why: bool = False) -> View:
    """Typed inputs with the present arguments, and room for an instruction, and for why where that is asked."""
    form = fields.form(request)
    head = Page()
    head.add(Row("", (Text(cut(line(request.proposal.action.summary), rows.SUMMARY), strong=True),)))
    head.add(Row("", (Text(form_words.what_follows(request)),)))
    if form.too_long:
        head.add(Row("", (Text(form_words.too_long(form.too_long)),)))
    blocks = [*head.blocks(), *(_input(one) for one in form.fields)]
    if form.overflow:
        text = fields.shown_rest(request.proposal.action.arguments, form.overflow)
        element = _text_input(text, multiline=True)
        blocks.append(_block(fields.REST, form_words.REST_LABEL, element, optional=False))
    if ask_why:
        said = _text_input("", multiline=True)
        label, hint = form_words.WHY_CHANGED_LABEL, form_words.WHY_HINT
        blocks.append(_block(WHY, label, said, optional=True, hint=hint))
    if words := form_words.words_wanted(request):
        own = _text_input("", multiline=True)
        blocks.append(_block(INSTRUCTION, words.label, own, optional=True, hint=words.hint))
    press = encode_press(request.id, request.revision, request.question)
    return _modal("modify", "Modify", press, numbered(blocks, press), submit="Send")


def approve_view(request: Request) -> View:
    """Why, where whoever approves has to say that."""
    head = Page()
    head.add(Row("", (Text(cut(line(request.proposal.action.summary), rows.SUMMARY), strong=True),)))
    why = _block(
        WHY, form_words.REASON_LABEL, _text_input("", multiline=True), optional=False,
        hint=form_words.WHY_HINT,
    )  # fmt: skip
    press = encode_press(request.id, request.revision, request.question)
    return _modal("approve", "Approve", press, numbered([*head.blocks(), why], press), submit="Approve")


def reject_view(request: Request) -> View:
    """A reason, and, where there is a next line, the choice to hand the question on instead."""
    head = Page()
    head.add(Row("", (Text(cut(line(request.proposal.action.summary), rows.SUMMARY), strong=True),)))
    reason = _block(
        REASON, form_words.REASON_LABEL, _text_input("", multiline=True), optional=False,
        hint=form_words.REASON_HINT,
    )  # fmt: skip
    blocks = [*head.blocks(), reason]
    if can_hand_on(request):
        ticks = {
            "type": "checkboxes", "action_id": VALUE,
            "options": [{"text": plain_text(form_words.HAND_ON_LABEL, OPTION), "value": HAND_ON}],
        }  # fmt: skip
        blocks.append(_block(HAND_ON, "Or", ticks, optional=True))
    press = encode_press(request.id, request.revision, request.question)
    return _modal("reject", "Reject", press, numbered(blocks, press), submit="Send")


def _turning(request: Request, number: int, of: int) -> list[Block]:
    """Where one is, and the way to the other pages."""
    buttons = [
        {"type": "button", "action_id": f"sayso.{verb}", "text": plain_text(label, 75),
         "value": encode_page(request.id, request.revision, number + step, request.question)}
        for verb, label, step in (("earlier", "Previous page", -1), ("later", "Next page", 1))
        if 1 <= number + step <= of
    ]  # fmt: skip
    here = {"type": "context", "elements": [plain_text(f"Page {number} of {of}", 75)]}
    return [here, {"type": "actions", "elements": buttons}]


def _input(field: Field) -> Block:
    optional = field.shape.nullable or not field.shown
    return _block(field.block, field.name, _element(field), optional=optional, hint=field.shape.hint)


def _element(field: Field) -> Block:
    kind, shown = field.shape.kind, field.shown
    if field.shape.picked:
        return _select(
            [(fields.choice_text(one), str(i)) for i, one in enumerate(field.shape.choices)], shown
        )
    if kind is Kind.BOOLEAN:
        return _select([("true", "true"), ("false", "false")], shown)
    if kind in (Kind.INTEGER, Kind.NUMBER) and len(shown) <= DIGITS:
        initial = {"initial_value": shown} if shown else {}
        decimal = kind is Kind.NUMBER
        return {"type": "number_input", "action_id": VALUE, "is_decimal_allowed": decimal, **initial}
    if kind is Kind.DATE:
        initial = {"initial_date": shown} if shown else {}
        return {"type": "datepicker", "action_id": VALUE, **initial}
    return _text_input(shown, multiline=kind is Kind.JSON or "\n" in shown or len(shown) > 80)


def _select(options: list[tuple[str, str]], initial: str) -> Block:
    """A list to pick from; options are sent by value, so that equal labels stay different."""
    made = [{"text": plain_text(label, OPTION), "value": value} for label, value in options]
    chosen = [option for option in made if option["value"] == initial]
    first = {"initial_option": chosen[0]} if chosen else {}
    return {"type": "static_select", "action_id": VALUE, "options": made, **first}


def _text_input(text: str, *, multiline: bool) -> Block:
    initial = {"initial_value": text} if text else {}
    return {
        "type": "plain_text_input", "action_id": VALUE, "multiline": multiline, "max_length": fields.LONGEST, **initial,
    }  # fmt: skip


def _block(id: str, label: str, element: Block, *, optional: bool, hint: str = "") -> Block:
    said = {"hint": plain_text(hint, HINT)} if line(hint) else {}
    return {
        "type": "input", "block_id": id, "label": plain_text(label, LABEL), "element": element, "optional": optional,
        **said,
    }  # fmt: skip


def _modal(name: str, title: str, metadata: str, blocks: tuple[Block, ...], submit: str = "") -> View:
    sending = {"submit": plain_text(submit, 24)} if submit else {}
    return {
        "type": "modal", "callback_id": f"sayso.{name}", "title": plain_text(title, 24), "close": plain_text("Close", 24),
        "private_metadata": metadata, "blocks": list(blocks), **sending,
    }  # fmt: skip
