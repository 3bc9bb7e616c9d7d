"""The app package that makes the bot known to Teams: a manifest and two icons in a zip, the same bytes every time."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata, resources
from typing import Any

from ...approvals.errors import BadSetting

#: The version of Microsoft's schema that the manifest follows.
SCHEMA_VERSION = "1.29"
SCHEMA = f"https://developer.microsoft.com/json-schemas/teams/v{SCHEMA_VERSION}/MicrosoftTeams.schema.json"
#: Behind the outline icon; the background of the colour icon.
ACCENT = "#1D5C57"
COLOR_ICON, OUTLINE_ICON = "color.png", "outline.png"

_SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_SHORT = "Approve, change or reject what AI agents want to do, where you talk anyway."
_FULL = (
    "Sayso asks before an AI agent does something that matters. A card says what the agent wants to do, why, and "
    "how risky it is; whoever may decide approves it, changes it or rejects it, and everybody sees the outcome on "
    "the same card. Nothing consequential happens without someone's say-so.\n\n"
    "Mention the app in a channel to give an agent a task; “pending” lists what waits for your answer.\n\n"
    "The app reads only messages that mention it or are written to it, and the names of those who can read the "
    "channels it posts to. Who may decide is set by the people who run it."
)
_COMMANDS = (("pending", "List what waits for your answer"), ("help", "Say what you can ask for"))


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """What people read about the app in Teams.

    Attributes:
        app_id: The application (client) id of the bot, a GUID; the app's own id too.
        name: As it is mentioned, at most 30 characters.
        developer: Who runs it, at most 32 characters.
        website, privacy, terms: https addresses.
        version: MAJOR.MINOR.PATCH; Teams takes a changed package only with a higher one.
    """

    app_id: str
    name: str
    developer: str
    website: str
    privacy: str
    terms: str
    version: str

    def __post_init__(self) -> None:
        _short_enough("name", self.name, 30)
        _short_enough("developer", self.developer, 32)
        for what in ("website", "privacy", "terms"):
            _address(what, getattr(self, what))
        if not _SEMVER.fullmatch(self.version):
            raise BadSetting(f"--version must be three numbers like 1.4.0, not {self.version!r}")


def own_version() -> str:
    """The installed version of sayso as MAJOR.MINOR.PATCH, without what marks a release as early."""
    release = re.match(r"\d+(\.\d+)*", metadata.version("sayso"))
    parts = [*(release[0].split(".") if release else ()), "0", "0", "0"]
    return ".".join(str(int(part)) for part in parts[:3])


def manifest(app: App) -> Mapping[str, Any]:
    """What `manifest.json` says."""
    return {
        "$schema": SCHEMA,
        "manifestVersion": SCHEMA_VERSION,
        "version": app.version,
        "id": app.app_id,
        "developer": {
            "name": app.developer, "websiteUrl": app.website, "privacyUrl": app.privacy,
            "termsOfUseUrl": app.terms,
        },
        "name": {"short": app.name, "full": f"{app.name}: approvals for AI agents"},
        "description": {"short": _SHORT, "full": _FULL},
        "icons": {"color": COLOR_ICON, "outline": OUTLINE_ICON},
        "accentColor": ACCENT,
        "bots": [_bot(app.app_id)],
        "permissions": ["identity", "messageTeamMembers"],
        "defaultInstallScope": "team",
        "defaultGroupCapability": {"team": "bot"},
    }  # fmt: skip


def package(app: App) -> bytes:
    """The zip to upload. Nothing in it is compressed, so that its bytes depend on no library's version."""
    icons = resources.files(__package__) / "assets"
    files = {
        "manifest.json": (json.dumps(manifest(app), ensure_ascii=False, indent=2) + "\n").encode(),
        **{name: (icons / name).read_bytes() for name in (COLOR_ICON, OUTLINE_ICON)},
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)  # dated 1980, whenever it is made
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, content)
    return packed.getvalue()


def _bot(app_id: str) -> Mapping[str, Any]:
    # Not in group chats: a card's place is a channel or a person.
    scopes = ["team", "personal"]
    commands = [{"title": title, "description": words} for title, words in _COMMANDS]
    return {
        "botId": app_id, "scopes": scopes, "isNotificationOnly": False, "supportsFiles": False,
        "supportsCalling": False, "supportsVideo": False,
        "commandLists": [{"scopes": scopes, "commands": commands}],
    }  # fmt: skip


def _short_enough(what: str, words: str, most: int) -> None:
    """Teams counts in UTF-16. Raises: BadSetting."""
    if not words.strip() or not words.isprintable() or words != words.strip():
        raise BadSetting(f"--{what} must be printable words without spaces around them, not {words!r}")
    if (length := len(words.encode("utf-16-le")) // 2) > most:
        raise BadSetting(f"--{what} has {length} characters; Teams takes at most {most}")


def _address(what: str, url: str) -> None:
    if not re.fullmatch(r"https://[^\s/]+\S*", url) or len(url) > 2048:
        raise BadSetting(f"--{what} must be an address that begins with https://, not {url!r}")
