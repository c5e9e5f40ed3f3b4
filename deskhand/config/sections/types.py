"""What a section of a configuration is: a list of things of one sort, each with a name that stays the same elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from deskhand.config.names import Names
from deskhand.events.types import Actor
from deskhand.kernel.strict_json import Reading

#: One thing as it stands in the document.
Item = dict[str, Any]


class Section(ABC):
    """`export` and `put` are each other's opposite: what was put is exported as it was given."""

    name: ClassVar[str]
    #: The section that must be there before it is finished; none: itself.
    needs: ClassVar[str] = ""
    #: Fields that say how to get there and are not exported.
    only_said: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def export(self, names: Names) -> list[Item]:
        """All there is in the open account, in an order that stays."""

    @abstractmethod
    def key(self, item: Item) -> str:
        """What tells it from the others."""

    @abstractmethod
    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        """One item as given; what it leaves out is as `before`, by key, has it, or as a new one begins.

        Raises Invalid, naming the path.
        """

    def prepare(self, items: Sequence[Item], before: Mapping[str, Item], names: Names, by: Actor) -> None:  # noqa: B027
        """Make what others of this section may name."""

    @abstractmethod
    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        """Make it so: a new one, or the one that is there."""

    @abstractmethod
    def drop(self, before: Item, names: Names, by: Actor) -> None:
        """Take it away. Raises Conflict while something needs it."""

    def may_drop(self, before: Item) -> bool:
        return True

    def finish(self, items: Sequence[Item], names: Names, by: Actor) -> None:  # noqa: B027
        """What needs all its items: the order, and what names things of the section that it `needs`."""

    def compared(self, item: Item, names: Names) -> Item:
        """The item without what stands there for the reader only."""
        return item

    def effects(self, before: Item, after: Item | None, names: Names) -> list[str]:
        """What a change means for records that are there; `after` is None for what is taken away."""
        return []
