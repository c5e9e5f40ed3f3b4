"""What other systems tell about the steps that they perform (api.md §3.6, R-WFA-4). A callback's id, which nobody can guess,
is all that they need to show: it says also whose account it is."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from deskhand.api.operations import OpenCall, operation
from deskhand.api.shapes import Shape
from deskhand.automation import integrations


class Completion(Shape):
    output_fields: dict[str, Any] = {}


class CompletionOf(Completion):
    callback_id: str


class Completions(Shape):
    inputs: Annotated[list[CompletionOf], Field(min_length=1, max_length=integrations.MOST_CALLBACKS)]


@operation(
    "POST",
    "/automation/actions/callbacks/{callbackId}/complete",
    needs=None,
    takes=Completion,
    gives={204: None},
)
def complete(call: OpenCall) -> None:
    """Tell what was done since, so that the step's run goes on. What was told before may be told again."""
    integrations.complete({call.parts["callbackId"]: _told(call.body)})


@operation("POST", "/automation/actions/callbacks/complete", needs=None, takes=Completions, gives={204: None})
def complete_many(call: OpenCall) -> None:
    """The same for several steps: all of them, or none."""
    integrations.complete({one.callback_id: _told(one) for one in call.body.inputs})


def _told(given: Completion) -> dict[str, Any]:
    return {"outputFields": given.output_fields}
