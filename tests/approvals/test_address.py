"""What may stand in REDIS_URL, and what is said of what may not."""

from __future__ import annotations

import pytest
from sayso.approvals.address import Address, Kind, read_address
from sayso.approvals.errors import BadSetting


@pytest.mark.parametrize(
    ("url", "server", "hosts"),
    [
        ("redis+cluster://a:7000,b:7001,c", "redis://a:7000", (("a", 7000), ("b", 7001), ("c", 6379))),
        ("redis+cluster://me:p%40ss@a", "redis://me:p%40ss@a:7000", (("a", 6379),)),
        ("rediss+cluster://[::1]:7000/?ssl_ca_certs=ca.pem", "rediss://a:7000?ssl_ca_certs=ca.pem", (("::1", 7000),)),
    ],
)  # fmt: skip
def test_a_cluster_is_named_by_some_of_its_nodes(
    url: str, server: str, hosts: tuple[tuple[str, int], ...]
) -> None:
    """User, password and options are those of every node."""
    address = read_address(url)
    assert (address.kind, address.hosts) == (Kind.CLUSTER, hosts)
    assert address.at("a", 7000) == server


def test_sentinels_are_named_with_the_server_they_watch() -> None:
    """User and password are the server's; what the Sentinels want of their own is said apart."""
    url = "rediss+sentinel://me:secret@s1,s2:26380/my%20master/2?sentinel_user=w&sentinel_password=a%26b&ssl_ca_certs=ca.pem"
    assert read_address(url) == Address(
        kind=Kind.SENTINEL, server="rediss://me:secret@host:0/2?ssl_ca_certs=ca.pem",
        hosts=(("s1", 26379), ("s2", 26380)), service="my master", sentinel_user="w", sentinel_password="a&b",
    )  # fmt: skip
    assert read_address("redis+sentinel://s1/mymaster").server == "redis://host:0/0"


def test_one_server_is_left_as_it_is_written() -> None:
    """Nothing of it is read here, so nothing of it can be lost here."""
    for url in (
        "redis://:pw@h/3",
        "rediss://h:1?ssl_cert_reqs=none",
        "unix:///run/valkey.sock?password=a%2Fb",
    ):
        assert read_address(url) == Address(kind=Kind.SERVER, server=url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis+sentinel://:hunter2@s1", "it ends in the name of the watched server"),
        ("redis+sentinel://:hunter2@s1/ours/two", "a database if not 0"),
        ("redis+sentinel://:hunter2@/ours", "each server is host:port"),
        ("redis+cluster://:hunter2@a:port", "each server is host:port"),
        ("redis+cluster://:hunter2@a,,b", "each server is host:port"),
        ("redis+cluster://:hunter2@a/1", "no databases but 0"),
        ("redis+raft://:hunter2@a", "must begin with redis://"),
        ("redis://:hunter2@[a", "it is no address"),
    ],
)
def test_a_wrong_address_is_one_sentence_without_its_password(url: str, words: str) -> None:
    """It names the setting and what is wrong in it."""
    with pytest.raises(BadSetting, match=r"^REDIS_URL") as refusal:
        read_address(url)
    assert words in str(refusal.value)
    assert "hunter2" not in str(refusal.value)
