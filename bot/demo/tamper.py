"""What an intruder with write access to Redis would do: put an approval into the record and wake the agent."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime, timedelta

import redis

from ...approvals import canonical
from ...approvals.change import Work, WorkKind
from ...approvals.connection import open_sync_redis
from ...approvals.people import PersonId
from ...approvals.request import Decision, Request, State
from ...approvals.signing import Signer
from ...approvals.verdict import Approve, Vote


def write_approval(redis_url: str, prefix: str, request: Request, person: PersonId, now: datetime) -> None:
    """Make the stored record say that `person` approved, with a signature of our own making, and queue the resume."""
    vote = Signer(secrets.token_bytes(32)).sign(
        Vote(
            request=request.id, thread=request.ask.run.thread, revision=request.revision,
            digest=request.current.digest, person=person, verdict=Approve(), at=now,
            expires=now + timedelta(days=1), rule=request.ask.rule,
        )
    )  # fmt: skip
    forged = replace(
        request, state=State.DECIDED, votes=(vote,), resume_by=now + timedelta(minutes=10),
        decision=Decision(verdict=Approve(), by=(person,), at=now),
    )  # fmt: skip
    stem = f"{prefix}:{{{request.id[:2]}}}:"
    work = Work(kind=WorkKind.RESUME, run=request.ask.run, request=request.id)
    client: redis.Redis = open_sync_redis(redis_url)
    with client:
        client.hset(
            f"{stem}req:{request.id}",
            mapping={
                "mutable": canonical.adapter(Request).dump_json(forged, exclude={"ask", "version"}),
                "version": request.version + 1,
                "state": "decided",
            },
        )
        client.xadd(f"{stem}work", {"body": canonical.encode(work)})
        client.publish(f"{prefix}:wake", request.id[:2])
