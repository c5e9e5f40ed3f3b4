"""Where an app is told what happens, and of what (api.md §2.8). Who sets it up sees all of the account, as the page asks."""

from __future__ import annotations

from typing import Any

from deskhand.accounts import connected_apps, policy
from deskhand.accounts.policy import Action
from deskhand.api import kinds, refusals
from deskhand.api.operations import Answer, Call, operation
from deskhand.api.shapes import moment, without_nothing
from deskhand.api.webhooks.shapes import (
    BatchOfSubscriptions,
    NewSubscription,
    PartOfSubscriptions,
    Settings,
    SettingsChange,
    SubscriptionChange,
    SubscriptionList,
    SubscriptionShape,
    SubscriptionStates,
)
from deskhand.kernel import clock
from deskhand.kernel.text import whole
from deskhand.webhooks import subscriptions, targets
from deskhand.webhooks.models import Subscription, Target
from deskhand.webhooks.subscriptions import Wanted

_SETTINGS = "/webhooks/{appId}/settings"
_SUBSCRIPTIONS = "/webhooks/{appId}/subscriptions"


def _needs(_parts: Any) -> set[str]:
    return {"webhooks"}


@operation("GET", _SETTINGS, needs=_needs, gives={200: Settings}, by_key=True)
def get_settings(call: Call) -> Any:
    """Where the app is told, and how many requests at once it takes."""
    return _settings(targets.of(call.viewer.account_id, _app(call)))


@operation("PUT", _SETTINGS, needs=_needs, takes=SettingsChange, gives={200: Settings}, by_key=True)
def put_settings(call: Call) -> Any:
    """Say where the app is told; it counts for what waits, too."""
    app_id, body = _app(call), call.body
    most = body.throttling.max_concurrent_requests
    return _settings(
        targets.put(call.viewer.account_id, app_id, url=body.target_url, max_concurrent=most, by=call.by)
    )


@operation("DELETE", _SETTINGS, needs=_needs, gives={204: None}, by_key=True)
def clear_settings(call: Call) -> None:
    """The app is told nowhere any more. Its subscriptions stay. Safe to repeat."""
    targets.clear(call.viewer.account_id, _app(call), by=call.by)


@operation("GET", _SUBSCRIPTIONS, needs=_needs, gives={200: SubscriptionList}, by_key=True)
def list_subscriptions(call: Call) -> Any:
    """All that the app asks to be told of."""
    return {"results": [_shown(one) for one in subscriptions.of(call.viewer.account_id, _app(call))]}


@operation(
    "POST", _SUBSCRIPTIONS, needs=_needs, takes=NewSubscription, gives={201: SubscriptionShape}, by_key=True
)
def create_subscription(call: Call) -> Any:
    """Ask to be told of something more; of a change name the property, of an "object" event the kind of record."""
    app_id, body = _app(call), call.body
    kind = kinds.named(body.object_type_id) if body.object_type_id else ""
    if not body.event_type.startswith("object."):
        kind = ""  # the type names it already
    wanted = Wanted(body.event_type, body.property_name or "", kind)
    return _shown(subscriptions.add(call.viewer.account_id, app_id, wanted, active=body.active, by=call.by))


@operation("POST", f"{_SUBSCRIPTIONS}/batch/update", needs=_needs, takes=SubscriptionStates, gives={200: BatchOfSubscriptions, 207: PartOfSubscriptions}, by_key=True)  # fmt: skip
def update_subscriptions(call: Call) -> Any:
    """Switch several on or off; those that are not there are told."""
    began, app_id, inputs = clock.now(), _app(call), call.body.inputs
    if not inputs:
        raise refusals.bad("Batch input provided should have at least one object.")
    wanted = {one.id: one.active for one in inputs}
    found = subscriptions.set_active(call.viewer.account_id, app_id, wanted, by=call.by)
    content = {
        "status": "COMPLETE", "results": [_shown(found[pk]) for pk in wanted if pk in found],
        "startedAt": moment(began), "completedAt": moment(clock.now()),
    }  # fmt: skip
    gone = [str(pk) for pk in wanted if pk not in found]
    if not gone:
        return content
    error = {
        "status": "error", "category": "OBJECT_NOT_FOUND", "message": "Could not get some subscriptions.",
        "context": {"ids": gone}, "links": {}, "errors": [],
    }  # fmt: skip
    return Answer(content | {"numErrors": 1, "errors": [error]}, 207)


@operation(
    "GET", f"{_SUBSCRIPTIONS}/{{subscriptionId}}", needs=_needs, gives={200: SubscriptionShape}, by_key=True
)
def get_subscription(call: Call) -> Any:
    """One of them."""
    return _shown(_subscription(call))


@operation(
    "PATCH",
    f"{_SUBSCRIPTIONS}/{{subscriptionId}}",
    needs=_needs,
    takes=SubscriptionChange,
    gives={200: SubscriptionShape},
    by_key=True,
)
def update_subscription(call: Call) -> Any:
    """Switch it on or off."""
    found, active = _subscription(call), call.body.active
    if active is None:
        return _shown(found)
    changed = subscriptions.set_active(found.account_id, found.app_id, {found.pk: active}, by=call.by)
    return _shown(changed.get(found.pk, found))


@operation("DELETE", f"{_SUBSCRIPTIONS}/{{subscriptionId}}", needs=_needs, gives={204: None}, by_key=True)
def delete_subscription(call: Call) -> None:
    """The app is told of it no more. Safe to repeat."""
    app_id, number = _app(call), whole(call.parts["subscriptionId"])
    if number is not None:
        subscriptions.drop(call.viewer.account_id, app_id, number, by=call.by)


def _app(call: Call) -> int:
    """Raises Forbidden for a user's token whose user could not do it on the page, NotFound for an app of others."""
    policy.require(call.viewer, Action.EDIT_TOKENS)
    number = whole(call.parts["appId"])
    if number is None:
        raise refusals.missing("There is no such app.")
    return connected_apps.get(call.viewer.account_id, number).pk


def _subscription(call: Call) -> Subscription:
    app_id, number = _app(call), whole(call.parts["subscriptionId"])
    if number is None:
        raise refusals.missing("There is no such subscription.")
    return subscriptions.get(call.viewer.account_id, app_id, number)


def _settings(target: Target) -> dict[str, Any]:
    return {
        "targetUrl": target.url, "throttling": {"maxConcurrentRequests": target.max_concurrent},
        "createdAt": moment(target.created_at), "updatedAt": moment(target.updated_at),
    }  # fmt: skip


def _shown(one: Subscription) -> dict[str, Any]:
    return without_nothing(
        id=str(one.pk), eventType=one.event_type, propertyName=one.property_name or None,
        objectTypeId=kinds.number(one.object_type) if one.object_type else None, active=one.active,
        createdAt=moment(one.created_at), updatedAt=moment(one.updated_at),
    )  # fmt: skip
