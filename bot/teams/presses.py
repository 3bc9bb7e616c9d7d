"""A pressed button or a sent form: read, taken to the desk, and answered in time; what comes after it is not lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any, TypeVar

from ...approvals.errors import AlreadySettled, BadChange, NotAllowed, Outdated, SaysoError, WhyNot
from ...approvals.people import Identity
from ...approvals.request import Request, State
from ...approvals.verdict import Approve, Modify, Reject, RequestId, Respond, Undo
from ...cards import adaptive
from ...cards.answers import BadPress, HandOn, decode_page, decode_press, decode_shown
from ...cards.card import Verb, card_of
from ...cards.spans import Link, Row, Text
from ...cards.words import LINK_WORDS, answered, refusal
from ..asked import WayOn
from ..channel import ChannelError
from ..delivery import Deliverer
from ..desk import REJECTING, Answered, Desk
from .inbound import FAILED
from .port import PLATFORM, Asking, Pressed, Transport
from .screens import Body, Drawing, InCard, InDialog, Screen

if TYPE_CHECKING:  # most bots connect nothing
    from ..connecting import Connecting

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds until somebody who waits is answered without the outcome; Teams gives up, as documented for dialogs, after five.
PATIENCE = 2.5
#: What a form can say.
_Verdict = Approve | Modify | Reject | Respond | HandOn
_HANDED_ON = "The next line is asked now."
_ON_IT = "Noted: the next step waits a little. The deadline stays."
_NOTED = "Noted. The card shows how it goes on."
_TITLES = {
    Verb.APPROVE: "Approve",
    Verb.MODIFY: "Modify",
    Verb.REJECT: "Reject",
    Verb.UNDO: "Undo",
    Verb.DETAILS: "Details",
}
_FORMS = (Verb.MODIFY, Verb.REJECT, Verb.UNDO)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Press:
    """One press, read; `shown` is the digest of what stood beside the button."""

    said: adaptive.Pressed
    id: RequestId
    revision: int
    shown: str
    page: int
    who: Identity
    token: str

    @property
    def decides(self) -> bool:
        """Whether it answers something, and does not only ask to see something."""
        looks = (Verb.DETAILS, Verb.RECONNECT, "card")
        return self.said.verb not in (looks if self.said.sent else (*_FORMS, *looks))


@dataclass(frozen=True, slots=True)
class _Came:
    """What came of a press; `refused` is the sentence where nothing was counted."""

    body: Body
    refused: str = ""


class Presses:
    """Handles every press."""

    def __init__(
        self, *, desk: Desk, deliverer: Deliverer, transport: Transport, tz: tzinfo = UTC, patience: float = PATIENCE,
        connecting: Connecting | None = None,
    ) -> None:  # fmt: skip
        self._desk = desk
        self._connecting = connecting
        self._deliverer = deliverer
        self._transport = transport
        self._tz = tz
        self._patience = patience
        self._under_way: set[asyncio.Task[Any]] = set()

    async def __call__(self, pressed: Pressed) -> Body:
        """What the person sees now. An answer that takes longer than our patience is counted all the same."""
        screen: Screen = InCard(self._draw) if pressed.asking is Asking.EXECUTE else InDialog()
        try:
            press = _read(pressed)
        except SaysoError as error:
            return screen.refused(error, refusal(error, name=self._desk.name, tz=self._tz))
        coming = self._keep(self._came(press, screen))
        await asyncio.wait({coming}, timeout=self._patience)
        if press.said.posted and pressed.ref.message:
            self._keep(self._mind_the_card(press.id, pressed, after=coming))
        if coming.done():
            return coming.result().body
        if not press.decides:
            return screen.too_slow()
        self._keep(self._tell_late(pressed, press, coming))
        return screen.still_counting(press.said.press)

    async def close(self) -> None:
        """Wait for what is still under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    # ---- what was pressed

    async def _came(self, press: _Press, screen: Screen) -> _Came:
        try:
            return _Came(await self._done(press, screen))
        except SaysoError as error:
            words = await self._explained(error, press)
            return _Came(screen.refused(error, words), words)

    async def _done(self, press: _Press, screen: Screen) -> Body:
        desk, id, revision, shown = self._desk, press.id, press.revision, press.shown
        match press.said.verb:
            case Verb.APPROVE if press.said.sent:
                return await self._sent(press, screen)
            case Verb.APPROVE if desk.asks_why(await desk.request(id)):
                return await self._form(press, screen)
            case Verb.APPROVE:
                done = await desk.answer(id, revision, Approve(), press.who, token=press.token, shown=shown)
                return screen.counted(done.request, answered(done.request, Approve(), desk.waits(done)))
            case Verb.UNDO if press.said.sent:
                done = await desk.answer(id, revision, Undo(), press.who, token=press.token, shown=shown)
                return screen.counted(done.request, answered(done.request, Undo(), desk.waits(done)))
            case Verb.HAPPENED | Verb.AGAIN | Verb.GIVE_UP:
                way = WayOn(press.said.verb)
                done = await desk.settle(id, revision, way, press.who, token=press.token, shown=shown)
                return screen.counted(done.request, _NOTED)
            case Verb.ON_IT:
                done = await desk.on_it(id, press.who, token=press.token)
                return screen.counted(done.request, _ON_IT)
            case Verb.RECONNECT if self._connecting is not None:
                link = await self._connecting.link(id, press.who, token=press.token)
                return screen.show("Reconnect", adaptive.words_view(LINK_WORDS, press.said.press, Link(link)))
            case Verb.MODIFY | Verb.REJECT | Verb.UNDO:
                return await (self._sent(press, screen) if press.said.sent else self._form(press, screen))
            case Verb.DETAILS:
                _as_shown(await desk.request(id), press)
                request = await desk.seen(id, press.who, token=press.token)
                drawn = await asyncio.to_thread(  # a tenth of a second, for the largest
                    adaptive.details, request, press.page, name=desk.name, tz=self._tz, surface=screen.surface
                )
                return screen.show(_TITLES[Verb.DETAILS], drawn)
            case _:
                request = await desk.request(id)
                _as_shown(request, press)
                return screen.show("", self._draw(request))

    async def _admitted(self, press: _Press) -> Request:
        verdict = REJECTING if press.said.verb == Verb.REJECT else None
        return await self._desk.admit(press.id, press.who, token=press.token, verdict=verdict)

    async def _form(self, press: _Press, screen: Screen) -> Body:
        """A form over what is asked now; whoever may not decide reads that instead."""
        request = await self._admitted(press)
        _must_be_open(request)
        verb = Verb(press.said.verb)
        drawn = await asyncio.to_thread(self._drawn, verb, request, screen)
        return screen.show(_TITLES[verb], drawn)

    async def _sent(self, press: _Press, screen: Screen) -> Body:
        """A form with its values, read as it was drawn; one that does not fit comes back with what was typed."""
        request = await self._admitted(press)
        try:
            form = _as_shown(request, press)
        except Outdated:
            await self._desk.still_asked(
                press.id, press.revision, press.who, token=press.token, shown=press.shown
            )
            raise
        inputs, verb = press.said.inputs, Verb(press.said.verb)
        try:
            verdict = _said(verb, form, inputs)
            done = await self._given(press, verdict)
        except BadChange as bad:
            request = await self._desk.still_asked(press.id, press.revision, press.who, token=press.token)
            modifies = verb is Verb.MODIFY
            again = (
                adaptive.modify_retry(request, inputs, bad)
                if modifies
                else adaptive.reject_retry(inputs, bad)
            )
            return screen.show(_TITLES[verb], self._drawn(verb, request, screen, again))
        if isinstance(verdict, HandOn):
            return screen.counted(done.request, _HANDED_ON)
        return screen.counted(done.request, answered(done.request, verdict, self._desk.waits(done)))

    def _drawn(
        self, verb: Verb, request: Request, screen: Screen, retry: adaptive.Retry = adaptive.Retry()
    ) -> Drawing:
        match verb:
            case Verb.MODIFY:
                why = self._desk.asks_why(request)
                return adaptive.modify_form(request, surface=screen.surface, retry=retry, ask_why=why)
            case Verb.APPROVE:
                return adaptive.approve_form(request, surface=screen.surface, retry=retry)
            case Verb.UNDO:
                return adaptive.undo_form(request, surface=screen.surface)
            case _:
                return adaptive.reject_form(request, surface=screen.surface, retry=retry)

    async def _given(self, press: _Press, verdict: _Verdict) -> Answered:
        desk, id, revision, shown = self._desk, press.id, press.revision, press.shown
        match verdict:
            case HandOn(reason):
                return await desk.hand_on(id, revision, reason, press.who, token=press.token, shown=shown)
            case Approve() | Modify() | Reject() | Respond():
                return await desk.answer(id, revision, verdict, press.who, token=press.token, shown=shown)

    # ---- around it

    def _draw(self, request: Request) -> Drawing:
        """The card as it stands, for one person."""
        shown = card_of(request, name=self._desk.name, tz=self._tz)
        return adaptive.message(shown, surface=adaptive.Surface.VIEW).card

    async def _explained(self, error: SaysoError, press: _Press) -> str:
        """Why something was not counted, with who was faster where that is known."""
        request = None
        if isinstance(error, AlreadySettled):
            try:
                request = await self._desk.request(press.id)
            except SaysoError:
                log.warning("teams.not_explained request=%s", press.id, exc_info=True)
        return refusal(error, name=self._desk.name, request=request, tz=self._tz)

    async def _mind_the_card(self, id: RequestId, pressed: Pressed, *, after: asyncio.Task[_Came]) -> None:
        """A card whose posting was never recorded becomes known; a stray second one is redrawn, as it stands then."""
        await asyncio.wait({after})
        try:
            if not await self._deliverer.adopt(id, pressed.ref):
                await self._deliverer.redraw_stray(id, pressed.ref)
        except (SaysoError, ChannelError):
            log.warning("teams.card_not_minded request=%s", id, exc_info=True)

    async def _tell_late(self, pressed: Pressed, press: _Press, coming: asyncio.Task[_Came]) -> None:
        """An answer that was not counted after all: its card is put back, and the person told directly."""
        try:
            refused = (await coming).refused
        except Exception:  # the outermost edge of a press: whoever waits reads that it did not work
            log.exception("teams.press_failed request=%s", press.id)
            refused = FAILED
        if not refused:
            return  # the card is redrawn for everybody
        try:
            if press.said.posted and pressed.ref.message:
                await self._deliverer.redraw_stray(press.id, pressed.ref)
            chat = await self._transport.direct(press.who.user)
            await self._transport.reply(chat, adaptive.say((Row("", (Text(refused),)),)))
        except (SaysoError, ChannelError):
            log.warning("teams.not_told_late request=%s", press.id, exc_info=True)

    def _keep(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("teams.press_failed", exc_info=error)


def _said(verb: Verb, form: Request, inputs: Mapping[str, str]) -> _Verdict:
    """What a form that was sent says. Raises: BadChange."""
    match verb:
        case Verb.MODIFY:
            return adaptive.modify_values(form, inputs)
        case Verb.APPROVE:
            return adaptive.approve_values(inputs)
        case _:
            return adaptive.reject_values(inputs)


def _read(pressed: Pressed) -> _Press:
    """Raises: BadPress, NotAllowed."""
    said = adaptive.pressed(pressed.value)
    if pressed.value.get("trigger") == "automatic":
        said = replace(
            said, verb="card", sent=False
        )  # the client looks by itself: nobody has pressed anything
    id, revision = decode_press(said.press)
    shown = decode_shown(said.press)
    if not shown:
        raise BadPress  # every button of ours says what it stood beside
    return _Press(
        said=said, id=id, revision=revision, shown=shown, page=decode_page(said.press), who=_who(pressed),
        token=pressed.token,
    )  # fmt: skip


def _who(pressed: Pressed) -> Identity:
    """The account that pressed: only what Teams says of it, never names or what a card carries.

    Teams signs the object id. The tenant beside it is the conversation's, not the person's: in a team it is the team's
    for guests and for people of a shared channel, too. So it only ever narrows; whether the account belongs to our
    tenant is asked of the tenant itself, which knows the object ids of its own members (`TeamsAccounts`).

    Raises: NotAllowed, when Teams names no account.
    """
    if not pressed.sender.object_id:
        raise NotAllowed(WhyNot.UNKNOWN_PERSON)
    tenant = pressed.ref.facts.get("tenant", "")
    return Identity(platform=PLATFORM, tenant=tenant, user=pressed.sender.object_id)


def _as_shown(request: Request, press: _Press) -> Request:
    """The request as it stood beside the button. A client can send any id: the digest is known to readers only.

    Raises: Outdated, when it never stood so.
    """
    if press.revision == request.revision and request.question.startswith(press.shown):
        return request
    for count, one in enumerate((request.ask.first, *request.revisions)):
        if one.number == press.revision and one.digest.startswith(press.shown):
            return replace(request, revisions=request.revisions[:count])
    raise Outdated


def _must_be_open(request: Request) -> None:
    """Raises: AlreadySettled."""
    if request.state is not State.OPEN:
        raise AlreadySettled(request.state, request.decision.by if request.decision else ())
