"""What queries ask for: pages, lists of names, yes and no; and where the next page is (api.md §1.4, §1.6)."""

from __future__ import annotations

from typing import Any

from deskhand.api import refusals
from deskhand.api.operations import OpenCall
from deskhand.kernel.text import whole


def several(call: OpenCall, name: str) -> tuple[str, ...]:
    """Names that are given one by one, or with commas between, or both; each once."""
    given = (one.strip() for text in call.query.getlist(name) for one in text.split(","))
    return tuple(dict.fromkeys(one for one in given if one))


def flag(call: OpenCall, name: str) -> bool:
    """Raises Refusal."""
    given = call.query.get(name, "").lower()
    if given not in ("", "true", "false"):
        raise _wrong(name, given, "true or false")
    return given == "true"


def limit(call: OpenCall, *, default: int, most: int) -> int:
    """Raises Refusal."""
    given = call.query.get("limit", "")
    if not given:
        return default
    number = whole(given)
    if number is None or not 1 <= number <= most:
        raise _wrong("limit", given, f"a number from 1 to {most}")
    return number


def after(call: OpenCall) -> int:
    """The record that the page begins behind. Raises Refusal."""
    given = call.query.get("after", "")
    number = whole(given) if given else 0
    if number is None or number < 0:
        raise _wrong("after", given, "what the page before gave")
    return number


def following(call: OpenCall, last: int | str | None) -> dict[str, Any] | None:
    """Where the next page is: the address that was asked, whole, with `after` (api.md §1.6)."""
    if last is None:
        return None
    query = call.query.copy()
    query["after"] = str(last)
    link = f"{root(call)}{call.request.path}?{query.urlencode()}"
    return {"next": {"after": str(last), "link": link}}


def root(call: OpenCall) -> str:
    """Where we are asked, without a path."""
    return call.request.build_absolute_uri("/").rstrip("/")


def _wrong(name: str, given: str, allowed: str) -> refusals.Refusal:
    return refusals.bad(f"{name} is {given[:80]!r}; it must be {allowed}.", context={"parameter": [name]})
