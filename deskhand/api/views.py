"""Views of the help desk that somebody gave a name (R-VIEW-5): those that the token's person has; of an account's token, those
that everybody has."""

from __future__ import annotations

from typing import Any

from deskhand.api import refusals
from deskhand.api.operations import Call, operation
from deskhand.api.shapes import Shape, without_nothing
from deskhand.crm.filters.as_json import to_json
from deskhand.crm.filters.types import EVERYTHING
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.desk import custom_views
from deskhand.desk.custom_views import SavedView
from deskhand.kernel.text import whole


class ViewShown(Shape):
    """`pipeline_id` is left out where it shows tickets of all pipelines, `filter` where it shows all of them. A filter is as
    this installation keeps it, with its own numbers of pipelines and statuses."""

    id: str
    name: str
    owner_id: str
    sharing: str
    team_id: str | None = None
    pipeline_id: str | None = None
    columns: list[str]
    sort: str
    filter: dict[str, Any] | None = None


class ViewList(Shape):
    results: list[ViewShown]


@operation("GET", "/api/deskhand/views", needs=lambda _parts: {"tickets"}, gives={200: ViewList})
def listed(call: Call) -> Any:
    """All views that the viewer has, in their order."""
    return {"results": [_shown(one) for one in custom_views.of(call.viewer)]}


@operation("GET", "/api/deskhand/views/{viewId}", needs=lambda _parts: {"tickets"}, gives={200: ViewShown})
def read(call: Call) -> Any:
    """One view."""
    wanted = whole(call.parts["viewId"])
    if wanted is None:
        raise refusals.missing("There is no such view.")
    return _shown(custom_views.find(call.viewer, wanted))


def _shown(one: SavedView) -> dict[str, Any]:
    keys = {pipeline.id: pipeline.key for pipeline in pipelines_of("ticket").pipelines}
    asked = one.selection
    return without_nothing(
        id=str(one.id),
        name=one.name,
        ownerId=str(one.owner_id),
        sharing=one.sharing.value,
        teamId=None if one.team_id is None else str(one.team_id),
        pipelineId=None if asked.pipeline_id is None else keys.get(asked.pipeline_id, str(asked.pipeline_id)),
        columns=list(one.columns),
        sort=one.sort,
        filter=None if asked.condition == EVERYTHING else to_json(asked.condition),
    )
