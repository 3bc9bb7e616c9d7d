"""`sayso audit`: the trail is checked, exported, checked again without the store, and read as one request's life."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from sayso.approvals import machine
from sayso.approvals.change import NO_RUN, AuditEntry, Event
from sayso.approvals.evidence import of_answer
from sayso.approvals.inspecting import Fault
from sayso.approvals.packed import pack
from sayso.approvals.redis_store import RedisStore
from sayso.approvals.signing import Signer
from sayso.approvals.verdict import RequestId
from sayso.bot.cli.commands import app
from sayso.bot.evidence.exporting import hardened
from sayso.bot.evidence.reading import NoExport, inspect_export, read_export
from scenes import BO, CY, a_run, a_vote, an_ask
from settings_files import with_store, write_settings
from trails import KEY, KEYS, flip, linked, rewrite
from typer.testing import CliRunner

SIGNER_KEY = b"v" * 32
CARD = "Refund 129.90 USD to Dana Smith for order 1042\nNeeds 1 of finance"


@dataclass
class Office:
    """A store with one linked life in it, and the terminal beside it."""

    folder: Path
    id: RequestId
    partition: int

    def audit(self, *arguments: str) -> tuple[int, str]:
        """Exit code and what was printed."""
        shown = CliRunner().invoke(app, ["audit", *arguments])
        if shown.exception is not None and not isinstance(shown.exception, SystemExit):
            raise shown.exception
        return shown.exit_code, shown.output

    def exported(self, *arguments: str) -> Path:
        file = self.folder / "export.jsonl"
        assert self.audit("export", "--out", str(file), *arguments)[0] == 0
        return file


async def lived(store: RedisStore) -> RequestId:
    """Asked, shown, approved by Bo."""
    await store.start(a_run())
    request = await store.open(machine.opened(an_ask(opened_at=await store.now())))
    shown = AuditEntry(event=Event.SHOWN, words="Shown in slack:C0FIN", shown=pack(CARD))
    await store.note(shown, thread=request.ask.run.thread, request=request.id)
    able, signer = {"finance": frozenset({BO, CY})}, Signer(SIGNER_KEY)
    await store.change(
        request.id,
        lambda r, now: of_answer(
            machine.vote(r, a_vote(r, at=now, signer=signer), able["finance"], 1, now), BO, "slack:T1/UBO", able=able, policy="p7"
        ),
    )  # fmt: skip
    await linked(store)
    return request.id


@pytest.fixture
def office(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("SAYSO_AUDIT_KEYS", base64.b64encode(KEY).decode())
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    write_settings(tmp_path)
    id = with_store(redis_url, lived)
    return Office(folder=tmp_path, id=id, partition=int(id[:2], 16))


def faults_in(lines: Sequence[str]) -> list[Fault | str]:
    """What is wrong with an export of these lines."""
    try:
        export = read_export(lines)
    except NoExport as error:
        return [str(error)]
    found = [fault for one in inspect_export(export, KEYS) for fault in one.faults]
    return [*found, *export.troubles]


def test_every_command_teaches(office: Office) -> None:
    """What it is for, what it finds, how it exits."""
    for command in ("verify", "export", "show"):
        code, said = office.audit(command, "--help")
        assert code == 0
        assert said.count(".") >= 3


def test_a_right_trail_is_said_to_be_right(office: Office, redis_url: str) -> None:
    """With how much was checked, what is not linked yet, and that nobody anchored it."""
    entry = AuditEntry(event=Event.STEP, words="one more")
    with_store(redis_url, lambda store: store.note(entry, thread=NO_RUN))
    code, said = office.audit("verify")
    assert code == 0
    assert "ok     5 records are as they were written" in said
    assert "1 newer records are not linked yet" in said
    assert "no anchors" in said


def test_the_first_bad_record_is_named(office: Office, redis_client: redis.Redis) -> None:
    """By its partition and number; the exit code says so too."""
    rewrite(redis_client, office.partition, flip, 4)
    code, said = office.audit("verify")
    assert code == 1
    assert f"WRONG  partition {office.partition:02x}, record 4: was changed" in said


def test_without_the_key_nothing_is_said(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no proof: refused in one sentence, and none is made by looking."""
    monkeypatch.delenv("SAYSO_AUDIT_KEYS")
    shown = CliRunner().invoke(app, ["audit", "verify"])
    assert "SAYSO_AUDIT_KEYS is not set" in str(shown.exception)
    assert not (office.folder / ".sayso" / "keys" / "audit.key").exists()


def test_an_export_is_checked_on_any_machine(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """P29: Without store and settings, with the key alone."""
    file = office.exported("--for", "auditor")
    monkeypatch.delenv("REDIS_URL")
    (office.folder / "sayso.toml").unlink()
    code, said = office.audit("verify", str(file))
    assert (code, "ok     5 records" in said) == (0, True)
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:-2] + lines[-1:]))
    code, said = office.audit("verify", str(file))
    assert (code, "record 5: was cut off at the end" in said) == (1, True)


def test_whatever_is_done_to_an_export_is_found(office: Office) -> None:
    """P29: Every line flipped, dropped, doubled, swapped with the next, and everything behind it cut off."""
    lines = office.exported("--for", "auditor").read_text().splitlines()
    assert faults_in(lines) == []
    for at, line in enumerate(lines):
        middle = len(line) // 2
        other = "0" if line[middle] != "0" else "1"
        ways: dict[str, list[str]] = {
            "flipped": [*lines[:at], line[:middle] + other + line[middle + 1 :], *lines[at + 1 :]],
            "dropped": [*lines[:at], *lines[at + 1 :]],
            "doubled": [*lines[: at + 1], *lines[at:]],
            "swapped": [*lines[:at], *lines[at : at + 2][::-1], *lines[at + 2 :]],
            "cut": lines[:at],
        }
        for name, altered in ways.items():
            if altered != lines:
                assert faults_in(altered), f"line {at} {name}"


def test_an_engineer_sees_what_happened_and_nobodys_name(office: Office) -> None:
    """P29: Persons, accounts, words and cards are withheld part by part, and the links still fit."""
    text = office.exported().read_text()
    assert faults_in(text.splitlines()) == []
    for secret in ("bo", "slack:T1/UBO", "Dana", "finance: ", pack(CARD)):
        assert f'"{secret}' not in text
    assert '"event":"voted"' in text
    assert '"policy":"p7"' in text
    counted = office.exported("--for", "statistics").read_text()
    assert faults_in(counted.splitlines()) == []
    assert '"policy":"p7"' not in counted


def test_an_export_may_begin_later(office: Office, redis_url: str) -> None:
    """The link before its first record is under its mac, so its beginning cannot be moved."""
    lines = office.exported("--for", "auditor", "--since", "1h").read_text().splitlines()
    assert faults_in(lines) == []
    first = next(n for n, line in enumerate(lines) if '"number":1,' in line)
    begin = json.loads(lines[first - 1])
    link = json.loads(lines[first])["link"]
    moved = json.dumps({**begin, "after": 1, "link": link}, separators=(",", ":"))
    assert faults_in([*lines[: first - 1], moved, *lines[first + 1 :]])


def test_an_export_is_on_record(office: Office, redis_url: str) -> None:
    """Who took it, and for whom."""
    office.exported("--for", "auditor")
    (record,) = with_store(redis_url, lambda store: store.trail(NO_RUN))
    assert (record.entry.event, record.entry.words) == (Event.AUDIT_EXPORTED, "Exported for auditor")
    assert record.entry.by.startswith("cli:")


def test_a_spreadsheet_takes_no_cell_for_a_formula(office: Office, redis_url: str) -> None:
    """P29: What an agent wrote begins no formula, ends no cell and adds no row."""
    hostile = '=HYPERLINK("http://evil.example","click")\r\n@SUM(A1),"'
    entry = AuditEntry(event=Event.STEP, by="+1", words=hostile)
    with_store(redis_url, lambda store: store.note(entry, thread=NO_RUN))
    text = office.exported("--csv", "--for", "auditor").read_bytes().decode()
    head, *rows = list(csv.reader(io.StringIO(text)))
    assert len(rows) == 6
    assert {len(row) for row in rows} == {len(head)}
    row = next(row for row in rows if "HYPERLINK" in row[head.index("words")])
    assert row[head.index("words")].startswith("'=")
    assert row[head.index("by")] == "'+1"
    for begins in "=+-@\t＝＋－＠":
        assert hardened(f" {begins}1")[0] in "'1"


def test_a_life_is_told_from_the_trail_alone(office: Office, redis_client: redis.Redis) -> None:
    """Also when the request itself was cleared away; every line says whether it is as it was written."""
    for key in redis_client.scan_iter("sayso:*:req:*"):
        redis_client.delete(key)
    code, said = office.audit("show", office.id, "--cards")
    assert code == 0
    for words in (
        "A run of ops was asked for",
        "Asked on route finance",
        "Voted approve",
        "via slack:T1/UBO",
        "finance: bo cy",
    ):
        assert words in " ".join(said.split())
    assert "| Refund 129.90 USD to Dana Smith" in said
    assert "5 of 5 lines are as they were written" in said
    assert office.audit("show", "t1")[1].count("record ") == 5
    rewrite(redis_client, office.partition, flip, 4)
    code, said = office.audit("show", office.id)
    assert (code, "record 4: WRONG" in said) == (1, True)


def test_a_life_is_told_from_an_export(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server; what its reader may not see says so."""
    whole, less = office.exported("--for", "auditor").rename("whole.jsonl"), office.exported()
    monkeypatch.delenv("REDIS_URL")
    code, said = office.audit("show", office.id, "--file", str(whole))
    assert (code, "Voted approve" in said, "5 of 5 lines" in said) == (0, True, True)
    code, said = office.audit("show", office.id, "--file", str(less))
    assert (code, "Voted approve" in said, "(withheld)" in said, "5 of 5 lines" in said) == (
        0,
        False,
        True,
        True,
    )


def test_the_signature_of_a_vote_is_checked_too(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the bot's public key, from the record alone; another key's signature is wrong, without a key nothing is said."""
    file = str(office.exported("--for", "auditor"))
    cases = [(SIGNER_KEY, 0, "signature is right"), (b"w" * 32, 1, "WRONG: A vote is signed with a key")]
    for key, exits, words in cases:
        monkeypatch.setenv("SAYSO_VERIFY_KEYS", base64.b64encode(Signer(key).public_key).decode())
        for source in ((), ("--file", file)):
            code, said = office.audit("show", office.id, *source)
            assert (code, words in " ".join(said.split())) == (exits, True)
    monkeypatch.delenv("SAYSO_VERIFY_KEYS")
    assert "was not checked" in " ".join(office.audit("show", office.id)[1].split())


def test_nobodys_id_is_said_to_be_unknown(office: Office) -> None:
    """Rather than shown as an empty life."""
    for id in ("05-nobody", "nothing"):
        shown = CliRunner().invoke(app, ["audit", "show", id])
        assert "knows no request and no run" in str(shown.exception)


def test_something_else_is_no_export(office: Office) -> None:
    """Refused in one sentence."""
    shown = CliRunner().invoke(app, ["audit", "verify", "sayso.toml"])
    assert isinstance(shown.exception, NoExport)
