"""What the forms, checks and words of many actions ask alike is read once while somebody looks at all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_read: ContextVar[dict[Any, Any] | None] = ContextVar("read_once", default=None)


@contextmanager
def reading_once(kept: dict[Any, Any] | None = None) -> Iterator[None]:
    """Within it every function that is marked `once` answers each question once. Nothing may be written within.

    Who comes back to it, for one page, keeps in `kept` what was answered.
    """
    if _read.get() is not None:
        yield
        return
    token = _read.set({} if kept is None else kept)
    try:
        yield
    finally:
        _read.reset(token)


def once(ask: Callable[P, T]) -> Callable[P, T]:
    """Mark a function whose answer is the same for the same arguments, within `reading_once`."""

    @wraps(ask)
    def answer(*args: P.args, **kwargs: P.kwargs) -> T:
        known = _read.get()
        if known is None:
            return ask(*args, **kwargs)
        key = (ask, args, tuple(sorted(kwargs.items())))
        if key not in known:
            known[key] = ask(*args, **kwargs)
        return known[key]  # type: ignore[no-any-return]

    return answer
