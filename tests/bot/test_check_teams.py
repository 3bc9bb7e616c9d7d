"""`sayso check` for Teams: sign-in, keys, permissions, channels, accounts and groups, and each wrong one named once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from sayso.bot.cli.check import check
from sayso.bot.cli.findings import Checks
from sayso.bot.cli.terminal import console
from sayso.bot.teams.checks import missing_permissions
from sayso.sandbox.certificates import client_certificate
from sayso.sandbox.faults import Dropped, Fail, RateLimited
from sayso.sandbox.workplace import ThreadedWorkplace, Workplace
from settings_files import LITTLE_GRAPH

NOBODY = "00000000-0000-4000-8000-000000000000"
NOWHERE = f"19:{'0' * 32}@thread.tacv2"
ELSEWHERE = "https://127.0.0.1:1"
Out = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def workplace() -> Iterator[ThreadedWorkplace]:
    """One workplace for all checks: they change nothing there."""
    with Workplace.in_thread() as running:
        yield running


@pytest.fixture(autouse=True)
def _environment(
    workplace: ThreadedWorkplace, redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The secrets are set, and the terminal is a wide pipe."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("TEAMS_CLIENT_SECRET", workplace.tokens.client_secret)


_SETTINGS = """
default_route = "finance"

[graphs]
ops = "little_graph.py:graph"

[people]
bo = {{ name = "Bo Berg", teams = "{bo}" }}
cy = {{ name = "Cy Chen", teams = "{cy}" }}
{people}

[sets]
finance = {{ entra_group = "{group}" }}
{sets}

[routes.finance]
places = ["teams:{channel}"{places}]
approvers = ["finance"]
on_call = "finance"

[tools.issue_refund]
category = "financial_transaction"
irreversibility = "high"
blast_radius = "low"
compliance = "medium"

[teams]
app_id = "{teams.app_id}"
tenant = "{teams.tenant_id}"
authority = "{tokens.authority}"
service_url = "{teams.service_url}"
issuer = "{teams.issuer}"
metadata_url = "{teams.open_id_metadata_url}"
graph = "{teams.graph_url}"
ca_file = "{tokens.ca_file}"
"""


def a_settings_file(
    folder: Path, workplace: ThreadedWorkplace, *edits: tuple[str, str], places: str = "", people: str = "",
    sets: str = "",
) -> Path:  # fmt: skip
    """The right settings over this workplace, with more places, people and sets, and made wrong in places."""
    teams = workplace.teams
    text = _SETTINGS.format(
        teams=teams, tokens=workplace.tokens, places=places, people=people, sets=sets,
        bo=teams.person("bo").aad, cy=teams.person("cy").aad.upper(), group=teams.group_id("finance-approvers"),
        channel=teams.channel_id("finance-approvals"),
    )  # fmt: skip
    for old, new in edits:
        assert old in text, f"the settings hold no {old!r}"
        text = text.replace(old, new, 1)
    (folder / "little_graph.py").write_text(LITTLE_GRAPH)
    file = folder / "sayso.toml"
    file.write_text(text)
    return file


def wrong_lines(file: Path, capsys: Out, *, offline: bool = False) -> list[str]:
    """What is wrong, a line each; the exit code fits."""
    status = check(file, offline=offline)
    wrong = [line for line in capsys.readouterr().out.splitlines() if line.startswith("WRONG")]
    assert status == (1 if wrong else 0)
    return wrong


@pytest.mark.parametrize("sdk", ["botbuilder", "agents"])
def test_all_is_well(workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out, sdk: str) -> None:
    """A line for each thing, with either SDK, and neither secret nor token among them."""
    file = a_settings_file(tmp_path, workplace, ("[teams]", f'[teams]\nsdk = "{sdk}"'))
    assert check(file, offline=False) == 0
    out = capsys.readouterr().out
    for part in (
        "TEAMS_CLIENT_SECRET", f"Entra lets app {workplace.teams.app_id} in", "teams keys",
        f"1 of {workplace.teams.issuer}", "accounts and groups may be read", "routes.finance: teams:19:",
        "4 people read it", "people.bo", "Bo Berg", "Cy Chen", "2 of its 2 members are listed under [people]",
    ):  # fmt: skip
        assert part in out
    assert "checks are ok." in out
    for secret in (workplace.tokens.client_secret, *(one.token for one in workplace.tokens.issued)):
        assert secret not in out
    workplace.violations.assert_clean()


def test_each_wrong_channel_is_named_once(workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out) -> None:
    """Unknown, without the bot, with people of another tenant: all looked at although the first is wrong."""
    random, partners = (workplace.teams.channel_id(name) for name in ("random", "partners"))
    places = "".join(f', "teams:{id}"' for id in (NOWHERE, random, partners))
    wrong = wrong_lines(a_settings_file(tmp_path, workplace, places=places), capsys)
    assert all("routes.finance" in line for line in wrong)
    for id, words in {
        NOWHERE: "there is no such channel, or sayso cannot see it",
        random: "sayso is not a member there: the app has to be installed",
        partners: "1 of its 3 members are people of another tenant: no cards are posted there",
    }.items():
        assert [words in line for line in wrong if id in line] == [True]
    assert len(wrong) == 3


def test_each_wrong_account_and_group_is_named_once(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out
) -> None:
    """Who can never decide should not be waited for."""
    teams = workplace.teams
    gil, dee, zoe = (teams.person(name).aad for name in ("gil", "dee", "zoe"))
    people = "".join(
        f'{name} = {{ name = "{name}", teams = "{id}" }}\n'
        for name, id in {"gil": gil, "dee": dee, "zoe": zoe, "nobody": NOBODY}.items()
    )
    on_call, empty = teams.group_id("sre-oncall"), teams.group_id("nobody")
    sets = "".join(
        f'{name} = {{ entra_group = "{id}" }}\n'
        for name, id in {"a": on_call, "b": empty, "c": NOBODY}.items()
    )
    wrong = wrong_lines(a_settings_file(tmp_path, workplace, people=people, sets=sets), capsys)
    for id, words in {
        f"people.gil: {gil}": "Guests cannot decide.", f"people.dee: {dee}": "This account is deactivated.",
        f"people.zoe: {zoe}": "there is no such account in tenant", f"people.nobody: {NOBODY}": "no such account",
        f"sets.a: {on_call}": "nobody in this user group is listed under [people]",
        f"sets.b: {empty}": "nobody in this group may decide", f"sets.c: {NOBODY}": "there is no such group in tenant",
    }.items():  # fmt: skip
        assert [words in line for line in wrong if id in line] == [True]
    assert len(wrong) == 7


@pytest.mark.parametrize(
    ("edit", "secret"),
    [
        (None, "not-the-secret"),
        ("app_id", None),
    ],
)
def test_entra_that_does_not_let_us_in_is_one_line(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out,
    monkeypatch: pytest.MonkeyPatch, *, edit: str | None, secret: str | None,
) -> None:  # fmt: skip
    """It names the three settings that have to belong together; channels and accounts are not wrong because of it."""
    if secret:
        monkeypatch.setenv("TEAMS_CLIENT_SECRET", secret)
    edits = [(f'{edit} = "{workplace.teams.app_id}"', f'{edit} = "{NOBODY}"')] if edit else []
    file = a_settings_file(tmp_path, workplace, *edits)
    assert check(file, offline=False) == 1
    out = capsys.readouterr().out
    (line,) = (line for line in out.splitlines() if line.startswith("WRONG"))
    assert "teams.app_id, teams.tenant and TEAMS_CLIENT_SECRET do not belong together" in line
    assert "invalid_client" in line
    assert "channels, accounts and groups were not looked at: Entra has to let us in first" in out
    assert "people.bo" not in out


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (
            "authority",
            f"{ELSEWHERE}/tenant",
            "teams.tenant or teams.authority: 127.0.0.1 did not answer properly",
        ),
        (
            "service_url",
            f"{ELSEWHERE}/",
            f"teams.service_url: the Bot Connector cannot be reached at {ELSEWHERE}/",
        ),
        ("metadata_url", f"{ELSEWHERE}/keys", f"teams.metadata_url: no keys at {ELSEWHERE}/keys"),
        (
            "issuer",
            "https://api.botframework.us",
            "teams.issuer is https://api.botframework.us, but the keys at ",
        ),
    ],
)
def test_everything_that_cannot_be_reached_names_its_setting(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out, *, key: str, value: str, words: str
) -> None:  # fmt: skip
    """An address of another cloud, or a misspelt one."""
    lines = a_settings_file(tmp_path, workplace).read_text().splitlines()
    (right,) = (line for line in lines if line.startswith(f"{key} = "))
    (line,) = wrong_lines(a_settings_file(tmp_path, workplace, (right, f'{key} = "{value}"')), capsys)
    assert words in line


def test_a_graph_that_cannot_be_reached_is_told_for_each_thing(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out
) -> None:
    """The permissions are read from the token, so they are fine."""
    edit = (f'graph = "{workplace.teams.graph_url}"', 'graph = "http://127.0.0.1:1/v1.0"')
    wrong = wrong_lines(a_settings_file(tmp_path, workplace, edit), capsys)
    assert [line.partition("teams.graph: ")[2] for line in wrong] == [
        "it cannot be reached (ConnectError)."
    ] * 3


def test_a_graph_without_tls_is_refused(workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out) -> None:
    """The token would be readable on the way."""
    edit = (f'graph = "{workplace.teams.graph_url}"', 'graph = "http://graph.example/v1.0"')
    (line,) = wrong_lines(a_settings_file(tmp_path, workplace, edit), capsys)
    assert "Microsoft Graph's address must begin with https://" in line


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        (set[str](), "User.Read.All and GroupMember.Read.All"),
        ({"User.Read.All"}, "GroupMember.Read.All"),
        ({"GroupMember.Read.All"}, "User.Read.All"),
    ],
)
def test_a_missing_permission_says_what_to_do(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out, *, granted: set[str], missing: str
) -> None:  # fmt: skip
    """One line instead of one for every person, and nobody was asked about."""
    permissions = workplace.teams.graph.permissions
    before, calls = set(permissions), len(workplace.teams.graph.calls)
    permissions.intersection_update(granted)
    try:
        (line,) = wrong_lines(a_settings_file(tmp_path, workplace), capsys)
    finally:
        permissions.update(before)
    assert f"the app registration lacks {missing}: add it in Entra under API permissions" in line
    assert len(workplace.teams.graph.calls) == calls


def a_token(**claims: object) -> str:
    """What Entra might hand out."""
    return jwt.encode(dict(claims), "a key that nobody checks, long enough", algorithm="HS256")


@pytest.mark.parametrize(
    ("token", "groups", "missing"),
    [
        (a_token(roles=["User.Read.All"]), False, []),
        (a_token(roles=["Directory.Read.All"]), True, []),
        (a_token(roles=["User.ReadWrite.All", "Group.Read.All"]), True, []),
        (a_token(), False, ["User.Read.All"]),
        (a_token(roles=[]), True, ["User.Read.All", "GroupMember.Read.All"]),
        (a_token(scp="User.Read"), False, ["User.Read.All"]),
        ("not a token that one can read", True, []),
        (a_token(roles=7), True, []),
    ],
)
def test_permissions_are_read_from_the_token(token: str, missing: list[str], *, groups: bool) -> None:
    """More is enough too; of a token that cannot be read nothing is concluded."""
    assert missing_permissions(token, groups=groups) == missing


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (RateLimited(0), "Teams asks us to come back later"),
        (Dropped(), "the Bot Connector cannot be reached at"),
        (Fail("BotDisabledByAdmin"), "an administrator has disabled the app"),
    ],
)
def test_a_channel_that_cannot_be_read_says_why(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out, *, fault: object, words: str
) -> None:  # fmt: skip
    """The accounts are looked at all the same."""
    workplace.teams.faults.add(fault, on="pagedmembers")  # type: ignore[arg-type]  # one of the kinds above
    (line,) = wrong_lines(a_settings_file(tmp_path, workplace), capsys)
    assert words in line


# ---- what the bot signs in with


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "TEAMS_CLIENT_SECRET is not set in the environment"),
        ("3d1c1f0a-4b5c-4d6e-8f70-112233445566", "TEAMS_CLIENT_SECRET is the secret's id; its value is what Entra shows"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("offline", [True, False])
def test_a_wrong_secret_is_one_line(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out,
    monkeypatch: pytest.MonkeyPatch, *, value: str | None, words: str, offline: bool,
) -> None:  # fmt: skip
    """And never what it holds."""
    monkeypatch.delenv("TEAMS_CLIENT_SECRET")
    if value:
        monkeypatch.setenv("TEAMS_CLIENT_SECRET", value)
    (line,) = wrong_lines(a_settings_file(tmp_path, workplace), capsys, offline=offline)
    assert words in line
    assert value is None or value not in line


def with_certificate(folder: Path, workplace: ThreadedWorkplace, pem: bytes) -> Path:
    """Settings that sign in with this certificate, beside them; no secret is needed."""
    (folder / "bot.pem").write_bytes(pem)
    return a_settings_file(folder, workplace, ("[teams]", '[teams]\ncertificate = "bot.pem"'))


def test_a_certificate_signs_in_instead_of_a_secret(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Its line says how long it lasts."""
    monkeypatch.delenv("TEAMS_CLIENT_SECRET")
    pem = Path(workplace.tokens.new_certificate(days=90)).read_bytes()
    assert check(with_certificate(tmp_path, workplace, pem), offline=False) == 0
    out = capsys.readouterr().out
    day = datetime.now(UTC) + timedelta(days=90)
    assert f"bot.pem ends in 89 days, on {day:%Y-%m-%d}" in out
    assert "Entra lets app" in out


def test_a_certificate_that_ends_soon_is_warned_of(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out
) -> None:
    """And works until then."""
    pem = Path(workplace.tokens.new_certificate(days=20)).read_bytes()
    assert check(with_certificate(tmp_path, workplace, pem), offline=False) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("WARN"))
    assert "bot.pem ends in 19 days" in line
    assert "register the next one in Entra in time." in line


def test_a_certificate_that_cannot_serve_is_one_line(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out
) -> None:
    """Expired, and none at all; Entra is not even asked."""
    asked = len(workplace.tokens.issued)
    (line,) = wrong_lines(with_certificate(tmp_path, workplace, client_certificate(days=-1)), capsys)
    assert "teams.certificate" in line
    assert "expired on" in line
    (line,) = wrong_lines(with_certificate(tmp_path, workplace, b"nothing"), capsys)
    assert "holds no private key in PEM form" in line
    assert len(workplace.tokens.issued) == asked


def test_a_certificate_that_entra_does_not_know_names_itself(
    workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out
) -> None:
    """It was made, but not uploaded."""
    (line,) = wrong_lines(with_certificate(tmp_path, workplace, client_certificate(days=90)), capsys)
    assert "teams.app_id, teams.tenant and teams.certificate do not belong together" in line
    assert "AADSTS700027" in line


def test_a_missing_ca_file_is_named(workplace: ThreadedWorkplace, tmp_path: Path, capsys: Out) -> None:
    """Once, and nothing is asked with it."""
    edit = (f'ca_file = "{workplace.tokens.ca_file}"', 'ca_file = "no-such.pem"')
    (line,) = wrong_lines(a_settings_file(tmp_path, workplace, edit), capsys)
    assert "teams.ca_file" in line
    assert "no-such.pem" in line


async def test_names_from_outside_do_not_steer_the_terminal(capsys: Out) -> None:
    """Whoever may change their own name could otherwise turn a wrong line into a right one."""

    async def look() -> str:
        return "Bo\x1b[2K\x1b[1A\u202eBerg"

    await Checks(console()).each(("people.bo", look))
    out = capsys.readouterr().out
    assert "Bo\N{REPLACEMENT CHARACTER}[2K" in out
    assert "\x1b" not in out
    assert "\u202e" not in out
