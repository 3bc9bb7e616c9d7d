"""The API's keys: named in the settings, held by the environment, and refused at start where they are not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from api_scene import API, CRM_KEY, ENV, OTHER_KEY, api_settings
from sayso.approvals.errors import BadSetting, SaysoError
from sayso.bot.api.keys import load_keys
from sayso.bot.cli.check_api import api_keys
from sayso.bot.settings import load_settings
from settings_files import write_settings


def test_whose_a_key_is(tmp_path: Path) -> None:
    """And what is kept of it shows it nowhere."""
    keys = load_keys(api_settings(tmp_path))
    crm, other = keys.whose(f"Bearer {CRM_KEY}"), keys.whose(f"bearer  {OTHER_KEY} ")
    assert crm is not None
    assert other is not None
    assert (crm.name, crm.owner, crm.acts_for("alex"), crm.acts_for("bo")) == ("crm", "sue", True, False)
    assert (other.name, other.acts_for("bo")) == ("other", True)
    assert keys.whose(f"Bearer {CRM_KEY}\udcff") is None
    assert CRM_KEY not in repr(vars(keys))
    assert "whsec" not in repr(vars(keys))


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"CRM_API_KEY": ""}, "CRM_API_KEY is not set in the environment; api.keys.crm says that it holds the key."),
        ({"CRM_API_KEY": "short"}, "CRM_API_KEY must be at least 32 plain characters without a space"),
        ({"CRM_API_KEY": "k" * 40 + " k"}, "CRM_API_KEY must be at least 32 plain characters without a space"),
        ({"OTHER_API_KEY": CRM_KEY}, "api.keys.other.secret: OTHER_API_KEY holds the key of crm, too"),
        ({"CRM_CALLBACK_SECRET": "whsec_x"}, 'CRM_CALLBACK_SECRET: it must be "whsec_" and 24 to 64 bytes in base64'),
        ({"CRM_CALLBACK_SECRET": ""}, "CRM_CALLBACK_SECRET is not set in the environment"),
    ],
)  # fmt: skip
def test_an_unfit_key_is_refused_by_its_variable(tmp_path: Path, env: dict[str, str], words: str) -> None:
    """And never quoted."""
    file = write_settings(tmp_path, ("[server]", API.format(hosts="")))
    with pytest.raises(BadSetting) as refused:
        load_keys(load_settings(file, {**ENV, **env}))
    assert str(refused.value).startswith(words)
    assert CRM_KEY not in str(refused.value)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (('owner = "sue"', 'owner = "su"'), "api.keys.crm.owner: there is no [people.su]; did you mean sue?"),
        (('["alex"]', '["alx"]'), "api.keys.crm.may_act_for: there is no [people.alx]; did you mean alex?"),
        (('owner = "sue"\n', ""), "api.keys.crm.owner: it is missing"),
        (("[api.keys.crm]", "[api.keys.crm]\nscope = 1"), "api.keys.crm.scope: there is no such setting"),
        (
            ('"CRM_API_KEY"', f'"{CRM_KEY}"'),
            "api.keys.crm.secret: names the environment variable that holds the key",
        ),
        (('"localhost:8443"', '"https://x.example"'), "api.callback_hosts: a host is its name in lower case"),
    ],
)
def test_what_leads_nowhere_is_refused(tmp_path: Path, edit: tuple[str, str], words: str) -> None:
    """By its setting, in words to act on."""
    file = write_settings(tmp_path, ("[server]", API.format(hosts="").replace(*edit, 1)))
    with pytest.raises(BadSetting) as refused:
        load_settings(file, ENV)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("env", "first"),
    [
        ({}, "CRM_API_KEY is set: acts for alex, sue answers for it, signed callbacks"),
        ({"OTHER_API_KEY": CRM_KEY}, "CRM_API_KEY holds the key of other, too; give each service its own"),
        ({"CRM_API_KEY": "short"}, "CRM_API_KEY must be at least 32 plain characters without a space"),
    ],
)
async def test_check_has_a_line_for_each_key(tmp_path: Path, env: dict[str, str], first: str) -> None:
    """What it may do, or what is wrong with it; the key itself is not said."""
    file = write_settings(tmp_path, ("[server]", API.format(hosts="")))
    settings = load_settings(file, {**ENV, **env})
    assert settings.api
    said = []
    for _, look in api_keys(settings, settings.api):
        try:
            said.append(await look())
        except SaysoError as error:
            said.append(str(error))
    assert len(said) == 2
    assert said[0].startswith(first)
    assert CRM_KEY not in "".join(said)
