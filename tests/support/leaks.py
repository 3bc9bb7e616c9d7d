"""Looks for secrets wherever the program leaves anything: the store, files, logs, and what went to other people's servers."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sayso.approvals.connection import open_sync_redis
from sayso.approvals.packed import unpack
from sayso.bot.demo.stage import Stage

#: So many characters of a secret are a leak; a cut secret is one too.
PIECE = 20
#: Here the signing key lives, which is a secret with a place of its own.
KEYS = "keys"


def leaks(stage: Stage, secrets: Mapping[str, str]) -> list[str]:
    """Each place in which a piece of a secret stands, with the secret's name."""
    looked_for = {piece: name for name, secret in secrets.items() for piece in _pieces(secret)}
    found = {
        f"{name} in {place}"
        for place, content in everything(stage)
        for piece, name in looked_for.items()
        if piece in content
    }
    return sorted(found)


def _pieces(secret: str) -> Iterator[bytes]:
    """Stretches of it, plain and in base64 at each alignment."""
    raw = secret.encode()
    assert len(raw) >= PIECE, "too short to be recognised"
    yield from (raw[at : at + PIECE] for at in range(0, len(raw) - PIECE + 1, PIECE // 2))
    for shift in range(3):
        whole = (len(raw) - shift) // 3 * 3
        yield base64.b64encode(raw[shift : shift + whole])[:PIECE]


def everything(stage: Stage) -> Iterator[tuple[str, bytes]]:
    """Every place and what stands there."""
    with open_sync_redis(stage.office.redis_url) as client:
        yield from in_redis(client)
    yield from in_files(stage.office.folder)
    yield from on_the_command_line((stage.office.bot.pid, stage.office.worker.pid))
    yield from at_slack(stage)
    yield from at_teams(stage)
    yield from (("the pager's event", _json(event)) for event in stage.work.pager.events)
    yield from (("an incident", incident.summary.encode()) for incident in stage.work.pager.incidents)
    yield from (("an e-mail", bytes(letter.message)) for letter in stage.work.mail.letters)


def in_redis(client: Any) -> Iterator[tuple[str, bytes]]:
    """Every key and its value, of whatever type (redis-py's own types mix str and bytes)."""
    for key in client.scan_iter():
        yield "a key's name", key
        match client.type(key).decode():
            case "string":
                values: Iterable[bytes] = [client.get(key)]
            case "hash":
                values = [part for pair in client.hgetall(key).items() for part in pair]
            case "list":
                values = client.lrange(key, 0, -1)
            case "set":
                values = client.smembers(key)
            case "zset":
                values = client.zrange(key, 0, -1)
            case "stream":
                values = [part for _, row in client.xrange(key) for pair in row.items() for part in pair]
            case "none":
                continue  # the bot goes on working: what it has done is gone
            case other:
                raise AssertionError(f"{key!r} is a {other}, which nobody looks into")
        yield from ((f"Redis {key.decode()}", text) for value in values for text in (value, *_packed(value)))


def _packed(value: bytes) -> Iterator[bytes]:
    """The words of a card that an audit record keeps small."""
    for packed in re.findall(rb'"shown":"([A-Z2-7]+=*)"', value):
        yield unpack(packed.decode()).encode()


def in_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file, the store's log of everything ever written among them; keys have their own place."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.parent.name != KEYS:
            yield str(file.relative_to(folder)), file.read_bytes()


def on_the_command_line(pids: Iterable[int]) -> Iterator[tuple[str, bytes]]:
    """What every user of the machine can read of a process (where the system shows it)."""
    for pid in pids:
        shown = Path(f"/proc/{pid}/cmdline")
        if shown.exists():
            yield f"the command line of {pid}", shown.read_bytes()


def at_slack(stage: Stage) -> Iterator[tuple[str, bytes]]:
    """What the bot sent to Slack, what people see there, and what the bot answered."""
    slack = stage.work.slack
    for call in slack.calls:
        yield f"Slack's {call.method}", _json(dict(call.arguments))
    for message in (*slack.workspace.messages, *slack.workspace.ephemerals):
        yield "a Slack message", _json([message.text, message.blocks, message.metadata])
    for view in slack.workspace.views.values():
        yield "a Slack view", _json(view.content)
    for request, answer in slack.delivered:
        yield f"the answer to {request.what}", _json(asdict(answer))


def at_teams(stage: Stage) -> Iterator[tuple[str, bytes]]:
    """The same of Teams."""
    teams = stage.work.teams
    for call in teams.calls:
        yield f"Teams' {call.name}", _json(call.body)
    for message in tuple(teams.tenant.messages):
        yield "a Teams message", _json([message.text, message.card, message.summary, message.own_cards])
    for delivery, answer in teams.delivered:
        yield f"the answer to {delivery.what}", _json(asdict(answer))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, default=str).encode()
