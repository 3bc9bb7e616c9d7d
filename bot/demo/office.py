"""The demo's office: who works there, where everything listens, and the settings file all of it runs on."""

from __future__ import annotations

import fcntl
import re
import shutil
import socket
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ...approvals.errors import BadSetting
from ...approvals.sealing import STATE_KEYS
from ...sandbox.workplace import ThreadedWorkplace, Workplace
from ..front import SLACK_PATH, TEAMS_PATH
from ..settings import Settings, load_settings
from ..signing_keys import load_signer
from ..valkey import EmbeddedValkey
from .own_agent import own_line, own_tables, own_words, unasked_tools
from .process import Served

_TABLES = """
[server]
port = {port}

[store]
{store}
demo = true

[worker]
lease = "3s"

[graphs]
ops = "sayso.agent.ops.graph:make"
{own}

[slack]
team = "T0WORKPLACE"
api = "{api}"

[teams]
app_id = "{client_id}"
tenant = "{tenant}"
authority = "{authority}"
service_url = "{teams.service_url}"
issuer = "{teams.issuer}"
metadata_url = "{teams.open_id_metadata_url}"
scope = "{teams.scope}"
graph = "{teams.graph_url}"
ca_file = "{ca_file}"

[people]
alex = {{ name = "Alex Asker", slack = "U0ALEX", teams = "{ids[alex]}" }}
bo = {{ name = "Bo Berg", slack = "U0BO", teams = "{ids[bo]}" }}
cy = {{ name = "Cy Chen", slack = "U0CY", teams = "{ids[cy]}" }}
sue = {{ name = "Sue Supervisor", slack = "U0SUE", teams = "{ids[sue]}" }}
kim = {{ name = "Kim Oncall", slack = "U0KIM", teams = "{ids[kim]}" }}
ned = {{ name = "Ned Neighbour", slack = "U0NED", teams = "{ids[ned]}" }}
gil = {{ name = "Gil Guest", slack = "U0GIL", teams = "{ids[gil]}" }}

[sets]
finance = {{ slack_group = "S0FINANCE" }}
data = ["bo", "cy"]
security = {{ entra_group = "{security}" }}
support = ["bo", "cy"]
ops = {{ slack_group = "S0OPS" }}
second-line = ["ned"]
supervisors = {{ slack_group = "S0SUPERV" }}
on-call = {{ slack_group = "S0ONCALL" }}

[pagers.primary]
routing_key = "PAGER_ROUTING_KEY"
url = "{pager}"

[credentials.entra]
authority = "{authority}"
client_id = "{client_id}"
client_secret = "ENTRA_CLIENT_SECRET"
service = "ops-agent"
ca_file = "{ca_file}"
"""


#: Says how far the back office's clock is ahead.
CLOCK = "back-office-clock"
#: The whole office is on this machine, where no proxy leads.
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Everything that runs, for the tour and for whoever tries things.

    Attributes:
        settings: As bot and worker read them.
        redis_url: The embedded store.
        back_office: The SQLite file whose rows change.
        back_office_clock: By how many seconds its clock runs ahead of this machine's.
        bot, worker: Two processes; either may be killed and started again.
        own: How to ask somebody's own agent, and which of its tools ask nobody; empty without one.
    """

    folder: Path
    settings: Settings
    workplace: ThreadedWorkplace
    redis_url: str
    back_office: Path
    back_office_clock: Path
    bot: Served
    worker: Served
    own: str = ""

    @property
    def logs(self) -> tuple[Path, Path]:
        """What bot and worker wrote."""
        return self.folder / "bot.log", self.folder / "worker.log"


@contextmanager
def opened(folder: Path, own: str = "") -> Iterator[Office]:
    """Open the office in an empty `folder`; everything it started ends with the block.

    Args:
        own: Somebody's own graph, as in `[graphs]`, beside the demo's.

    Raises: BadSetting, when the folder or the graph is not fit for it.
    """
    with ExitStack() as stack:
        stack.enter_context(_emptied(folder))
        workplace = stack.enter_context(Workplace.in_thread())
        server = stack.enter_context(EmbeddedValkey(folder / "store"))
        office = _furnished(folder, workplace, server.url, own)
        stack.callback(office.worker.stop)
        stack.callback(office.bot.stop)
        office.bot.start()
        office.worker.start()
        office.bot.wait_ready()
        office.worker.wait_ready()
        yield office


def _furnished(folder: Path, workplace: ThreadedWorkplace, redis_url: str, own: str) -> Office:
    port, clock = _free_port(), folder / CLOCK
    clock.write_text("0", encoding="ascii")
    workplace.slack.app_url = f"http://127.0.0.1:{port}{SLACK_PATH}"
    workplace.teams.app_url = f"http://127.0.0.1:{port}{TEAMS_PATH}"
    file = folder / "sayso.toml"
    policy = (resources.files("sayso.agent.ops") / "catalog.toml").read_text(encoding="utf-8")
    store = f'url = "{redis_url}"' if redis_url else ""
    place, tools = own_tables(own, tomllib.loads(policy)["tools"]) if own else ("", "")
    bot_env, worker_env = _environments(folder, workplace, redis_url)

    def written(line: str) -> Settings:
        file.write_text(
            policy + _tables(workplace, store=store, port=port, own=line) + tools, encoding="utf-8"
        )
        return load_settings(file, {**bot_env, **worker_env})

    settings = written(own_line(place) if own else "")
    unasked = unasked_tools(settings) if own else ()
    if unasked:
        settings = written(own_line(place, unasked))
    load_signer(settings)  # so that the worker finds the public key whoever starts first
    return Office(
        folder=folder, settings=settings, workplace=workplace, redis_url=redis_url, back_office=folder / "back-office.db",
        back_office_clock=clock, bot=Served(
            "bot", ("bot", "scheduler"), env=bot_env, log=folder / "bot.log",
            ready_url=f"http://127.0.0.1:{port}/readyz", settings=file,
        ),
        own=own_words(unasked) if own else "", worker=Served("worker", ("worker",), env=worker_env, log=folder / "worker.log", settings=file),
    )  # fmt: skip


def _tables(workplace: ThreadedWorkplace, *, store: str, port: int, own: str) -> str:
    """What the settings say beside the policy: where everything listens, and who is who."""
    teams, tokens = workplace.teams, workplace.tokens
    return _TABLES.format(
        store=store, port=port, own=own, api=workplace.slack.api_url, pager=workplace.pager.url, teams=teams,
        tenant=tokens.tenant, authority=tokens.authority, client_id=tokens.client_id, ca_file=tokens.ca_file,
        security=teams.group_id("ops-approvers"), ids={name: user.aad for name, user in teams.tenant.users.items()},
    )  # fmt: skip


def _environments(
    folder: Path, workplace: ThreadedWorkplace, redis_url: str
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What bot and worker find in their environments: neither sees the other's secrets."""
    both = {"REDIS_URL": redis_url, "SAYSO_DEMO": "1", STATE_KEYS: "", **dict.fromkeys(_PROXIES, "")}
    bot = {
        "SLACK_BOT_TOKEN": workplace.slack.bot_token,
        "SLACK_SIGNING_SECRET": workplace.slack.signing_secret,
        "TEAMS_CLIENT_SECRET": workplace.tokens.client_secret,
        "PAGER_ROUTING_KEY": workplace.pager.routing_key,
    }
    worker = {
        "ENTRA_CLIENT_SECRET": workplace.tokens.client_secret,
        "SAYSO_OPS_DATABASE": str(folder / "back-office.db"),
        "SAYSO_OPS_CLOCK": str(folder / CLOCK),
        "SAYSO_OPS_SMTP": f"127.0.0.1:{workplace.mail.port}",
        "SAYSO_OPS_TOKEN_CHECK_URL": f"{workplace.tokens.url}/introspect",
        "SAYSO_OPS_CA_FILE": workplace.tokens.ca_file,
    }
    return {**both, **bot}, {**both, **worker}


#: Marks a folder as the demo's own, so that emptying it can never empty somebody else's.
_MARK = ".sayso-demo-folder"


_ELSEWHERE = 'like `sayso demo --data-dir other` or `make demo ARGS="--data-dir other"`'
#: What a demo says in its mark: where its page is.
_PAGE = re.compile(r"http://127\.0\.0\.1:[0-9]{1,5}/")


def left_in(folder: Path) -> bool:
    """Whether an earlier demo left anything there, which a new one takes away."""
    return (folder / _MARK).exists() and any(one.name != _MARK for one in folder.iterdir())


def note_page(folder: Path, url: str) -> None:
    """Say where the page is, for whoever starts a second demo in this folder."""
    (folder / _MARK).write_text(url, encoding="ascii")


def _where(mark: Path) -> str:
    found = _PAGE.fullmatch(mark.read_text(encoding="ascii", errors="replace"))
    return f" (its page is {found[0]})" if found else ""


@contextmanager
def _emptied(folder: Path) -> Iterator[None]:
    """Nobody else's while the block runs. Raises: BadSetting, when a demo runs there or it holds something else."""
    mark = folder / _MARK
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise BadSetting(
            f"--data-dir: {folder} is not empty and not a demo's; name another folder, {_ELSEWHERE}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    with mark.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadSetting(
                f"--data-dir: a demo runs in {folder} already{_where(mark)}; end it, or name another folder, {_ELSEWHERE}."
            ) from None
        held.truncate(0)
        for one in folder.iterdir():
            if one.is_dir() and not one.is_symlink():
                shutil.rmtree(one, ignore_errors=True)
            elif one != mark:
                one.unlink()
        yield


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
