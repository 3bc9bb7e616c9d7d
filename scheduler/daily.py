"""One line a day in each route's places: how many actions ran without anybody being asked, by agent and tool.

Any number of schedulers may look, again and again: the line of a day and a place is stored once. One that was down at
the hour makes up for it on the same day.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta, tzinfo

from ..approvals.change import AuditRecord, Event, Notice, NoticeKind
from ..approvals.people import Place
from ..approvals.route import Route
from ..approvals.store import Store
from ..approvals.verdict import ThreadId

#: So many tools are named; the others are only counted.
MOST_TOOLS = 10


class DailyLines:
    """Says what ran freely yesterday."""

    def __init__(
        self, store: Store, routes: Mapping[str, Route], *, default_route: str, hour: int, zone: tzinfo
    ) -> None:
        """Take the `default_route` for what ran on a route that is gone; `hour` is that of the zone's day."""
        self._store = store
        self._routes = routes
        self._default = default_route
        self._hour = hour
        self._zone = zone
        self._told: date | None = None

    async def look(self) -> None:
        """Tell about yesterday once its hour has come. Raises: StoreDown."""
        now = (await self._store.now()).astimezone(self._zone)
        if now.hour < self._hour or self._told == now.date():
            return
        day = now.date() - timedelta(days=1)
        begins, ends = (datetime.combine(one, time(), self._zone) for one in (day, now.date()))
        ran = [one for one in await self._store.happened(begins) if one.at < ends]
        for place, words in self._lines(ran, day):
            thread = ThreadId(f"daily:{place}")
            notice = Notice(key=f"daily-{day}", kind=NoticeKind.DAILY, place=place, thread=thread, text=words)
            await self._store.say(notice)
        self._told = now.date()

    def _lines(self, ran: Sequence[AuditRecord], day: date) -> Iterator[tuple[Place, str]]:
        counted = defaultdict[Place, dict[str, Counter[str]]](lambda: defaultdict(Counter[str]))
        for facts in (one.entry.facts for one in ran if one.entry.event is Event.RAN_FREELY):
            if route := self._routes.get(facts.get("route", ""), self._routes.get(self._default)):
                for place in route.places:
                    counted[place][facts.get("graph", "an agent")][facts.get("tool", "a tool")] += 1
        for place, by_graph in sorted(counted.items()):
            yield place, "\n".join(_line(graph, tools, day) for graph, tools in sorted(by_graph.items()))


def _line(graph: str, tools: Counter[str], day: date) -> str:
    """Like: Yesterday (22 Nov) 214 free actions by ops: 190 look_up, 24 label."""
    total = tools.total()
    named = [f"{count} {tool}" for tool, count in sorted(tools.items(), key=lambda one: (-one[1], one[0]))]
    others = len(named) - MOST_TOOLS
    more = [f"and {others} more {'tool' if others == 1 else 'tools'}"] if others > 0 else []
    many = "free action" if total == 1 else "free actions"
    return f"Yesterday ({day.day} {day:%b}) {total} {many} by {graph}: {', '.join([*named[:MOST_TOOLS], *more])}."
