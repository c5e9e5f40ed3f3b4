"""Setting the customer portal up (R-POR-3, R-POR-5, R-POR-8, R-POR-10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.conf import settings as product
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import plans, policy
from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import Action
from deskhand.channels.portal import portals
from deskhand.channels.portal.models import Portal, Reach
from deskhand.channels.portal.portals import Settings
from deskhand.crm.filters.types import EVERYTHING
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import selecting
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import storable, whole
from deskhand.web.choices import Choice, offered
from deskhand.web.filters.asked import Asked
from deskhand.web.filters.choosing import Choosing, saved
from deskhand.web.frame import framed
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.portal.rows import ContactsPage, PipelinePart, SettingsPage, StageLine
from deskhand.web.refusals import words_of

AREA = "portal"
REACHES = {
    Reach.OWN: (gettext_lazy("Only their own"), gettext_lazy("Nobody reads what a colleague asked.")),
    Reach.COMPANY: (
        gettext_lazy("Those of their whole company"),
        gettext_lazy("Everybody whose primary company it is sees the requests of all others there."),
    ),
    Reach.CHOSEN: (
        gettext_lazy("Those of their whole company, for chosen contacts"),
        gettext_lazy(
            "Contacts who meet your filters see the requests of their company; all others their own."
        ),
    ),
}


def _require(request: AccountRequest) -> None:
    """R-POR-8; raises NotFound where the plan has no portal."""
    policy.require(request.viewer, Action.EDIT_PORTAL)
    if not plans.has_feature(request.account, Feature.PORTAL):
        raise NotFound(_("Your plan has no customer portal."))


@require_GET
def index(request: AccountRequest) -> HttpResponse:
    _require(request)
    portal = portals.of_account(request.account.pk)
    return _page(request, portal, _as_set(portal))


def _as_set(portal: Portal) -> Settings:
    return Settings(
        portal.is_on, portal.name, portal.accent, portal.accent_dark, portal.takes_strangers, portal.reach,
        portal.channel_account_id, portal.stages,
    )  # fmt: skip


@require_POST
def save(request: AccountRequest) -> HttpResponse:
    _require(request)
    given = _typed(request.POST)
    try:
        portal = portals.change(given, by=Actor.user(request.user.pk))
    except Invalid as refusal:
        portal = portals.of_account(request.account.pk)
        return _page(request, portal, given, {refusal.field: words_of(refusal)})
    if portal.reach == Reach.CHOSEN and portals.condition_of(portal) == EVERYTHING:
        return redirect("portal-contacts")
    messages.success(request, _("What you changed is saved, and holds at once."))
    return redirect("portal-settings")


def _typed(form: QueryDict) -> Settings:
    def text(name: str) -> str:
        return storable(form.get(name, "")).strip()

    stages = {
        str(stage.id): {
            "label": text(f"stage-{stage.id}"),
            "is_hidden": form.get(f"hidden-{stage.id}") == "1",
        }
        for one in pipelines_of("ticket").pipelines
        for stage in one.stages
    }
    return Settings(
        form.get("is_on") == "1", text("name"), text("accent"), text("accent_dark"), form.get("takes_strangers") == "1",
        text("reach"), whole(form.get("channel", "")), stages,
    )  # fmt: skip


def _page(
    request: AccountRequest, portal: Portal, given: Settings, errors: Mapping[str, str] | None = None
) -> HttpResponse:
    address = product.SITE_URL + reverse("portal-home", args=[request.account.slug])
    known = portals.channels(request.account.pk)
    default = Choice("", _("The default address"), given.channel_account_id is None)
    page = SettingsPage(
        address=address, is_on=given.is_on, name=given.name, account=request.account.name, accent=given.accent,
        accent_dark=given.accent_dark, takes_strangers=given.takes_strangers,
        reaches=tuple((Choice(key.value, str(label), key == given.reach), str(text)) for key, (label, text) in REACHES.items()),
        channels=(default, *offered(((str(one.pk), f"{one.name} ({_(one.inbox.name)})") for one in known), str(given.channel_account_id or ""))),
        pipelines=_pipelines(given.stages or {}, errors or {}),
        condition=Asked(request.viewer, "contact").in_words(portals.condition_of(portal)) if portal.condition else "",
        errors=dict(errors or {}),
    )  # fmt: skip
    return framed(request, AREA, "portal/settings.html", {"page": page}, 422 if errors else 200)


def _pipelines(
    stages: Mapping[str, Mapping[str, Any]], errors: Mapping[str, str]
) -> tuple[PipelinePart, ...]:
    return tuple(
        PipelinePart(
            _(one.label),
            tuple(
                StageLine(
                    stage.id, _(stage.label), stage.tone, str(stages.get(str(stage.id), {}).get("label", "")),
                    bool(stages.get(str(stage.id), {}).get("is_hidden")), errors.get(f"stage-{stage.id}", ""),
                )
                for stage in one.stages
            ),
        )
        for one in pipelines_of("ticket").pipelines
    )  # fmt: skip


# ── chosen contacts ──────────────────────────────────────────────────────────────────────────────────────────────────


class _Contacts(Choosing):
    """The filters that choose contacts."""

    def __init__(self, request: AccountRequest, given: QueryDict) -> None:
        parts = {"editor": reverse("portal-contacts-editor"), "count": reverse("portal-contacts-count")}
        super().__init__(request, given, "contact", reverse("portal-contacts"), parts)

    def answer(self, refusal: Invalid | None = None, error: str = "") -> HttpResponse:
        page = ContactsPage(self.bar.bar(refusal), (self.field(),), self.count().words, error)
        status = 422 if refusal or error else 200
        return framed(self.request, AREA, "portal/contacts.html", {"page": page}, status)


@require_GET
def contacts(request: AccountRequest) -> HttpResponse:
    """Begins with the filters as they are saved; from then on they stand in the address."""
    _require(request)
    if "begun" not in request.GET:
        asked = {"begun": "1"} | saved(
            portals.condition_of(portals.of_account(request.account.pk)), "contact"
        )
        return redirect(f"{reverse('portal-contacts')}?{urlencode(asked)}")
    building = _Contacts(request, request.GET)
    answer, refusal = building.bar.answer(request)
    return answer or building.answer(refusal)


@require_POST
def save_contacts(request: AccountRequest) -> HttpResponse:
    _require(request)
    building = _Contacts(request, request.POST)
    try:
        if not building.bar.groups:
            raise Invalid(
                _("Add a filter first."), field="f", hint=_("Without one, all contacts would be chosen.")
            )
        selecting.require_in_reach(request.viewer, "contact", building.condition())
        portals.change_condition(building.condition(), by=Actor.user(request.user.pk))
    except Invalid as refusal:
        return building.answer(error=words_of(refusal))
    messages.success(request, _("What you changed is saved, and holds at once."))
    return redirect("portal-settings")


@require_GET
def editor(request: AccountRequest) -> HttpResponse:
    """The form of one filter again, for another way to compare."""
    _require(request)
    return render(request, "filters/editor_fragment.html", {"bar": _Contacts(request, request.GET).bar.bar()})


@require_GET
def count(request: AccountRequest) -> HttpResponse:
    """How many meet the filters with what stands in the form."""
    _require(request)
    text = _Contacts(request, request.GET).typed_count().words
    return render(request, "segments/fragments/count.html", {"text": text})
