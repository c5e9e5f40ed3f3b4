"""Reads JSON that came from outside into values of known shape; each refusal names the path of its culprit.

fields = Reading(data).fields("name", "steps", optional=("note",))
name, steps = fields["name"].text(), [step.fields("id")["id"].whole() for step in fields["steps"].items()]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from deskhand.kernel.errors import Invalid

Choice = TypeVar("Choice", bound=StrEnum)

#: The largest whole number that a bigint column takes.
BIGGEST = 2**63 - 1


class Reading:
    """One JSON value and where it stands in its document."""

    def __init__(self, value: object, path: str = "") -> None:
        self.value, self.path = value, path

    def refuse(self, expected: str) -> NoReturn:
        """Raises Invalid: this value is not `expected`."""
        where = self.path or "The document"
        raise Invalid(f"{where} must be {expected}.", field=self.path, value=self.value)

    def fields(self, *required: str, optional: tuple[str, ...] = ()) -> Fields:
        """The fields of an object that has all of `required` and no other than those and `optional`."""
        if not isinstance(self.value, dict):
            self.refuse("an object")
        for name in required:
            if name not in self.value:
                Reading(None, self._inside(name)).refuse("given")
        for name in self.value:
            if name not in required and name not in optional:
                Reading(self.value[name], self._inside(str(name))).refuse("left out: there is no such field")
        return Fields({name: Reading(value, self._inside(name)) for name, value in self.value.items()})

    def has(self, name: str) -> bool:
        return isinstance(self.value, dict) and name in self.value

    def items(self, *, at_least: int = 0, at_most: int = 10_000) -> list[Reading]:
        if not isinstance(self.value, list):
            self.refuse("a list")
        if not at_least <= len(self.value) <= at_most:
            self.refuse(f"a list of {at_least} to {at_most} items")
        return [Reading(item, f"{self.path}[{index}]") for index, item in enumerate(self.value)]

    def text(self, *, at_most: int = 65_536, may_be_empty: bool = False) -> str:
        if not isinstance(self.value, str) or not (self.value or may_be_empty) or len(self.value) > at_most:
            self.refuse(f"a text of {0 if may_be_empty else 1} to {at_most} characters")
        if not is_storable(self.value):
            self.refuse("a text without NUL or half characters")
        return self.value

    def whole(self, *, at_least: int = -BIGGEST, at_most: int = BIGGEST) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            self.refuse("a whole number")
        if not at_least <= self.value <= at_most:
            self.refuse(f"a whole number from {at_least} to {at_most}")
        return self.value

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            self.refuse("true or false")
        return self.value

    def one_of(self, choices: type[Choice]) -> Choice:
        if not isinstance(self.value, str) or self.value not in [choice.value for choice in choices]:
            self.refuse("one of " + ", ".join(choice.value for choice in choices))
        return choices(self.value)

    def mapping(self) -> dict[str, Any]:
        """A free object: keys are texts, values are JSON that can be stored."""
        if not isinstance(self.value, dict):
            self.refuse("an object")
        _check_storable(self, depth=0)
        return self.value

    def _inside(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


class Fields(Mapping[str, Reading]):
    """The fields of an object. `given` is None for a field that is missing or null."""

    def __init__(self, readings: dict[str, Reading]) -> None:
        self._readings = readings

    def __getitem__(self, name: str) -> Reading:
        return self._readings[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._readings)

    def __len__(self) -> int:
        return len(self._readings)

    def given(self, name: str) -> Reading | None:
        reading = self._readings.get(name)
        return None if reading is None or reading.value is None else reading


def is_storable(text: str) -> bool:
    """Whether PostgreSQL takes the text: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def _check_storable(reading: Reading, *, depth: int) -> None:
    value = reading.value
    if depth > 20:
        reading.refuse("nested less deeply")
    if isinstance(value, str):
        reading.text(may_be_empty=True)
    elif isinstance(value, list):
        for item in reading.items():
            _check_storable(item, depth=depth + 1)
    elif isinstance(value, dict):
        for name, inner in value.items():
            Reading(name, reading.path).text(at_most=200)
            _check_storable(Reading(inner, reading._inside(name)), depth=depth + 1)
    elif isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        reading.refuse("a number")
    elif value is not None and not isinstance(value, int | float):
        reading.refuse("JSON")
