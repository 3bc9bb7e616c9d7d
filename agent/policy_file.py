"""Reads a policy from TOML and refuses what cannot be right, naming the key; no rule of the policy is applied here."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..approvals import canonical
from ..approvals.deadline import CHAINS, Chain, TtlClass
from ..approvals.errors import BadSetting
from ..approvals.people import PersonId
from ..approvals.route import Route
from .chain_tables import ChainTable
from .policy import Policy
from .policy_tables import PolicyTable
from .setting_lines import with_lines
from .setting_words import BadSettings, did_you_mean, problems_of, refuse


def load_policy(path: Path) -> Policy:
    """The policy of a TOML file. Raises: BadSetting, naming the file or the key."""
    try:
        text = path.read_text(encoding="utf-8")
        return read_policy(tomllib.loads(text))
    except BadSettings as error:
        raise BadSettings(with_lines(error.problems, text)) from error
    except OSError as error:
        raise BadSetting(f"The policy {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"The policy {path} is not TOML: {error}.") from error


def read_policy(said: Mapping[str, Any]) -> Policy:
    """The policy as the tables `tools`, `routes`, `ttl` and a few keys say it. Raises: BadSettings, naming each key."""
    try:
        read = PolicyTable.model_validate(said)
    except ValidationError as error:
        refuse(problems_of(error, PolicyTable))
        raise
    written = {name: table.chain(name) for name, table in read.chains.items()}
    hours = {name: table.hours(name) for name, table in read.hours.items()}
    refuse([*_wrong_ttl(read), *_wrong_hours(read)])
    chains = {kind: _chain_of(kind, read, written) for kind in TtlClass}
    policy = Policy(
        tools={name: tool.policy(name, read.default_route) for name, tool in read.tools.items()},
        routes={name: route.route(name, hours) for name, route in read.routes.items()},
        chains=chains,
        default_route=read.default_route,
        denied=frozenset(PersonId(person) for person in read.denied),
        low_confidence=read.low_confidence,
        rules=tuple(rule.rule() for rule in read.rules),
        written=written,
    )
    refuse([*_wrong_chains(read, policy), *_wrong_names(policy)])
    return replace(policy, version=canonical.digest(canonical.encode(policy))[:12])


def _chain_of(kind: TtlClass, read: PolicyTable, written: Mapping[str, Chain]) -> Chain:
    table: ChainTable = getattr(read.ttl, kind.value)
    return written[table.chain] if table.chain else table.chain_from(CHAINS[kind])


def _wrong_ttl(read: PolicyTable) -> Iterator[str]:
    """Chains that do not exist, and times that a chain replaces."""
    for kind in TtlClass:
        table: ChainTable = getattr(read.ttl, kind.value)
        said = sorted(table.model_fields_set - {"chain"})
        if table.chain not in ("", *read.chains):
            yield f"ttl.{kind}.chain: {_no_chain(table.chain, read)}"
        elif table.chain and said:
            yield f"ttl.{kind}.{said[0]}: chains.{table.chain} says what happens and when; leave one of them out"
    for name, tool in read.tools.items():
        of_class = getattr(read.ttl, tool.ttl_class.value).chain
        if tool.chain not in ("", *read.chains):
            yield f"tools.{name}.chain: {_no_chain(tool.chain, read)}"
        elif tool.ttl and (tool.chain or of_class):
            yield f"tools.{name}.ttl: chains.{tool.chain or of_class} says when it ends; leave one of them out"


def _wrong_hours(read: PolicyTable) -> Iterator[str]:
    for name, route in read.routes.items():
        if route.hours not in ("", *read.hours):
            yield f"routes.{name}.hours: there is no [hours.{route.hours}]{did_you_mean(route.hours, read.hours)}"


def _no_chain(name: str, read: PolicyTable) -> str:
    return f"there is no [chains.{name}]{did_you_mean(name, read.chains)}"


def _wrong_chains(read: PolicyTable, policy: Policy) -> Iterator[str]:
    """Where a page and the time after it do not fit together."""
    for kind in TtlClass:
        if policy.chains[kind].pages and not policy.chains[kind].grace:
            yield f"ttl.{kind}.grace: on-call is paged, so somebody needs time to act"
        if not policy.chains[kind].pages and getattr(read.ttl, kind.value).grace:
            yield f"ttl.{kind}.grace: nobody is paged, so there is no grace; set pages = true"


def _wrong_names(policy: Policy) -> Iterator[str]:
    """What leads nowhere, and whoever is promised a page with nobody to page."""
    for route in policy.routes.values():
        yield from _wrong_route(route)
    if policy.default_route not in policy.routes:
        yield f"default_route: {_no_route(policy.default_route, policy)}"
    for at, rule in enumerate(policy.rules, 1):
        for name in rule.tools:
            if name not in policy.tools:
                yield f"rules.{at}.tools: there is no [tools.{name}]{did_you_mean(name, policy.tools)}"
    for key, named, kind, tool in _ways(policy):
        found = policy.routes.get(named)
        if found is None:
            if named != policy.default_route:
                yield f"{key}.route: {_no_route(named, policy)}"
        else:
            chain = policy.chain(kind, tool, own=not key.startswith("rules"))
            yield from _wrong_way(
                key, chain, f"chains.{chain.name}" if chain.name else f"ttl.{kind}.pages", found
            )


def _wrong_route(route: Route) -> Iterator[str]:
    """Where a route contradicts itself."""
    if route.on_call_decides and not route.on_call:
        yield f"routes.{route.name}.on_call_decides: there is no on_call set that could decide"
    for seats in route.rule.seats:
        if seats.approvers not in route.rule.approvers:
            hint = did_you_mean(seats.approvers, route.rule.approvers)
            yield f"routes.{route.name}.seats: {seats.approvers} is none of its approvers{hint}"
    pagers = (route.pager, *route.backup_pagers)
    if route.backup_pagers and (not route.pager or len(set(pagers)) < len(pagers)):
        yield f"routes.{route.name}.backup_pagers: name the first one as pager, and each one once"
    if route.fallback in route.places:
        yield f"routes.{route.name}.fallback: {route.fallback} is one of its places; name another channel"


def _wrong_way(key: str, chain: Chain, named: str, route: Route) -> Iterator[str]:
    """Where a route lacks what the chain of its requests needs."""
    if chain.pages and not (route.pager or route.on_call):
        yield (
            f"{key}: unanswered requests page on-call ({named}), "
            f"but routes.{route.name} names neither pager nor on_call"
        )
    for role in chain.asked_roles:
        if not getattr(route, role):
            yield f"{key}: its chain {named} asks the {role}, but routes.{route.name} names none"
        elif role == "on_call" and not route.on_call_decides:
            yield f"{key}: its chain {named} lets on_call decide, and routes.{route.name}.on_call_decides does not"


def _ways(policy: Policy) -> Iterator[tuple[str, str, TtlClass, str]]:
    """Where requests may go and how urgently: the key that says so, the route, the class, the tool."""
    tools = (*policy.tools.values(), policy.of(""))
    for tool in tools:
        yield f"tools.{tool.name}" if tool.known else "default_route", tool.route, tool.ttl_class, tool.name
    for at, rule in enumerate(policy.rules, 1):
        if not (rule.route or rule.ttl_class):
            continue
        for tool in tools:
            about = not rule.tools or tool.name in rule.tools
            if about and (not rule.categories or tool.category in rule.categories):
                yield f"rules.{at}", rule.route or tool.route, rule.ttl_class or tool.ttl_class, tool.name


def _no_route(name: str, policy: Policy) -> str:
    return f"there is no [routes.{name}]{did_you_mean(name, policy.routes)}"
