"""How stored threads are thinned, copied and forgotten, as steps like those of `checkpoint_steps`.

A thread that a worker runs is left alone, and one that moves while it is looked at is looked at again; only deleting
shuts its worker out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ..approvals.errors import SaysoError
from . import checkpoint_scripts, upkeep_scripts
from .checkpoint_codec import Outline, StateLost
from .checkpoint_steps import Page, Steps, Verbs
from .upkeep_scripts import HELD

#: How often a thread that moves is looked at again.
TRIES = 5

#: Rows, which hold no values, fetched at once.
_ROWS = 512


class ThreadHeld(SaysoError):
    """A worker runs a thread just now, so its stored state was left as it is.

    Attributes:
        threads: Their ids; whatever else was asked for has been done.
    """

    def __init__(self, threads: Sequence[str]) -> None:
        named = ", ".join(map(repr, threads))
        super().__init__(f"A worker runs {named} just now, so the stored state there was left as it is.")
        self.threads = tuple(threads)


class ThreadExists(SaysoError):
    """A thread is copied only to where there is none.

    Attributes:
        thread: The id that is taken.
    """

    def __init__(self, thread: str) -> None:
        super().__init__(f"Thread {thread!r} exists or is held, so nothing was copied to it.")
        self.thread = thread


#: Which checkpoints of one namespace, newest first, go.
_Choice = Callable[[Sequence[Outline]], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The verbs of one installation that no run calls."""

    verbs: Verbs

    def delete(self, thread: str) -> Steps[None]:
        """Forget a thread; its keys are gone, and a worker that still runs it can write no more."""
        yield upkeep_scripts.delete(self.verbs.keys(thread))

    def expire(self, thread: str, after: timedelta) -> Steps[None]:
        """Forget a thread after a while."""
        yield upkeep_scripts.expire(self.verbs.keys(thread), after)

    def prune(self, threads: Sequence[str], strategy: str) -> Steps[None]:
        """Keep only what the newest checkpoint of each namespace needs ("keep_latest"), or nothing ("delete").

        Raises: ThreadHeld.
        """
        if strategy not in ("keep_latest", "delete"):
            raise ValueError(f'the strategy is "keep_latest" or "delete", not {strategy!r}')
        if strategy == "delete":
            for thread in threads:
                yield from self.delete(thread)
            return
        yield from self._thin_all(threads, lambda rows: _all_but(rows, _needed(rows, rows[:1])))

    def delete_for_runs(self, runs: Sequence[str]) -> Steps[None]:
        """Forget what these runs stored, in every thread, but for what later checkpoints are rebuilt from.

        Raises: ThreadHeld.
        """

        def theirs(rows: Sequence[Outline]) -> Sequence[str]:
            left = [row for row in rows if row.labels.get("run_id") not in runs]
            return _all_but(rows, _needed(rows, left))

        if runs:
            yield from self._thin_all((yield from self.verbs.threads()), theirs)

    def copy(self, source: str, target: str) -> Steps[None]:
        """Store all of a thread under another id, byte for byte; nothing is seen of it before all is there.

        Raises: ThreadHeld, ThreadExists, StateLost.
        """
        keys = self.verbs.keys(target)
        for _ in range(TRIES):
            mark = yield from self._mark(source)
            if mark == HELD:
                break
            if (yield upkeep_scripts.clear(keys)) != -1:
                raise ThreadExists(target)
            staged = yield from self._staged(source, target)
            if (yield from self._mark(source)) != mark:
                continue
            if (yield upkeep_scripts.publish(keys, staged)) != -1:
                raise ThreadExists(target)
            return
        raise ThreadHeld([source])

    def _staged(self, source: str, target: str) -> Steps[Mapping[str, Sequence[str]]]:
        """The ids of what was laid down for a copy, by namespace."""
        staged: dict[str, list[str]] = {}
        for place in (yield from self.verbs.namespaces(source)):
            ids, sent = staged.setdefault(place.namespace, []), set[bytes]()
            page: Page | None = Page.first(place, None)
            while page is not None:
                found: Sequence[Any] = yield self.verbs.read(page)
                for id, row, names, blobs, writes in found:
                    whole = dict(zip(names, blobs, strict=True))
                    if row is None or None in blobs:
                        raise StateLost(source, [f"part of checkpoint {id.decode()}"])
                    new = {name: blob for name, blob in whole.items() if name not in sent}
                    sent |= new.keys()
                    ids.append(id.decode())
                    yield upkeep_scripts.stage(
                        self.verbs.keys(target), place.namespace, ids[-1],
                        row=row, names=names, blobs=new, writes=writes,
                    )  # fmt: skip
                page = page.after(found)
        return {name: ids for name, ids in staged.items() if ids}

    def _thin_all(self, threads: Sequence[str], choice: _Choice) -> Steps[None]:
        held: list[str] = []
        for thread in threads:
            if not (yield from self._thinned(thread, choice)):
                held += [thread]
        if held:
            raise ThreadHeld(held)

    def _thinned(self, thread: str, choice: _Choice) -> Steps[bool]:
        """Drop what is chosen of each namespace, all at once; False when the thread does not stand still."""
        for _ in range(TRIES):
            mark = yield from self._mark(thread)
            gone: dict[str, Sequence[str]] = {}
            for place in (yield from self.verbs.namespaces(thread)):
                if ids := choice((yield from self._rows(thread, place.namespace))):
                    gone[place.namespace] = ids
            if gone and mark == HELD:
                return False
            if not gone or (yield upkeep_scripts.drop(self.verbs.keys(thread), mark, gone)) == -1:
                return True
        return False

    def _mark(self, thread: str) -> Steps[bytes]:
        mark: bytes = yield upkeep_scripts.look(self.verbs.keys(thread))
        return mark

    def _rows(self, thread: str, namespace: str) -> Steps[Sequence[Outline]]:
        """Every checkpoint of a namespace without its values, newest first."""
        rows: list[Outline] = []
        newest = "+"
        while True:
            keys = self.verbs.keys(thread)
            found = yield checkpoint_scripts.rows(keys, namespace, newest=newest, count=_ROWS)
            rows += [self.verbs.codec.outline(thread, one) for one in found]
            if len(found) < _ROWS:
                return rows
            newest = f"({rows[-1].id}"


def _needed(rows: Sequence[Outline], kept: Sequence[Outline]) -> set[str]:
    """The kept ones, and the ancestors without which their delta channels could not be rebuilt."""
    by_id = {row.id: row for row in rows}
    needed = set[str]()
    for one in kept:
        needed.add(one.id)
        parts = one.delta - one.channels
        ancestor = by_id.get(one.parent)
        while parts and ancestor is not None:
            needed.add(ancestor.id)
            parts -= ancestor.channels
            ancestor = by_id.get(ancestor.parent)
    return needed


def _all_but(rows: Sequence[Outline], needed: set[str]) -> Sequence[str]:
    return [row.id for row in rows if row.id not in needed]
