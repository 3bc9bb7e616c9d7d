"""Installs sayso and its pinned dependencies into the running environment, and shows how far it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOG = Path(sys.prefix) / "install.log"
COMMAND = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
NAME = re.compile(r"-\d|[^\w.-]")  # what ends a package's name in "redis<9,>=6.4" or a file's name
TAIL = 15  # lines of pip's own words shown when it fails


def phase(line: str) -> str | None:
    """What one line of pip's output means to somebody waiting; None when it means nothing new."""
    first, _, rest = line.strip().partition(" ")
    if first in {"Collecting", "Processing"}:
        return f"fetching {NAME.split(rest.split(' (')[0].rsplit('/')[-1], maxsplit=1)[0]}"
    if line.startswith("Building wheels for"):
        return "building sayso"
    if line.startswith("Installing collected packages"):
        return "unpacking, the longest step"
    return None


def show(lines: Iterable[str], total: int) -> None:
    """Keep every line in the log; tell the terminal what happens, or every tenth package a plain file."""
    started, fetched, live = time.monotonic(), 0, sys.stdout.isatty()
    with LOG.open("w", encoding="utf-8") as log:
        for line in lines:
            log.write(line)
            words = phase(line)
            if words is None:
                continue
            fetched += words.startswith("fetching")
            status = f"  {time.monotonic() - started:3.0f} s  {min(fetched, total)}/{total}  {words}"
            if live:
                sys.stdout.write(f"\r\033[K{status[:100]}")
                sys.stdout.flush()
            elif fetched % 10 == 1 or not words.startswith("fetching"):
                print(status, flush=True)
    if live:
        sys.stdout.write("\r\033[K")


def main() -> int:
    """Run pip; its exit status is ours."""
    constraints = ROOT / "constraints.txt"
    total = sum(1 for line in constraints.read_text(encoding="utf-8").splitlines() if "==" in line)
    print(f"Installing {total} pinned packages into .venv (a minute or two the first time) ...", flush=True)
    started = time.monotonic()
    with subprocess.Popen(
        [*COMMAND, "--constraint", str(constraints), "--editable", f"{ROOT}[dev]"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PIP_CONSTRAINT": str(constraints)},  # pins the build tools as well
    ) as pip:
        assert pip.stdout is not None
        show(pip.stdout, total)
    if pip.returncode:
        last = LOG.read_text(encoding="utf-8").splitlines()[-TAIL:]
        print("\n".join(last), f"\npip could not install the packages; all it said is in {LOG}", sep="\n")
    else:
        print(f"Installed in {time.monotonic() - started:.0f} s.", flush=True)
    return pip.returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; the next make command goes on from here.")
