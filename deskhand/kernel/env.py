"""Settings from the environment. A wrong value stops the start with its name, the value and what is allowed.

`NAME_FILE` may name a file that holds the value of a secret.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from deskhand.kernel.errors import Misconfigured

#: Every name that was read, so that a test can ask docs/settings.md for each.
names_read: set[str] = set()


def text(name: str, default: str = "", *, one_of: Collection[str] = ()) -> str:
    names_read.add(name)
    value = os.environ.get(name, default)
    if one_of and value not in one_of:
        raise Misconfigured(name, value, "one of " + ", ".join(one_of))
    return value


def flag(name: str, default: bool = False) -> bool:
    names_read.add(name)
    value = os.environ.get(name)
    if value is None or value == "":
        return default
    if value.lower() in ("1", "true", "yes", "on"):
        return True
    if value.lower() in ("0", "false", "no", "off"):
        return False
    raise Misconfigured(name, value, "true or false")


def whole(name: str, default: int, *, at_least: int = 0, at_most: int = 2**31) -> int:
    names_read.add(name)
    value = os.environ.get(name, "")
    if value == "":
        return default
    try:
        number = int(value)
    except ValueError:
        number = at_least - 1
    if not at_least <= number <= at_most:
        raise Misconfigured(name, value, f"a whole number from {at_least} to {at_most}")
    return number


def secret(name: str, default: str = "") -> str:
    names_read.update((name, f"{name}_FILE"))
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text().strip()
        except OSError as failure:
            raise Misconfigured(f"{name}_FILE", path, "a readable file") from failure
    return os.environ.get(name, default)


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]
