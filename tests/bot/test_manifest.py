"""`sayso manifest teams`: a package that Teams takes, the same bytes every time, and never over another file."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from sayso.approvals.errors import BadSetting
from sayso.bot.cli.commands import app
from sayso.bot.teams import manifest
from sayso.bot.teams.manifest import App, package
from settings_files import sayso, write_settings
from typer.testing import CliRunner

APP_ID = "11111111-2222-4333-8444-555555555555"
TEAMS = ("[slack]", f'[teams]\napp_id = "{APP_ID}"\ntenant = "99999999-2222-4333-8444-555555555555"\n[slack]')
SCHEMA = Path(__file__).parents[1] / "schemas" / f"teams-manifest-{manifest.SCHEMA_VERSION}.schema.json"


def an_app(**changed: str) -> App:
    """An app with boring words."""
    page = "https://example.com/sayso"
    told = App(app_id=APP_ID, name="Sayso", developer="Example", website=page, privacy=page, terms=page,
               version="0.1.0")  # fmt: skip
    return replace(told, **changed)


def unpacked(content: bytes) -> Mapping[str, bytes]:
    """The files in a zip."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def told_by(content: bytes) -> dict[str, Any]:
    """The manifest in a zip."""
    told: dict[str, Any] = json.loads(unpacked(content)["manifest.json"])
    return told


def wrong_in(told: Mapping[str, Any]) -> list[str]:
    """What Microsoft's schema has against a manifest."""
    validator = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(told)]


# ---- what Teams wants of the manifest


def test_the_manifest_is_valid_against_the_published_schema() -> None:
    """Of the version that it names itself."""
    told = told_by(package(an_app()))
    assert wrong_in(told) == []
    published = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert told["manifestVersion"] == published["properties"]["manifestVersion"]["const"]
    assert f"/v{told['manifestVersion']}/" in told["$schema"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("id",), "not a guid"),
        (("name", "short"), "x" * 31),
        (("bots", 0, "scopes"), ["everywhere"]),
        (("icons", "outline"), None),
        (("accentColor",), "teal"),
        (("surprise",), True),
    ],
)
def test_the_schema_refuses_what_is_wrong(path: tuple[str | int, ...], value: object) -> None:
    """So that a valid manifest says something."""
    told: Any = told_by(package(an_app()))
    *before, last = path
    inner = told
    for step in before:
        inner = inner[step]
    inner[last] = value
    assert len(wrong_in(told)) == 1


def test_names_and_descriptions_are_as_teams_wants_them() -> None:
    """Short and long differ, the short one is not repeated inside the long one, and all fit their places."""
    told = told_by(package(an_app(name="N" * 30)))
    name, description = told["name"], told["description"]
    assert name["short"] != name["full"]
    assert len(name["full"]) <= 100
    assert description["short"] != description["full"]
    assert description["short"].rstrip(".") not in description["full"]
    assert len(description["short"]) <= 80
    assert len(description["full"]) <= 4000


def test_the_bot_asks_for_no_more_than_it_uses() -> None:
    """One bot, the registered one; no files, calls, tabs, domains, devices or rights to read whole channels."""
    told = told_by(package(an_app()))
    [bot] = told["bots"]
    assert told["id"] == bot["botId"] == APP_ID
    assert bot["scopes"] == ["team", "personal"]
    assert not any(
        bot[name] for name in ("supportsFiles", "isNotificationOnly", "supportsCalling", "supportsVideo")
    )
    assert told["permissions"] == ["identity", "messageTeamMembers"]
    unwanted = {
        "authorization",
        "webApplicationInfo",
        "validDomains",
        "devicePermissions",
        "composeExtensions",
    }
    assert unwanted & told.keys() == set()


def test_only_commands_that_the_bot_knows_are_offered() -> None:
    """Teams lists them when people mention the bot."""
    told = told_by(package(an_app()))
    [offered] = told["bots"][0]["commandLists"]
    assert [command["title"] for command in offered["commands"]] == ["pending", "help"]
    assert all(len(command["title"]) <= 32 and command["description"] for command in offered["commands"])
    assert set(offered["scopes"]) == set(told["bots"][0]["scopes"])


def test_sayso_has_a_version_that_teams_can_compare() -> None:
    """Three numbers, whatever the package's own version says besides."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest.own_version())
    assert wrong_in(told_by(package(an_app(version=manifest.own_version())))) == []


@pytest.mark.parametrize(
    ("installed", "said"),
    [
        ("0.2.0rc1", "0.2.0"),
        ("1.4", "1.4.0"),
        ("2", "2.0.0"),
        ("1.2.3.post4", "1.2.3"),
        ("0.3.0.dev1+g1", "0.3.0"),
    ],
)
def test_an_early_release_has_one_too(monkeypatch: pytest.MonkeyPatch, installed: str, said: str) -> None:
    """What Python appends is not in Teams' kind of version."""
    monkeypatch.setattr(metadata, "version", lambda _: installed)
    assert manifest.own_version() == said


# ---- what Teams wants of the icons


def pixels(png: bytes) -> tuple[int, int, list[list[tuple[int, ...]]]]:
    """Width, height and rows of an 8-bit PNG that is not interlaced."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found: dict[bytes, bytes] = {}
    for kind, body in chunks(png):
        found[kind] = found.get(kind, b"") + body
    width, height, depth, kind_of_color, *_, interlaced = struct.unpack(">IIBBBBB", found[b"IHDR"])
    assert (depth, interlaced) == (8, 0)
    size = {2: 3, 6: 4}[kind_of_color]
    raw, rows = zlib.decompress(found[b"IDAT"]), []
    for row in range(height):
        filtered, *line = raw[row * (width * size + 1) : (row + 1) * (width * size + 1)]
        assert filtered == 0
        rows.append([tuple(line[at : at + size]) for at in range(0, len(line), size)])
    return width, height, rows


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The parts of a PNG, each with the right sum."""
    at = 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length]) == (zlib.crc32(kind + body),)
        yield kind, body
        at += 12 + length


def test_the_colour_icon_survives_every_crop() -> None:
    """192 by 192, square corners, one background, and the mark within the middle 96 by 96."""
    width, height, rows = pixels(unpacked(package(an_app()))["color.png"])
    background = rows[0][0]
    assert (width, height) == (192, 192)
    assert bytes(background).hex() == manifest.ACCENT.removeprefix("#").lower()
    marked = [(x, y) for y, row in enumerate(rows) for x, pixel in enumerate(row) if pixel != background]
    assert marked
    assert all(48 <= x < 144 and 48 <= y < 144 for x, y in marked)


def test_the_outline_icon_is_white_on_nothing() -> None:
    """32 by 32, no colour but white, seen through around the mark, and no margin."""
    width, height, rows = pixels(unpacked(package(an_app()))["outline.png"])
    assert (width, height) == (32, 32)
    assert {pixel[:3] for row in rows for pixel in row} == {(255, 255, 255)}
    alphas = [[pixel[3] for pixel in row] for row in rows]
    assert alphas[0][0] == alphas[-1][-1] == 0
    assert sum(alpha == 0 for row in alphas for alpha in row) > 32 * 32 / 2
    sides = (alphas[0], alphas[-1], [row[0] for row in alphas], [row[-1] for row in alphas])
    assert all(any(side) for side in sides)


# ---- the package


def test_the_same_words_make_the_same_bytes() -> None:
    """Whenever and wherever; another word makes others."""
    assert package(an_app()) == package(an_app())
    assert package(an_app()) != package(an_app(name="Say so"))


def test_the_zip_is_flat_and_small() -> None:
    """Three files beside each other, as Teams looks for them."""
    content = package(an_app())
    assert list(unpacked(content)) == ["manifest.json", "color.png", "outline.png"]
    assert len(content) < 20_000
    told = told_by(content)
    assert set(told["icons"].values()) <= unpacked(content).keys()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": "x" * 31}, "--name has 31 characters; Teams takes at most 30"),
        ({"name": "🙂" * 16}, "--name has 32 characters"),
        ({"name": " "}, "--name must be printable words"),
        ({"name": "Say\nso"}, "--name must be printable words"),
        ({"name": "Say\u202eso"}, "--name must be printable words"),
        ({"developer": "x" * 33}, "--developer has 33 characters; Teams takes at most 32"),
        ({"website": "http://example.com"}, "--website must be an address that begins with https://"),
        ({"privacy": "https:// example"}, "--privacy must be an address"),
        ({"terms": "javascript:alert(1)"}, "--terms must be an address"),
        ({"version": "1.0"}, "--version must be three numbers like 1.4.0"),
        ({"version": "1.0.0-rc.1"}, "--version must be three numbers"),
        ({"version": "01.0.0"}, "--version must be three numbers"),
    ],
)
def test_what_teams_would_refuse_is_refused_here(changed: Mapping[str, str], words: str) -> None:
    """With the option's name, instead of an upload that fails in front of everybody."""
    with pytest.raises(BadSetting, match=re.escape(words)):
        an_app(**changed)


# ---- the command


def run(*arguments: str) -> str:
    """What `sayso manifest teams` prints."""
    ran = CliRunner().invoke(app, ["manifest", "teams", *arguments])
    if ran.exception and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    assert ran.exit_code == 0, ran.output
    return ran.output


def test_the_command_writes_what_the_settings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret is needed for it, and the answer names the file, the version and the app."""
    monkeypatch.chdir(tmp_path)
    write_settings(tmp_path, TEAMS)
    said = run("--name", "Approvals", "--website", "https://example.com/a", "--version", "3.2.1")
    assert said == f"sayso-teams.zip: “Approvals” 3.2.1, app id {APP_ID}.\n"
    told = told_by((tmp_path / "sayso-teams.zip").read_bytes())
    assert wrong_in(told) == []
    assert (told["id"], told["name"]["short"], told["version"]) == (APP_ID, "Approvals", "3.2.1")
    assert set(told["developer"].values()) == {"sayso", "https://example.com/a"}


def test_without_a_page_of_ones_own_it_works_and_says_so(tmp_path: Path) -> None:
    """The links lead somewhere, and whoever packs it knows where."""
    file, out = write_settings(tmp_path, TEAMS), tmp_path / "app.zip"
    assert "until you give your own page with --website" in run("--out", str(out), "--settings", str(file))
    assert wrong_in(told_by(out.read_bytes())) == []


def test_another_file_is_never_written_over(tmp_path: Path) -> None:
    """The same package again is no harm; anything else stays as it is."""
    file, out = write_settings(tmp_path, TEAMS), tmp_path / "app.zip"
    run("--out", str(out), "--settings", str(file))
    first = out.read_bytes()
    run("--out", str(out), "--settings", str(file))
    with pytest.raises(BadSetting, match=r"app\.zip is there already and is not the same: remove it"):
        run("--out", str(out), "--settings", str(file), "--name", "Another")
    assert out.read_bytes() == first


@pytest.mark.parametrize("out", [".", "no/such/folder/app.zip"])
def test_a_place_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    """A folder, and a folder that is not there."""
    monkeypatch.chdir(tmp_path)
    write_settings(tmp_path, TEAMS)
    with pytest.raises(BadSetting, match=re.escape(out)):
        run("--out", out)


def test_as_a_process_a_refusal_is_one_sentence(tmp_path: Path) -> None:
    """Without [teams] there is nothing to describe."""
    write_settings(tmp_path)
    refused = sayso("manifest", "teams", folder=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "sayso: sayso.toml has no [teams] table, so there is no app to describe\n"


@pytest.mark.parametrize("arguments", [("--help",), ("teams", "--help")])
def test_its_help_teaches(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    """What it is for, what it needs, and where the result goes."""
    monkeypatch.setenv("COLUMNS", "100")
    shown = CliRunner().invoke(app, ["manifest", *arguments])
    assert shown.exit_code == 0
    words = " ".join(shown.output.split())
    assert "teams" in words
    if arguments[0] == "teams":
        for part in ("[teams] in the settings", "Upload new app", "--name", "at most 30 characters"):
            assert part in words
