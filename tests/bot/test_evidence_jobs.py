"""What bots and schedulers do for the audit trail: link it, anchor it outside, clear away what is too old."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from api_scene import SECRET, Receiver, listening
from sayso.approvals.change import NO_RUN, Event
from sayso.approvals.errors import BadSetting
from sayso.approvals.inspecting import Wrong
from sayso.approvals.redis_store import RedisStore
from sayso.bot.api.signature import CallbackSecret
from sayso.bot.evidence.anchors import Anchors, Webhook, anchor_text, read_anchors
from sayso.bot.evidence.checking import inspect_store
from sayso.bot.evidence.jobs import jobs
from sayso.bot.evidence.keeping import Keeping
from sayso.bot.settings import load_settings
from settings_files import write_settings
from trails import KEY, KEYS, flip, linked, rewrite, truncate, write

YEAR = timedelta(days=365)


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisStore]:
    """An empty store whose clock can be pushed."""
    opened = await RedisStore.connect(redis_url, demo=True)
    yield opened
    await opened.close()


def anchors_of(store: RedisStore, file: Path, webhook: Webhook | None = None) -> Anchors:
    return Anchors(store, KEYS, holder="h1", file=file, webhook=webhook)


async def test_what_was_anchored_cannot_be_cut_off(
    store: RedisStore, redis_client: redis.Redis, tmp_path: Path
) -> None:
    """P20: Records, links and counter are cut back to a right, shorter trail: the anchor's file knows better."""
    await write(store, 5, 30)
    await linked(store)
    file = tmp_path / "anchors.jsonl"
    await anchors_of(store, file).anchor()
    for stream in ("audit", "links"):
        rewrite(redis_client, 5, truncate, 21, stream=stream)
    redis_client.set("sayso:{05}:number", 20)
    assert [one.faults for one in await inspect_store(store, KEYS) if one.faults] == []
    anchors, wrong = read_anchors(file.read_text(), KEYS)
    (fault,) = [one.faults[0] for one in await inspect_store(store, KEYS, anchors) if one.faults]
    assert (wrong, fault.number, fault.last, fault.wrong) == ([], 21, 30, Wrong.CUT_OFF)


async def test_what_was_anchored_cannot_be_linked_anew(
    store: RedisStore, redis_client: redis.Redis, tmp_path: Path
) -> None:
    """A record is altered and all links are taken away, so that we ourselves link it again: not as it was anchored."""
    await write(store, 5, 30)
    await linked(store)
    file = tmp_path / "anchors.jsonl"
    await anchors_of(store, file).anchor()
    rewrite(redis_client, 5, flip, 12)
    redis_client.delete("sayso:{05}:links")
    await linked(store)
    anchors, _ = read_anchors(file.read_text(), KEYS)
    assert (await inspect_store(store, KEYS))[5].faults == []
    (fault,) = (await inspect_store(store, KEYS, anchors))[5].faults
    assert (fault.number, fault.wrong) == (30, Wrong.REWRITTEN)


async def test_an_anchor_goes_to_log_file_and_address(
    store: RedisStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The same line in all three; the address can check the signature; nothing new, nothing said."""
    await write(store, 5, 3)
    await linked(store)
    receiver, file = Receiver(), tmp_path / "anchors.jsonl"
    with caplog.at_level(logging.INFO):
        async with listening(receiver) as host:
            webhook = Webhook(url=f"http://{host}/anchors", secret=CallbackSecret(SECRET))
            anchors = anchors_of(store, file, webhook)
            await anchors.anchor()
            await anchors.anchor()
    ((headers, body),) = receiver.taken
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    assert (
        headers["webhook-signature"]
        == f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"
    )
    assert file.read_text() == f"{body.decode()}\n"
    assert [vars(one)["anchor"] for one in caplog.records if one.message == "audit.anchored"] == [
        body.decode()
    ]
    assert file.stat().st_mode & 0o077 == 0
    (anchor,) = read_anchors(f"2026 INFO audit.anchored anchor={body.decode()}", KEYS)[0]
    assert (anchor.partition, anchor.number) == (5, 3)


async def test_an_anchor_that_did_not_get_out_is_made_up_for(store: RedisStore, tmp_path: Path) -> None:
    """An address that refuses is an error each time; the next anchor says everything that was not taken."""
    await write(store, 5, 3)
    await linked(store)
    receiver = Receiver(statuses=[500])
    async with listening(receiver) as host:
        webhook = Webhook(url=f"http://{host}/", secret=CallbackSecret(SECRET))
        anchors = anchors_of(store, tmp_path / "anchors.jsonl", webhook)
        with pytest.raises(Exception, match="500"):
            await anchors.anchor()
        await anchors.anchor()
    assert [set(json.loads(body)["heads"]) for _, body in receiver.taken] == [{"05"}, {"05"}]


async def test_one_process_anchors_in_a_minute(store: RedisStore, tmp_path: Path) -> None:
    """Whoever asks first; the others say nothing."""
    await write(store, 5, 3)
    await linked(store)
    files = [tmp_path / f"{number}.jsonl" for number in range(3)]
    for file in files:
        await anchors_of(store, file).look()
    assert [file.exists() for file in files] == [True, False, False]


async def test_an_anchor_that_was_changed_is_said_to_be_none(store: RedisStore) -> None:
    """Its number, its link or its time: the line is named."""
    await write(store, 5, 3)
    await linked(store)
    text = anchor_text(KEYS, await store.heads(), await store.now())
    assert len(read_anchors(text, KEYS)[0]) == 1
    for altered in (text.replace('"05":[3,', '"05":[2,'), text.replace('"at":"20', '"at":"19'), text[:-9]):
        found, wrong = read_anchors(f"{altered}\n", KEYS)
        assert (found, len(wrong)) == ([], 1)


async def test_old_records_are_cleared_away_and_the_rest_still_fits(store: RedisStore) -> None:
    """What is older than its time goes, the links go on from there, and the trail says what went."""
    await write(store, 5, 30)
    await linked(store)
    await store.push_clock(YEAR)
    await write(store, 5, 10)
    await linked(store)
    keeping = Keeping(store, KEYS, timedelta(days=90))
    assert await keeping.look() == 30
    assert await keeping.look() == 0
    found = (await inspect_store(store, KEYS))[5]
    assert (found.faults, found.checked, found.unlinked) == ([], 10, 1)
    await linked(store)
    entries = [line.entry async for line in store.lines(5) if line.thread == NO_RUN]
    assert [entry["words"] for entry in entries if entry] == [
        "Records 1 to 30 of partition 05 were older than 90 days"
    ]
    assert Event.AUDIT_CLEARED in [entry["event"] for entry in entries if entry]


async def test_the_last_link_stays_however_old(store: RedisStore) -> None:
    """The next record is linked to it."""
    await write(store, 5, 30)
    await linked(store)
    await store.push_clock(YEAR)
    assert await Keeping(store, KEYS, timedelta(days=90)).look() == 29
    await linked(store)
    found = (await inspect_store(store, KEYS))[5]
    assert (found.faults, found.checked) == ([], 2)


async def test_nobody_else_can_clear_the_beginning_away(store: RedisStore, redis_client: redis.Redis) -> None:
    """A note that says so without our key is none, whatever it copies from another one."""
    await write(store, 5, 30)
    await linked(store)
    lines = [line async for line in store.lines(5)]
    link = lines[9].link
    assert link is not None
    mark = {"number": 10, "link": link.text, "key": link.key, "at": 1, "mac": f"{link.key}:{link.text}"}
    redis_client.hset("sayso:{05}:cleared", mapping=mark)  # type: ignore[arg-type] # theirs is invariant
    for stream in ("audit", "links"):
        redis_client.xtrim(f"sayso:{{05}}:{stream}", minid="11-0", approximate=False)
    (fault,) = (await inspect_store(store, KEYS))[5].faults
    assert (fault.number, fault.last, fault.wrong) == (1, 10, Wrong.MISSING)


async def test_what_was_altered_is_not_cleared_away(
    store: RedisStore, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """The proof that somebody was at it stays until somebody has looked."""
    await write(store, 5, 30)
    await linked(store)
    rewrite(redis_client, 5, flip, 12)
    await store.push_clock(YEAR)
    assert await Keeping(store, KEYS, timedelta(days=90)).look() == 0
    assert "audit.not_cleared partition 05, record 12: was changed" in caplog.text


async def test_the_settings_say_what_is_done(
    store: RedisStore, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file beside the settings, an address with its secret, and a time."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    table = '[audit]\nanchor_file = "anchors.jsonl"\nkeep_days = 90\n'
    settings = load_settings(write_settings(tmp_path, ("[server]", f"{table}\n[server]")))
    await write(store, 5, 3)
    todo = {job.name: job for job in jobs(settings, store)}
    assert set(todo) == {"audit links", "audit anchors", "audit keeping"}
    for job in todo.values():
        await job.run()
    assert "05" in (tmp_path / "anchors.jsonl").read_text()
    key = tmp_path / ".sayso" / "keys" / "audit.key"
    assert (len(base64.b64decode(key.read_text())), key.stat().st_mode & 0o077) == (32, 0)
    for wrong in ('anchor_url = "https://a.example"', "keep_days = 29", 'anchor_secret = "whsec_x"'):
        with pytest.raises(BadSetting, match="audit"):
            load_settings(write_settings(tmp_path, ("[server]", f"[audit]\n{wrong}\n\n[server]")))
    assert KEY not in key.read_bytes()
