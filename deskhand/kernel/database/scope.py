"""One transaction for one account.

`account_scope` opens a transaction and names its account to PostgreSQL, so that row-level security shows
that account's rows and no others; without a scope there are none. Callbacks given to `before_commit` run once,
inside the transaction, as the last thing before it commits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from django.db import connection, transaction


@dataclass
class Scope:
    account_id: int
    last: list[Callable[[], None]] = field(default_factory=list)
    #: Facts that live as long as the transaction (the events recorded so far, say), by the owner's name.
    notes: dict[str, object] = field(default_factory=dict)


_scope: ContextVar[Scope | None] = ContextVar("account_scope", default=None)


@contextmanager
def account_scope(account_id: int) -> Iterator[Scope]:
    """Work inside one transaction of `account_id`; joins an outer scope of the same account.

    An error rolls back everything since the outermost scope. Raises RuntimeError inside a scope of another account.
    """
    outer = _scope.get()
    if outer is not None:
        if outer.account_id != account_id:
            raise RuntimeError(
                f"A scope of account {outer.account_id} is open; {account_id} needs its own transaction."
            )
        yield outer
        return
    scope = Scope(account_id)
    token = _scope.set(scope)
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("select set_config('deskhand.account', %s, true)", [str(account_id)])
            yield scope
            settle()
    finally:
        _scope.reset(token)
        if connection.in_atomic_block:  # tests run inside an outer transaction, where SET LOCAL lives on
            with connection.cursor() as cursor:
                if not connection.needs_rollback:
                    cursor.execute("select set_config('deskhand.account', '', true)")


def current_scope() -> Scope:
    """The open scope. Raises RuntimeError when there is none."""
    scope = _scope.get()
    if scope is None:
        raise RuntimeError("No account scope is open; wrap the call in account_scope(account_id).")
    return scope


def current_account_id() -> int:
    return current_scope().account_id


def settle() -> None:
    """Run what waits for the commit now. The scope's end does it too; a story told in one transaction does it between."""
    scope = current_scope()
    while scope.last:
        scope.last.pop(0)()


@contextmanager
def attempt() -> Iterator[None]:
    """Try something inside the open scope: an error undoes what was done and noted since, and goes on to the caller."""
    scope = current_scope()
    last, notes = list(scope.last), {name: _copied(noted) for name, noted in scope.notes.items()}
    try:
        with transaction.atomic():
            yield
    except BaseException:
        scope.last[:] = last
        scope.notes.clear()
        scope.notes.update(notes)
        raise


@contextmanager
def read_only() -> Iterator[None]:
    """Within it PostgreSQL refuses to write or to hold a row, whatever is called; afterwards the open scope may again."""
    current_scope()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("set local transaction_read_only = on")
        yield


def _copied(noted: object) -> object:
    return list(noted) if isinstance(noted, list) else noted


def before_commit(fn: Callable[[], None]) -> None:
    """Run `fn` inside the scope's transaction, just before it commits. A callback may register further ones."""
    current_scope().last.append(fn)
