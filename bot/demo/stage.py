"""What the tour's scenes share: the office, the store seen from outside, the back office's rows, and the clock."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any, TypeVar

from ...approvals.change import AuditRecord, Event
from ...approvals.redis_store import RedisStore
from ...approvals.request import Request, State
from ...approvals.verdict import ThreadId
from ...sandbox.slack.person import Person
from ...sandbox.slack.screen import Message
from ...sandbox.teams import Message as TeamsMessage
from ...sandbox.tokens import IssuedToken
from .office import Office
from .story import Story, TourFailed
from .teams_side import TeamsSide

T = TypeVar("T")
TEAM = "T0WORKPLACE"
#: What the agent's tools ask a token for.
BACK_OFFICE = "api://backoffice/.default"
#: The channels the story plays in; Slack and Teams have them both.
SUPPORT, FINANCE, OPS = "#support", "#finance-approvals", "#ops-approvals"


class Stage:
    """The office and the story, with the few things every scene does."""

    def __init__(self, office: Office, story: Story) -> None:
        self.office = office
        self.story = story
        self.work = office.workplace
        self.teams = TeamsSide(office.workplace, story)
        self.store = self.wait(RedisStore.connect(office.redis_url, demo=True))

    def close(self) -> None:
        """Let go of the store."""
        self.wait(self.store.close())

    def wait(self, action: Coroutine[Any, Any, T]) -> T:
        """Do something with the store, on the workplace's thread, and wait for it: Ctrl-C always gets through."""
        return self.work.run(action)

    def person(self, name: str) -> Person:
        """Somebody of the workspace."""
        return self.work.slack.person(name)

    # ---- Slack

    def asks(self, goal: str, *, who: str = "alex") -> Message:
        """Somebody mentions the bot in #support."""
        self.story.says(f"@{who} in {SUPPORT}", f"@sayso {goal}")
        return self.work.run(self.person(who).says(SUPPORT, f"@sayso {goal}"))

    def card(self, channel: str, words: str, *, who: str = "bo", within: float = 15) -> Message:
        """The newest message in a channel that shows `words` and can be approved."""

        def seen() -> Message | None:
            shown = [m for m in self.person(who).sees(channel) if words in m.text_as_seen()]
            return next((m for m in reversed(shown) if "[Approve]" in m.text_as_seen()), None)

        found = self.work.until(seen, timeout=within, what=f"a card with {words!r} in {channel}")
        assert found is not None
        return found

    def card_of(self, request: Request, *, who: str) -> tuple[str, Message]:
        """Where somebody sees a request's card: the approvers' channels, the asking thread, or directly. Raises: LookupError."""
        person = self.person(who)
        for channel in (FINANCE, OPS, SUPPORT, "@sayso"):
            for message in reversed(person.sees(channel)):
                payload = (message.metadata or {}).get("event_payload", {})
                if payload.get("request") == request.id:
                    return channel, message
        raise LookupError(f"@{who} sees no card that waits.")

    def replies(self, message: Message, words: str, *, who: str = "alex", within: float = 15) -> Message:
        """The first message in its thread that shows `words`."""

        def seen() -> Message | None:
            thread = self.person(who).sees_in_thread(message)[1:]
            return next((m for m in thread if words in m.text_as_seen()), None)

        found = self.work.until(seen, timeout=within, what=f"{words!r} in the thread")
        assert found is not None
        return found

    def shows(self, card: Message, words: str, *, within: float = 15) -> None:
        """A card was redrawn so that it shows `words`."""
        self.work.until(
            lambda: words in self.current(card).text_as_seen(), timeout=within, what=f"{words!r} on the card"
        )

    def current(self, card: Message) -> Message:
        """The message as it stands now."""
        return self.work.slack.workspace.message(card.channel, card.ts) or card

    # ---- the record

    def thread(self, asked: Message | TeamsMessage) -> ThreadId:
        """The agent's thread for a mention."""
        if isinstance(asked, Message):
            return ThreadId(f"slack:{TEAM}:{asked.channel}:{asked.ts}")
        return ThreadId(f"teams:{self.work.teams.tenant_id}:{asked.conversation}:{asked.id}")

    def live_of(self, asked: Message | TeamsMessage) -> Request | None:
        """The newest live request of a mention's run that people are asked about; None before there is one."""
        thread = self.thread(asked)
        found = [r for r in self.wait(self.store.live()) if r.ask.run.thread == thread and r.asked]
        return found[-1] if found else None

    def request(self, asked: Message | TeamsMessage) -> Request:
        """The same, waited for. Raises: TourFailed."""
        found = soon(lambda: self.live_of(asked), "the request is on record")
        assert found is not None
        return found

    def waiting(self) -> Request:
        """The newest request that waits for an answer. Raises: LookupError."""
        waiting = [request for request in self.wait(self.store.live()) if request.state is State.OPEN]
        if not waiting:
            raise LookupError("Nothing waits for an answer.")
        return waiting[-1]

    def now(self, request: Request) -> Request:
        """The record as it stands."""
        return self.wait(self.store.get(request.id))

    def trail(self, asked: Message | TeamsMessage) -> Sequence[AuditRecord]:
        """The audit trail of a mention's run."""
        return self.wait(self.store.trail(self.thread(asked)))

    def trail_of(self, request: Request) -> Sequence[AuditRecord]:
        """The audit trail of a request's run."""
        return self.wait(self.store.trail(request.ask.run.thread))

    def events(self, asked: Message | TeamsMessage) -> list[Event]:
        """What the trail recorded, in order."""
        return [record.entry.event for record in self.trail(asked)]

    # ---- the world

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What the back office's database says."""
        with closing(sqlite3.connect(f"file:{self.office.back_office}?mode=ro", uri=True)) as database:
            return database.execute(sql, values).fetchall()

    def tables(
        self, queries: Mapping[str, str]
    ) -> dict[str, tuple[tuple[str, ...], dict[str, tuple[str, ...]]]]:
        """Of each query the names of its columns, and its rows as text by key, which is their first column; all of one moment.

        Raises: sqlite3.OperationalError.
        """
        with closing(sqlite3.connect(f"file:{self.office.back_office}?mode=ro", uri=True)) as database:
            database.execute("BEGIN")
            return {name: _as_text(database.execute(sql)) for name, sql in queries.items()}

    def count(self, sql: str, *values: object) -> int:
        """One number of the back office."""
        return int(self.rows(sql, *values)[0][0])

    def refunded(self, order: int) -> int:
        """What was paid back on an order, in cents."""
        return self.count("SELECT coalesce(sum(amount_cents), 0) FROM refunds WHERE order_number = ?", order)

    def planned(self, asked: Message | TeamsMessage) -> int:
        """How often the agent planned in a mention's run."""
        return self.count("SELECT count(*) FROM plans WHERE thread = ?", self.thread(asked))

    def tool_tokens(self) -> list[IssuedToken]:
        """What was issued to tools, in order; the bot has tokens of its own, for Teams and for Graph."""
        return [one for one in self.work.tokens.issued if one.scope == BACK_OFFICE]

    def _set_back_office_clock(self) -> None:
        clock = self.office.back_office_clock
        fresh = clock.with_suffix(".new")
        fresh.write_text(f"{self.work.workplace.ahead}", encoding="ascii")
        fresh.replace(clock)  # whole at any moment: a tool may look right now

    def pass_time(self, by: timedelta) -> None:
        """Push every clock of the demo: the chats', the token service's, the back office's, and at last the store's.

        What the store's brings about is stamped with the new time wherever it is written down.
        """
        self.story.tells(f"… {_words(by)} pass …")
        self.work.workplace.advance(by.total_seconds())
        self._set_back_office_clock()
        self.wait(self.store.push_clock(by))


def _as_text(cursor: sqlite3.Cursor) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    names = tuple(column[0] for column in cursor.description[1:])
    return names, {str(key): tuple(str(cell) for cell in cells) for key, *cells in cursor}


def soon(seen: Callable[[], T], what: str, *, seconds: float = 45) -> T:
    """The first truthy `seen()`, looked at again and again. Raises: TourFailed."""
    deadline = time.monotonic() + seconds
    while not (found := seen()):
        if time.monotonic() > deadline:
            raise TourFailed(f"The tour expected within {seconds:g} s: {what}")
        time.sleep(0.05)
    return found


def _words(by: timedelta) -> str:
    minutes = round(by.total_seconds() / 60)
    hours, rest = divmod(minutes, 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{rest} min" if rest else "") if part)
