"""The bar over a list in which tickets are selected: what can be done with all of them."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.accounts.models import Team
from deskhand.accounts.policy import reaches_any
from deskhand.accounts.types import Verb, Viewer
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.schema.defaults import PRIORITIES
from deskhand.crm.segments import tag_rules
from deskhand.desk import views as desk_views
from deskhand.routing import queries as routing
from deskhand.web.holding import load_text
from deskhand.web.inbox import rows, words
from deskhand.web.shell import Person
from deskhand.web.workflows import card


def bulk_bar(viewer: Viewer, view: desk_views.View, count: int) -> rows.BulkBar:
    may_edit = not view.deleted and reaches_any(viewer, "ticket", Verb.EDIT)
    return rows.BulkBar(
        url=reverse("inbox-bulk", args=[view.key]),
        all_text=_all(count),
        may_edit=may_edit,
        may_enroll=may_edit and card.may_enroll(viewer),
        groups=_statuses() if may_edit else (),
        owners=_owners(viewer) if may_edit else (),
        priorities=_priorities() if may_edit else (),
        tags=_tags() if may_edit else (),
        is_spam=bool(view.spam),
        is_deleted=view.deleted,
        may_delete=reaches_any(viewer, "ticket", Verb.DELETE),
    )


def _all(count: int) -> str:
    if count >= desk_views.CAP:
        return _("The first %(num)s tickets of this view") % {"num": desk_views.CAP}
    text = ngettext("The %(num)s ticket of this view", "All %(num)s tickets of this view", count)
    return text % {"num": count}


def _statuses() -> tuple[rows.StatusGroup, ...]:
    pipelines = pipelines_of("ticket").pipelines
    return tuple(
        rows.StatusGroup(
            _(pipeline.label) if len(pipelines) > 1 else "",
            tuple(rows.StatusOption(str(s.id), _(s.label), words.tone(s)) for s in pipeline.stages),
        )
        for pipeline in pipelines
    )


def _owners(viewer: Viewer) -> tuple[rows.OwnerOption, ...]:
    agents = routing.agents_with_state(viewer.account_id)
    people = [
        rows.OwnerOption(
            f"user:{a.user_id}", a.name, Person.named(a.name, available=a.is_available), is_viewer=a.user_id == viewer.user_id,
            load_text=load_text(a), is_full=a.is_full,
        )
        for a in sorted(agents, key=lambda a: a.user_id != viewer.user_id)
    ]  # fmt: skip
    teams = [
        rows.OwnerOption(f"team:{pk}", name, is_team=True)
        for pk, name in Team.objects.filter(account_id=viewer.account_id).order_by("name", "id").values_list("pk", "name")
    ]  # fmt: skip
    return (*people, *teams, rows.OwnerOption("", _("No owner")))


def _priorities() -> tuple[rows.StatusOption, ...]:
    found = [
        rows.StatusOption(one.value, _(one.label), words.PRIORITY_TONES[one.value])
        for one in reversed(PRIORITIES)
    ]
    return (*found, rows.StatusOption("", _("No priority"), None))


def _tags() -> tuple[rows.StatusOption, ...]:
    """Those that are in use and that people put on."""
    return tuple(
        rows.StatusOption(one.value, one.label, one.tone or None)  # type: ignore[arg-type]
        for one in tag_rules.by_hand() if not one.is_hidden
    )  # fmt: skip
