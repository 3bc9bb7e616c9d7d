"""The page's server on loopback: its files, a stream of states for every tab, and acts."""

from __future__ import annotations

import asyncio
import logging
import mimetypes
from collections.abc import Mapping, Sequence
from pathlib import Path

from aiohttp import web

from ..loopback import Json, LoopbackServer
from ..slack.forms import CannotDoThat, NoSuchButton
from ..workplace import Workplace
from . import slack_screen, teams_screen
from .guard import Guard, refusal
from .outside import mail_screen, pager_screen
from .panel import Panel
from .people import FIRST, ROLES, in_slack, in_teams, people_of
from .slack_acts import Act, SlackActs
from .stream import Tabs
from .teams_acts import TeamsActs
from .told import Told, WrongAct, read
from .turns import Turns

log = logging.getLogger(__name__)

#: Largest act in bytes, and longest name of what a tab follows in characters.
ACT_BYTES, SELECTED_CHARACTERS = 100_000, 200
#: Seconds a panel may take to say what it shows.
PANEL_SECONDS = 2.0

_HERE = Path(__file__).parent
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
_BROKE = "The page itself failed at that; its log says where."


class Page:
    """Everything one person sees and does, for a browser; started on the workplace's own loop.

    Args:
        panels: What is shown beside the chats, the pager and the mail.
        port: TCP port on 127.0.0.1; 0 lets the system choose.
    """

    def __init__(self, workplace: Workplace, panels: Sequence[Panel] = (), *, port: int = 0) -> None:
        self._workplace = workplace
        self._panels = {panel.name: panel for panel in panels}
        self._tabs = Tabs(workplace.changes)
        turns = Turns()
        self._acts: Mapping[str, Act] = {
            **SlackActs(workplace.slack, turns).acts, **TeamsActs(workplace.teams, turns).acts,
            "panel": self._panel_act,
        }  # fmt: skip
        app = web.Application(client_max_size=ACT_BYTES)
        self._guard = Guard(lambda: self._listener.url)
        self._guard.stand_before(app)
        app.router.add_get("/", self._index)
        app.router.add_get("/{folder:static|vendor}/{file}", self._file)
        app.router.add_get("/events", self._events, allow_head=False)
        app.router.add_post("/act", self._act)
        self._listener = LoopbackServer(app, port=port)

    @property
    def url(self) -> str:
        """What to open in a browser; valid after `start`."""
        return f"{self._listener.url}/"

    @property
    def tabs(self) -> int:
        """How many tabs are open."""
        return self._tabs.open

    async def start(self) -> None:
        """Listen."""
        await self._listener.start()

    async def stop(self) -> None:
        """Hang up, also on every open tab."""
        await self._listener.stop()

    def changed(self) -> None:
        """Something a panel shows has changed; from any thread."""
        self._workplace.changes.happened()

    async def state(self, viewer: str, selected: str = "") -> Json:
        """What one person sees now. Raises: LookupError, for somebody one cannot be."""
        if viewer not in ROLES:
            raise LookupError("There is nobody of that name here.")
        work = self._workplace
        slack = (
            slack_screen.slack_screen(work.slack, viewer) if in_slack(work, viewer) else slack_screen.NOTHING
        )
        teams = teams_screen.NOTHING
        if in_teams(work, viewer):
            teams = await work.teams.on_its_thread(teams_screen.teams_screen(work.teams, viewer))
        shown = await asyncio.gather(*(self._shown(one, viewer, selected) for one in self._panels.values()))
        return {
            "viewer": viewer, "ahead": work.ahead, "people": people_of(work), "slack": slack, "teams": teams,
            "pager": pager_screen(work.pager), "mail": mail_screen(work.mail),
            "panels": dict(zip(self._panels, shown, strict=True)),
        }  # fmt: skip

    async def _shown(self, panel: Panel, viewer: str, selected: str) -> Json:
        """A panel that fails says so in its own place; the chats go on."""
        try:
            async with asyncio.timeout(PANEL_SECONDS):
                return await panel.state(viewer, selected)
        except TimeoutError:
            return {"problem": "This does not answer at the moment."}
        except Exception:
            log.exception("page.panel_failed", extra={"panel": panel.name})
            return {"problem": _BROKE}

    async def _index(self, _: web.Request) -> web.Response:
        text = (_HERE / "static" / "index.html").read_text(encoding="utf-8")
        return web.Response(text=text.replace("@TOKEN@", self._guard.token), content_type="text/html")

    async def _file(self, request: web.Request) -> web.Response:
        folder, name = _HERE / request.match_info["folder"], request.match_info["file"]
        there = {path.name: path for path in folder.iterdir() if path.is_file()} if folder.is_dir() else {}
        if name not in there or name == "index.html":
            return refusal(404, "There is no such file.")
        path = there[name]
        kind = _TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "text/plain"
        return web.Response(body=path.read_bytes(), content_type=kind, charset="utf-8")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        viewer, selected = request.query.get("as") or FIRST, request.query.get("request", "")
        if viewer not in ROLES:
            return refusal(404, "There is nobody of that name here.")
        if len(selected) > SELECTED_CHARACTERS:
            return refusal(400, "No request has such a long name.")
        return await self._tabs.serve(request, lambda: self.state(viewer, selected))

    async def _act(self, request: web.Request) -> web.Response:
        try:
            words = await self._done(read(await request.read()))
        except WrongAct as wrong:
            return refusal(400, str(wrong))
        except NoSuchButton:
            return refusal(200, "That button is not there any more; look at the card again.")
        except (KeyError, IndexError):
            raise  # a mistake of ours, though Python files them under LookupError
        except (CannotDoThat, LookupError) as refused:
            return refusal(200, _sentence(str(refused)))
        finally:
            self.changed()  # also what was refused may show, under a field
        return web.json_response({"ok": True, "words": words})

    async def _done(self, told: Told) -> str:
        viewer, do = told.text("as"), told.text("do")
        if viewer not in ROLES:
            raise WrongAct("There is nobody of that name here.")
        if do not in self._acts:
            raise WrongAct("There is no such act.")
        return await self._acts[do](viewer, told)

    async def _panel_act(self, _: str, told: Told) -> str:
        panel = self._panels.get(told.text("name"))
        if panel is None:
            raise WrongAct("There is no such panel.")
        rest = {name: value for name, value in told.fields.items() if name not in ("do", "name", "what")}
        return await panel.act(told.text("what"), rest)


def _sentence(words: str) -> str:
    whole = words[:1].upper() + words[1:]
    return whole if whole.endswith((".", "?", "!")) else f"{whole}."
