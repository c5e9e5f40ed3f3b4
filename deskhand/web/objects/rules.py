"""What a pipeline demands of people: where tickets begin, where they may go, what a status asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import plans, policy
from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import Action
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines import rules as pipeline_rules
from deskhand.crm.pipelines.rules import Ask, Rules
from deskhand.crm.pipelines.types import PipelineValue
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Property
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.web.choices import Choice, joined
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects.pipelines import show
from deskhand.web.objects.rows import AskLine, StatusRules
from deskhand.web.objects.tabs import bar, pipeline_with, sort_for
from deskhand.web.refusals import words_of

REQUIRED, SHOWN = "required", "shown"


def _require(request: AccountRequest) -> None:
    """R-RULE-2; raises NotFound where the plan has no rules (R-RULE-11)."""
    policy.require(request.viewer, Action.EDIT_PIPELINE_RULES)
    if not plans.has_feature(request.account, Feature.PIPELINE_RULES):
        raise NotFound(_("Your plan has no rules of pipelines."))


def askable(object_type: str) -> list[Property]:
    """Properties that a status may ask for, by label."""
    return _by_label(
        prop for prop in properties_of(object_type).values() if pipeline_rules.may_be_asked(prop)
    )


def _by_label(props: Iterable[Property]) -> list[Property]:
    return sorted(props, key=lambda prop: _(prop.label).casefold())


def _not_offered(object_type: str) -> str:
    """What a status can't ask for, and why; most of what is set by the product goes without saying."""
    found = _by_label(filter(pipeline_rules.lacks_options, properties_of(object_type).values()))
    if not found:
        return ""
    return _("Not offered, because they have no options to choose from yet: %(properties)s.") % {
        "properties": joined(_(prop.label) for prop in found)
    }


def _page(
    request: AccountRequest, pipeline: PipelineValue, given: Rules, status: int = 200, error: str = ""
) -> HttpResponse:
    return show(
        request, sort_for(pipeline.object_type), "rules", status, pipeline_label=_(pipeline.label),
        bar=bar(request.viewer, request.account, pipeline, "rules"),
        rules=given, statuses=_statuses(pipeline, given), error=error, not_offered=_not_offered(pipeline.object_type), save_url=reverse("pipeline-rules-save", args=[pipeline.id]),
    )  # fmt: skip


def _statuses(pipeline: PipelineValue, given: Rules) -> tuple[StatusRules, ...]:
    properties = askable(pipeline.object_type)
    labels = {prop.name: _(prop.label) for prop in properties}
    return tuple(
        StatusRules(
            id=stage.id, label=_(stage.label), tone=stage.tone, is_creatable=stage.id in given.creation,
            asks=tuple(
                AskLine(ask.property, labels[ask.property], ask.is_required)
                for ask in given.asks.get(stage.id, ()) if ask.property in labels
            ),
            offers=_offers(properties, given.asks.get(stage.id, ())),
        )
        for stage in pipeline.stages
    )  # fmt: skip


def _offers(properties: Sequence[Property], asks: Sequence[Ask]) -> tuple[Choice, ...]:
    asked = {ask.property for ask in asks}
    return tuple(Choice(prop.name, _(prop.label)) for prop in properties if prop.name not in asked)


@require_GET
def rules(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    _require(request)
    pipeline = pipeline_with(pipeline_id)
    return _page(request, pipeline, pipeline_rules.parse(pipeline.rules))


@require_POST
def save_rules(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    _require(request)
    pipeline = pipeline_with(pipeline_id)
    given = _read(request, pipeline)
    try:
        pipelines.set_rules(
            pipelines.find(pipeline.object_type, pipeline_id), given, by=Actor.user(request.user.pk)
        )
    except Invalid as refusal:
        return _page(request, pipeline, given, 422, words_of(refusal))
    messages.success(request, _("The rules are saved."))
    return redirect("pipeline-rules", pipeline_id)


def _read(request: AccountRequest, pipeline: PipelineValue) -> Rules:
    form = request.POST
    return Rules(
        limits_creation=form.get("limits_creation") == "1",
        creation=tuple(stage.id for stage in pipeline.stages if str(stage.id) in form.getlist("creation")),
        forbids_skipping=form.get("forbids_skipping") == "1",
        forbids_going_back=form.get("forbids_going_back") == "1",
        asks={stage.id: asks for stage in pipeline.stages if (asks := _asks(request, stage.id))},
    )


def _asks(request: AccountRequest, stage_id: int) -> tuple[Ask, ...]:
    """What stands in the form, and the new one at its end; a property once."""
    form = request.POST
    found = {name: form.get(f"how-{stage_id}-{name}", "") for name in form.getlist(f"ask-{stage_id}")}
    new = form.get(f"new-{stage_id}", "")
    if new:
        found.setdefault(new, form.get(f"new-how-{stage_id}", REQUIRED))
    return tuple(Ask(name, how == REQUIRED) for name, how in found.items() if how in (REQUIRED, SHOWN))
