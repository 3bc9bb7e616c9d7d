"""The names of a thread's Redis keys: its checkpoints, its lock and its fence counter share one hash tag."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

#: What would end a hash tag or a part of a key early ("C123:1699.0001" is a natural thread id in Slack).
_ESCAPES = str.maketrans({"%": "%25", "{": "%7B", "}": "%7D", ":": "%3A"})


@dataclass(frozen=True, slots=True)
class ThreadKeys:
    """All keys of one thread; two different threads never share one.

    Attributes:
        prefix: What every key of this installation begins with.
        thread: The thread's id as LangGraph knows it; never empty.
    """

    prefix: str
    thread: str

    def __post_init__(self) -> None:
        if not self.thread:
            raise ValueError("a thread id is never empty")

    @property
    def stem(self) -> str:
        """The beginning of all of them; the part in braces decides the cluster slot."""
        head, tail = around_thread(self.prefix)
        return f"{head}{escape(self.thread)}{tail}"

    @property
    def namespaces(self) -> str:
        """SET of the checkpoint namespaces in use, escaped."""
        return f"{self.stem}ns"

    @property
    def lock(self) -> str:
        """STRING: who runs this thread now; expires with the lease."""
        return f"{self.stem}lock"

    @property
    def fence(self) -> str:
        """STRING: rises each time that the thread is taken; goes when the thread is deleted."""
        return f"{self.stem}fence"

    def of(self, namespace: str, part: str) -> str:
        """A key of one checkpoint namespace; `part` is one letter, see `checkpoint_scripts`."""
        return f"{self.stem}{escape(namespace)}:{part}"


def around_thread(prefix: str) -> tuple[str, str]:
    """What stands before and after an escaped thread id in its keys; no request's key begins like this."""
    return f"{prefix}:thread:{{", "}:"


def escape(text: str) -> str:
    """Text that can stand inside a key or a hash tag."""
    return text.translate(_ESCAPES)


def unescape(text: str) -> str:
    """What `escape` was given."""
    return unquote(text)
