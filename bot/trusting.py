"""Time-boxed trust from the chat and the terminal: who may give it, to what, and how it is taken back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..agent.never_trusted import never_trusted
from ..agent.policy import Policy
from ..approvals.change import AuditEntry, Event
from ..approvals.errors import AnswerRefused, BadVote
from ..approvals.people import Directory, Identity, PersonId, Place
from ..approvals.request import Request
from ..approvals.signing import Signer, Verifier
from ..approvals.store import Store
from ..approvals.trust import LONGEST, Trust, trusted_as
from ..approvals.verdict import Approve, RequestId
from ..cards.escape import cut, line
from .confirming import Confirming
from .electorate import Electing
from .halting import NoReason, span_of

#: Longest reason, characters.
WHY = 300


class TooLongTrusted(AnswerRefused):
    """Say for how long, like “trust 30m: why”: at most 8 hours; nothing was changed."""


class ApproveFirst(AnswerRefused):
    """Approve it first: what you trust is exactly what you have approved as the card showed it."""


class NotToBeTrusted(AnswerRefused):
    """People are asked about this every time."""


class NoSuchTrust(AnswerRefused):
    """There is no such trust (any more): see `sayso trust list`."""


class NotTheirTrust(AnswerRefused):
    """Only whoever gave this trust, or an operator, takes it back; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """What is trusted now, and its end."""

    store: Store

    async def standing(self) -> Sequence[Trust]:
        """What is not over, the first to end first; what the bot cannot confirm does not hold meanwhile."""
        now = await self.store.now()
        return sorted(
            (one for one in await self.store.trusts() if not one.is_over(now)), key=lambda one: one.until
        )

    async def revoke(
        self, beginning: str, *, by: str, operators: Collection[PersonId] | None = None
    ) -> Trust:
        """End it at once for every worker: what has not started asks people, or is not done.

        Args:
            beginning: Its id, or so much of it that it is the only one.
            operators: Who may end other people's; None where whoever asks was permitted.

        Raises: NoSuchTrust, NotTheirTrust, StoreDown.
        """
        found = [one for one in await self.store.trusts() if beginning and one.id.startswith(beginning)]
        if len(found) != 1:
            raise NoSuchTrust
        if operators is not None and by != found[0].by and by not in operators:
            raise NotTheirTrust
        words = f"Ended the trust of {found[0].by} in {found[0].tool}"
        facts = {"trust": found[0].id}
        entry = AuditEntry(event=Event.DISTRUSTED, by=by, words=words[:300], facts=facts)
        if not await self.store.distrust(found[0].id, entry):
            raise NoSuchTrust
        return found[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusting:
    """Keeps what approvers trust."""

    store: Store
    directory: Directory
    operators: Collection[PersonId]
    policy: Policy
    signer: Signer
    electing: Electing

    async def trust(self, id: RequestId, span: str, why: str, who: Identity, *, token: str) -> Trust:
        """From now on the agent runs what this person approved in this request without asking. What is refused is on record.

        Args:
            span: Like "30m", at most 8 hours.
            token: Of the message; delivered again it gives nothing anew.

        Raises: NoSuchTrust (given by this message, and ended since), NoReason, NoSpan, TooLongTrusted, ApproveFirst, NotToBeTrusted, NotAllowed, DirectoryDown,
            RequestNotFound, StoreDown.
        """
        request, by = await self.store.get(id), (await self.directory.person(who)).id
        try:
            given = await self._checked(request, span, cut(line(why).strip(), WHY), by, str(who))
        except AnswerRefused as error:
            words, facts = f"Not trusted: {error}"[:300], {"via": str(who)}
            entry = AuditEntry(event=Event.REFUSED_ANSWER, by=by, words=words, facts=facts)
            await self.store.note(
                entry, thread=request.ask.run.thread, request=id, token=f"not-trusted-{token}"
            )
            raise
        return await self._kept(given, request.current.digest, token)

    @property
    def confirming(self) -> Confirming:
        """What looks whether it still may be trusted."""
        return Confirming(
            store=self.store, directory=self.directory, electing=self.electing, signer=self.signer
        )

    async def distrust(self, beginning: str, who: Identity) -> Trust:
        """End one's own, or for an operator anybody's. Raises: as `Trusted.revoke`, NotAllowed, DirectoryDown."""
        person = await self.directory.person(who)
        trusted = Trusted(store=self.store)
        return await trusted.revoke(beginning, by=person.id, operators=self.operators)

    async def shown_in(self, thread: Place) -> Sequence[RequestId]:
        """Requests that have, or had, a card in this thread and are no undo. Raises: StoreDown."""
        ids = await self.store.stood_in(thread)
        return [id for id in ids if (await self.store.get(id)).ask.undoes is None]

    async def _kept(self, given: Trust, digest: str, token: str) -> Trust:
        """Raises: NoSuchTrust."""
        ended = [one.id for one in await self.store.trusts() if one.is_over(given.since)]
        until = f"{given.until:%Y-%m-%d %H:%M} UTC"
        words = f"Trusts {given.tool} of {given.graph} for {given.asked_by} until {until}: {given.why}"
        facts = {"trust": given.id, "digest": digest, "request": given.request, "via": given.via}
        entry = AuditEntry(event=Event.TRUSTED, by=given.by, words=words[:300], facts=facts)
        if await self.store.trust(given, ended, entry, token=token):
            return given
        found = await self.store.trusted(given.id)
        if found is None:
            raise NoSuchTrust
        return found

    async def _checked(self, request: Request, span: str, why: str, by: PersonId, via: str) -> Trust:
        length = span_of(span)
        if length is None or length > LONGEST:
            raise TooLongTrusted
        if not why:
            raise NoReason("Say why: it stands on record with everything that runs on it.")
        electorate = await self.electing.of(request)
        electorate.check(request, by)
        self._approved_by(request, by)
        asked_by = self._may_be_trusted(request, electorate.needed)
        now, proposal, graph = await self.store.now(), request.proposal, request.ask.run.graph
        return self.signer.sign_trust(
            Trust(
                id=trusted_as(proposal, graph), tool=proposal.action.tool, graph=graph, asked_by=asked_by,
                request=request.id, by=by, since=now, until=now + length, why=why, via=via, seen=now,
            )
        )  # fmt: skip

    def _approved_by(self, request: Request, by: PersonId) -> None:
        """Whether the bot has signed that this person approved what the record shows. Raises: ApproveFirst."""
        verifier = Verifier([self.signer.public_key])
        for vote in request.votes:
            about = (vote.person, vote.request, vote.digest, vote.thread)
            if about != (by, request.id, request.current.digest, request.ask.run.thread):
                continue
            try:
                verifier.check(vote)
            except BadVote:
                continue
            if isinstance(vote.verdict, Approve):
                return
        raise ApproveFirst

    def _may_be_trusted(self, request: Request, needed: int) -> PersonId:
        """For whom the agent acted. Raises: NotToBeTrusted."""
        proposal, graph = request.proposal, request.ask.run.graph
        why = never_trusted(proposal.action, self.policy, graph)
        if not why and needed > 1:
            why = "More than one person has to agree to this, so one alone cannot trust it ahead."
        if not why and (request.ask.dialect or request.ask.undoes):
            why = "Only what stands behind a gate of sayso's own can be trusted ahead."
        if not why and proposal.assessment.policy != self.policy.version:
            why = "The policy has changed since it was asked."
        if why or proposal.asked_by is None:
            raise NotToBeTrusted(f"{why or 'Nobody known asked for it.'} Nothing was changed.")
        return proposal.asked_by
