"""Changing contacts and companies."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts.types import Verb
from deskhand.crm.records import archive as archives
from deskhand.crm.records import companies, contacts, directory, tasks
from deskhand.crm.records.contacts import Taken
from deskhand.crm.records.models import Company, Contact
from deskhand.crm.records.store import Applied
from deskhand.crm.schema.queries import properties_of
from deskhand.events.types import Actor
from deskhand.kernel.errors import Forbidden, Invalid, NotFound
from deskhand.web import tasking
from deskhand.web.contacts import lists, values
from deskhand.web.contacts.lists import named
from deskhand.web.contacts.page import RecordPageOf
from deskhand.web.contacts.rows import FormField, FormPage, PickPage
from deskhand.web.contacts.views import kind_of, part, show
from deskhand.web.contacts.words import KINDS, Kind
from deskhand.web.holders import words_for
from deskhand.web.inbox import links as link_labels
from deskhand.web.jinja import go_to, wants_fragment
from deskhand.web.middleware import AccountRequest

UPDATES: Mapping[str, Callable[..., Applied]] = {"contact": contacts.update, "company": companies.update}
#: The fields of a new record, with what browsers call them.
FIELDS = {
    "contact": ("email", "firstname", "lastname", "phone", "jobtitle", values.OWNER),
    "company": ("name", "domain", "phone", "industry", values.OWNER),
}
TYPES = {"email": "email", "phone": "tel", "mobilephone": "tel"}


def actor(request: AccountRequest) -> Actor:
    return Actor.user(request.user.pk)


def changeable(
    request: AccountRequest, kind: Kind, record_id: int, verb: Verb = Verb.EDIT
) -> Contact | Company:
    """The record, if the viewer may see it (else 404) and do this with it (else 403)."""
    directory.get(request.viewer, kind.key, record_id)
    try:
        return directory.get(request.viewer, kind.key, record_id, verb)
    except NotFound:
        raise Forbidden(_("You may not change this.")) from None


@require_POST
def finish_task(request: AccountRequest, kind: str, record_id: int, task_id: int) -> HttpResponse:
    """An open task about it is done. Also for whose task it is."""
    found = kind_of(request, kind)
    record = directory.get(request.viewer, found.key, record_id)
    task = tasks.find(found.key, record.pk, task_id)
    tasking.require_finish(request.viewer, task)
    tasks.finish(task_id, True, by=actor(request))
    messages.success(request, _("Task done: %(title)s") % {"title": task.title})
    return redirect(found.url("", record.pk))


# ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
def save(request: AccountRequest, kind: str, record_id: int) -> HttpResponse:
    """One property of a record; what is refused stays in its place, with the reason beside it."""
    found = kind_of(request, kind)
    record = changeable(request, found, record_id)
    name = request.POST.get("property", "")
    typed = request.POST.getlist("value")
    prop = properties_of(kind).get(name)
    if prop is None:
        raise NotFound(_("There is no such property."))
    try:
        value = values.read(kind, name, typed, values.value_of(record, prop))
        UPDATES[kind](record.pk, {name: value}, by=actor(request))
    except (Invalid, Taken) as refusal:
        return _refused(request, found, record.pk, name, typed, refusal)
    return _saved(request, found, record.pk, name)


def _refused(
    request: AccountRequest, kind: Kind, record_id: int, name: str, typed: list[str], refusal: Invalid | Taken
) -> HttpResponse:
    prop = properties_of(kind.key)[name]
    error, url, link = said(request, refusal)
    control = values.control(
        prop, None, typed=typed or [""], error=error, error_url=url, error_link=link
    )  # fmt: skip
    page = RecordPageOf(request, kind, record_id, opened=name, has_timeline=not wants_fragment(request))
    if wants_fragment(request):
        return part(request, "property", {"property": page.line(prop, control)}, 422)
    return show(request, "record", page.build(control), kind, status=422)


def said(request: AccountRequest, refusal: Invalid | Taken) -> tuple[str, str, str]:
    """A refusal in words, and where the contact is that has the address already, if the viewer may see it."""
    if isinstance(refusal, Invalid):
        return words_for(request.viewer, refusal), "", ""
    try:
        other = directory.get(request.viewer, "contact", refusal.contact_id)
    except NotFound:
        return str(refusal), "", ""
    return str(refusal), KINDS["contact"].url("", other.pk), named(other.name).name


def _saved(request: AccountRequest, kind: Kind, record_id: int, name: str) -> HttpResponse:
    """The line, the head and the newest of the timeline; who gave the record away may have lost sight of it."""
    try:
        page = RecordPageOf(request, kind, record_id)
    except NotFound:
        messages.info(request, _("Saved. You may not see this record any more."))
        return go_to(request, kind.url("s"))
    if not wants_fragment(request):
        return redirect(f"{page.url}#property-{name}")
    context = {
        "property": page.line(page.known[name]), "head_of": page.head(), "timeline_of": page.timeline(),
    }  # fmt: skip
    return part(request, "saved", context)


# ── new ones ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def new(request: AccountRequest, kind: str) -> HttpResponse:
    found = _making(request, kind)
    given = {name: request.GET.get(name, "")[: lists.TEXT_LIMIT] for name in FIELDS[kind]}
    return show(request, "form", _form(found, given), found)


@require_POST
def add(request: AccountRequest, kind: str) -> HttpResponse:
    found = _making(request, kind)
    given = {name: request.POST.get(name, "") for name in FIELDS[kind]}
    try:
        read = {name: values.read(kind, name, [value]) for name, value in given.items()}
        make = contacts.make if kind == "contact" else companies.make
        record_id = make(
            {name: value for name, value in read.items() if value is not None}, by=actor(request)
        )
    except (Invalid, Taken) as refusal:
        field = refusal.field if isinstance(refusal, Invalid) else "email"
        return show(request, "form", _form(found, given, {field: said(request, refusal)}), found, status=422)
    messages.success(request, _("Created"))
    return redirect(found.url("", record_id) if _sees(request, found, record_id) else found.url("s"))


def _making(request: AccountRequest, kind: str) -> Kind:
    found = kind_of(request, kind)
    if not lists.may_make(request.viewer, found):
        raise Forbidden(_("You don't have permission to do this."))
    return found


def _sees(request: AccountRequest, kind: Kind, record_id: int) -> bool:
    try:
        directory.get(request.viewer, kind.key, record_id)
    except NotFound:
        return False
    return True


def _form(kind: Kind, given: Mapping[str, str], errors: Mapping[str, tuple[str, str, str]] | None = None) -> FormPage:  # fmt: skip
    errors = errors or {}
    known = properties_of(kind.key)
    fields = []
    for name in FIELDS[kind.key]:
        control = values.control(known[name], None, typed=[given.get(name, "")])
        error = errors.get(name, ("", "", ""))
        fields.append(
            FormField(
                name, _(known[name].label), given.get(name, ""), TYPES.get(name, "text"), error=error[0], error_url=error[1],
                error_link=error[2], choices=control.choices, is_required=name == "name",
            )
        )  # fmt: skip
    elsewhere = [text for field, (text, _url, _link) in errors.items() if field not in FIELDS[kind.key]]
    return FormPage(
        str(kind.new), kind.url("add"), kind.url("s"), str(kind.plural), str(kind.make), tuple(fields), error=" ".join(elsewhere),
    )  # fmt: skip


# ── away and back ────────────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
def archive(request: AccountRequest, kind: str, record_id: int) -> HttpResponse:
    found = kind_of(request, kind)
    record = changeable(request, found, record_id, Verb.DELETE)
    archives.archive(kind, [record.pk], by=actor(request))
    messages.info(request, _("Archived"))
    return redirect(found.url("", record.pk))


@require_POST
def restore(request: AccountRequest, kind: str, record_id: int) -> HttpResponse:
    found = kind_of(request, kind)
    record = changeable(request, found, record_id, Verb.DELETE)
    try:
        if kind == "contact":
            contacts.restore([record.pk], by=actor(request))
        else:
            archives.restore(kind, [record.pk], by=actor(request))
    except (Invalid, Taken) as refusal:
        messages.error(request, said(request, refusal)[0])
    else:
        messages.success(request, _("Restored"))
    return redirect(found.url("", record.pk))


# ── links ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def choose_link(request: AccountRequest, kind: str, record_id: int) -> HttpResponse:
    """Choose a company for a contact, or a contact for a company."""
    found = kind_of(request, kind)
    record = changeable(request, found, record_id)
    other = kind_of(request, found.other)
    text = request.GET.get("q", "").strip()[: lists.TEXT_LIMIT]
    linked = {one.id for one in RecordPageOf(request, found, record.pk, has_timeline=False).links}
    name = named(record.name).name
    chosen = tuple(
        lists.candidate(
            row,
            standing,
            action_url=found.url("linked", record.pk, row.id),
            action=pgettext("a record to another", "Link"),
        )
        for row, standing in lists.candidates(request.viewer, other, text, sorted(linked))
    )
    title = _("Link a company to %(name)s") if kind == "contact" else _("Link a contact to %(name)s")
    page = PickPage(
        title % {"name": name}, "", found.url("link", record.pk), found.url("", record.pk), name, text, str(other.search), chosen,
        other.url("new") if lists.may_make(request.viewer, other) else "", str(other.new),
    )  # fmt: skip
    if wants_fragment(request):
        return part(request, "found", {"page": page, "kind": other})
    return show(request, "pick", page, found)


@require_POST
def link(request: AccountRequest, kind: str, record_id: int, other_id: int) -> HttpResponse:
    return _link(request, kind, record_id, other_id, companies.add_contact)


@require_POST
def make_primary(request: AccountRequest, kind: str, record_id: int, other_id: int) -> HttpResponse:
    return _link(request, kind, record_id, other_id, companies.make_primary)


@require_POST
def unlink(request: AccountRequest, kind: str, record_id: int, other_id: int) -> HttpResponse:
    return _link(request, kind, record_id, other_id, companies.remove_contact)


@require_POST
def label_link(request: AccountRequest, kind: str, record_id: int, other_id: int) -> HttpResponse:
    """What the other one is to this one from now on: all of `label`."""
    found, record, other = _both(request, kind, record_id, other_id)
    is_new = link_labels.relabel((kind, record.pk, found.other, other.pk), request.POST, actor(request))
    messages.success(request, _("Labels saved") if is_new else _("Nothing changed"))
    return redirect(f"{found.url('', record.pk)}#links")


def _link(
    request: AccountRequest, kind: str, record_id: int, other_id: int, verb: Callable[..., None]
) -> HttpResponse:
    found, record, other = _both(request, kind, record_id, other_id)
    contact, company = (record, other) if kind == "contact" else (other, record)
    verb(company.pk, contact.pk, by=actor(request))
    return redirect(f"{found.url('', record.pk)}#links")


def _both(
    request: AccountRequest, kind: str, record_id: int, other_id: int
) -> tuple[Kind, Contact | Company, Contact | Company]:
    """Whoever links changes the contact: its company is one of its properties. The other one must be in sight."""
    found = kind_of(request, kind)
    record = changeable(request, found, record_id)
    other = directory.get(request.viewer, found.other, other_id)
    changeable(request, KINDS["contact"], record.pk if kind == "contact" else other.pk)
    return found, record, other
