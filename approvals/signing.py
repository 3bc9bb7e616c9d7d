"""Ed25519 signatures over votes (RFC 8032): the bot signs, the acting node verifies."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from . import canonical
from .errors import BadVote
from .handover import HandOver
from .offered import lacks_why
from .quorum import enough, stricter
from .request import Request, Revision
from .trust import Trust
from .verdict import Approve, Modify, Respond, ThreadId, Undo, Vote


def _bytes_of(vote: Vote) -> bytes:
    return b"sayso vote v1\0" + canonical.encode(replace(vote, signature=""), Vote)


def _bytes_of_handover(given: HandOver) -> bytes:
    return b"sayso hand-over v1\0" + canonical.encode(replace(given, signature=""), HandOver)


def _bytes_of_trust(given: Trust) -> bytes:
    return b"sayso trust v1\0" + canonical.encode(replace(given, signature=""), Trust)


def key_id(public: bytes) -> str:
    """A short name for a public key: the first 16 hex digits of its SHA-256."""
    return canonical.digest(public)[:16]


class Signer:
    """Signs votes; only the bot has one."""

    def __init__(self, private_key: bytes) -> None:
        """`private_key`: 32 raw bytes. Raises: ValueError."""
        self._key = Ed25519PrivateKey.from_private_bytes(private_key)
        self.public_key = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._id = key_id(self.public_key)

    def sign(self, vote: Vote) -> Vote:
        """The vote with key id and signature."""
        named = replace(vote, key=self._id, signature="")
        return replace(named, signature=self._signed(_bytes_of(named)))

    def sign_handover(self, given: HandOver) -> HandOver:
        """The same for somebody's authority in a colleague's hands."""
        named = replace(given, key=self._id, signature="")
        return replace(named, signature=self._signed(_bytes_of_handover(named)))

    def sign_trust(self, given: Trust) -> Trust:
        """The same for what somebody lets run without asking for a while."""
        named = replace(given, key=self._id, signature="")
        return replace(named, signature=self._signed(_bytes_of_trust(named)))

    def _signed(self, said: bytes) -> str:
        return base64.b64encode(self._key.sign(said)).decode()


class Verifier:
    """Checks votes against public keys; several while a key is being rotated."""

    def __init__(self, public_keys: Iterable[bytes]) -> None:
        """`public_keys`: 32 raw bytes each. Raises: ValueError."""
        self._keys: Mapping[str, Ed25519PublicKey] = {
            key_id(raw): Ed25519PublicKey.from_public_bytes(raw) for raw in public_keys
        }

    def check(self, vote: Vote) -> None:
        """Raises: BadVote."""
        if vote.key not in self._keys:
            raise BadVote("A vote is signed with a key this worker does not trust.")
        if not self._fits(vote.key, vote.signature, _bytes_of(vote)):
            raise BadVote("A vote's signature does not fit its words.")

    def believes(self, given: HandOver) -> bool:
        """Whether the bot has signed it."""
        return given.key in self._keys and self._fits(given.key, given.signature, _bytes_of_handover(given))

    def believes_trust(self, given: Trust) -> bool:
        """Whether the bot has signed it."""
        return given.key in self._keys and self._fits(given.key, given.signature, _bytes_of_trust(given))

    def _fits(self, key: str, signature: str, said: bytes) -> bool:
        try:
            self._keys[key].verify(base64.b64decode(signature, validate=True), said)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Warrant:
    """What verified votes allow: to run exactly this revision, this many times."""

    revision: Revision
    attempt: int


def warrant(request: Request, verifier: Verifier, *, thread: ThreadId, frozen: str, now: datetime) -> Warrant:
    """What the votes of a request allow the acting node to do; it trusts nothing else in the record.

    Args:
        thread: The agent's thread, from the running graph.
        frozen: The proposal's bytes from the graph's own state.
        now: The store's time.

    Raises:
        BadVote: too few valid approvals of one revision that descends from `frozen`.
    """
    revision, attempt = request.current, request.effect.attempt + 1 if request.effect else 1
    if request.ask.first.frozen != frozen:
        raise BadVote("The request does not show what this agent froze.")
    if revision.number > 1 and revision.proposal.revises != request.ask.first.digest:
        raise BadVote("The edited revision does not descend from what was frozen.")
    counted, rule, alone = list[Vote](), None, False
    for vote in request.votes:
        verifier.check(vote)
        _fits(vote, request, revision, thread=thread, attempt=attempt, now=now)
        rule = stricter(vote.rule, rule or vote.rule)
        if vote.person not in request.requesters:
            counted.append(vote)
            alone = alone or bool(vote.glass)
    if not alone and (rule is None or not enough(rule, counted)):
        raise BadVote("There are not enough valid approvals.")
    return Warrant(revision=revision, attempt=attempt)


def response(request: Request, verifier: Verifier, *, thread: ThreadId, frozen: str, now: datetime) -> str:
    """The text that a person signed to be given to the agent instead of the action. Takes what `warrant` takes.

    Raises: BadVote.
    """
    vote = request.votes[-1] if request.votes else None
    if vote is None or not isinstance(vote.verdict, Respond) or vote.person in request.requesters:
        raise BadVote("Nobody who may decide has signed this text.")
    if request.ask.first.frozen != frozen:
        raise BadVote("The request does not show what this agent froze.")
    verifier.check(vote)
    attempt = request.effect.attempt + 1 if request.effect else 1
    _is_about(vote, request, request.current, thread=thread, attempt=attempt, now=now)
    return vote.verdict.text


def _fits(
    vote: Vote, request: Request, revision: Revision, *, thread: ThreadId, attempt: int, now: datetime
) -> None:
    allowing = Undo if request.ask.undoes else Approve
    if not (isinstance(vote.verdict, allowing) or _made(vote, revision)):
        raise BadVote("A vote that is no approval cannot allow an action.")
    if lacks_why(vote):
        raise BadVote("An approval that had to say why says nothing.")
    _is_about(vote, request, revision, thread=thread, attempt=attempt, now=now)


def _is_about(
    vote: Vote, request: Request, revision: Revision, *, thread: ThreadId, attempt: int, now: datetime
) -> None:
    if (vote.request, vote.thread) != (request.id, thread):
        raise BadVote("A vote was given for another request.")
    if (vote.revision, vote.digest) != (revision.number, revision.digest):
        raise BadVote("A vote was given for another revision.")
    if vote.attempt != attempt:
        raise BadVote("A vote allows another run of the tool than this one.")
    if now >= vote.expires:
        raise BadVote("A vote has expired.")


def _made(vote: Vote, revision: Revision) -> bool:
    """Whether the vote is the editor's own over the revision that shows exactly these changes."""
    if not isinstance(vote.verdict, Modify) or vote.verdict.instruction or revision.editor != vote.person:
        return False
    changes, arguments = vote.verdict.changes, revision.proposal.action.arguments
    return bool(changes) and all(name in arguments and arguments[name] == changes[name] for name in changes)
