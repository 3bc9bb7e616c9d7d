"""The terminal: it teaches, it lists what waits, tells a request's life, and follows a run it has asked for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from sayso.approvals import machine
from sayso.approvals.change import AuditEntry, Event
from sayso.approvals.deadline import TtlClass
from sayso.approvals.errors import BadSetting, StoreDown
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.request import Request
from sayso.approvals.store import MessageRef, Target, TargetKind, Told
from sayso.approvals.verdict import RequestId
from sayso.bot import opening
from sayso.bot.cli import timeline
from sayso.bot.cli.commands import app
from scenes import ALEX, BO, a_vote, an_action, an_ask
from settings_files import sayso, with_store, write_settings
from typer.testing import CliRunner

#: Nobody listens there.
NOWHERE = "redis://127.0.0.1:1"
COMMANDS = (
    "demo",
    "init",
    "serve",
    "check",
    "run",
    "pending",
    "show",
    "credentials",
    "dead-letters",
    "pause",
    "unpause",
    "manifest",
)


def a_waiting_request(
    url: str, thread: str = "t1", *, ttl_class: TtlClass = TtlClass.SENSITIVE, summary: str = ""
) -> Request:
    """A refund that was just asked about."""

    async def scene(store: RedisStore) -> Request:
        action = an_action(summary=summary) if summary else None
        ask = an_ask(thread=thread, ttl_class=ttl_class, opened_at=await store.now(), action=action)
        return await store.open(machine.opened(ask))

    return with_store(url, scene)


@pytest.fixture
def office(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file over an empty store, and a terminal of 80 columns that is a pipe."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return write_settings(tmp_path)


# ---- it teaches


@pytest.mark.parametrize(
    "command", [(), *((name,) for name in COMMANDS)], ids=lambda one: " ".join(one) or "sayso"
)
def test_help_of_every_command_teaches(command: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence on what it does, and one for every option."""
    monkeypatch.setenv("COLUMNS", "100")
    shown = CliRunner().invoke(app, [*command, "--help"])
    assert shown.exit_code == 0
    assert shown.output.count(".") >= 2
    for name in COMMANDS if not command else ():
        assert name in shown.output


def test_it_says_which_version_it_is(tmp_path: Path) -> None:
    """For whoever writes us about it."""
    assert sayso("--version", folder=tmp_path).stdout == f"sayso {version('sayso')}\n"


def test_wrong_usage_is_not_a_refusal(tmp_path: Path) -> None:
    """Exit 2 says "you typed it wrong", 1 says "it was refused"."""
    assert sayso("serve", "--role", "boss", folder=tmp_path).returncode == 2
    refused = sayso("pending", folder=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        "sayso: There are no settings at sayso.toml: `sayso init` writes one, --settings names another, `sayso demo` needs none.\n"
    )


# ---- the store


def test_an_unreachable_redis_is_one_sentence(tmp_path: Path) -> None:
    """Within some seconds, naming REDIS_URL, and no traceback."""
    write_settings(tmp_path)
    refused = sayso(
        "run", "ops", "look up order 1042", "--as", "alex", folder=tmp_path, env={"REDIS_URL": NOWHERE}
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith("sayso: REDIS_URL: the Redis server ")
    assert refused.stderr.count("\n") == 1


def test_an_unreachable_store_of_the_settings_is_named_as_they_name_it(tmp_path: Path) -> None:
    """Whoever reads it has set no REDIS_URL."""
    file = write_settings(tmp_path, ("[server]", f'[store]\nurl = "{NOWHERE}"\n[server]'))
    with pytest.raises(StoreDown, match=r"^store\.url in .*sayso\.toml: the Redis server cannot be reached"):
        timeline.print_pending(file)


def test_a_redis_that_says_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent_port: int
) -> None:
    """A firewall that swallows everything must not hang the terminal."""
    monkeypatch.setattr(opening, "PATIENCE", 0.3)
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{silent_port}")
    with pytest.raises(StoreDown, match=r"^REDIS_URL: the Redis server does not answer within"):
        timeline.print_pending(write_settings(tmp_path))


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize(
    "url", ["redis://:canary/pw@host:6379", "redis://127.0.0.1:canary", "http://canary:1"]
)
def test_a_wrong_address_is_refused_without_showing_it(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password with a slash in it ends up where the port should be: it must not be quoted."""
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(BadSetting, match=r"^REDIS_URL ") as caught:
        timeline.print_pending(write_settings(tmp_path))
    assert "canary" not in str(caught.value)


def test_without_a_redis_the_command_starts_the_store_for_the_moment(tmp_path: Path) -> None:
    """Nothing is left running, and what it holds is found again."""
    write_settings(tmp_path)
    assert sayso("pending", folder=tmp_path).stdout == "Nothing waits for anybody.\n"
    assert not (tmp_path / ".sayso" / "store" / "valkey.sock").exists()


def test_a_demo_store_is_not_taken_for_work(office: Path, redis_url: str) -> None:
    """Its clock can be pushed, so its approvals prove nothing."""

    async def scene() -> None:
        await (await RedisStore.connect(redis_url, demo=True)).close()

    asyncio.run(scene())
    with pytest.raises(BadSetting, match=r"REDIS_URL: this is a demo store"):
        timeline.print_pending(office)


# ---- pending


def test_nothing_waits(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A friendly sentence instead of an empty table."""
    timeline.print_pending(office)
    assert capsys.readouterr().out == "Nothing waits for anybody.\n"


def test_the_most_urgent_comes_first(
    office: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By when the approvers' time ends, whatever was asked first; each with who asked, where, votes and time left."""
    routine = a_waiting_request(redis_url, "t1", ttl_class=TtlClass.ROUTINE)
    urgent = a_waiting_request(redis_url, "t2", ttl_class=TtlClass.URGENT, summary="Close the firewall")
    timeline.print_pending(office)
    out = capsys.readouterr().out
    lines = out.splitlines()
    first, second = (
        next(i for i, line in enumerate(lines) if one.id[:10] in line) for one in (urgent, routine)
    )
    assert first < second
    assert max(map(len, lines)) <= 80
    assert urgent.id not in out
    for part in ("Close", "Alex", "finance", "0 of 1", "in 29 min", "open"):
        assert part in " ".join(lines[first:second])


def test_an_agents_words_cannot_paint_the_terminal(
    office: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Control characters and markup in a summary are only text."""
    request = a_waiting_request(redis_url, summary="\x1b[2J\x1b]0;owned\x07[red]Refund[/red]\nApproved by Bo")
    timeline.print_pending(office)
    timeline.print_timeline(office, request.id)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "[red]Refund[/red]" in out
    assert not any(line.startswith("Approved") for line in out.splitlines())


# ---- show


def a_told_and_refused_request(url: str) -> Request:
    """Alex asked, clicked Approve, was refused; Bo approved; one card stands, one does not."""
    request = a_waiting_request(url)

    async def scene(store: RedisStore) -> Request:
        words = "You asked for this, so somebody else has to decide it."
        refusal = AuditEntry(event=Event.REFUSED_ANSWER, by=ALEX, words=words)
        await store.note(refusal, thread=request.ask.run.thread, request=request.id)
        seen = AuditEntry(
            event=Event.DETAILS_SEEN, by="slack:T0X/U0CY", words="Looked", facts={"person": "cy"}
        )
        await store.note(seen, thread=request.ask.run.thread, request=request.id)
        ref = MessageRef(platform="slack", channel="C0FIN", message="1700.5")
        target = Target(kind=TargetKind.CARD, id=request.id, where="slack:C0FIN")
        await store.set_told(target, Told(ref=ref, version=1, revision=1))
        now = await store.now()
        vote = a_vote(request, BO, at=now)
        changed = await store.change(
            request.id, lambda r, now: machine.vote(r, vote, frozenset({BO}), 1, now)
        )
        return changed.request

    return with_store(url, scene)


def test_show_tells_the_whole_life(office: Path, redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The card, where it stands, then each line of the trail: refusals too, people by name."""
    request = a_told_and_refused_request(redis_url)
    timeline.print_timeline(office, request.id)
    out = capsys.readouterr().out
    assert out.startswith("Refund 129.90 USD to Dana Smith for order 1042\n")
    assert "slack:C0FIN: being redrawn, message 1700.5" in out
    assert "slack:C0SUP/1700.1: not posted yet" in out
    assert "[Details]" not in out
    life = out[out.index("Run t1") :]
    events = [
        "Asked on route finance",
        "answer refused: You asked for this",
        "Voted approve",
        "Decided: approve",
    ]
    assert [life.index(event) for event in events] == sorted(life.index(event) for event in events)
    assert "Alex Asker" in life
    assert "Bo Berg" in life
    assert "Cy Chen" in life
    assert "slack:T0X" not in life
    assert "+0 s" in life


def test_show_fits_80_columns_and_has_no_colours_in_a_pipe(
    office: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An open card with everything on it is the widest thing there is."""
    timeline.print_timeline(office, a_waiting_request(redis_url).id)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_the_beginning_of_an_id_is_enough(
    office: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """From six characters on, while no other open request begins so; a thread's id tells its run."""
    request = a_waiting_request(redis_url)
    for id in (request.id[:6], f" {request.id} ", "t1"):
        timeline.print_timeline(office, id)
        assert "Run t1" in capsys.readouterr().out


@pytest.mark.parametrize("id", ["", "nope", "00-nothing-like-this", "zz-123456", "../../etc/passwd"])
def test_an_unknown_id_is_one_sentence(office: Path, id: str) -> None:
    """It says what can be given instead."""
    with pytest.raises(timeline.UnknownId, match=r"^There is no request "):
        timeline.print_timeline(office, id)


def test_an_ambiguous_beginning_is_refused(office: Path, redis_url: str) -> None:
    """Rather than telling the life of some other request."""

    async def scene(store: RedisStore) -> None:
        ask = an_ask(opened_at=await store.now())
        for end in ("01", "02"):
            await store.open(machine.opened(replace(ask, id=RequestId(f"{ask.id[:-2]}{end}"))))

    with_store(redis_url, scene)
    with pytest.raises(timeline.UnknownId, match=r"^2 requests begin with"):
        timeline.print_timeline(office, an_ask().id[:8])
