"""Bodies of the operations on webhooks (api.md §2.8)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from deskhand.api.shapes import Shape

MOST = 100  # subscriptions of one batch


class Throttling(Shape):
    max_concurrent_requests: int


class SettingsChange(Shape):
    target_url: str
    throttling: Throttling


class Settings(SettingsChange):
    created_at: str
    updated_at: str


class NewSubscription(Shape):
    event_type: str
    property_name: str | None = None
    object_type_id: str | None = None
    active: bool = False


class SubscriptionChange(Shape):
    active: bool | None = None


class SubscriptionState(Shape):
    id: int
    active: bool


class SubscriptionStates(Shape):
    inputs: Annotated[list[SubscriptionState], Field(max_length=MOST)]


class SubscriptionShape(Shape):
    id: str
    event_type: str
    property_name: str | None = None
    object_type_id: str | None = None
    active: bool
    created_at: str
    updated_at: str


class SubscriptionList(Shape):
    results: list[SubscriptionShape]


class BatchOfSubscriptions(Shape):
    status: Literal["COMPLETE"]
    results: list[SubscriptionShape]
    started_at: str
    completed_at: str


class PartOfSubscriptions(BatchOfSubscriptions):
    num_errors: int
    errors: list[dict[str, Any]]
