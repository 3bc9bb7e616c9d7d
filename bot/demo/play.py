"""`sayso demo`: opens the office, plays the tour, and stays up for people to try things."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from rich.console import Console

from ...approvals.errors import SaysoError
from ...sandbox.slack.forms import CannotDoThat
from ...sandbox.watching import NotClean, NotInTime
from .both import answered_in_both, asked_in_teams
from .office import Office, opened
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


def play(folder: Path, *, tour_only: bool) -> int:
    """Play the tour in an office in `folder`; 0 when everything was as promised, 1 otherwise."""
    for ending in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal ends everything, as Ctrl-C does
        signal.signal(ending, signal.default_int_handler)
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print("[bold]sayso[/]: nothing consequential happens without someone's say-so.\n")
    console.print(
        "Opening a workplace on this machine: store, Slack, Teams, pager, tokens, mail, bot, worker …"
    )
    try:
        with opened(folder) as office:
            _what_is_where(console, office)
            story = Story(console)
            failed = _tour(office, story)
            if failed or tour_only or not sys.stdin.isatty():
                return failed
            stage = Stage(office, story)
            prompt(console, stage)
            stage.close()
    except NotClean as broken:
        console.print(f"[bold red]A rule of Slack's, Teams' or the pager's was broken:[/] {broken}")
        return 1
    except KeyboardInterrupt:
        pass
    console.print(f"Everything has ended; what is left is in {folder}.")
    return 0


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
        f"  from another terminal: sayso pending -s {office.folder / 'sayso.toml'}",
        highlight=False, style="dim",
    )  # fmt: skip
