"""Requests at random, as many as asked: `tests/chaos/test_random_requests.py` with more of them than the tests have time for.

Exits 1 when one of them did not end once, was left, paged twice, or moved after it was settled.
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--requests", type=int, default=1000, help="how many runs, each asking once at least (1000)"
    )
    parser.add_argument("--seed", type=int, help="of the dice")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else int(time.time()) % 10_000
    command = [sys.executable, "-m", "pytest", "-q", "-s", "tests/chaos/test_random_requests.py"]
    env = {**os.environ, "SAYSO_CHANCE_SEED": str(seed), "SAYSO_CHANCE_RUNS": str(given.requests)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    line = re.search(r"^chance .*$", done.stdout, re.MULTILINE)
    print(line[0] if line else f"chance {seed}: did not come to its end")
    print(f"{'failed' if done.returncode else 'passed'}; {machine()}")
    if done.returncode:
        print(done.stdout)
    return bool(done.returncode)


if __name__ == "__main__":
    sys.exit(main())
