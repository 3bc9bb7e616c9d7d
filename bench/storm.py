"""Storms, one after the other: `tests/chaos/test_storm.py` as often as asked, each with its seed, and what they cost.

Exits 1 when one of them doubled, lost or left anything.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from sayso.bench.figures import machine

ROOT = Path(__file__).parents[1]


def one(seed: int) -> tuple[str, str]:
    """One storm: its line of figures, and what pytest said of it where it did not pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-s", "tests/chaos/test_storm.py"]
    env = {**os.environ, "SAYSO_STORM_SEED": str(seed)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    line = re.search(r"^storm .*$", done.stdout, re.MULTILINE)
    return line[
        0
    ] if line else f"storm {seed}: did not come to its end", done.stdout if done.returncode else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="how many storms (10)")
    parser.add_argument("--seed", type=int, help="of the first one; the next ones count on from it")
    given = parser.parse_args()
    first = given.seed if given.seed is not None else int(time.time()) % 10_000
    failed = 0
    for seed in range(first, first + given.runs):
        line, said = one(seed)
        failed += bool(said)
        print(line, said, sep="\n" if said else "", flush=True)
    print(f"{given.runs} storms, {failed} failed; {machine()}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
