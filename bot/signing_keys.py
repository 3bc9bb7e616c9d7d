"""The keys votes are signed and audit records linked with: the bot's private ones; workers need only public ones."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path

from ..approvals.errors import BadSetting
from ..approvals.linking import AUDIT_KEYS, LinkKeys, read_link_keys
from ..approvals.signing import Signer, Verifier
from .settings import Settings

_PRIVATE, _PUBLIC, _LINKS = "vote.key", "vote.pub", "audit.key"


class NoLinkKeys(BadSetting):
    """There are no keys to check the audit trail with."""


def load_signer(settings: Settings) -> Signer:
    """The bot's signer: `SAYSO_SIGNING_KEY` (base64, 32 bytes), else a key made once in the data directory.

    The public key is written beside it for workers on the same machine. Raises: BadSetting.
    """
    if text := settings.env.get("SAYSO_SIGNING_KEY"):
        return Signer(_key("SAYSO_SIGNING_KEY", text))
    folder = settings.data_dir / "keys"
    try:
        return _kept_signer(folder)
    except OSError as error:
        raise BadSetting(
            f"The signing key cannot be kept in {folder} ({error.strerror}): "
            "make store.data_dir writable, or set SAYSO_SIGNING_KEY."
        ) from error


def kept_signer(settings: Settings) -> Signer | None:
    """As `load_signer`, but nothing is made: None where the bot's first start will make the key. Raises: BadSetting."""
    private = settings.data_dir / "keys" / _PRIVATE
    if text := settings.env.get("SAYSO_SIGNING_KEY"):
        return Signer(_key("SAYSO_SIGNING_KEY", text))
    try:
        return Signer(_key(str(private), _text_of(private)))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadSetting(f"The signing key {private} cannot be read ({error.strerror}).") from error


def public_text(signer: Signer) -> str:
    """The public key as `SAYSO_VERIFY_KEYS` takes it."""
    return base64.b64encode(signer.public_key).decode()


def load_verifier(settings: Settings) -> Verifier:
    """What workers trust: `SAYSO_VERIFY_KEYS` (base64, comma-separated), else the data directory's public key.

    Raises: BadSetting.
    """
    if text := settings.env.get("SAYSO_VERIFY_KEYS"):
        return read_verifier(text)
    public = settings.data_dir / "keys" / _PUBLIC
    if not public.is_file():
        raise BadSetting(
            f"SAYSO_VERIFY_KEYS is not set and {public} does not exist: start the bot once on this machine, "
            "or give workers its public key (`sayso check` prints it)."
        )
    return Verifier([_key(str(public), _text_of(public))])


def load_link_keys(settings: Settings) -> LinkKeys:
    """What links audit records: `SAYSO_AUDIT_KEYS`, else a key made once in the data directory. Raises: BadSetting."""
    if keys := read_link_keys(settings.env.get(AUDIT_KEYS, "")):
        return keys
    file = settings.data_dir / "keys" / _LINKS
    try:
        return LinkKeys([kept_key(file)])
    except OSError as error:
        raise BadSetting(
            f"The key for the audit trail cannot be kept in {file} ({error.strerror}): "
            f"make store.data_dir writable, or set {AUDIT_KEYS}."
        ) from error


def read_verifier(text: str) -> Verifier:
    """What `SAYSO_VERIFY_KEYS` holds. Raises: BadSetting."""
    return Verifier([_key("SAYSO_VERIFY_KEYS", part) for part in text.split(",")])


def kept_link_keys(settings: Settings) -> LinkKeys:
    """As `load_link_keys`, but nothing is made. Raises: BadSetting, NoLinkKeys."""
    if keys := read_link_keys(settings.env.get(AUDIT_KEYS, "")):
        return keys
    file = settings.data_dir / "keys" / _LINKS
    try:
        return LinkKeys([_key(str(file), _text_of(file))])
    except OSError as error:
        raise NoLinkKeys(
            f"{AUDIT_KEYS} is not set and {file} cannot be read ({error.strerror}): the audit trail can only be "
            "checked with the keys that it was linked with."
        ) from error


def kept_key(file: Path) -> bytes:
    """The 32 bytes of this file, made there once when it is missing. Raises: OSError, BadSetting."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not file.exists():
        draft = _draft(file, base64.b64encode(secrets.token_bytes(32)).decode())
        try:
            os.link(draft, file)
        except FileExistsError:
            pass  # another process of ours made it in this moment, and its key is the one
        finally:
            draft.unlink()
    return _key(str(file), _text_of(file))


def _kept_signer(folder: Path) -> Signer:
    """The key in this folder, made there when it is missing. Raises: OSError, BadSetting."""
    private, public = folder / _PRIVATE, folder / _PUBLIC
    signer = Signer(kept_key(private))
    if not public.exists() or _text_of(public) != public_text(signer):
        _draft(public, public_text(signer)).replace(
            public
        )  # a new private key makes an old public one worthless
    return signer


def _draft(path: Path, text: str) -> Path:
    """The text in a file of its own beside `path`, safe on disk and for our eyes only."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _text_of(path: Path) -> str:
    return path.read_text(encoding="ascii", errors="replace")


def _key(name: str, text: str) -> bytes:
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise BadSetting(f"{name} must be 32 bytes in base64.")
    return raw
