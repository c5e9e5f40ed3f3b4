"""What the bodies of requests have in common: names in camel case, ids as text or number, and no word about what else is in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Shape(BaseModel):
    """Something of a contract. In bodies that come, what is not known is passed over."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, coerce_numbers_to_str=True)


def moment(at: datetime) -> str:
    """A moment as the contract writes it: UTC, with milliseconds."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def without_nothing(**facts: Any) -> dict[str, Any]:
    """What is there to tell; a key that has no value is left out."""
    return {name: value for name, value in facts.items() if value is not None}
