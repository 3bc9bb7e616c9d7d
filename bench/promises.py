"""Plays the scenes that show what sayso promises, and writes docs/promises.md with what became of each.

`PYTHONPATH=tests/support python bench/promises.py [9 20 ...]`; without numbers all of them, a quarter of an hour. What is not
played keeps its result. Exits 1 when one failed or was skipped.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

from named_scenes import ROOT, Scene, scenes
from promises_page import NAMED, PAGE, Result, renewed


def play(wanted: list[Scene]) -> dict[Scene, Result]:
    """Let pytest play them, two at a time, and read its report."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        ids = [f"{scene.file}::{scene.name}" for scene in wanted]
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", f"--junitxml={report}", *ids]
        subprocess.run(command, cwd=ROOT, check=False)
        return read(report)


def read(report: Path) -> dict[Scene, Result]:
    """Each scene's cases together: passed only when each of them did."""
    ends, figures = defaultdict[Scene, list[str]](list), defaultdict[Scene, list[str]](list)
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 our own report
        scene = Scene(
            case.attrib["classname"].replace(".", "/") + ".py", case.attrib["name"].partition("[")[0]
        )
        ends[scene].append(
            next((one.tag for one in case if one.tag in ("failure", "error", "skipped")), "passed")
        )
        figures[scene] += [
            one.attrib["value"] for one in case.iter("property") if one.get("name") == "figures"
        ]
    return {
        scene: Result(words=_words(found), figures=tuple(figures[scene])) for scene, found in ends.items()
    }


def _words(ends: list[str]) -> str:
    bad = [end for end in ends if end != "passed"]
    if bad:
        return f"{bad[0]}, {len(bad)} of {len(ends)}"
    return "passed" if len(ends) == 1 else f"passed, {len(ends)} cases"


def main() -> int:
    """Play, write, and say how many."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("promises", nargs="*", help="their numbers; all of them where none is given")
    numbers = parser.parse_args().promises or list(scenes(NAMED))
    played = play(sorted({scene for number in numbers for scene in scenes(NAMED)[number]}))
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), played), encoding="utf-8")
    bad = [scene for scene, result in played.items() if not result.words.startswith("passed")]
    print(f"{len(played)} scenes, {len(bad)} of them not passed: {[scene.name for scene in bad]}")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
