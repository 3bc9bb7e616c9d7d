"""Forms in Teams: modify with an input of each argument's type, reject with its reason; and how they are read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..approvals.errors import BadChange
from ..approvals.request import Request
from ..approvals.verdict import Approve, Modify, Reject, Respond
from . import answers, fields, form_words, rows
from .adaptive_actions import MOST_BYTES, Surface, action_set, back, card, press_of, send_action
from .adaptive_escape import literal
from .adaptive_text import Element, Page, note, utf8
from .answers import HAND_ON, INSTRUCTION, LONGEST, REASON, VALUE, WHY, HandOn, can_hand_on
from .card import Style, Verb
from .escape import clean, cut, line
from .fields import CHOICE, Field, Kind, Shape
from .spans import Row, Text

#: Of all inputs for arguments together, as compact JSON in bytes; what is beyond is changed by an instruction.
INPUT_BYTES = 13_000
#: Lengths of labels and hints, in UTF-16 units.
LABEL, HINT = 150, 300
#: Digits that a number input keeps exactly.
DIGITS = 15
_LONG_LINE = 80
#: How long, in turn, what a person typed may be to stand in a form that comes back, until all of it fits.
_KEPT = (LONGEST, 600, 120, 0)
_NOT_KEPT = "What you entered is too long to be shown here again."
_MISFIT = "This does not fit."
_OVERLONG = f"This may have {LONGEST:,} characters."


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A form that comes back; made by `modify_retry` and `reject_retry`.

    Attributes:
        problems: Input id -> sentence.
        typed: Input id -> what the person had entered; empty for what they had emptied.
    """

    problems: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)

    def of_length(self, most: int) -> Retry:
        """Without what was typed beyond `most` characters: cut in two it would say something else."""
        kept = {id: text for id, text in self.typed.items() if len(text) <= most}
        said = {id: text if most else _MISFIT for id, text in self.problems.items()}
        lost = {id: f"{said.get(id, '')} {_NOT_KEPT}".strip() for id in self.typed if id not in kept}
        return Retry(problems={**said, **lost}, typed=kept)


def modify_form(
    request: Request, *, surface: Surface = Surface.VIEW, retry: Retry = Retry(), ask_why: bool = False
) -> dict[str, Any]:  # fmt: skip
    """Typed inputs with the present arguments, and room for an instruction, and for why where that is asked."""
    return _that_fits(lambda again: _modify_form(request, surface, again, ask_why=ask_why), retry)


def approve_form(
    request: Request, *, surface: Surface = Surface.VIEW, retry: Retry = Retry()
) -> dict[str, Any]:  # fmt: skip
    """Why, where whoever approves has to say that."""
    return _that_fits(lambda again: _approve_form(request, surface, again), retry)


def reject_form(
    request: Request, *, surface: Surface = Surface.VIEW, retry: Retry = Retry()
) -> dict[str, Any]:  # fmt: skip
    """A reason, and, where there is a next line, the choice to hand the question on instead."""
    return _that_fits(lambda again: _reject_form(request, surface, again), retry)


def undo_form(request: Request, *, surface: Surface = Surface.VIEW) -> dict[str, Any]:
    """Whether it is really to be undone: Teams has no question of its own before a press counts."""
    page = _head(request)
    page.add(Row("", (Text(form_words.UNDO_QUESTION),)))
    press = press_of(request)
    sending = send_action(Verb.UNDO, press, surface, label=form_words.UNDO_LABEL, style=Style.DANGER)
    return _form(page, request, sending, surface)


def modify_values(request: Request, inputs: Mapping[str, str]) -> Modify | Respond:
    """What the modify form says.

    Clients leave out inputs that were emptied, so one that was drawn and is missing is empty; but a form of which
    nothing at all arrives was not filled in.

    Raises: BadChange, by argument; by the empty name when nothing was changed and nothing written.
    """
    drawn = [*(str(input["id"]) for input, _ in _drawn(request).inputs), *_words_id(request)]
    there = any(id in inputs for id in drawn)
    texts = {id: inputs.get(id, "") for id in (*drawn, WHY)} if there else {}
    if over := [id for id, text in texts.items() if len(text) > LONGEST]:
        names = _names(request)
        raise BadChange({names.get(id, ""): _OVERLONG for id in over})
    return answers.modify_from(request, {id: {VALUE: {"value": text}} for id, text in texts.items()})


def approve_values(inputs: Mapping[str, str]) -> Approve:
    """What the form says that asks whoever approves why. Raises: NoWhy."""
    return answers.approve_from({WHY: {VALUE: {"value": inputs.get(WHY, "")}}})


def reject_values(inputs: Mapping[str, str]) -> Reject | HandOn:
    """What the reject form says. Raises: BadChange, whose only key is `reason`."""
    ticked = [HAND_ON] if inputs.get(HAND_ON) == "true" else []
    return answers.reject_from(
        {REASON: {VALUE: {"value": inputs.get(REASON, "")}}, HAND_ON: {VALUE: {"selected_options": ticked}}}
    )


def modify_retry(request: Request, inputs: Mapping[str, str], bad: BadChange) -> Retry:
    """The modify form again: each problem beside its input, or beside the instruction where there is none."""
    drawn = {WHY: ""} | {str(input["id"]): str(input.get("value", "")) for input, _ in _drawn(request).inputs}
    drawn |= dict.fromkeys(_words_id(request), "")
    names, last = _names(request), next(reversed(drawn), INSTRUCTION)
    problems: dict[str, str] = {}
    for id, text in answers.field_errors(request, bad).items():
        whole = id in drawn or id == INSTRUCTION
        home, said = id if id in drawn else last, text if whole else f"{names.get(id, id)}: {text}"
        problems[home] = f"{problems[home]}; {said}" if home in problems else said
    typed = {id: clean(inputs.get(id, "")) for id, shown in drawn.items() if inputs.get(id, "") != shown}
    return Retry(problems=problems, typed=typed)


def reject_retry(inputs: Mapping[str, str], bad: BadChange) -> Retry:
    """The reject form again, or that for an approval."""
    typed = {id: clean(inputs.get(id, "")) for id in (WHY, REASON, HAND_ON)}
    return Retry(problems=dict(bad.problems), typed=typed)


def _names(request: Request) -> dict[str, str]:
    """Input id -> name of its argument; of those that share an input, the first."""
    form = fields.form(request)
    names = {one.block: one.name for one in form.fields}
    return {**names, fields.REST: form.overflow[0]} if form.overflow else names


def _that_fits(draw: Callable[[Retry], dict[str, Any]], retry: Retry) -> dict[str, Any]:
    """The form with as much of what was typed as fits."""
    for most in _KEPT:
        made = draw(retry.of_length(most))
        if utf8(made) <= MOST_BYTES:
            break
    return made


def _modify_form(request: Request, surface: Surface, retry: Retry, *, ask_why: bool) -> dict[str, Any]:
    page, drawn = _head(request), _drawn(request)
    page.add(Row("", (Text(form_words.what_follows(request)),)))
    if drawn.missing:
        page.add(Row("", (Text(form_words.too_long(drawn.missing)),)))
    for input, hint in drawn.inputs:
        page.put(*_with_words(input, hint, retry))
    if ask_why:
        why = _text_input(WHY, form_words.WHY_CHANGED_LABEL, multiline=True)
        page.put(*_with_words(why, form_words.WHY_HINT, retry))
    if words := form_words.words_wanted(request):
        own = _text_input(INSTRUCTION, words.label, multiline=True)
        page.put(*_with_words(own, words.hint, retry))
    return _form(page, request, send_action(Verb.MODIFY, press_of(request), surface), surface)


def _approve_form(request: Request, surface: Surface, retry: Retry) -> dict[str, Any]:
    page = _head(request)
    page.put(*_with_words(_needed(WHY), form_words.WHY_HINT, retry))
    sending = send_action(Verb.APPROVE, press_of(request), surface, label="Approve")
    return _form(page, request, sending, surface)


def _needed(id: str) -> Element:
    """The input for a reason that has to be given."""
    asked = _text_input(id, form_words.REASON_LABEL, multiline=True)
    return {**asked, "isRequired": True, "errorMessage": "Please say why."}


def _reject_form(request: Request, surface: Surface, retry: Retry) -> dict[str, Any]:
    page = _head(request)
    page.put(*_with_words(_needed(REASON), form_words.REASON_HINT, retry))
    if can_hand_on(request):
        handing_on = {
            "type": "Input.Toggle", "id": HAND_ON, "title": form_words.HAND_ON_LABEL, "wrap": True,
            "value": "false", "valueOn": "true", "valueOff": "false",
        }  # fmt: skip
        page.put(*_with_words(handing_on, "", retry))
    return _form(page, request, send_action(Verb.REJECT, press_of(request), surface), surface)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The inputs that fit, each with its hint, and the names of the arguments that have none."""

    inputs: tuple[tuple[Element, str], ...]
    missing: tuple[str, ...]


def _words_id(request: Request) -> tuple[str, ...]:
    """The input for a person's own words, where there is one."""
    return (INSTRUCTION,) if form_words.words_wanted(request) else ()


def _drawn(request: Request) -> _Drawn:
    """The same for drawing and for reading back: it depends on nothing but the request."""
    form = fields.form(request)
    inputs, missing, room = list[tuple[Element, str]](), list(form.too_long), INPUT_BYTES
    wanted: list[tuple[Element, str, tuple[str, ...]]] = [
        (_input(one), one.shape.hint, (one.name,)) for one in form.fields
    ]
    if form.overflow:
        text = fields.shown_rest(request.proposal.action.arguments, form.overflow)
        rest = _text_input(fields.REST, form_words.REST_LABEL, multiline=True, value=text)
        wanted.append((rest, "", form.overflow))
    for input, hint, names in wanted:
        need = utf8(input) + utf8(cut(line(hint), HINT)) + 200
        if need > room:
            missing += names
            continue
        room -= need
        inputs.append((input, hint))
    return _Drawn(tuple(inputs), tuple(missing))


def _input(one: Field) -> Element:
    """The input of an argument's type; only what cannot be left empty is required."""
    made = _element(one)
    free = one.shape.nullable or not one.shown or one.shape.kind is Kind.TEXT
    return made if free else {**made, "isRequired": True, "errorMessage": "A value is needed here."}


def _element(one: Field) -> Element:
    kind, shown = one.shape.kind, one.shown
    given: Element = {"value": shown} if shown else {}
    base: Element = {"id": one.block, "label": _title(one.name, LABEL)}
    if one.shape.picked:
        titles = [fields.choice_text(choice) for choice in one.shape.choices]
        return {**base, **_choices([(title, str(index)) for index, title in enumerate(titles)]), **given}
    if kind is Kind.BOOLEAN:
        return {**base, **_choices([("true", "true"), ("false", "false")]), **given}
    if _number_input_is_exact(one):
        number = {"value": one.current} if shown else {}
        return {**base, "type": "Input.Number", **number}
    if kind is Kind.DATE:
        return {**base, "type": "Input.Date", **given}
    return _text_input(one.block, one.name, multiline=_needs_lines(one), value=shown)


def _number_input_is_exact(one: Field) -> bool:
    """A client reads a number as a double and writes 3.0 as 3, which would be a change that nobody made."""
    if one.shape.kind not in (Kind.INTEGER, Kind.NUMBER) or len(one.shown) > DIGITS:
        return False
    whole_float = isinstance(one.current, float) and one.current.is_integer()
    return not one.shown or (isinstance(one.current, int | float) and not whole_float)


def _needs_lines(one: Field) -> bool:
    return one.shape.kind is Kind.JSON or "\n" in one.shown or len(one.shown) > _LONG_LINE


def _choices(options: list[tuple[str, str]]) -> Element:
    """A list to pick from; options are sent by value, so that equal titles stay different."""
    made = [{"title": _title(title, CHOICE), "value": value} for title, value in options]
    return {"type": "Input.ChoiceSet", "style": "compact", "wrap": True, "choices": made}


def _text_input(id: str, label: str, *, multiline: bool, value: str = "") -> Element:
    given = {"value": value} if value else {}
    return {
        "type": "Input.Text", "id": id, "label": _title(label, LABEL), "isMultiline": multiline, "maxLength": LONGEST,
        **given,
    }  # fmt: skip


def _title(text: str, limit: int) -> str:
    return literal(cut(line(text), limit)) or "(empty)"


def _with_words(input: Element, hint: str, retry: Retry) -> list[Element]:
    """An input, its hint, and what was wrong with it the last time; with the person's own words in it again."""
    id = input["id"]
    made = [_with_typed(input, retry.typed[id]) if id in retry.typed else input]
    if line(hint):
        made.append(note(cut(line(hint), HINT)))
    if id in retry.problems:
        made.append(note(retry.problems[id], color="Attention"))
    return made


def _with_typed(input: Element, typed: str) -> Element:
    """The input with what the person had entered, so that sending the form again loses nothing of it."""
    bare = {key: value for key, value in input.items() if key != "value"}
    match input["type"]:
        case "Input.Toggle":
            return {**bare, "value": "true" if typed == "true" else "false"}
        case "Input.ChoiceSet":
            offered = any(choice["value"] == typed for choice in input["choices"])
            return {**bare, "value": typed} if offered else bare
        case "Input.Number":
            return {**bare, **_if_it_fits(Kind.NUMBER, typed)} if len(typed) <= DIGITS else bare
        case "Input.Date":
            return {**bare, **_if_it_fits(Kind.DATE, typed)}
        case _:
            return {**bare, "value": typed} if typed else bare


def _if_it_fits(kind: Kind, typed: str) -> Element:
    """A value that the input can show; none where it cannot."""
    try:
        return {"value": fields.coerce(Shape(kind=kind), typed)}
    except fields.DoesNotFit:
        return {}


def _head(request: Request) -> Page:
    page = Page()
    page.head((), cut(line(request.proposal.action.summary), rows.SUMMARY))
    return page


def _form(page: Page, request: Request, sending: Element, surface: Surface) -> dict[str, Any]:
    buttons = [sending]
    if surface is not Surface.DIALOG:
        buttons.append(back(press_of(request)))
    page.put(action_set(buttons))
    summary = cut(line(request.proposal.action.summary), rows.SUMMARY)
    return card(page.elements(), fallback=literal(summary) or "(empty)")
