"""The tags of tickets: names, colours, order, and which are retired (R-BOARD-3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.crm.schema import tags as verbs
from deskhand.crm.schema.types import Option
from deskhand.crm.segments import tag_rules
from deskhand.crm.segments.segments import asks_for_gone_status
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects import forms, usage
from deskhand.web.objects.forms import Row
from deskhand.web.objects.pipelines import tone_choices
from deskhand.web.objects.properties import allowed, show
from deskhand.web.objects.rows import OptionLine, TagLine
from deskhand.web.objects.tag_rules import progress_of
from deskhand.web.refusals import status_of, words_of

KEY = "tickets"
_STORED = "was"  # rows of tags that there are: their keys end in the tag's value


@require_GET
def tags(request: AccountRequest) -> HttpResponse:
    return _page(request, _lines())


def _page(
    request: AccountRequest, lines: Iterable[OptionLine], status: int = 200, error: str = ""
) -> HttpResponse:
    sort = allowed(request, KEY)
    known = tag_rules.rules()
    return show(
        request, sort, "tags", status, tab="tags", lines=tuple(_with_rule(one, known) for one in lines), error=error, tones=tone_choices,
        save_url=reverse("ticket-tags-save"), dependents=usage.of_property(request.viewer, request.account, "ticket", verbs.TAGS),
    )  # fmt: skip


def _with_rule(line: OptionLine, known: Mapping[str, tag_rules.TagRule]) -> TagLine:
    rule = known.get(line.value)
    url = reverse("tag-rule", args=[line.value]) if line.is_stored and (rule or not line.is_hidden) else ""
    text = ""
    if rule:
        text = (
            _("Rests")
            if line.is_hidden
            else _("Check the rule")
            if rule.problem or asks_for_gone_status(rule.condition, "ticket")
            else progress_of(rule) or _("By rule")
        )
    return TagLine(**vars(line), rule_url=url, rule_text=text, has_rule=rule is not None)


def _lines() -> list[OptionLine]:
    return [
        OptionLine(f"{_STORED}{one.value}", one.label, one.value, one.tone, one.is_hidden, True)
        for one in verbs.tags()
    ]


@require_POST
def save(request: AccountRequest) -> HttpResponse:
    """All rows of the form, in their order. What is refused stays as it was typed."""
    allowed(request, KEY)
    found = forms.rows(request.POST, ("label", "tone", "hidden"), first="label")
    lines = [_line(row) for row in forms.moved(found, request.POST.get("move", ""))]
    lines = [line for line in lines if line.is_stored or line.label]  # a new row that was left empty is none
    try:
        tag_rules.arrange(
            [Option(line.value, line.label, line.tone, line.is_hidden) for line in lines], by=Actor.user(request.user.pk)
        )  # fmt: skip
    except (Invalid, Conflict) as refusal:
        shown = lines if isinstance(refusal, Invalid) else _lines()
        return _page(request, shown, status_of(refusal), words_of(refusal))
    messages.success(request, _("The tags are saved."))
    return redirect("ticket-tags")


def _line(row: Row) -> OptionLine:
    is_stored = row.key.startswith(_STORED)
    value = row.key.removeprefix(_STORED) if is_stored else ""
    return OptionLine(
        row.key, row.fields["label"], value, row.fields["tone"], row.fields["hidden"] == "1", is_stored
    )
