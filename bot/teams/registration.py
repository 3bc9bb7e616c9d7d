"""The bot as it is registered with Microsoft, and where Microsoft's services for it live."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from ...approvals.errors import BadSetting


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One bot in one tenant.

    Attributes:
        app_id: The application (client) id; an empty one would let anybody in, so it is refused.
        tenant: Id of the directory that the bot serves.
        service_url: Where to write as long as Teams has not said where; ends with a slash.
        issuer: Who signs what Teams sends.
        metadata_url: OpenID document that names the issuer's keys.
        scope: What the bot's own token is asked for.
    """

    app_id: str
    tenant: str
    service_url: str = "https://smba.trafficmanager.net/teams/"
    issuer: str = "https://api.botframework.com"
    metadata_url: str = "https://login.botframework.com/v1/.well-known/openidconfiguration"
    scope: str = "https://api.botframework.com/.default"

    def __post_init__(self) -> None:
        if not self.app_id.strip():
            raise BadSetting(
                "The Teams app id is empty; without it nobody who speaks to the bot can be checked."
            )
        if not self.tenant.strip():
            raise BadSetting(
                "The Teams tenant is empty; without it the bot would not know whose people it serves."
            )
        for name in ("service_url", "metadata_url"):
            url = getattr(self, name)
            if urlsplit(url).scheme != "https" and not on_this_machine(url):
                raise BadSetting(
                    f"teams.{name} must begin with https://, not {url!r}: over http:// anybody on the way "
                    "could pass for Microsoft."
                )

    @property
    def bot_id(self) -> str:
        """What Teams calls the bot."""
        return f"28:{self.app_id}"


def on_this_machine(url: str) -> bool:
    """Whether the address is our own machine, where no proxy stands between."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
