"""The store's contract: the same scenes on the memory store and on real servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sayso.approvals import effects, machine, redis_past, redis_scripts
from sayso.approvals.change import AuditEntry, Event, Notice, NoticeKind, WorkKind
from sayso.approvals.errors import AlreadySettled, RequestNotFound
from sayso.approvals.looks import TokenKind
from sayso.approvals.marks import notice_id
from sayso.approvals.memory import MemoryStore
from sayso.approvals.people import Place
from sayso.approvals.redis_store import RedisStore, WrongStore
from sayso.approvals.request import OutcomeKind, Request, State
from sayso.approvals.sealing import UNSEALED, Seal
from sayso.approvals.store import DeadLetter, Lane, MessageRef, PureStep, Store, Target, TargetKind, Told
from sayso.approvals.verdict import RequestId, ThreadId
from scenes import BO, CY, a_run, a_vote, an_ask
from tokens import CANARIES

EVERYBODY = frozenset({BO, CY})
SOON = timedelta(seconds=30)
ALL_LANES = (Lane.PAGE, Lane.TELL, Lane.REDRAW)


SECOND = pytest.mark.second_server


@pytest.fixture(
    params=[
        "memory",
        "valkey",
        "sealed",
        pytest.param("redis", marks=SECOND),
        pytest.param("cluster", marks=SECOND),
    ]
)
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty store of each kind whose clock can be pushed."""
    if request.param == "memory":
        yield MemoryStore()
        return
    url = {"redis": "second_redis_url", "cluster": "cluster_url"}.get(request.param, "redis_url")
    seal = Seal([b"k" * 32]) if request.param == "sealed" else UNSEALED
    store = await RedisStore.connect(request.getfixturevalue(url), demo=True, seal=seal)
    yield store
    await store.close()


async def push(store: Store, by: timedelta) -> None:
    """Let time pass."""
    if isinstance(store, MemoryStore):
        store.advance(by)
    elif isinstance(store, RedisStore):
        await store.push_clock(by)


async def opened(store: Store, **what: object) -> Request:
    """An open request whose clock began now."""
    now = await store.now()
    return await store.open(machine.opened(an_ask(**{"opened_at": now, **what})))  # type: ignore[arg-type]


def approve(person: str = "bo") -> PureStep:
    """A step that counts one approval."""
    return lambda r, now: machine.vote(r, a_vote(r, person, at=now), EVERYBODY, 1, now)  # type: ignore[arg-type]


async def claimed(store: Store, lanes: tuple[Lane, ...] = ALL_LANES) -> set[str]:
    """What there is to tell now, in every partition."""
    found: set[str] = set()
    for _ in range(2):
        found |= {str(target) for target in await store.claim(lanes, lease=SOON, limit=100)}
        await store.woken(lanes, timedelta(0))
    return found


async def test_a_token_in_words_is_never_kept(store: Store) -> None:
    """P11: Whoever wrote it: goals, audit lines, notices, outcomes, dead letters hold words in its place."""
    token = CANARIES["GitHub"]
    run, said = replace(a_run("t9"), goal=f"use {token}"), f"Said {token}."
    await store.start(run, audit=(AuditEntry(event=Event.RUN_STARTED, words=said),))
    item = await store.take("w1", idle=SOON, wait=timedelta(0))
    request = await opened(store)
    notice = Notice(key="n", kind=NoticeKind.REPORT, place=Place("slack:C1"), thread=run.thread, text=said)
    await store.finish_run(run.thread, AuditEntry(event=Event.RUN_FINISHED, words=said), (notice,))
    await store.change(request.id, lambda r, now: machine.closed(r, OutcomeKind.FAILED, said, now))
    letter = DeadLetter(
        target=Target(kind=TargetKind.CARD, id=request.id, where="slack:C1"), places=(), why=said,
        since=await store.now(), tries=1, thread=request.ask.run.thread,
    )  # fmt: skip
    await store.bury(letter, Told())
    kept = [
        await store.run(run.thread), item, await store.trail(run.thread), await store.get(request.id),
        await store.notice(notice_id(notice)), await store.dead_letters(),
    ]  # fmt: skip
    assert [TokenKind.GITHUB.words in repr(one) for one in kept] == [True] * len(kept)
    assert token not in repr(kept)


async def test_what_was_kept_comes_back_as_it_was(store: Store) -> None:
    """S6: the pending approval is on record, whole, with its clock."""
    request = await opened(store)
    assert await store.get(request.id) == request
    assert [r.id for r in await store.live()] == [request.id]
    assert request.due_at is not None


async def test_opening_the_same_pause_twice_asks_once(store: Store) -> None:
    """A redelivered start finds the request it made before."""
    first, second = await opened(store), await opened(store)
    assert first == second
    assert len(await store.live()) == 1
    opened_entries = [r for r in await store.trail(first.ask.run.thread) if r.entry.event is Event.OPENED]
    assert len(opened_entries) == 1


async def test_an_unknown_or_malformed_id_is_not_found(store: Store) -> None:
    """Hostile ids reach no key."""
    for id in ("07-00000000000000000000", "zz-1", "", "ff-1", "07}:x"):
        with pytest.raises(RequestNotFound):
            await store.get(RequestId(id))


async def test_of_many_racing_answers_one_decides(store: Store) -> None:
    """Everybody else is told that it is settled."""
    request = await opened(store)

    async def click(n: int) -> str:
        try:
            await store.change(request.id, approve("bo" if n % 2 else "cy"), token=f"click-{n}")
        except AlreadySettled:
            return "settled"
        return "decided"

    answers = await asyncio.gather(*(click(n) for n in range(20)))
    assert sorted(answers) == ["decided"] + ["settled"] * 19
    decided = await store.get(request.id)
    assert (decided.state, decided.version) == (State.DECIDED, 2)


async def test_the_same_click_delivered_again_changes_nothing_and_is_no_loser(store: Store) -> None:
    """A redelivered click gets its own first answer, not 'somebody was faster'."""
    request = await opened(store)
    first = await store.change(request.id, approve(), token="click-1")
    again = await store.change(request.id, approve(), token="click-1")
    assert (first.replayed, again.replayed) == (False, True)
    assert again.request == first.request
    assert len((await store.get(request.id)).votes) == 1


async def test_at_the_deadline_a_click_expires_the_request(store: Store) -> None:
    """From that instant on nobody decides; the store's own clock says so."""
    request = await opened(store)
    await push(store, request.ask.deadline.expires_at - await store.now())
    late = await store.change(request.id, approve())
    assert late.request.state is State.EXPIRED
    assert late.request.decision is None


async def test_the_clock_names_what_is_due_and_only_that(store: Store) -> None:
    """A request is due at its next step, and not again after it fired."""
    request = await opened(store)
    assert await store.due() == []
    await push(store, timedelta(hours=12, seconds=1))
    assert list(await store.due()) == [request.id]
    await store.change(request.id, machine.fire)
    assert await store.due() == []


async def test_deciding_queues_the_agent_and_marks_every_card(store: Store) -> None:
    """State, work, cards and audit change together."""
    request = await opened(store)
    await claimed(store)
    await store.change(request.id, approve())
    item = await store.take("w1", idle=SOON, wait=timedelta(0))
    assert item is not None
    assert (item.work.kind, item.work.request) == (WorkKind.RESUME, request.id)
    events = [r.entry.event for r in await store.trail(request.ask.run.thread)]
    assert events == [Event.OPENED, Event.VOTED, Event.DECIDED]
    assert [r.number for r in await store.trail(request.ask.run.thread)] == [1, 2, 3]


async def test_a_closed_request_has_no_clock_and_is_not_live(store: Store) -> None:
    """Nothing fires after the end."""
    request = await opened(store)
    await store.change(request.id, lambda r, now: machine.withdrawn(r, "alex", "not needed", now))
    assert await store.live() == []
    await push(store, timedelta(days=30))
    assert await store.due() == []
    assert (await store.get(request.id)).outcome is not None


async def test_asking_again_happens_in_the_step_that_invalidates(store: Store) -> None:
    """Closing as invalidated and opening the next round is one script."""
    request = await opened(store)
    again = replace(an_ask(interrupt="i1-round-2", opened_at=await store.now()), revises=request.id)
    await store.change(request.id, lambda r, now: machine.invalidated(r, "the code changed", now, again))
    old, new = await store.get(request.id), await store.get(again.id)
    assert old.outcome is not None
    assert (old.outcome.kind, new.state) == (OutcomeKind.INVALIDATED, State.OPEN)


async def test_a_step_that_returns_nothing_changes_nothing(store: Store) -> None:
    """A sweeper that comes too early leaves no trace."""
    request = await opened(store)
    applied = await store.change(request.id, machine.fire)
    assert applied.request == request


async def test_work_is_held_by_one_worker_and_handed_on_when_it_is_silent(store: Store) -> None:
    """A dead worker's item goes to another one, a living one's does not."""
    await store.start(a_run())
    first = await store.take("w1", idle=SOON, wait=timedelta(0))
    assert first is not None
    assert await store.take("w2", idle=SOON, wait=timedelta(0)) is None
    assert await store.entered(first, "w1") == 1
    second = await store.take("w2", idle=timedelta(0), wait=timedelta(0))
    assert second is not None
    assert (second.id, second.tries) == (first.id, 1)
    assert await store.keep(first, "w1") is False
    assert await store.entered(first, "w1") is None
    await store.finish(first, "w1")
    assert await store.keep(second, "w2") is True
    await store.finish(second, "w2")
    assert await store.take("w3", idle=timedelta(0), wait=timedelta(0)) is None


async def test_a_thread_is_started_once(store: Store) -> None:
    """The same mention delivered again starts nothing."""
    assert await store.start(a_run(), token="Ev1") is True
    await store.start(a_run(), token="Ev1")
    assert await store.start(a_run(), token="Ev2") is False
    assert await store.take("w1", idle=SOON, wait=timedelta(0)) is not None
    assert await store.take("w1", idle=SOON, wait=timedelta(0)) is None


async def test_a_thread_is_started_again_once_its_run_has_ended(store: Store) -> None:
    """A conversation at an agent's own server goes on for days: one run at a time, each with its own words."""
    assert await store.start_again(a_run()) is True
    assert await store.start_again(a_run()) is False
    item = await store.take("w1", idle=SOON, wait=timedelta(0))
    assert item is not None
    await store.finish(item, "w1")
    await store.finish_run(a_run().thread, AuditEntry(event=Event.RUN_FINISHED, words="ended"))
    again = replace(a_run(), goal="And one more")
    assert await store.start(again) is False
    assert await store.start_again(again) is True
    assert await store.unfinished() == [again]
    assert await store.run(again.thread) == again
    item = await store.take("w1", idle=SOON, wait=timedelta(0))
    assert item is not None
    assert item.work.run == again
    assert [one.entry.event for one in await store.trail(again.thread)] == [
        Event.RUN_STARTED, Event.RUN_FINISHED, Event.RUN_STARTED,
    ]  # fmt: skip


async def test_a_run_ends_once_and_says_so_once(store: Store) -> None:
    """The report is told once however often the worker says it."""
    run = a_run()
    await store.start(run)
    assert [r.thread for r in await store.unfinished()] == [run.thread]
    report = Notice(key="report", kind=NoticeKind.REPORT, place=run.origin, thread=run.thread, text="Done.")
    entry = AuditEntry(event=Event.RUN_FINISHED, words="ended")
    await store.finish_run(run.thread, entry, (report,))
    await store.finish_run(run.thread, entry, (report,))
    assert await store.unfinished() == []
    targets = await store.claim((Lane.TELL,), lease=SOON)
    assert len(targets) == 1
    assert await store.notice(targets[0].id) == report


async def test_a_card_is_dirty_until_it_shows_the_newest_record(store: Store) -> None:
    """Level-triggered: what changed while it was being drawn is drawn again."""
    request = await opened(store)
    card = Target(kind=TargetKind.CARD, id=request.id, where="slack:C0FIN")
    assert str(card) in await claimed(store)
    assert str(card) not in await claimed(store)
    await store.change(request.id, approve())
    assert str(card) not in await claimed(store)  # leased: nobody else may draw it meanwhile
    ref = MessageRef(platform="slack", channel="C0FIN", message="1700.5")
    await store.set_told(card, Told(ref=ref, version=1, revision=1))
    assert str(card) in await claimed(store)
    await store.set_told(card, Told(ref=ref, version=2, revision=1))
    assert str(card) not in await claimed(store)
    assert (await store.told(card)).ref == ref
    assert next(iter((await store.all_told(request.id)).values())).version == 2


async def test_a_card_is_found_by_the_thread_it_stands_in(store: Store) -> None:
    """That is how a typed answer finds its request; who answers a closed one can still be told so."""
    request = await opened(store)
    card, here = Target(kind=TargetKind.CARD, id=request.id, where="slack:C0FIN"), Place("slack:C0FIN/1700.5")
    ref = MessageRef(platform="slack", channel="C0FIN", message="1700.5")
    await store.set_told(card, Told(ref=ref, version=1))
    assert list(await store.standing_in(here)) == list(await store.stood_in(here)) == [request.id]
    assert list(await store.stood_in(Place("slack:C0FIN/9"))) == []
    await store.change(request.id, lambda r, now: machine.withdrawn(r, "alex", "never mind", now))
    assert (list(await store.standing_in(here)), list(await store.stood_in(here))) == ([], [request.id])


async def test_what_could_not_be_told_is_tried_again_later(store: Store) -> None:
    """A back-off keeps it out of reach, but not for ever."""
    request = await opened(store)
    await claimed(store)
    card = Target(kind=TargetKind.CARD, id=request.id, where="slack:C0FIN")
    await store.set_told(card, Told(attempts=1), again=timedelta(hours=1))
    assert str(card) not in await claimed(store)
    await store.set_told(card, Told(attempts=2), again=timedelta(0))
    assert str(card) in await claimed(store)


async def test_a_lease_ends_when_it_is_not_renewed_by_its_holder(store: Store) -> None:
    """That is how a tool that died is told from one that runs."""
    request = await opened(store)
    await store.change(request.id, approve())
    await store.change(request.id, lambda r, now: machine.resuming(r, "w1", now))
    begin = lambda r, now: effects.begin(r, attempt=1, worker="w1", lease=SOON, now=now)  # noqa: E731
    await store.change(request.id, begin)
    assert await store.lease_held(request.id)
    assert store.renew(request.id, "w2", SOON) is False
    assert store.renew(request.id, "w1", timedelta(milliseconds=1)) is True
    if isinstance(store, MemoryStore):
        store.advance(timedelta(milliseconds=2))
    else:
        await asyncio.sleep(0.02)  # the lease is wall time
    assert not await store.lease_held(request.id)
    assert store.renew(request.id, "w1", SOON) is False


async def test_a_note_with_the_same_token_is_kept_once(store: Store) -> None:
    """A redelivered refusal is one line in the audit."""
    entry = AuditEntry(event=Event.REFUSED_ANSWER, words="not an approver", by="mallory")
    for _ in range(2):
        await store.note(entry, thread=ThreadId("t1"), token="click-9")
    assert [r.entry for r in await store.trail(ThreadId("t1"))] == [entry]


async def test_a_demo_store_is_not_opened_for_production(redis_url: str) -> None:
    """Nor the other way round: in one of them the clock can be pushed."""
    store = await RedisStore.connect(redis_url, demo=True)
    await store.close()
    with pytest.raises(WrongStore):
        await RedisStore.connect(redis_url)


async def test_production_scripts_cannot_push_the_clock(redis_url: str) -> None:
    """The word does not occur in them."""
    assert not [name for name, text in redis_scripts.texts(demo=False).items() if "offset" in text]


async def test_a_reply_lost_on_the_way_is_not_taken_for_a_lost_race(redis_url: str) -> None:
    """The commit is sent again by the client and finds that it was its own."""
    store = await RedisStore.connect(redis_url)
    request = await opened(store)
    real, calls = store._scripts["COMMIT"], []

    async def twice(**call: object) -> object:
        calls.append(await real(**call))  # type: ignore[arg-type]
        return await real(**call)  # type: ignore[arg-type]

    store._scripts["COMMIT"] = twice  # type: ignore[assignment]
    applied = await store.change(request.id, approve())
    assert (applied.request.state, applied.replayed, applied.request.version) == (State.DECIDED, False, 2)
    assert [r.entry.event for r in await store.trail(ThreadId("t1"))].count(Event.DECIDED) == 1
    await store.close()


async def test_what_happened_in_all_runs_is_told_in_its_order(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From an instant on, across runs, and however many lines there are."""
    monkeypatch.setattr(redis_past, "LINES", 2)
    await opened(store, thread="t1")
    await push(store, timedelta(hours=1))
    since = await store.now()
    second = await opened(store, thread="t2")
    for number in range(5):
        await store.note(AuditEntry(event=Event.SHOWN, words=f"{number}"), thread=second.ask.run.thread)
    told = await store.happened(since)
    assert [one.entry.words for one in told[1:]] == ["0", "1", "2", "3", "4"]
    assert {one.thread for one in told} == {"t2"}
    assert len(await store.happened(since - timedelta(hours=2))) == len(told) + 1


async def test_the_policy_that_was_published_last_counts(store: Store) -> None:
    """With its words and its time."""
    assert await store.published_policy() is None
    for version in ("a1", "b2"):
        await store.publish_policy(version, f'{{"version":"{version}"}}')
    published = await store.published_policy()
    assert published is not None
    assert (published.version, published.text) == ("b2", '{"version":"b2"}')
    assert published.at <= await store.now()
