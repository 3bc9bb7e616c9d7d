"""What `REDIS_URL` may say: one server, the Sentinels that watch one, or nodes of a Cluster. Read here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from .errors import BadSetting

#: Where Sentinels and Cluster nodes listen when an address names no port.
SENTINEL_PORT, NODE_PORT = 26379, 6379

_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
#: For people who have to mend it.
SCHEMES = "redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://"


class Kind(StrEnum):
    """What stands at an address."""

    SERVER = "server"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the store is.

    Attributes:
        server: URL of the one server, or of each server: then its host and port are to be replaced (`at`).
        hosts: Sentinels or Cluster nodes to ask first, as (host, port); empty for one server.
        service: What the Sentinels call the watched server.
        sentinel_user, sentinel_password: For Sentinels that want their own; empty where they want none.
    """

    kind: Kind
    server: str
    hosts: tuple[tuple[str, int], ...] = ()
    service: str = ""
    sentinel_user: str = ""
    sentinel_password: str = ""

    @property
    def tls(self) -> bool:
        return self.server.startswith("rediss")

    def at(self, host: str, port: int) -> str:
        """The URL of one of the servers."""
        url = urlsplit(self.server)
        user, mark, _ = url.netloc.rpartition("@")
        return url._replace(netloc=f"{user}{mark}{_bracketed(host)}:{port}").geturl()


def read_address(url: str) -> Address:
    """Raises: BadSetting, without a word of the address, because it may hold a password."""
    try:
        parts = urlsplit(url)
        parts = parts._replace(scheme=parts.scheme.lower())
    except ValueError:
        raise _bad("it is no address") from None
    if parts.scheme not in _SCHEMES:
        raise BadSetting(f"REDIS_URL must begin with {SCHEMES}, not {parts.scheme or 'nothing'!r}")
    scheme, _, kind = parts.scheme.partition("+")
    if not kind:
        return Address(kind=Kind.SERVER, server=url)
    user, mark, hosts = parts.netloc.rpartition("@")
    server = parts._replace(scheme=scheme, netloc=f"{user}{mark}host:0")
    if kind == Kind.CLUSTER:
        if parts.path not in ("", "/", "/0"):
            raise _bad("a Cluster has no databases but 0")
        server = server._replace(path="")
        return Address(kind=Kind.CLUSTER, server=server.geturl(), hosts=_hosts(hosts, NODE_PORT))
    return _sentinels(server, _hosts(hosts, SENTINEL_PORT))


def _sentinels(server: SplitResult, hosts: tuple[tuple[str, int], ...]) -> Address:
    service, _, database = server.path.strip("/").partition("/")
    if not service or not (database or "0").isdecimal():
        raise _bad(
            "with Sentinels it ends in the name of the watched server, and a database if not 0 (/mymaster/0)"
        )
    ours = {"sentinel_user": "", "sentinel_password": ""}
    said = parse_qsl(server.query)
    ours |= {name: value for name, value in said if name in ours}
    rest = urlencode([(name, value) for name, value in said if name not in ours])
    server = server._replace(path=f"/{database or 0}", query=rest)
    return Address(
        kind=Kind.SENTINEL, server=server.geturl(), hosts=hosts, service=unquote(service),
        sentinel_user=ours["sentinel_user"], sentinel_password=ours["sentinel_password"],
    )  # fmt: skip


def _hosts(text: str, port: int) -> tuple[tuple[str, int], ...]:
    found = []
    for one in text.split(","):
        try:
            parts = urlsplit(f"//{one}")
            found.append((parts.hostname or "", parts.port or port))
        except ValueError:
            raise _bad("each server is host:port, separated by commas") from None
    if not all(host for host, _ in found):
        raise _bad("each server is host:port, separated by commas")
    return tuple(found)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _bad(why: str) -> BadSetting:
    return BadSetting(f"REDIS_URL: {why}.")
