"""The account: its name, time zone, language and plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import accounts, plans, policy
from deskhand.accounts.models import Account, Plan
from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import Action
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.web.choices import languages, zones
from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest
from deskhand.web.people import reading
from deskhand.web.people.rows import AccountPage, PlanCard, SwitchLine

FEATURES = {
    Feature.TICKETS_FROM_CHANNELS: gettext_lazy("Tickets from channels"),
    Feature.CLOSE_DATE: gettext_lazy("Close date by itself"),
    Feature.WORKING_HOURS: gettext_lazy("Working hours"),
    Feature.STATUS_FROM_EMAILS: gettext_lazy("Status follows the e-mails"),
    Feature.LANE_EMAILS: gettext_lazy("Ready-made e-mails in automation"),
    Feature.EXTRA_TICKET_PIPELINES: gettext_lazy("Several ticket pipelines"),
    Feature.ASSIGNED_TEAMS: gettext_lazy("Assigned teams"),
    Feature.LANE_ACTIONS: gettext_lazy("All actions in automation"),
    Feature.PIPELINE_RULES: gettext_lazy("Pipeline rules"),
    Feature.HELP_DESK: gettext_lazy("Help desk"),
    Feature.ROUTING: gettext_lazy("Routing"),
    Feature.SLA: gettext_lazy("Service levels"),
    Feature.SUMMARY: gettext_lazy("Summaries"),
    Feature.ROUND_ROBIN: gettext_lazy("Round robin"),
    Feature.CAPACITY: gettext_lazy("Capacity limits"),
    Feature.OUT_OF_OFFICE: gettext_lazy("Out of office"),
    Feature.PORTAL: gettext_lazy("Customer portal"),
    Feature.WHATSAPP: gettext_lazy("WhatsApp"),
    Feature.CUSTOMER_AGENT: gettext_lazy("Customer agent"),
    Feature.CUSTOM_OBJECT_AUTOMATION: gettext_lazy("Automation of own objects"),
    Feature.SLA_BY_PROPERTIES: gettext_lazy("Service levels by properties"),
    Feature.SKILLS: gettext_lazy("Skills"),
    Feature.SPACES: gettext_lazy("Help desk spaces"),
    Feature.AI_CATEGORY: gettext_lazy("Categories found by AI"),
    Feature.DEFAULT_NOTIFICATIONS: gettext_lazy("Default notifications"),
    Feature.LANE_CUSTOM_EMAILS: gettext_lazy("Own e-mails in automation"),
    Feature.OWN_TRANSACTIONAL_EMAILS: gettext_lazy("Own e-mails to every contact"),
    Feature.WEBHOOKS: gettext_lazy("Webhooks"),
    Feature.CUSTOM_CODE: gettext_lazy("Own code"),
    Feature.FORMAT_DATA: gettext_lazy("Formatting data"),
    Feature.RANDOM_SPLIT: gettext_lazy("Random split"),
    Feature.RAW_ADDRESSES: gettext_lazy("Internal mail to any address"),
}


@require_GET
def account(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    now = request.account
    return _render(request, _page(now, now.name, now.zone, now.locale, now.plan, now.features))


#: What only the account itself switches on, and what follows from it.
SWITCHES = {
    Feature.CUSTOM_CODE: gettext_lazy(
        "Workflows may run Python code that people with the permission “Write code in workflows” wrote. It can read what they give it and the secrets they choose; it reaches no network and no files."
    ),
    Feature.RAW_ADDRESSES: gettext_lazy(
        "Internal notifications of workflows may go to addresses of people who don’t work here. They can hold what customers wrote."
    ),
}


def _switches(on: Mapping[str, Any]) -> tuple[SwitchLine, ...]:
    return tuple(
        SwitchLine(one.value, str(FEATURES[one]), str(text), on.get(one) is True)
        for one, text in SWITCHES.items()
        if one is not Feature.CUSTOM_CODE or settings.CUSTOM_CODE
    )


def _switched(request: AccountRequest) -> dict[str, bool]:
    """The account's features with the switches of the page as they were set."""
    asked = [one.name for one in _switches({})]
    kept = {name: on for name, on in request.account.features.items() if name not in asked}
    return kept | {name: True for name in asked if request.POST.get(f"switch_{name}") == "1"}


def _page(
    of: Account, name: str, zone: str, locale: str, plan: str, switched: Mapping[str, Any]
) -> AccountPage:
    return AccountPage(
        name=name,
        zones=zones(zone),
        locales=languages(locale),
        plans=_plans(plan),
        switches=_switches(switched),
        also_on=tuple(
            str(label)
            for one, label in FEATURES.items()
            if of.features.get(one) is True and one not in plans.OPT_IN
        ),
        also_off=tuple(str(label) for one, label in FEATURES.items() if of.features.get(one) is False),
    )


def _plans(chosen: str) -> tuple[PlanCard, ...]:
    """Each with what it adds to the one before it."""
    cards: list[PlanCard] = []
    before: frozenset[Feature] = frozenset()
    for plan in Plan:
        here = plans.PRESETS[plan]
        adds = tuple(str(label) for one, label in FEATURES.items() if one in here - before)
        base = cards[-1].label if cards else ""
        cards.append(PlanCard(plan.value, str(plan.label), plan == chosen, base, adds))
        before = here
    return tuple(cards)


@require_POST
def save(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    given = {name: reading.plain(request.POST.get(name, "")) for name in ("name", "zone", "locale", "plan")}
    switched = _switched(request)
    try:
        accounts.update(request.viewer.account_id, by=Actor.user(request.user.pk), **given, features=switched)
    except Invalid as refusal:
        page = _page(request.account, given["name"], given["zone"], given["locale"], given["plan"], switched)
        return _render(request, replace(page, errors={refusal.field: _said(refusal)}), 422)
    messages.success(request, _("What you changed is saved, and holds at once."))
    return redirect("account")


def _said(refusal: Invalid) -> str:
    if refusal.field == "name":
        return _("A name has 1 to 200 characters.")
    return _("This choice is not there any more.")


def _render(request: AccountRequest, page: AccountPage, status: int = 200) -> HttpResponse:
    return framed(request, "account", "people/account.html", {"page": page}, status)
