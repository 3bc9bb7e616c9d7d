"""Microsoft's keys: when they are fetched, how often at most, and that nobody waits for them."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sayso.bot.teams.keys import ChannelKeys, KeysDown
from sayso.sandbox.teams.keys import SigningKeys
from teams_bot import stall_during

HOUR = 3_600.0


class KeyServer:
    """Publishes keys, on threads of its own; may be slow, or say something else."""

    def __init__(self) -> None:
        self.keys = SigningKeys("key server", ["msteams"])
        self.fetched = 0
        self.slow = 0.0  # seconds for each document
        self.says: str | None = None
        self.now = 0.0
        self.url = ""

    def answer(self, path: str) -> bytes:
        time.sleep(self.slow)
        if self.says is not None:
            return self.says.encode()
        if path != "/keys":
            return json.dumps({"issuer": "x", "jwks_uri": f"{self.url}/keys"}).encode()
        self.fetched += 1
        return json.dumps(self.keys.as_json()).encode()

    def a_bot(self) -> ChannelKeys:
        """One that believes it is `now`, in seconds."""
        return ChannelKeys(f"{self.url}/metadata", monotonic=lambda: self.now)


@pytest.fixture
def server() -> Iterator[KeyServer]:
    published = KeyServer()

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = published.answer(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as http:
        published.url = f"http://127.0.0.1:{http.server_address[1]}"
        serving = threading.Thread(target=http.serve_forever, args=(0.01,))
        serving.start()
        yield published
        http.shutdown()
        serving.join()


async def test_keys_are_fetched_once(server: KeyServer) -> None:
    """Before the first delivery nothing is asked; then one fetch serves all who come at once, and for an hour."""
    keys = server.a_bot()
    assert server.fetched == 0
    found = await asyncio.gather(*(keys.get(server.keys.kid) for _ in range(50)))
    assert {key.endorsements for key in found if key} == {frozenset({"msteams"})}
    server.now = HOUR - 1
    assert await keys.get(server.keys.kid) is found[0]
    assert server.fetched == 1


async def test_forged_key_ids_cost_one_fetch_a_minute(server: KeyServer) -> None:
    """However many come."""
    keys = server.a_bot()
    for minute in (0.0, 59.9, 60.0, 119.0, 121.0):
        server.now = minute
        assert [await keys.get(f"forged {i}") for i in range(20)] == [None] * 20
    assert server.fetched == 3


async def test_a_rotated_key_is_known_within_a_minute(server: KeyServer) -> None:
    """An id not seen before is looked up; the key that is published no more counts no more."""
    keys, old = server.a_bot(), server.keys.kid
    await keys.get(old)
    server.keys.rotate(keep_old=False)
    server.now = 59.0
    assert await keys.get(server.keys.kid) is None
    server.now = 61.0
    assert await keys.get(server.keys.kid) is not None
    assert await keys.get(old) is None


async def test_after_an_hour_keys_are_renewed_behind_the_scenes(server: KeyServer) -> None:
    """Nobody waits for it; a withdrawn key is gone by then."""
    keys, old = server.a_bot(), server.keys.kid
    await keys.get(old)
    server.keys.rotate(keep_old=False)
    server.now = HOUR + 1
    assert await keys.get(old) is not None
    assert keys._fetch is not None
    await keys._fetch
    assert server.fetched == 2
    server.now += 1
    assert await keys.get(old) is None


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        "{}",
        "[]",
        '{"jwks_uri": 5}',
        '{"jwks_uri": "http://127.0.0.1:9/"}',
        '{"jwks_uri": "http://["}',
        "\x00",
    ],
)
async def test_old_keys_serve_for_a_day(server: KeyServer, nonsense: str) -> None:
    """Microsoft may be down or talk nonsense for that long; then nobody can be judged, until it is back."""
    keys = server.a_bot()
    await keys.get(server.keys.kid)
    server.says, server.now = nonsense, 23 * HOUR
    assert await keys.get(server.keys.kid) is not None
    server.now = 25 * HOUR
    with pytest.raises(KeysDown):
        await keys.get(server.keys.kid)
    server.says = None
    server.now += 6
    assert await keys.get(server.keys.kid) is not None


async def test_keys_that_are_no_use_are_left_out(server: KeyServer) -> None:
    """Curves, encryption keys, broken ones cost the good ones nothing; a key without endorsements speaks for no channel."""
    good = dict(server.keys.as_json()["keys"][0])
    bare = {name: value for name, value in good.items() if name != "endorsements"}
    documents = [
        {**good, "kid": "ec", "kty": "EC"}, {**good, "kid": "enc", "use": "enc"}, {**good, "kid": "bad", "n": "!"},
        {**good, "kid": "odd", "n": 5}, {**good, "kid": "mute", "endorsements": None}, "key", None,
        {**bare, "kid": "bare"}, good,
    ]  # fmt: skip
    server.keys.as_json = lambda: {"keys": documents}  # type: ignore[method-assign]
    keys = server.a_bot()
    assert [await keys.get(kid) for kid in ("ec", "enc", "bad", "odd", "mute")] == [None] * 5
    bare_key, whole = await keys.get("bare"), await keys.get(good["kid"])
    assert bare_key is not None
    assert whole is not None
    assert (bare_key.endorsements, whole.endorsements) == (frozenset[str](), frozenset({"msteams"}))


async def test_nothing_stands_still_while_keys_are_fetched(server: KeyServer) -> None:
    """Each document takes 0.4 s; the loop goes on turning, and does less than 50 ms of work in one go."""
    server.slow = 0.4
    keys = server.a_bot()
    stall = await stall_during(keys.get(server.keys.kid))
    assert server.fetched == 1
    # Work of ours is counted in processor time: a busy machine is not our stall. Waiting is counted by the wall.
    assert stall.worked < 0.05
    assert stall.waited < 0.7
