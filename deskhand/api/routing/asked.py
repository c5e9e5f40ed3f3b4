"""What the operations on routing ask of a token, and numbers out of texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from pydantic.alias_generators import to_camel

from deskhand.accounts import plans, policy
from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import Action
from deskhand.api import refusals
from deskhand.api.operations import Call
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole

READ, WRITE = "deskhand.routing.read", "deskhand.routing.write"


def to_read(_parts: Mapping[str, str]) -> set[str]:
    return {READ, WRITE}


def to_write(_parts: Mapping[str, str]) -> set[str]:
    return {WRITE}


@contextmanager
def in_our_words() -> Iterator[None]:
    """What verbs refuse names fields as bodies have them."""
    try:
        yield
    except Invalid as problem:
        field = to_camel(problem.field)
        raise Invalid(problem.message, field=field, value=problem.value, hint=problem.hint) from None


def require(call: Call, action: Action, feature: Feature) -> None:
    """As a page that a plan may not have. Raises Forbidden."""
    policy.require(call.viewer, action)
    if feature not in plans.features_of(call.viewer.account_id):
        raise refusals.Refusal(403, "FORBIDDEN", "Your plan does not have this.")


def part(call: Call, name: str) -> int:
    """A number in the address. Raises Refusal."""
    found = whole(call.parts[name])
    if found is None:
        raise refusals.missing("There is nothing of this number.", context={name: [call.parts[name][:80]]})
    return found


def number(field: str, text: str) -> int:
    """Raises Invalid."""
    found = whole(text)
    if found is None:
        raise Invalid(f"{text[:80]!r} is no id.", field=field, value=text[:80], hint="Ids are digits.")
    return found


def numbers(field: str, texts: Iterable[str]) -> list[int]:
    """Raises Invalid."""
    return [number(field, text) for text in texts]
