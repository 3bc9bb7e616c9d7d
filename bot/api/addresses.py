"""Where callbacks may go: hosts that the operator named, looked up by us, and nothing inside the network unless named so."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from ...approvals.errors import SaysoError
from .lookups import LookUps

_USUAL = {"https": 443, "http": 80}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
#: All that is handed out of IPv6 (IANA); the rest is inside somewhere, or carries another address.
_HANDED_OUT = ipaddress.ip_network("2000::/3")
#: Kept for protocols, and for routers of the old way to IPv6: no server of anybody stands there.
_NOBODYS = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("192.88.99.0/24"))

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class BadAddress(SaysoError):
    """Nothing may be sent to this address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One callback address in its parts, so that whoever checks it and whoever calls it read the same.

    Attributes:
        host: In lower case; a name or an IP address.
        path: With its query; begins with "/".
        private: Whether the operator named it as one inside the network.
    """

    scheme: str
    host: str
    port: int
    path: str
    private: bool

    @property
    def named(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _USUAL[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackHosts:
    """The hosts of the settings: "hooks.example.com", or "hooks.example.com:8443" where the port is not the usual one."""

    public: Collection[str] = ()
    private: Collection[str] = ()

    def address(self, url: str) -> Address:
        """Raises: BadAddress, in one sentence."""
        if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
            raise BadAddress("The address has characters that no address has.")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise BadAddress("This is not an address.") from None
        if parts.scheme not in _USUAL or not host or parts.username is not None or parts.fragment:
            raise BadAddress("Write it as https://host/path, without a user and without a fragment.")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        number = port if port is not None else _USUAL[parts.scheme]
        named = host if number == _USUAL[parts.scheme] else f"{host}:{number}"
        private = named in self.private
        if not private and named not in self.public:
            raise BadAddress("Its host is not among the api.callback_hosts of the settings.")
        if parts.scheme == "http" and not private:
            raise BadAddress("It must begin with https://.")
        return Address(scheme=parts.scheme, host=host, port=number, path=path, private=private)


async def located(address: Address, lookups: LookUps) -> str:
    """The IP address to connect to, looked up once: a second look-up could say something else.

    Raises: BadAddress, when it leads inside the network; OSError, when the name cannot be looked up in time.
    """
    places = [ipaddress.ip_address(one) for one in await lookups.addresses(address.host, address.port)]
    if not address.private and not all(map(_is_public, places)):
        raise BadAddress("Its host leads inside a network; only api.private_callback_hosts may.")
    return str(places[0])


def _is_public(place: IpAddress) -> bool:
    """Whether it is everybody's internet, also where it carries another address within."""
    if isinstance(place, ipaddress.IPv6Address):
        inner = place.ipv4_mapped or place.sixtofour or (place.teredo[1] if place.teredo else None)
        if place in _NAT64:
            inner = ipaddress.IPv4Address(int(place) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(inner)
        if place not in _HANDED_OUT:
            return False
    return place.is_global and not place.is_multicast and not any(place in one for one in _NOBODYS)
