"""`sayso manifest slack`: the app as Slack's "create from a manifest" takes it, with what is used and nothing else."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from sayso.approvals.errors import BadSetting
from sayso.bot.cli.commands import app
from sayso.bot.slack.manifest import EVENTS, GROUP_SCOPE, SCOPES, as_json, as_yaml, manifest
from settings_files import sayso, write_settings
from typer.testing import CliRunner

SOCKET = ("[slack]", "[slack]\nsocket_mode = true")
GROUPS = ('["bo", "cy"]', '{ slack_group = "S0FINANCE" }')
URL = "https://sayso.example.com"


def _texts(longest: int, most: int) -> dict[str, Any]:
    return {
        "type": "array",
        "maxItems": most,
        "uniqueItems": True,
        "items": {"type": "string", "maxLength": longest},
    }


def _only(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "properties": properties, "required": list(required), "additionalProperties": False,
    }  # fmt: skip


_FLAG = {"type": "boolean"}
_ADDRESS = {"type": "string", "pattern": "^https://", "maxLength": 3500}
#: The parts that we use, as docs.slack.dev/reference/app-manifest describes them.
DOCUMENTED = _only(
    ("display_information",),
    display_information=_only(
        ("name",),
        name={"type": "string", "minLength": 1, "maxLength": 35},
        description={"type": "string", "minLength": 1, "maxLength": 140},
        long_description={"type": "string", "minLength": 175, "maxLength": 4000},
        background_color={"type": "string", "pattern": "^#[0-9a-fA-F]{3}([0-9a-fA-F]{3})?$"},
    ),
    features=_only(
        app_home=_only(home_tab_enabled=_FLAG, messages_tab_enabled=_FLAG, messages_tab_read_only_enabled=_FLAG),
        bot_user=_only(
            ("display_name",),
            display_name={"type": "string", "pattern": "^[a-z0-9._-]{1,80}$"},
            always_online=_FLAG,
        ),
    ),
    oauth_config=_only(scopes=_only(bot=_texts(50, 255))),
    settings=_only(
        event_subscriptions=_only(request_url=_ADDRESS, bot_events=_texts(50, 100)),
        interactivity=_only(("is_enabled",), is_enabled=_FLAG, request_url=_ADDRESS),
        org_deploy_enabled=_FLAG, socket_mode_enabled=_FLAG, token_rotation_enabled=_FLAG,
    ),
)  # fmt: skip

#: Which permission each event and each call needs in each kind of place, as their pages on docs.slack.dev say.
NEEDED_BY = {
    "app_mention": ("app_mentions:read",),
    "member_joined_channel": ("channels:read", "groups:read"),
    "message.channels": ("channels:history",),
    "message.groups": ("groups:history",),
    "message.im": ("im:history",),
    "chat.postMessage": ("chat:write",),
    "conversations.open": ("im:write",),
    "users.info": ("users:read",),
}


def wrong_in(told: Any) -> list[str]:
    """What Slack's page has against a manifest."""
    found = jsonschema.Draft202012Validator(DOCUMENTED).iter_errors(told)
    settings = told["settings"]
    for part in ("event_subscriptions", "interactivity"):
        if not settings["socket_mode_enabled"] and "request_url" not in settings[part]:
            return [f"{part} requires a request URL or Socket Mode"]
    return [f"{error.json_path}: {error.message}" for error in found]


def printed(folder: Path, *arguments: str) -> Any:
    """What the command prints, read as YAML."""
    ran = CliRunner().invoke(app, ["manifest", "slack", "-s", str(folder / "sayso.toml"), *arguments])
    assert (ran.exception, ran.stderr) == (None, "")
    return importlib.import_module("yaml").safe_load(ran.stdout)


@pytest.mark.parametrize("url", ["", URL])
@pytest.mark.parametrize("groups", [True, False])
def test_the_manifest_is_as_slack_describes_it(*, url: str, groups: bool) -> None:
    """With either way to reach the bot, and with the longest name."""
    assert wrong_in(manifest(name="sayso", groups=groups, url=url)) == []
    assert wrong_in(manifest(name="N" * 35, groups=groups, url=url)) == []


def test_what_slack_would_refuse_is_seen() -> None:
    """So that a valid manifest says something."""
    told: Any = json.loads(as_json(manifest(name="sayso", groups=False)))
    told["settings"]["socket_mode_enabled"] = False
    assert wrong_in(told) == ["event_subscriptions requires a request URL or Socket Mode"]
    told["settings"]["socket_mode_enabled"] = True
    told["features"]["surprise"] = 1
    assert len(wrong_in(told)) == 1


def test_each_permission_is_for_something_and_nothing_lacks_one() -> None:
    """Every event that is subscribed to, and the calls that post, look and write to people."""
    for name, scopes in NEEDED_BY.items():
        assert set(scopes) <= set(SCOPES), name
    assert {scope for scopes in NEEDED_BY.values() for scope in scopes} == set(SCOPES)
    assert set(EVENTS) <= set(NEEDED_BY)
    assert all(SCOPES.values())
    assert all(EVENTS.values())


def test_user_groups_are_read_only_where_they_are_used(tmp_path: Path) -> None:
    """Socket Mode as the settings say, and no address."""
    write_settings(tmp_path, SOCKET)
    told = printed(tmp_path)
    assert GROUP_SCOPE not in told["oauth_config"]["scopes"]["bot"]
    assert told["settings"]["socket_mode_enabled"] is True
    assert "request_url" not in str(told)
    write_settings(tmp_path, SOCKET, GROUPS)
    assert GROUP_SCOPE in printed(tmp_path)["oauth_config"]["scopes"]["bot"]


@pytest.mark.parametrize("url", [URL, f"{URL}/", f"{URL}/slack/events"])
def test_with_an_address_slack_calls_the_bot(tmp_path: Path, url: str) -> None:
    """Events and presses both, at the bot's own path, whoever ends TLS."""
    write_settings(tmp_path)
    settings = printed(tmp_path, "--url", url)["settings"]
    assert settings["socket_mode_enabled"] is False
    assert settings["event_subscriptions"]["request_url"] == f"{URL}/slack/events"
    assert settings["interactivity"]["request_url"] == f"{URL}/slack/events"


def test_yaml_and_json_say_the_same() -> None:
    """Whatever stands in the name: every text is quoted."""
    told = manifest(name='yes: "no" # 1', groups=True)
    assert importlib.import_module("yaml").safe_load(as_yaml(told)) == json.loads(as_json(told)) == told


def test_it_is_written_to_a_file_and_never_over_another(tmp_path: Path) -> None:
    """The same again is no other."""
    write_settings(tmp_path, SOCKET)
    for _ in range(2):
        ran = sayso("manifest", "slack", "--format", "json", "--out", "app.json", folder=tmp_path)
        assert (ran.returncode, ran.stdout) == (0, "app.json: “sayso”.\n")
    assert wrong_in(json.loads((tmp_path / "app.json").read_text())) == []
    (tmp_path / "app.json").write_text("mine")
    refused = sayso("manifest", "slack", "--out", "app.json", folder=tmp_path)
    assert refused.returncode == 1
    assert (tmp_path / "app.json").read_text() == "mine"


@pytest.mark.parametrize(
    ("edits", "arguments", "words"),
    [
        ((SOCKET,), ["--url", URL], "--url: with slack.socket_mode = true the bot calls Slack"),
        ((), [], "Say with --url where Slack reaches the bot, or set slack.socket_mode = true"),
        ((), ["--url", "http://sayso.example.com"], "--url must be an address like https://"),
        ((), ["--url", "https://sayso.example.com/?x=1"], "--url must be an address like https://"),
        ((), ["--url", "https://me@sayso.example.com"], "--url must be an address like https://"),
        ((SOCKET,), ["--name", "x" * 36], "--name has 36 characters; Slack takes at most 35"),
        ((SOCKET,), ["--name", "Say\u202eso"], "--name must be printable words"),
        ((SOCKET,), ["--name", "言わせて"], "--name needs a letter from a to z or a digit"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edits: tuple[tuple[str, str], ...], arguments: list[str], words: str
) -> None:  # fmt: skip
    """It names the option or the setting, and prints no manifest."""
    monkeypatch.chdir(tmp_path)
    write_settings(tmp_path, *edits)
    ran = CliRunner().invoke(app, ["manifest", "slack", *arguments])
    assert isinstance(ran.exception, BadSetting)
    assert words in str(ran.exception)
    assert ran.output == ""


def test_what_is_mentioned_has_the_letters_that_slack_allows() -> None:
    """The app may be called as people like."""
    told = manifest(name="Müller's Approvals", groups=False)
    assert told["display_information"]["name"] == "Müller's Approvals"
    assert told["features"]["bot_user"]["display_name"] == "m-ller-s-approvals"
