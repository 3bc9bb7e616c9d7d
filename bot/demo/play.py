"""`sayso demo`: opens the office with its page and stays up for people to try things, or plays the tour."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import threading
from pathlib import Path

from rich.console import Console

from ...approvals.errors import SaysoError
from ...sandbox.slack.forms import CannotDoThat
from ...sandbox.watching import NotClean, NotInTime
from .both import answered_in_both, asked_in_teams
from .hands import Hands
from .office import Office, left_in, note_page, opened
from .page import opened_page, show_in_browser
from .prompt import prompt
from .stage import Stage
from .story import Story
from .tour import approved, free_of_questions, modified, rejected, unanswered
from .trouble import forged, killed, raced, refused

SCENES = (
    free_of_questions, approved, modified, rejected, unanswered,
    answered_in_both, asked_in_teams,
    killed, raced, refused, forged,
)  # fmt: skip


def play(folder: Path, *, tour: bool, browser: bool, own: str = "") -> int:
    """Open an office in `folder`; 0 when everything was as promised, 1 otherwise.

    Args:
        tour: Play the tour and end; otherwise the page is open until somebody ends it.
        browser: Show the page in a browser, where there is a screen for it.
    """
    for ending in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal ends everything, as Ctrl-C does
        signal.signal(ending, signal.default_int_handler)
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print("[bold]sayso[/]: nothing consequential happens without someone's say-so.\n")
    console.print(
        "Opening a workplace on this machine: store, Slack, Teams, pager, tokens, mail, bot, worker …"
    )
    emptied = left_in(folder)
    try:
        with opened(folder, own) as office:
            if emptied:
                console.print(f"What an earlier demo had left in {folder} has been taken away.")
            if tour:
                _what_is_where(console, office)
                return _tour(office, Story(console))
            _stay(office, console, browser=browser)
    except NotClean as broken:
        console.print(f"[bold red]A rule of Slack's, Teams' or the pager's was broken:[/] {broken}")
        return 1
    except KeyboardInterrupt:
        pass
    console.print(
        f"Everything has ended; what is left is in {folder}, until the next demo there takes it away."
    )
    return 0


def _stay(office: Office, console: Console, *, browser: bool) -> None:
    """The page, and at a terminal the prompt beside it."""
    hands = Hands()
    with opened_page(office, hands) as page:
        note_page(office.folder, page.url)
        console.print(
            f"\n[bold]Open {page.url}[/] to click through it; it works while this runs. Ctrl-C ends everything.\n"
        )
        if browser:
            show_in_browser(page.url)
        _what_is_where(console, office)
        if office.own:
            console.print(f"\n  {office.own}", highlight=False, markup=False)
        if not sys.stdin.isatty():
            threading.Event().wait()
        stage = Stage(office, Story(console))
        prompt(console, stage, hands)
        stage.close()


def called() -> str:
    """How `sayso` is called from where this was: by its name where a shell finds it, else by its path from here."""
    here = Path(sys.argv[0])
    if shutil.which("sayso") or here.name != "sayso":
        return "sayso"
    return shlex.quote(os.path.relpath(here))


def _tour(office: Office, story: Story) -> int:
    stage = Stage(office, story)
    try:
        for scene in SCENES:
            scene(stage)
    except (SaysoError, NotInTime, CannotDoThat) as failure:
        story.tells(f"The tour stopped: {failure}")
        for message in stage.person("bo").sees("#support")[-5:]:
            story.shows("#support", message.text_as_seen())
        story.tells("Logs: " + ", ".join(str(log) for log in office.logs))
        return 1
    finally:
        stage.close()
    story.scene(f"The tour is over: {story.checks} checks in {story.seconds:.0f} s, all as promised")
    return 0


def _what_is_where(console: Console, office: Office) -> None:
    work = office.workplace
    console.print(
        f"  store {office.redis_url}\n  Slack's API {work.slack.api_url}\n"
        f"  Teams' connector {work.teams.service_url}\n  pager {work.pager.url}\n  tokens {work.tokens.url}\n"
        f"  bot {work.slack.app_url} and {work.teams.app_url} (process {office.bot.pid})\n"
        f"  worker (process {office.worker.pid})\n  back office {office.back_office}\n"
        f"  settings {office.folder / 'sayso.toml'}\n"
        f"  from another terminal: {called()} pending -s {office.folder / 'sayso.toml'}",
        highlight=False, style="dim",
    )  # fmt: skip
