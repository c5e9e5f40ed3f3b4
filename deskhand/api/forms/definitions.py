"""Forms (api.md §3.8). A form is a channel: where its tickets begin and who gets them is in the settings of channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.api import pages, refusals
from deskhand.api.forms.shapes import DEEPEST, MOST_FIELDS, ChangedForm, Definition, Definitions, NewForm
from deskhand.api.operations import Call, operation
from deskhand.api.shapes import moment, without_nothing
from deskhand.channels.forms import checking, forms
from deskhand.channels.forms.models import Form
from deskhand.kernel.text import deeply_storable, one_line, storable

_ALL, _ONE = "/marketing/forms", "/marketing/forms/{formId}"
MOST = 500  # forms of a page


def needs(_parts: Mapping[str, str]) -> set[str]:
    return {"forms"}


@operation(
    "GET", _ALL, needs=needs, gives={200: Definitions}, asks=("after", "limit", "archived", "formTypes")
)
def listed(call: Call) -> Any:
    """All forms of the account, the oldest first."""
    require(call)
    limit, after = pages.limit(call, default=20, most=MOST), pages.after(call)
    found = Form.objects.filter(
        account_id=call.viewer.account_id, pk__gt=after, archived_at__isnull=not pages.flag(call, "archived")
    )
    rows = list(found.order_by("pk")[: limit + 1])
    last = rows[limit - 1].pk if len(rows) > limit else None
    return without_nothing(results=[_shown(row) for row in rows[:limit]], paging=pages.following(call, last))


@operation("POST", _ALL, needs=needs, takes=NewForm, gives={201: Definition})
def create(call: Call) -> Any:
    """Make a form. Its fields name properties of contacts (0-1), companies (0-2) and tickets (0-5)."""
    require(call)
    return _shown(forms.create(*_read(call.body), by=call.by))


@operation("GET", _ONE, needs=needs, gives={200: Definition}, asks=("archived",))
def read(call: Call) -> Any:
    require(call)
    return _shown(found(call, "formId", archived=pages.flag(call, "archived")))


@operation("PUT", _ONE, needs=needs, takes=NewForm, gives={200: Definition})
def replace(call: Call) -> Any:
    """Make the form anew, under its id."""
    require(call)
    return _shown(forms.change(found(call, "formId"), *_read(call.body), by=call.by))


@operation("PATCH", _ONE, needs=needs, takes=ChangedForm, gives={200: Definition})
def change(call: Call) -> Any:
    """Change what is given; what is left out stays."""
    require(call)
    form = found(call, "formId")
    given = call.body.model_dump(by_alias=True, exclude_none=True, exclude={"archived"})
    whole = NewForm.model_validate({"name": form.name, **form.definition, **given})
    forms.change(form, *_read(whole), by=call.by)
    if call.body.archived:
        forms.archive(form, by=call.by)
    return _shown(form)


@operation("DELETE", _ONE, needs=needs, gives={204: None})
def archive(call: Call) -> None:
    """Take nothing more by the form; what it brought stays. Safe to repeat."""
    require(call)
    form = forms.find(call.parts["formId"])
    if form is not None:
        forms.archive(form, by=call.by)


# ── what they share ──────────────────────────────────────────────────────────────────────────────────────────────────


def require(call: Call) -> None:
    policy.require(call.viewer, Action.CONNECT_CHANNELS)


def found(call: Call, part: str, *, archived: bool = False) -> Form:
    """Raises Refusal."""
    form = forms.find(call.parts[part], archived=archived)
    if form is None:
        raise refusals.missing("There is no such form.")
    return form


def _read(body: NewForm) -> tuple[str, dict[str, Any]]:
    """Name and definition, fit to be stored. Raises Refusal, naming what a form can't ask or do."""
    name = one_line(storable(body.name))
    if not name:
        raise refusals.bad("A form needs a name.", context={"field": ["name"]})
    if not _is_flat(body.field_groups):
        raise refusals.bad(
            f"Fields depend on fields at most {DEEPEST} deep.", context={"field": ["fieldGroups"]}
        )
    definition = deeply_storable(
        body.model_dump(by_alias=True, exclude_none=True, exclude={"name", "form_type"})
    )
    fields = forms.fields_of(definition)
    if len(fields) > MOST_FIELDS:
        raise refusals.bad(f"A form has at most {MOST_FIELDS} fields.", context={"field": ["fieldGroups"]})
    names = [(field.object_type_id, field.name) for field in fields]
    for field, key in zip(fields, names, strict=True):
        problem = forms.why_not(field) or ("It is asked twice." if names.count(key) > 1 else "")
        if problem:
            raise refusals.bad(f"{field.name}: {problem}", context={"field": [field.name]})
    action = body.configuration.post_submit_action
    if action.type == "redirect_url" and not checking.is_url(action.value):
        raise refusals.bad(
            f"{action.value[:80]!r} is no address of a page.",
            context={"field": ["configuration.postSubmitAction.value"]},
        )
    return name, definition


def _is_flat(groups: Any) -> bool:
    level = [field for group in groups for field in group.fields]
    for _deep in range(DEEPEST):
        level = [one.dependent_field for field in level for one in field.dependent_fields]
    return not level


def _shown(form: Form) -> dict[str, Any]:
    return without_nothing(
        id=str(form.guid),
        formType="hubspot",
        name=form.name,
        **form.definition,
        createdAt=moment(form.created_at),
        updatedAt=moment(form.updated_at),
        archived=form.archived_at is not None,
        archivedAt=moment(form.archived_at) if form.archived_at else None,
    )
