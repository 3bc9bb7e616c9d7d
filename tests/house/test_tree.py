"""What no committed text may hold, and that versions and lint exceptions are stated as the house asks."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MADE_BY_MACHINES = {"__pycache__", "build", "dist", "htmlcov"}
KEPT_DOT_FOLDERS = {".ci", ".github"}

#: each pattern is written so that it does not match itself
UNWELCOME = {
    "a path of one machine": re.compile(
        r"(^|[^\w./~-])/(wor[k]|far[m]|roo[t]|home/\w+|Users/\w+)/|/tm[p]/(bash_jobs|studio|lab|probe|team)"
    ),
    "a package registry": re.compile(r"py[p]i[.]org|python[h]osted|registry[.]n[p]m|deb[.]d[e]bian"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KE[Y]-----($|\\n[\w+/]{20})"),
    "a Slack token": re.compile(r"xox[abposr]-\d{9}"),
}


def texts() -> list[Path]:
    """Every text file of the tree that people keep, not what tools leave behind."""
    return [file for file in sorted(ROOT.rglob("*")) if file.is_file() and is_kept(file.relative_to(ROOT))]


def is_kept(path: Path) -> bool:
    """Whether the file belongs to the project; dot folders are tools' own, with few exceptions."""
    folders = set(path.parts[:-1])
    hidden = {name for name in folders if name.startswith(".")} - KEPT_DOT_FOLDERS
    made = folders & MADE_BY_MACHINES or any(name.endswith(".egg-info") for name in folders)
    return not hidden and not made and not path.name.startswith(".coverage")


def complaints(text: str) -> list[str]:
    """The unwelcome things in a text, each with its line."""
    return [
        f"line {number}: {what}"
        for number, line in enumerate(text.splitlines(), start=1)
        for what, pattern in UNWELCOME.items()
        if pattern.search(line)
    ]


def test_nothing_in_the_tree_belongs_to_one_machine() -> None:
    """No absolute path, registry host or secret is committed."""
    found = [
        f"{file.relative_to(ROOT)} {complaint}"
        for file in texts()
        for complaint in complaints(file.read_text(encoding="utf-8", errors="replace"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "open('/ro" + "ot/x')",
        "cd /ho" + "me/dana/sayso",
        "see https://py" + "pi.org/project/x",
        "-----BEGIN RSA PRIVATE KE" + "Y-----\\nMIIEvQIBADANBgkqhkiG9w0B",
        "-----BEGIN PRIVATE KE" + "Y-----",
        "xoxb-12345" + "6789012-x",
    ],
)
def test_what_is_unwelcome_is_named(line: str) -> None:
    """The check can fail, once for each kind of thing."""
    assert complaints(f"fine\n{line}\n")


def test_every_pinned_version_is_exact() -> None:
    """constraints.txt names one version of each package, with at most a marker beside it."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins == sorted(set(pins), key=str.lower), "each once, in alphabetical order"
    exact = re.compile(r'^[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+( ; python_version [<>=!]+ "3\.\d+")?$')
    assert [line for line in pins if not exact.match(line)] == []


def test_every_rule_switched_off_has_its_reason() -> None:
    """Each ignored lint rule stands on its own line with three to eight words beside it."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lint = tomllib.loads(text)["tool"]["ruff"]["lint"]
    rules = {*lint["ignore"], *(rule for rules in lint["per-file-ignores"].values() for rule in rules)}
    assert rules
    reasons = dict(re.findall(r'^.*"([A-Z]+\d*)",?\]? +# (.+)$', text, re.MULTILINE))
    short = {rule for rule in rules if not 3 <= len(reasons.get(rule, "").split()) <= 8}
    assert short == set()


def test_every_command_in_the_readme_exists() -> None:
    """Each `make` target that the README or CONTRIBUTING names is one the Makefile knows."""
    pages = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md")]
    code = [part for page in pages for part in re.findall(r"```.*?```|`[^`\n]+`", page, re.DOTALL)]
    named = {target for part in code for target in re.findall(r"(?:^|[`\n])make ([a-z][a-z-]*)", part)}
    assert {"demo", "test"} <= named
    for target in sorted(named):
        done = subprocess.run(
            ["make", "--dry-run", "--always-make", target],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"make {target}: {done.stderr}"
