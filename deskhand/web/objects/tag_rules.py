"""The rule of a tag: filters that say which tickets wear it (R-BOARD-3). Their state is the address, as on a board."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.crm.records import filterable
from deskhand.crm.records.selecting import CAP, require_in_reach
from deskhand.crm.segments import tag_rules as verbs
from deskhand.crm.segments.tag_rules import TagRule
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.web import gone
from deskhand.web.filters.choosing import Choosing, saved
from deskhand.web.inbox.rows import Label
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects import usage
from deskhand.web.objects.properties import allowed, show
from deskhand.web.objects.rows import TagRulePage
from deskhand.web.refusals import status_of, words_of

KEY = "tickets"
BEGUN = "begun"  # in the address, once the filters stand there


def progress_of(rule: TagRule) -> str:
    """How far all tickets have been looked at since the rule changed; empty when they have."""
    if rule.is_filled or rule.problem:
        return ""
    return _("Looking at tickets: %(percent)s %%") % {
        "percent": filterable.progress("ticket", rule.filled_to)
    }


class _Editing(Choosing):
    """The filters, and the tag that they are for. Raises Forbidden, NotFound."""

    def __init__(self, request: AccountRequest, given: QueryDict, tag: str) -> None:
        self.sort = allowed(request, KEY)
        self.tag = tag
        self.option = verbs.find(tag)
        self.rule = verbs.rules().get(tag)
        parts = {
            "editor": reverse("tag-rule-editor", args=[tag]),
            "count": reverse("tag-rule-count", args=[tag]),
        }
        super().__init__(request, given, "ticket", reverse("tag-rule", args=[tag]), parts)

    def show(self, status: int = 200, *, refusal: Invalid | None = None, error: str = "") -> HttpResponse:
        count = self.count()
        page = TagRulePage(
            _("Rule of the tag “%(name)s”") % {"name": self.option.label},
            Label(self.option.label, self.option.tone or None),  # type: ignore[arg-type]
            self.bar.bar(refusal), (self.field(), (BEGUN, "1")),
            reverse("tag-rule-save", args=[self.tag]), reverse("ticket-tags"),
            reverse("tag-rule-remove", args=[self.tag]) if self.rule else "", count.number or 0, count.why_not,
            _problem(self.rule), progress_of(self.rule) if self.rule else "", error,
            usage.of_tag(self.request.viewer, self.request.account, self.tag),
        )  # fmt: skip
        return show(self.request, self.sort, "tag_rule", status, tab="tags", page=page, cap=CAP)


def _problem(rule: TagRule | None) -> str:
    if rule is None:
        return ""
    if rule.problem:
        return _("The saved rule can't be asked any more: %(problem)s") % {"problem": rule.problem}
    return gone.said_of(rule.condition, "ticket")


@require_GET
def rule(request: AccountRequest, tag: str) -> HttpResponse:
    """Begins with the filters as they are saved; from then on they stand in the address."""
    edited = _Editing(request, request.GET, tag)
    if edited.rule and BEGUN not in request.GET:
        asked = {BEGUN: "1"} | saved(edited.rule.condition, "ticket")
        return redirect(f"{reverse('tag-rule', args=[tag])}?{urlencode(asked)}")
    answer, refusal = edited.bar.answer(request)
    return answer or edited.show(422 if refusal else 200, refusal=refusal)


@require_POST
def save(request: AccountRequest, tag: str) -> HttpResponse:
    edited = _Editing(request, request.POST, tag)
    try:
        require_in_reach(request.viewer, "ticket", edited.condition())
        verbs.set_rule(tag, edited.condition(), by=Actor.user(request.user.pk))
    except (Invalid, Conflict) as refusal:
        return edited.show(status_of(refusal), error=words_of(refusal))
    messages.success(request, _("The rule is saved. All tickets are being looked at."))
    return redirect("ticket-tags")


@require_POST
def remove(request: AccountRequest, tag: str) -> HttpResponse:
    allowed(request, KEY)
    verbs.drop_rule(tag, by=Actor.user(request.user.pk))
    messages.success(request, _("The rule is removed. Tickets that wear the tag keep it."))
    return redirect("ticket-tags")


@require_GET
def editor(request: AccountRequest, tag: str) -> HttpResponse:
    """The form of one filter again, for another way to compare."""
    return render(
        request, "filters/editor_fragment.html", {"bar": _Editing(request, request.GET, tag).bar.bar()}
    )


@require_GET
def count(request: AccountRequest, tag: str) -> HttpResponse:
    """How many meet the filters with what stands in the form."""
    found = _Editing(request, request.GET, tag).typed_count()
    context = {"count": found.number or 0, "reason": found.why_not, "cap": CAP}
    return render(request, "filters/count_fragment.html", context)
