"""A PostgreSQL of our own for as long as a block lasts: listens on a socket in a folder of its own, and nowhere else."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool


class NoPostgres(Exception):
    """PostgreSQL is not installed (apt install postgresql)."""


class PostgresServer:
    """One server; it can be stopped as a crash would stop it, and started again on the same files.

    Attributes:
        url: Where it listens; stays the same over a restart.
    """

    def __init__(self, place: Path) -> None:
        self.url = f"postgresql://agents@/postgres?host={place}"
        self._place = place
        self._command = [*_as_its_user(), str(_program()), "-D", f"{place}/db", "-s"]

    def make(self) -> None:
        """Lay out its files; only once."""
        self._run("-o", "-A trust -U agents -E UTF8", "initdb")

    def start(self) -> None:
        """Returns when it takes connections; `fsync` and `synchronous_commit` are on, as they are by default."""
        self._run("-w", "-l", f"{self._place}/log", "-o", f"-k {self._place} -h ''", "start")

    def stop(self) -> None:
        """At once, as if it had crashed."""
        self._run("-m", "immediate", "stop")

    @contextmanager
    def bound(self) -> Iterator[None]:
        """It ends with this process, however that ends: a shell whose standard input closes then stops it and clears up."""
        command = shlex.join([*self._command, "-m", "immediate", "stop"])
        script = f"cat; cd / && {command}; rm -rf {shlex.quote(str(self._place))}"
        with subprocess.Popen(
            ["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as watching:  # fmt: skip
            try:
                yield
            finally:
                watching.kill()

    def _run(self, *arguments: str) -> None:
        command = [*self._command, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self._place, timeout=120)


@contextmanager
def a_postgres() -> Iterator[PostgresServer]:
    """A running server. Raises: NoPostgres."""
    _program()
    with tempfile.TemporaryDirectory(prefix="sayso-pg-") as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        server = PostgresServer(Path(folder))
        server.make()
        with server.bound():
            server.start()
            try:
                yield server
            finally:
                server.stop()


@asynccontextmanager
async def in_postgres(url: str) -> AsyncIterator[AsyncPostgresSaver]:
    """LangGraph's saver as its documents have it, on a pool that notices a dead connection; its tables are made."""
    options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    check = AsyncConnectionPool.check_connection
    async with AsyncConnectionPool(
        url, open=False, check=check, max_size=20, timeout=2, kwargs=options
    ) as pool:
        saver = AsyncPostgresSaver(pool)  # type: ignore[arg-type] # a row is a dict by its options
        await saver.setup()
        yield saver


def _program() -> Path:
    found = [shutil.which("pg_ctl"), *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")))]
    program = next(filter(None, found), None)
    if program is None:
        raise NoPostgres(NoPostgres.__doc__)
    return Path(program).resolve()


def _as_its_user() -> Sequence[str]:
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
