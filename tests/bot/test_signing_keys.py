"""The keys of votes: made once, private to the bot, and workers trust the one that is in use."""

from __future__ import annotations

import base64
import secrets
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sayso.approvals.errors import BadSetting, BadVote
from sayso.bot.settings import Settings, load_settings
from sayso.bot.signing_keys import load_signer, load_verifier, public_text
from scenes import a_request, a_vote
from settings_files import write_settings


def settings_in(folder: Path, **env: str) -> Settings:
    """The right settings with this environment."""
    return load_settings(write_settings(folder), env)


def a_key() -> str:
    """A fresh private key, as the environment holds it."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def test_a_key_is_made_once_and_workers_here_trust_it(tmp_path: Path) -> None:
    """The second start signs with the same key, and only its owner can read the file."""
    settings = settings_in(tmp_path)
    first, second = load_signer(settings), load_signer(settings)
    assert first.public_key == second.public_key
    load_verifier(settings).check(a_vote(a_request(), signer=first))
    mode = (settings.data_dir / "keys" / "vote.key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_starting_together_makes_one_key(tmp_path: Path) -> None:
    """Bots that start at the same moment sign with the same key, and no draft is left."""
    settings = settings_in(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        signers = list(pool.map(lambda _: load_signer(settings), range(24)))
    assert len({signer.public_key for signer in signers}) == 1
    assert sorted(file.name for file in (settings.data_dir / "keys").iterdir()) == ["vote.key", "vote.pub"]


def test_a_new_private_key_replaces_the_old_public_one(tmp_path: Path) -> None:
    """Otherwise workers would go on trusting a key that nobody has, and no approval would ever count."""
    settings = settings_in(tmp_path)
    load_signer(settings)
    (settings.data_dir / "keys" / "vote.key").unlink()
    vote = a_vote(a_request(), signer=load_signer(settings))
    load_verifier(settings).check(vote)


def test_the_environment_comes_first_and_leaves_no_file(tmp_path: Path) -> None:
    """A key from a secrets store is never written to disk."""
    settings = settings_in(tmp_path, SAYSO_SIGNING_KEY=a_key())
    load_signer(settings)
    assert not (settings.data_dir / "keys").exists()


def test_while_a_key_is_rotated_both_are_trusted(tmp_path: Path) -> None:
    """The public keys stand side by side; a third one is not trusted."""
    old, new, other = (load_signer(settings_in(tmp_path, SAYSO_SIGNING_KEY=a_key())) for _ in range(3))
    keys = f"{public_text(old)}, {public_text(new)}"
    verifier = load_verifier(settings_in(tmp_path, SAYSO_VERIFY_KEYS=keys))
    for signer in (old, new):
        verifier.check(a_vote(a_request(), signer=signer))
    with pytest.raises(BadVote):
        verifier.check(a_vote(a_request(), signer=other))


@pytest.mark.parametrize("text", ["no base64", "c2hvcnQ=", base64.b64encode(bytes(33)).decode(), "ü" * 44])
def test_what_is_no_key_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    """The sentence names the variable, and not what it holds."""
    with pytest.raises(BadSetting, match=r"^SAYSO_SIGNING_KEY must be 32 bytes in base64.$"):
        load_signer(settings_in(tmp_path, SAYSO_SIGNING_KEY=text))
    with pytest.raises(BadSetting, match=r"^SAYSO_VERIFY_KEYS must be 32 bytes in base64.$"):
        load_verifier(
            settings_in(
                tmp_path, SAYSO_VERIFY_KEYS=f"{public_text(load_signer(settings_in(tmp_path)))},{text}"
            )
        )


def test_a_spoilt_key_file_is_named(tmp_path: Path) -> None:
    """Half a key, or no text at all, is not a traceback."""
    settings = settings_in(tmp_path)
    load_signer(settings)
    private = settings.data_dir / "keys" / "vote.key"
    private.write_bytes(b"\xff\xfe")
    with pytest.raises(BadSetting, match=r"vote.key must be 32 bytes"):
        load_signer(settings)


def test_a_worker_without_any_key_is_told_where_to_get_one(tmp_path: Path) -> None:
    """It does not make a key of its own, which nobody would sign with."""
    settings = settings_in(tmp_path)
    with pytest.raises(BadSetting, match=r"SAYSO_VERIFY_KEYS is not set .* .`sayso check` prints it.*"):
        load_verifier(settings)
    assert not settings.data_dir.exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A data directory that is a file is one sentence, not a traceback."""
    settings = settings_in(tmp_path)
    settings.data_dir.write_text("in the way")
    with pytest.raises(BadSetting, match=r"The signing key cannot be kept in .*set SAYSO_SIGNING_KEY"):
        load_signer(settings)
