"""The pagers of the settings: each kind is built from its table, and what it lacks is said by key or variable."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from sayso.approvals.errors import BadSetting
from sayso.bot.pagers import open_pagers
from sayso.bot.settings import load_settings
from settings_files import write_settings

PRIMARY = '[pagers.primary]\nrouting_key = "PAGER_KEY"\n'
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
ENV = {"PAGER_KEY": "k" * 32, "JSM": "genie", "ONE": SECRET, "TWO": SECRET, "TOKEN": "t0ken"}
HOOK = 'kind = "webhook"\nurl = "https://wake.example.com/x"\nsecrets = ["ONE", "TWO"]'
KINDS = {
    "pagerduty": 'routing_key = "PAGER_KEY"',
    "jsm": 'kind = "jsm"\nkey = "JSM"',
    "webhook": HOOK,
    "alertmanager": 'kind = "alertmanager"\nurl = "http://alerts.internal:9093/in"\nprivate = true\nkey = "TOKEN"',
}


def a_file(folder: Path, table: str) -> Path:
    return write_settings(folder, (PRIMARY, f"[pagers.primary]\n{table}\n"))


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_is_built_from_its_table(tmp_path: Path, kind: str) -> None:
    """With its secrets from the environment; nothing that is shown of it holds one."""
    settings = load_settings(a_file(tmp_path, KINDS[kind]), ENV)
    async with open_pagers(settings) as pagers:
        assert pagers["primary"].platform == kind
    assert not any(secret in repr(settings) for secret in ENV.values())


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('kind = "webhook"\nurl = "https://x.example/"', "it needs secrets, which names the environment variable"),
        ('kind = "webhook"\nsecrets = ["ONE"]', "it needs a url"),
        ('kind = "jsm"', "it needs key"),
        (HOOK + '\nrouting_key = "PAGER_KEY"', "a pager of the kind webhook has no routing_key"),
        (HOOK.replace("https", "http"), "its url must begin with https://"),
        ('routing_key = "PAGER_KEY"\nprivate = true', "a pager of the kind pagerduty is outside"),
        ('kind = "pigeon"', "it must be .*not .pigeon."),
    ],
)  # fmt: skip
def test_a_table_that_lacks_something_is_refused(tmp_path: Path, table: str, said: str) -> None:
    """With its line."""
    with pytest.raises(BadSetting, match=rf"line \d+, pagers\.primary.*: {said}"):
        load_settings(a_file(tmp_path, table), ENV)


@pytest.mark.parametrize(
    ("kind", "broken", "said"),
    [
        ("pagerduty", {"PAGER_KEY": "short"}, "PAGER_KEY: a PagerDuty routing key has 32 characters"),
        ("webhook", {"TWO": "secret"}, 'TWO: it must be "whsec_"'),
        ("jsm", {"JSM": ""}, "JSM is not set in the environment; pagers.primary needs it"),
    ],
)  # fmt: skip
async def test_a_secret_that_is_none_is_named(
    tmp_path: Path, kind: str, broken: dict[str, str], said: str
) -> None:
    """By its variable; its value is not shown."""
    settings = load_settings(a_file(tmp_path, KINDS[kind]), {**ENV, **broken})
    with pytest.raises(BadSetting, match=said):
        async with open_pagers(settings):
            pass


def test_a_list_of_pagers_names_each_one_once(tmp_path: Path) -> None:
    """Also: backups without a first one, and a name that leads nowhere."""
    for edit, said in (
        ('pager = "primary"\nbackup_pagers = ["primary"]', "routes.finance.backup_pagers: name the first one as pager"),
        ('backup_pagers = ["primary"]', "routes.finance.backup_pagers: name the first one as pager"),
        ('pager = "primary"\nbackup_pagers = ["secnd"]', r"routes.finance.backup_pagers: there is no \[pagers.secnd\]"),
    ):  # fmt: skip
        with pytest.raises(BadSetting, match=said):
            load_settings(write_settings(tmp_path, ('pager = "primary"', edit)), ENV)
