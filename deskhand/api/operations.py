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

#: What a token needs: a fixed set of scopes of which it must have one, or a question to the parts of the address.
Needs = Callable[[Mapping[str, str]], Collection[str]]


@dataclass
class Call:
    """One call of an operation, by somebody who may make it."""

    request: HttpRequest
    version: str
    token: TokenUse
    viewer: Viewer
    by: Actor
    parts: Mapping[str, str] = field(default_factory=dict)  # of the address, by name
    body: Any = None

    @property
    def query(self) -> QueryDict:
        return self.request.GET


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
    handler: Callable[[Call], Any]
    needs: Needs
    takes: type[BaseModel] | None
    gives: Mapping[int, Any]
    asks: tuple[str, ...] = ()  # names of parameters in the query

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

    def knows(self, segments: tuple[str, ...]) -> bool:
        """Whether there is an operation at this address, by whatever method."""
        return any(
            _match(operation.segments, segments) is not None
            for operation in self._by_length.get(len(segments), ())
        )


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
    needs: Needs,
    gives: Mapping[int, Any],
    takes: type[BaseModel] | None = None,
    asks: Collection[str] = (),
) -> Callable[[Callable[[Call], Any]], Callable[[Call], Any]]:
    """Declare an operation."""

    def declared(handler: Callable[[Call], Any]) -> Callable[[Call], Any]:
        table.add(Operation(method, path, handler, needs, takes, gives, tuple(asks)))
        return handler

    return declared
