"""What the API offers: each operation with its address, what a token needs for it, what it takes and what it gives.

A resource's file declares its own with `operation`; `table` has all of them, for the entrance and for the description.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, QueryDict
from pydantic import BaseModel

from deskhand.accounts.tokens import TokenUse
from deskhand.accounts.types import Viewer
from deskhand.events.types import Actor

#: What a token needs: scopes of which it must have one, by the parts of the address; none of them: any token will do.
Needs = Callable[[Mapping[str, str]], Collection[str]]


@dataclass(kw_only=True)
class OpenCall:
    """One call of an operation that asks for no token: by anybody, and in no account's scope until its handler opens one."""

    request: HttpRequest
    version: str
    parts: Mapping[str, str] = field(default_factory=dict)  # of the address, by name
    body: Any = None

    @property
    def query(self) -> QueryDict:
        return self.request.GET


@dataclass(kw_only=True)
class Call(OpenCall):
    """One call by somebody who may make it, in the scope of the token's account."""

    token: TokenUse
    viewer: Viewer
    by: Actor


def any_token(_parts: Mapping[str, str]) -> Collection[str]:
    """The `needs` of what every token may do, whatever its scopes."""
    return ()


@dataclass(frozen=True)
class Answer:
    """What an operation answers where it is not its usual status."""

    content: Any
    status: int


@dataclass(frozen=True)
class Operation:
    """`path` has its parts in braces; `gives` are the shapes of its answers by status, the first is the usual one."""

    method: str
    path: str
    handler: Callable[[Any], Any]
    needs: Needs | None  # None: open to all, its handler gets an OpenCall
    takes: type[BaseModel] | None
    gives: Mapping[int, Any]
    asks: tuple[str, ...] = ()  # names of parameters in the query
    takes_form: bool = False  # its body may also come as a form's fields
    by_key: bool = False  # the token may also stand in the query, as "hapikey" (api.md §1.3)
    from_pages: bool = False  # scripts on other sites' pages may call it (CORS)

    @property
    def status(self) -> int:
        usual: int = next(iter(self.gives))
        return usual

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.path.strip("/").split("/"))


class Table:
    """All operations, found by the segments of an address: what is written out goes before what stands for anything."""

    def __init__(self) -> None:
        self._by_length: dict[int, list[Operation]] = {}

    def __iter__(self) -> Iterator[Operation]:
        return (operation for found in self._by_length.values() for operation in found)

    def add(self, operation: Operation) -> None:
        found = self._by_length.setdefault(len(operation.segments), [])
        found.append(operation)
        found.sort(key=lambda one: [_is_part(segment) for segment in one.segments])

    def find(
        self, method: str, segments: tuple[str, ...]
    ) -> tuple[Operation | None, dict[str, str], list[str]]:
        """The operation, the parts of the address, and the methods that the address knows."""
        methods = []
        for operation in self._by_length.get(len(segments), ()):
            parts = _match(operation.segments, segments)
            if parts is None:
                continue
            if operation.method == method:
                return operation, parts, []
            methods.append(operation.method)
        return None, {}, sorted(set(methods))


def _is_part(segment: str) -> bool:
    return segment.startswith("{")


def _match(pattern: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    parts = {}
    for wanted, given in zip(pattern, segments, strict=True):
        if _is_part(wanted):
            parts[wanted[1:-1]] = given
        elif wanted != given:
            return None
    return parts


table = Table()


def operation(
    method: str,
    path: str,
    *,
    needs: Needs | None,
    gives: Mapping[int, Any],
    takes: type[BaseModel] | None = None,
    asks: Collection[str] = (),
    takes_form: bool = False,
    by_key: bool = False,
    from_pages: bool = False,
) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Declare an operation."""

    def declared(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
        one = Operation(
            method, path, handler, needs, takes, gives, tuple(asks), takes_form, by_key, from_pages
        )
        table.add(one)
        return handler

    return declared
