"""The first page about tickets: what they are here, and where each thing is set up."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Viewer
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records.models import TicketCounter
from deskhand.crm.schema import layouts
from deskhand.crm.schema.queries import properties_of
from deskhand.kernel.database.scope import current_account_id
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects.pipelines import require, show
from deskhand.web.objects.properties import allowed
from deskhand.web.objects.rows import Fact
from deskhand.web.objects.tabs import sort_of


@require_GET
def home(request: AccountRequest, key: str) -> HttpResponse:
    return redirect("properties", allowed(request, key).key)


@require_GET
def setup(request: AccountRequest) -> HttpResponse:
    require(request)
    return show(request, sort_of("tickets"), "setup", tab="setup", facts=_facts(request.viewer))


def _facts(viewer: Viewer) -> tuple[Fact, ...]:
    found = [_pipeline(), _numbers(), _properties(), _layout()]
    if policy.can(viewer, Action.CONNECT_CHANNELS):
        found.append(
            Fact(
                _("Channels"),
                _("What customers write there becomes tickets."),
                reverse("channels"),
                _("Channels"),
            )
        )
    return tuple(found)


def _pipeline() -> Fact:
    pipelines = pipelines_of("ticket")
    first = pipelines.default
    count = ngettext("%(count)s pipeline", "%(count)s pipelines", len(pipelines.pipelines))
    return Fact(
        _("Default pipeline"), _("New tickets begin in “%(pipeline)s” as “%(status)s”, unless their channel says otherwise.")
        % {"pipeline": _(first.label), "status": _(first.first_open.label)},
        reverse("pipelines", args=["tickets"]), count % {"count": number_format(len(pipelines.pipelines))},
    )  # fmt: skip


def _numbers() -> Fact:
    counter = TicketCounter.objects.filter(account_id=current_account_id()).first()
    rule = _("Every ticket gets the next whole number, and none is left out.")
    if counter is None:
        return Fact(_("Numbers"), rule)
    last = _("The last one was #%(number)s.") % {"number": counter.last_number}
    return Fact(_("Numbers"), f"{rule} {last}")


def _properties() -> Fact:
    found = properties_of("ticket").values()
    own = sum(prop.is_custom for prop in found)
    text = ngettext(
        "A ticket has a name, a pipeline and a status. %(count)s property is your own.",
        "A ticket has a name, a pipeline and a status. %(count)s properties are your own.",
        own,
    ) % {"count": number_format(own)}
    return Fact(_("Properties"), text, reverse("properties", args=["tickets"]), _("Properties"))


def _layout() -> Fact:
    is_own = layouts.layout_of(current_account_id(), "ticket").is_own
    text = _("Your own arrangement of properties stands beside a ticket.") if is_own else _("The product's arrangement of properties stands beside a ticket.")  # fmt: skip
    return Fact(_("Sidebar layout"), text, reverse("layout", args=["tickets"]), _("Sidebar layout"))
