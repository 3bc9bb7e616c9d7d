"""How long until it is there: `import sayso` in a fresh interpreter, and `sayso serve` until it lives and until it is ready."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from sayso.bench.figures import line, machine
from sayso.bot.demo.office import Office, opened
from sayso.bot.demo.process import Served

#: What is promised of the medians, seconds.
IMPORT, ALIVE, READY = 0.3, 1.0, 6.0


def imports(times: int) -> list[float]:
    """Seconds that `import sayso` takes, by the interpreter's own clock, each in a new interpreter."""
    measured = "import time; begun = time.perf_counter(); import sayso; print(time.perf_counter() - begun)"
    return [
        float(subprocess.run([sys.executable, "-c", measured], check=True, capture_output=True, text=True).stdout)
        for _ in range(times)
    ]  # fmt: skip


def starts(office: Office, times: int) -> tuple[list[float], list[float]]:
    """Seconds from starting `serve --role all` to /livez and to /readyz, its own embedded store included."""
    office.bot.stop()
    office.worker.stop()
    url = office.workplace.slack.app_url.removesuffix("/slack/events")
    served = Served(
        "all", ("all",), settings=office.settings.file, env={**office.settings.env, "REDIS_URL": ""}, log=office.folder / "all.log",
        ready_url=f"{url}/readyz",
    )  # fmt: skip
    alive, ready = [], []
    for _ in range(times):
        begun = time.perf_counter()
        served.start()
        _answered(f"{url}/livez", begun)
        alive.append(time.perf_counter() - begun)
        _answered(f"{url}/readyz", begun)
        ready.append(time.perf_counter() - begun)
        served.stop()
    return alive, ready


def _answered(url: str, begun: float) -> None:
    """Wait for 200. Raises: TimeoutError."""
    while time.perf_counter() - begun < 60:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 our own loopback URL
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.005)
    raise TimeoutError(f"{url} did not answer 200 within a minute")


def judged(what: str, seconds: Sequence[float], promised: float) -> bool:
    """Print a line; whether the median is as promised."""
    kept = statistics.median(seconds) <= promised
    print(f"{line(what, seconds)}   promised {promised:g} s: {'kept' if kept else 'BROKEN'}")
    return kept


def main() -> int:
    """Measure and print; 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--imports", type=int, default=7)
    parser.add_argument("--starts", type=int, default=5)
    asked = parser.parse_args()
    print(machine())
    kept = [judged("import sayso", imports(asked.imports), IMPORT)]
    with (
        tempfile.TemporaryDirectory(prefix="sayso-bench-") as folder,
        opened(Path(folder) / "demo") as office,
    ):
        alive, ready = starts(office, asked.starts)
    kept += [
        judged("serve --role all -> /livez", alive, ALIVE),
        judged("serve --role all -> /readyz", ready, READY),
    ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
