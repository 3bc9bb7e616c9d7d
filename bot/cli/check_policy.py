"""What `sayso check` sees of how the running bot works: whether by this policy, and whether it is paused."""

from __future__ import annotations

from ..one_policy import difference_to_published
from ..opening import open_store
from ..settings import Settings
from .halting import standing, words_of
from .looks import Doubtful


async def same_policy(settings: Settings) -> str:
    """Raises: Doubtful, naming what differs."""
    async with open_store(settings) as store:
        if problem := await difference_to_published(store, settings.policy):
            raise Doubtful(problem)
        published = await store.published_policy()
    return f"{settings.policy.version}: " + ("the bot works by it" if published else "no bot was started yet")


async def nothing_paused(settings: Settings) -> str:
    """Raises: Doubtful, saying who paused what."""
    if halts := await standing(settings):
        raise Doubtful("; ".join(words_of(one, settings) for one in halts))
    return "nothing"
