"""Callbacks: signed, at least once, to nobody but who was named, and never further into the network than that."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from api_scene import SECRET, ApiScene, Receiver, an_api, listening
from sayso.approvals.people import Place
from sayso.approvals.store import Target, TargetKind, Told
from sayso.bot.api import lookups
from sayso.bot.api.addresses import Address, BadAddress, CallbackHosts, located
from sayso.bot.api.lookups import LookUps
from sayso.bot.api.signature import CallbackSecret
from sayso.bot.channel import NotYet
from sayso.sandbox.certificates import loopback_tls


@pytest.fixture
async def scene(tmp_path: Path, redis_url: str) -> AsyncIterator[ApiScene]:
    receiver = Receiver()
    async with (
        listening(receiver) as receiver.host,
        an_api(tmp_path, redis_url, receiver=receiver) as running,
    ):
        yield running


def is_signed(headers: dict[str, str], body: bytes) -> bool:
    """As Standard Webhooks tells receivers to check."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(headers["webhook-signature"], f"v1,{wanted}")


def at(scene: ApiScene) -> str:
    return f"http://{scene.receiver.host}/sayso?of=crm"


async def test_a_service_hears_that_people_are_asked_and_of_the_end(scene: ApiScene) -> None:
    """Each time signed, with how the run stands, and an id that tells one piece of news from another."""
    run, request = await scene.paused(callback=at(scene))
    await scene.tells()
    await scene.answers(request)
    await scene.tells()
    (first, asked), (second, ended) = scene.receiver.taken
    assert is_signed(first, asked)
    assert is_signed(second, ended)
    assert first["webhook-id"] != second["webhook-id"]
    told = json.loads(asked)
    assert (told["type"], told["data"]["id"]) == ("run.waiting", run)
    assert told["data"]["requests"][0]["summary"] == "Refund 129.90 USD for order 1042"
    told = json.loads(ended)
    assert (told["type"], told["data"]["ended"]) == ("run.ended", "finished")
    assert told["data"]["report"].startswith("executed: ")
    assert len(ended) < 4096
    assert abs(datetime.now(UTC).timestamp() - int(second["webhook-timestamp"])) < 60


async def test_what_is_not_taken_is_sent_again_with_its_id(scene: ApiScene) -> None:
    """A receiver that fails, or answers with another address, gets it once more; a redirect is never followed."""
    scene.receiver.statuses = [500, 302]
    await scene.asks(callback=at(scene), input="1.00")
    await scene.world.work()
    for _ in range(3):
        await due_now(scene)
        await scene.tells()
    assert len(scene.receiver.taken) == 3
    assert len({headers["webhook-id"] for headers, _ in scene.receiver.taken}) == 1
    assert all(is_signed(headers, body) for headers, body in scene.receiver.taken)
    await due_now(scene)
    await scene.tells()
    assert len(scene.receiver.taken) == 3


async def test_a_crash_between_telling_and_writing_it_down_tells_again(scene: ApiScene) -> None:
    """The same news under the same id: at least once, and told apart."""
    await scene.asks(callback=at(scene))
    await scene.world.work()
    await scene.tells()
    await forgotten(scene)
    await due_now(scene)
    await scene.tells()
    assert (
        len({headers["webhook-id"] for headers, _ in scene.receiver.taken}) == 1 < len(scene.receiver.taken)
    )


async def test_after_a_day_it_is_a_dead_letter_that_can_be_sent_again(scene: ApiScene) -> None:
    """Nothing is lost: it stands on the list, and arrives once somebody has it tried again."""
    _, request = await scene.paused(callback=at(scene))
    scene.receiver.statuses = [503, 503]
    await scene.tells()
    assert [one for one in await scene.store.dead_letters() if one.target.kind is TargetKind.NOTICE] == []
    await scene.store.push_clock(timedelta(days=1, minutes=1))
    await due_now(scene)
    await scene.tells()
    (letter,) = [one for one in await scene.store.dead_letters() if one.target.kind is TargetKind.NOTICE]
    assert (letter.request, "within a day (answered 503)" in letter.why) == (request.id, True)
    assert await scene.store.replay(letter.target)
    await scene.tells()
    assert len(scene.receiver.taken) == 3


async def test_an_address_that_is_gone_is_not_called_again(scene: ApiScene) -> None:
    """410 means it."""
    scene.receiver.statuses = [410]
    await scene.asks(callback=at(scene))
    await scene.world.work()
    await scene.tells()
    letters = [one for one in await scene.store.dead_letters() if one.target.kind is TargetKind.NOTICE]
    assert [("gone (410)" in one.why) for one in letters] == [True]


async def test_slow_receivers_hold_up_two_calls_and_no_more(scene: ApiScene) -> None:
    """Cards go out by the same lane; what is not called yet comes later, and nothing is wrong with it."""
    scene.receiver.answers.clear()
    threads = [(await scene.asks(callback=at(scene), thread=f"t{n}")).json()["id"] for n in range(3)]
    callbacks = scene.deliverer._places.channel("api")
    slow = [asyncio.create_task(callbacks.say(Place(thread), ())) for thread in threads[:2]]
    async with asyncio.timeout(20):
        while len(scene.receiver.taken) < 2:  # noqa: ASYNC110 another connection does it
            await asyncio.sleep(0.02)
    with pytest.raises(NotYet):
        await callbacks.say(Place(threads[2]), ())
    scene.receiver.answers.set()
    await asyncio.gather(*slow)
    await callbacks.say(Place(threads[2]), ())
    assert len(scene.receiver.taken) == 3


async def test_without_a_callback_nobody_is_called_and_nothing_is_a_dead_letter(scene: ApiScene) -> None:
    """The end is kept for whoever looks."""
    run, request = await scene.paused()
    await scene.answers(request)
    await scene.tells()
    assert scene.receiver.taken == []
    assert [one for one in await scene.store.dead_letters() if one.target.kind is TargetKind.NOTICE] == []
    assert (await scene.looks(run))["report"]


async def test_over_https_the_certificate_must_be_the_hosts(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """We connect to an address that we looked up, and check the name that was given."""
    folder = tmp_path / "tls"
    folder.mkdir()
    tls, names = loopback_tls(folder), list[str | None]()
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    receiver = Receiver()
    async with listening(receiver, tls=tls) as host:
        receiver.host = f"localhost:{host.rpartition(':')[2]}"
        async with an_api(tmp_path, redis_url, receiver=receiver) as scene:
            await scene.asks(callback=f"https://{receiver.host}/")
            await scene.world.work()
            await scene.tells()
            assert [headers["host"] for headers, _ in receiver.taken] == [receiver.host]
            assert set(names) == {"localhost"}
            monkeypatch.setenv("SSL_CERT_FILE", str(Path(ssl.get_default_verify_paths().openssl_cafile)))
    async with listening(receiver, tls=tls) as host:
        receiver.host = f"localhost:{host.rpartition(':')[2]}"
        async with an_api(tmp_path, redis_url, receiver=receiver) as scene:
            await scene.asks(thread="stranger", callback=f"https://{receiver.host}/")
            await scene.world.work()
            await scene.tells()
    assert len(receiver.taken) == 1


HOSTS = CallbackHosts(
    public=["hooks.example.com", "hooks.example.com:8443", "localhost", "127.0.0.1"], private=["crm.internal"]
)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/", "http://hooks.example.com/", "https://hooks.example.com:444/", "ftp://hooks.example.com/",
        "https://hooks.example.com@evil.example/", "https://evil.example/?https://hooks.example.com",
        "https://me:pw@hooks.example.com/", "https://hooks.example.com/#x", "https:///x", "//hooks.example.com/",
        "https://hooks.example.com\\@evil.example/", "https://hooks.example.com\r\nX: y/", "https://hooks.example.com.evil.example/",
        "https://hooks.exämple.com/", "https://[::1]/", "https://hooks.example.com:0x1f/", "https://crm.internal:9/", "x" * 400,
        "https://evil.example\t.hooks.example.com/", "https://hooks.example.com./",
    ],
)  # fmt: skip
def test_only_named_hosts_are_called(url: str) -> None:
    """However the address is spelled."""
    with pytest.raises(BadAddress):
        HOSTS.address(url)


def test_a_named_host_is_called_where_it_was_named() -> None:
    """With its path and query as they were given; over http only inside the network."""
    assert HOSTS.address("https://HOOKS.example.com:8443/a?b=c") == Address(
        scheme="https", host="hooks.example.com", port=8443, path="/a?b=c", private=False
    )
    assert HOSTS.address("http://crm.internal").private
    assert HOSTS.address("https://hooks.example.com/").named == "hooks.example.com"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_public_name_that_leads_inside_is_refused(host: str) -> None:
    """A name can be made to lead anywhere by whoever owns it."""
    with pytest.raises(BadAddress, match="leads inside a network"):
        await located(HOSTS.address(f"https://{host}/"), LookUps())


INSIDE = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::a00:1", "2002:7f00:1::", "192.0.0.1", "198.18.0.1", "240.0.0.1", "192.0.0.8", "192.88.99.1", "fec0::1",
    "::127.0.0.1", "64:ff9b:1::a00:1", "::ffff:0:127.0.0.1", "5f00::1",
]  # fmt: skip


@pytest.mark.parametrize("ip", INSIDE)
async def test_addresses_inside_a_network_are_refused(ip: str) -> None:
    """Also those that carry another one within."""
    with pytest.raises(BadAddress):
        await located(Address(scheme="https", host=ip, port=443, path="/", private=False), LookUps())
    assert await located(Address(scheme="https", host=ip, port=443, path="/", private=True), LookUps())


@pytest.mark.parametrize("ip", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
async def test_the_internet_is_not_inside(ip: str) -> None:
    """The check can say yes."""
    assert await located(Address(scheme="https", host=ip, port=443, path="/", private=False), LookUps()) == ip


async def test_a_name_that_hangs_holds_one_thread_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for it hears that it takes too long; other names are looked up, and so is this one in the end."""
    answers, asked, real = threading.Event(), list[str](), socket.getaddrinfo

    def resolver(host: str, port: int, **how: Any) -> Any:
        asked.append(host)
        if host == "hangs.example.com":
            answers.wait(60)
        return real("127.0.0.1", port, **how)

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    monkeypatch.setattr(lookups, "SECONDS", 0.05)
    names = LookUps()
    for _ in range(5):
        with pytest.raises(TimeoutError):
            await names.addresses("hangs.example.com", 443)
    assert asked == ["hangs.example.com"]
    monkeypatch.setattr(lookups, "SECONDS", 20.0)
    assert await names.addresses("hooks.example.com", 443) == ["127.0.0.1"]
    answers.set()
    assert await names.addresses("hangs.example.com", 443) == ["127.0.0.1"]
    assert await names.addresses("hangs.example.com", 443) == ["127.0.0.1"]


async def test_a_name_that_nobody_has_is_an_error_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What went wrong once is asked again."""
    names, wrong = LookUps(), [socket.gaierror("unknown"), UnicodeError("too long")]

    def resolver(*_: Any, **__: Any) -> Any:
        raise wrong.pop()

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    for _ in range(2):
        with pytest.raises(OSError, match=r"unknown|no name"):
            await names.addresses("nobody.example.com", 443)
    assert wrong == []


def test_it_is_signed_as_the_standards_own_example() -> None:
    """Receivers use its libraries."""
    headers = CallbackSecret(SECRET).headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert SECRET not in repr(CallbackSecret(SECRET)) + str(CallbackSecret(SECRET))


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64 at all!!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
)
def test_another_secret_is_refused(text: str) -> None:
    """A short one could be guessed."""
    with pytest.raises(ValueError, match="whsec_"):
        CallbackSecret(text)


async def due_now(scene: ApiScene) -> None:
    """What was put off is due (pauses are kept in wall time)."""
    client = scene.store._redis
    async for key in client.scan_iter("sayso:{*}:lane:*"):
        await client.zadd(key, dict.fromkeys(await client.zrange(key, 0, -1), 0), xx=True)


async def forgotten(scene: ApiScene) -> None:
    """The process that told it died before it wrote that down: it is as before, and due."""
    client = scene.store._redis
    async for key in client.scan_iter("sayso:{*}:notice:*"):
        id = key.decode().rpartition(":")[2]
        target = Target(kind=TargetKind.NOTICE, id=id)
        await client.delete(f"{scene.store._stem_of(id)}told:{id}")
        await scene.store.set_told(target, Told(), again=timedelta(0))
