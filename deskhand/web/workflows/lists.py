"""Building the list of workflows and the head of the pages about one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts import policy, queries
from deskhand.accounts.types import Viewer
from deskhand.automation import access, emptying, folders, hooks, listing
from deskhand.automation.enrolling import baseline
from deskhand.automation.listing import Activity, Asked, Row, Sort, State
from deskhand.automation.models import Workflow
from deskhand.kernel import clock
from deskhand.kernel.text import storable, whole
from deskhand.web import troubles
from deskhand.web.choices import Choice, Tab, offered
from deskhand.web.contacts.lists import one_of
from deskhand.web.middleware import AccountRequest
from deskhand.web.shell import Person
from deskhand.web.workflows import ways, words
from deskhand.web.workflows.rows import Line, ListPage, Top

SHOWN = 50
LONGEST_SEARCH = 200
WIDTH, HEIGHT = 58, 16  # of the line that shows the last 30 days


def asked_of(request: AccountRequest) -> Asked:
    """What the address asks for; what it does not know is not asked for."""
    given = request.GET
    return Asked(
        text=storable(given.get("q", "")).strip()[:LONGEST_SEARCH],
        object_type=given.get("type", "") if given.get("type", "") in words.type_labels() else "",
        state=one_of(State, given.get("state", ""), State.ALL),
        owner_id=whole(given.get("owner", "")),
        folder_id=whole(given.get("folder", "")),
        sort=one_of(Sort, given.get("sort", ""), Sort.NAME),
    )


def list_page(request: AccountRequest) -> ListPage:
    viewer, asked = request.viewer, asked_of(request)
    found = listing.page(
        viewer.account_id, asked, clock.now(), after=whole(request.GET.get("after", "")), limit=SHOWN
    )
    kept = folders.every(viewer.account_id)
    in_query = _query(asked)
    members = {one.user_id: one.name for one in queries.members(viewer.account_id)}
    title, empty_title, empty_text = _titles(asked, {one.pk: one.name for one in kept})
    is_archive = asked.state is State.ARCHIVED
    narrowed = (
        replace(asked, folder_id=None, sort=Sort.NAME, state=State.ALL if is_archive else asked.state)
        != Asked()
    )
    return ListPage(
        title=title, lines=lines(viewer, found.rows), text=asked.text,
        types=(Choice("", _("All kinds"), not asked.object_type), *offered(words.type_labels(), asked.object_type)),
        states=offered(words.STATES, asked.state),
        owners=(Choice("", _("Any owner"), asked.owner_id is None), *(Choice(str(pk), name, pk == asked.owner_id) for pk, name in members.items())),
        sorts=offered(words.SORTS, asked.sort),
        folders=(Choice("", _("No folder")), *(Choice(str(one.pk), one.name) for one in kept)),
        hidden=tuple((name, str(in_query[name])) for name in ("folder", *(["state"] if is_archive else [])) if in_query[name]),
        here=ways.listed(**in_query), new_url="" if is_archive else new_url(viewer),
        more_url=ways.listed(**in_query, after=found.following) if found.following else "",
        clear_url=ways.listed(folder=asked.folder_id, state=State.ARCHIVED if is_archive else ""),
        is_filtered=narrowed, is_archive=is_archive, may_edit=policy.can(viewer, policy.Action.EDIT_WORKFLOWS),
        empty_title=_("Nothing fits") if narrowed else empty_title,
        empty_text=_("Search for something else, or show all.") if narrowed else empty_text,
    )  # fmt: skip


def new_url(viewer: Viewer) -> str:
    return ways.new() if policy.can(viewer, policy.Action.EDIT_WORKFLOWS) else ""


def side_key(asked: Asked) -> str:
    """Which link of the side is the current one."""
    if asked.state is State.ARCHIVED:
        return "archived"
    return f"folder-{asked.folder_id}" if asked.folder_id else "all"


def _query(asked: Asked) -> dict[str, object]:
    return {
        "q": asked.text, "type": asked.object_type, "state": asked.state.value, "owner": asked.owner_id or "",
        "folder": asked.folder_id or "", "sort": "" if asked.sort is Sort.NAME else asked.sort.value,
    }  # fmt: skip


def _titles(asked: Asked, names: Mapping[int, str]) -> tuple[str, str, str]:
    if asked.state is State.ARCHIVED:
        return _("Archived workflows"), _("Nothing is archived"), _("Workflows that you archive are kept here, with their history.")  # fmt: skip
    if asked.folder_id is not None and asked.folder_id in names:
        return names[asked.folder_id], _("Nothing in this folder"), _("Choose workflows in the list and move them here.")  # fmt: skip
    return _("Workflows"), _("No workflows yet"), _("A workflow does work for you: when something happens to a record, it sends, assigns, sets and waits, step after step.")  # fmt: skip


# ── the lines ────────────────────────────────────────────────────────────────────────────────────────────────────────


def lines(viewer: Viewer, rows: Sequence[Row]) -> tuple[Line, ...]:
    """Two queries for the names of people, two for the statuses of lanes, two for what is being switched
    on, and what records are leaving."""
    places = listing.places(viewer.account_id, [row.workflow for row in rows])
    opening = baseline.progress(viewer.account_id, [row.workflow.pk for row in rows])
    people = queries.names_of(
        {pk for row in rows for pk in (row.workflow.owner_id, row.revision.created_by_id) if pk is not None}
    )
    leaving = emptying.progress(viewer.account_id, [row.workflow.pk for row in rows])
    labels = words.type_labels()
    return tuple(
        _line(
            viewer,
            row,
            places.get(row.workflow.pk),
            people,
            labels,
            words.how_far(opening.get(row.workflow.pk)) or words.leaving(leaving.get(row.workflow.pk)),
        )
        for row in rows
    )


def _line(
    viewer: Viewer,
    row: Row,
    place: tuple[str, str] | None,
    people: Mapping[int, str],
    labels: Mapping[str, str],
    going: str,
) -> Line:
    workflow, lately = row.workflow, row.activity
    is_archived = workflow.archived_at is not None
    by = people.get(row.revision.created_by_id or 0, "")
    owner = people.get(workflow.owner_id or 0, "")
    return Line(
        id=workflow.pk, name=workflow.name, url=ways.editor(workflow) if not is_archived else "",
        trigger=words.trigger(row.definition, place), type_label=labels.get(workflow.object_type) or words.type_label(workflow.object_type),
        lane=words.lane(place) if place else "", folder=workflow.folder.name if workflow.folder else "",
        state=words.state(workflow), going=going, is_on=workflow.is_on, inside=lately.inside, inside_text=capped(lately.inside),
        week_text=number(lately.week), month_text=number(lately.month), spark=spark(lately),
        errors_text=number(lately.errors) if lately.errors else "", owner=Person.named(owner) if owner else None,
        changed_at=row.revision.created_at, changed_by=by, review=troubles.of_workflow(workflow.needs_review),
        is_archived=is_archived, may_edit=access.may_edit(viewer, workflow), **_addresses(viewer, workflow),
    )  # fmt: skip


def _addresses(viewer: Viewer, workflow: Workflow) -> dict[str, str]:
    def to(name: str) -> str:
        return reverse(f"workflow-{name}", args=[workflow.pk])

    found = {
        "row_url": to("row"),
        "history_url": to("history"),
        "errors_url": f"{to('history')}?state=failed",
    }
    is_there, may_edit = workflow.archived_at is None, access.may_edit(viewer, workflow)
    if is_there and may_edit:
        found |= {"switch_url": to("switch"), "details_url": to("details"), "replay_url": to("replay")}
    if is_there and policy.can(viewer, policy.Action.EDIT_WORKFLOWS):
        found["clone_url"] = to("clone")
    if access.may_archive(viewer, workflow):
        found["archive_url" if is_there else "restore_url"] = to("archive" if is_there else "restore")
    return found


def number(count: int) -> str:
    return number_format(count, force_grouping=True)


def capped(count: int) -> str:
    return f"{number(listing.CAP)}+" if count > listing.CAP else number(count)


def spark(lately: Activity) -> str:
    """The last 30 days as the points of a line."""
    most = max(lately.by_day)
    if not most:
        return ""
    step = WIDTH / (len(lately.by_day) - 1)
    return " ".join(
        f"{place * step:.1f},{HEIGHT - 1 - count / most * (HEIGHT - 2):.1f}"
        for place, count in enumerate(lately.by_day)
    )


# ── the head of one workflow's pages ─────────────────────────────────────────────────────────────────────────────────


def top(viewer: Viewer, workflow: Workflow, current: str) -> Top:
    places = listing.places(viewer.account_id, [workflow])
    opening = baseline.progress(viewer.account_id, [workflow.pk]).get(workflow.pk)
    is_archived = workflow.archived_at is not None
    may = access.may_edit(viewer, workflow) and not is_archived
    may_restore = is_archived and access.may_archive(viewer, workflow)
    return Top(
        id=workflow.pk, name=workflow.name, state=words.state(workflow, opening),
        lane=words.lane(places[workflow.pk]) if workflow.pk in places else "",
        tabs=tabs(workflow, current), editor_url="" if is_archived else ways.editor(workflow),
        details_url=reverse("workflow-details", args=[workflow.pk]) if may else "", description=workflow.description,
        is_archived=is_archived, restore_url=reverse("workflow-restore", args=[workflow.pk]) if may_restore else "",
    )  # fmt: skip


def tabs(workflow: Workflow, current: str) -> tuple[Tab, ...]:
    """The pages about one workflow; the editor is the first of them."""
    editor = ways.editor(workflow) if workflow.archived_at is None else ""
    pages = [(name, label, reverse(f"workflow-{name}", args=[workflow.pk])) for name, label in PAGES.items()]
    if hooks.is_called(workflow):
        pages.append(("calls", gettext_lazy("Calls"), reverse("workflow-calls", args=[workflow.pk])))
    first = [Tab(_("Steps"), editor, current == "editor")] if editor else []
    return (*first, *(Tab(str(label), url, name == current) for name, label, url in pages))


#: By the end of their address's name.
PAGES: dict[str, str | Promise] = {
    "history": gettext_lazy("History"),
    "log": gettext_lazy("Log"),
    "try": gettext_lazy("Try it"),
    "replay": gettext_lazy("Replay"),
    "revisions": gettext_lazy("Versions"),
    "why": gettext_lazy("Who enters"),
}
