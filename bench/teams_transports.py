"""The two transports to Teams side by side, in one run: import, memory, a post, a redraw, and the answer to a press."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from sayso.bench.figures import line, machine
from sayso.bot.teams.agents_transport import AgentsTransport
from sayso.bot.teams.credentials import entra_token
from sayso.bot.teams.keys import ChannelKeys
from sayso.bot.teams.port import Arrived, Posted, Transport
from sayso.bot.teams.registration import Registration
from sayso.bot.teams.transport import BotbuilderTransport
from sayso.cards import adaptive
from sayso.cards.spans import Row, Text
from sayso.sandbox.teams import Teams
from sayso.sandbox.workplace import Workplace

Seconds = dict[str, list[float]]

#: Name of the setting -> its class, its distribution.
BOTH: Mapping[str, tuple[Callable[..., Transport], str]] = {
    "botbuilder": (BotbuilderTransport, "botbuilder-core"),
    "agents": (AgentsTransport, "microsoft-agents-hosting-core"),
}
_MODULES = {
    "no SDK": "sayso.bot.teams.inbound",
    "botbuilder": "sayso.bot.teams.transport",
    "agents": "sayso.bot.teams.agents_transport",
}
_IMPORT = """
import importlib, os, subprocess, sys, time
begun = time.process_time()
importlib.import_module(sys.argv[1])
print(time.process_time() - begun, flush=True)
subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], check=True)
"""


def imports(times: int) -> tuple[Seconds, dict[str, list[float]]]:
    """Processor seconds and MiB of a new interpreter that imports each transport, in turns: noise hits all alike."""
    spent: Seconds = {name: [] for name in _MODULES}
    memory: dict[str, list[float]] = {name: [] for name in _MODULES}
    for _ in range(times):
        for name, module in _MODULES.items():
            told = subprocess.run(
                [sys.executable, "-c", _IMPORT, module], check=True, capture_output=True, text=True
            ).stdout.split()
            spent[name].append(float(told[0]))
            memory[name].append(float(told[1]) / 1024)
    return spent, memory


async def calls(times: int) -> Mapping[str, Seconds]:
    """Seconds of each call over real HTTP, the transports in turns."""
    async with Workplace.running() as workplace:
        transports = opened(workplace)
        spent: dict[str, Seconds] = {
            what: {name: [] for name in BOTH} for what in ("post", "redraw", "press answered")
        }
        card = adaptive.say([Row("", (Text("Refund 129.90 EUR?"),))])
        channel = workplace.teams.channel_id("#support")
        for transport in transports.values():  # token, keys and connections are there before the clock starts
            await transport.post_root(channel, card)
            await transport.handle(press(workplace.teams, -1), answered)
        for number in range(times):
            posted = press(workplace.teams, number)
            for name, transport in transports.items():
                ref, seconds = await timed(transport.post_root(channel, card))
                spent["post"][name].append(seconds)
                spent["redraw"][name].append((await timed(transport.update(ref, card)))[1])
                reply, seconds = await timed(transport.handle(posted, answered))
                assert reply.status == 200
                spent["press answered"][name].append(seconds)
        for transport in transports.values():
            transport.close()
        await asyncio.sleep(0)
    return spent


def opened(workplace: Workplace) -> Mapping[str, Transport]:
    """Both, as the same bot, with one token and one set of keys."""
    teams, tokens = workplace.teams, workplace.tokens
    registration = Registration(
        app_id=teams.app_id, tenant=teams.tenant_id, service_url=teams.service_url, issuer=teams.issuer,
        metadata_url=teams.open_id_metadata_url, scope=teams.scope,
    )  # fmt: skip
    token = entra_token(
        registration, authority=tokens.authority, client_secret=tokens.client_secret, ca_file=tokens.ca_file
    )
    keys = ChannelKeys(registration.metadata_url)
    return {name: made(registration, token=token, keys=keys) for name, (made, _) in BOTH.items()}


def press(teams: Teams, number: int) -> Posted:
    """A signed press on a button."""
    activity = {
        **teams.activity("bo", "#support", ""),
        "id": f"press-{number}", "type": "invoke", "name": "adaptiveCard/action",
        "value": {"action": {"type": "Action.Execute", "verb": "approve", "data": {}}},
    }  # fmt: skip
    return Posted(authorization=f"Bearer {teams.token()}", body=json.dumps(activity).encode())


async def answered(_: Arrived) -> Mapping[str, Any]:
    """What a handler would answer."""
    return adaptive.error("No.")


async def timed(work: Awaitable[Any]) -> tuple[Any, float]:
    """What came out, and the seconds it took."""
    begun = time.perf_counter()
    return await work, time.perf_counter() - begun


def ratio(of: Mapping[str, Sequence[float]]) -> str:
    """The new SDK's median over the old one's."""
    return (
        f"  agents / botbuilder = {statistics.median(of['agents']) / statistics.median(of['botbuilder']):.2f}"
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--imports", type=int, default=9)
    parser.add_argument("--calls", type=int, default=300)
    asked = parser.parse_args()
    print(machine())
    print(", ".join(f"{package} {version(package)}" for _, package in BOTH.values()))
    spent, memory = imports(asked.imports)
    for name, seconds in spent.items():
        print(line(f"import, processor time, {name} ({statistics.median(memory[name]):.0f} MiB)", seconds))
    print(ratio(spent))
    for what, each in asyncio.run(calls(asked.calls)).items():
        for name, seconds in each.items():
            print(line(f"{what}, {name}", seconds))
        print(ratio(each))
    return 0


if __name__ == "__main__":
    sys.exit(main())
