"""`sayso dead-letters`: what could not be delivered, listed for people and programs, and tried again."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sayso.approvals import machine
from sayso.approvals.people import Place
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request
from sayso.approvals.store import DeadLetter, Lane, Target, TargetKind, Told
from sayso.approvals.unreachable import unreachable
from sayso.bot.cli import letters, timeline
from sayso.bot.cli.commands import app
from scenes import an_ask
from settings_files import sayso, with_store, write_settings
from typer.testing import CliRunner

WHY = "the channel is archived"


@pytest.fixture
def office(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file over an empty store, and a terminal of 100 columns that is a pipe."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    return write_settings(tmp_path)


def buried(url: str, *places: str, why: str = WHY) -> Request:
    """A request whose cards could stand in none of these places, two hours ago and later."""

    async def scene(store: RedisStore) -> Request:
        now = await store.now()
        request = await store.open(machine.opened(an_ask(opened_at=now)))
        for number, place in enumerate(places):
            letter = DeadLetter(
                target=Target(kind=TargetKind.CARD, id=request.id, where=place), places=(Place(place),), why=why,
                since=now - timedelta(hours=2) + timedelta(minutes=number), tries=3, thread=request.ask.run.thread,
                request=request.id,
            )  # fmt: skip
            await store.bury(letter, Told(), version=request.version)
        return request

    return with_store(url, scene)


def listed(*arguments: str) -> tuple[int, str]:
    """Exit code and what was printed."""
    shown = CliRunner().invoke(app, ["dead-letters", *arguments])
    if shown.exception is not None and not isinstance(shown.exception, SystemExit):
        raise shown.exception
    return shown.exit_code, shown.output


def on_the_list() -> list[dict[str, object]]:
    code, output = listed("--json")
    assert code == 0
    found: list[dict[str, object]] = json.loads(output)
    return found


def test_help_says_when_to_look_and_what_replay_does() -> None:
    """Every command teaches."""
    for arguments in (("--help",), ("replay", "--help")):
        code, output = listed(*arguments)
        assert code == 0
        assert output.count(".") >= 3


def test_an_empty_list_says_that_all_is_well(office: Path) -> None:
    """Nothing to read, nothing to do."""
    assert listed() == (0, "There are no dead letters: everything could be delivered.\n")
    assert listed("replay", "--all") == (0, "There are no dead letters: nothing to try again.\n")
    assert on_the_list() == []


def test_the_list_says_what_where_since_when_and_why(office: Path, redis_url: str) -> None:
    """P15: Oldest first; for programs the same with everything."""
    request = buried(redis_url, "slack:C0FIN", "teams:19:abc@thread.tacv2")
    code, output = listed()
    head, first, *_ = output.splitlines()
    assert (code, head.split()) == (0, ["Id", "Since", "What", "Request", "Where", "Why"])
    for word in (" 2 h ", " card ", request.id[:20], "slack:C0FIN", WHY):
        assert word in first
    whole = on_the_list()
    assert [one["places"] for one in whole] == [["slack:C0FIN"], ["teams:19:abc@thread.tacv2"]]
    assert {name: whole[0][name] for name in ("kind", "request", "run", "why", "tries")} == {
        "kind": "card", "request": request.id, "run": "t1", "why": WHY, "tries": 3,
    }  # fmt: skip
    assert str(whole[0]["id"]) in first


def test_what_a_platform_says_cannot_break_the_table(office: Path, redis_url: str) -> None:
    """Its words may hold anything: they stay in their cell, on their line."""
    buried(redis_url, "slack:C0FIN", why="no\n\x1b[31m[bold]entry\u202e")
    _, output = listed()
    assert len(output.splitlines()) == 2
    assert "[bold]entry" in output
    assert "\x1b" not in output
    assert "\u202e" not in output


def test_show_says_which_place_takes_no_card(
    office: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever looks at one request is sent to the list."""

    async def scene(store: RedisStore) -> Request:
        request = await store.open(machine.opened(an_ask(opened_at=await store.now())))
        lost = Place("slack:C0FIN")
        await store.change(request.id, lambda r, now: unreachable(r, lost, WHY, None, now))
        return request

    timeline.print_timeline(office, with_store(redis_url, scene).id)
    out = capsys.readouterr().out
    assert "slack:C0FIN: cannot be delivered, see `sayso dead-letters`" in out
    assert "could not be delivered: The card cannot stand in" in out


def test_a_replayed_letter_is_to_be_told_again(office: Path, redis_url: str) -> None:
    """P15: By its own id, and by its request's; the others stay."""
    buried(redis_url, "slack:C0FIN", "slack:C0OPS")
    first, second = on_the_list()
    code, output = listed("replay", str(first["id"]))
    assert (code, output.count("slack:C0FIN"), output.count("slack:C0OPS")) == (0, 1, 0)
    assert on_the_list() == [second]
    assert listed("replay", str(second["request"])[:8])[0] == 0
    assert on_the_list() == []

    async def claimed(store: RedisStore) -> set[str]:
        return {
            target.where for target in await store.claim((Lane.TELL,), lease=timedelta(seconds=9), limit=9)
        }

    assert {"slack:C0FIN", "slack:C0OPS"} <= with_store(redis_url, claimed)


def test_an_unknown_letter_is_refused_before_any_is_tried(office: Path, redis_url: str) -> None:
    """A slip of the keyboard replays nothing; usage is exit 2, a refusal exit 1."""
    buried(redis_url, "slack:C0FIN")
    (letter,) = on_the_list()
    with pytest.raises(
        letters.NoSuchLetter, match="no dead letter 'nonsense'; `sayso dead-letters` lists them"
    ):
        listed("replay", str(letter["id"]), "nonsense")
    assert on_the_list() == [letter]
    for wrong in (("replay",), ("replay", "--all", str(letter["id"]))):
        assert listed(*wrong)[0] == 2


def test_as_a_process(office: Path, redis_url: str) -> None:
    """All at once, from a shell."""
    buried(redis_url, "slack:C0FIN", "slack:C0OPS")
    done = sayso("dead-letters", "replay", "--all", folder=office.parent, env={"REDIS_URL": redis_url})
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 3)
    refused = sayso("dead-letters", "replay", "x", folder=office.parent, env={"REDIS_URL": redis_url})
    assert (refused.returncode, refused.stdout) == (1, "")
