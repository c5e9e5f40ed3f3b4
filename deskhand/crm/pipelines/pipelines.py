"""Verbs on pipelines and stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from deskhand.accounts import audit, plans
from deskhand.accounts.plans import Feature
from deskhand.crm.pipelines import cards, queries
from deskhand.crm.pipelines import options as pipeline_options
from deskhand.crm.pipelines import rules as pipeline_rules
from deskhand.crm.pipelines.models import Pipeline, Stage, StageState
from deskhand.crm.pipelines.rules import Rules
from deskhand.crm.schema.queries import properties_of
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope, current_account_id
from deskhand.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from deskhand.kernel.text import one_line


@dataclass(frozen=True)
class NewStage:
    label: str
    state: StageState
    tone: str = "blue"
    key: str = ""
    order: int | None = None  # its number; None: its place
    probability: float | None = None  # of deals, to be won


@dataclass(frozen=True)
class StageRow:
    """A status as somebody arranged it; without an id it is new."""

    label: str
    state: StageState
    tone: str
    id: int | None = None
    key: str = ""  # of a new one; without it the next free number
    order: int | None = None  # its number; None: its place
    probability: float | None = None  # of deals, to be won; None: as it is, while the state stays


OPEN, CLOSED = StageState.OPEN, StageState.CLOSED
LABEL_LIMIT = 100  # characters
TONES = ("blue", "teal", "green", "lime", "amber", "red", "pink", "violet")
#: More pipelines or statuses than this are hard to work with; nothing forbids them (R-PIPE-13).
MANY = 100

#: The pipelines of a new account. Labels are data from then on, in the account's language.
DEFAULTS: dict[str, tuple[str, str, tuple[NewStage, ...]]] = {
    "ticket": (
        "0",
        gettext_noop("Support pipeline"),
        (
            NewStage(gettext_noop("New"), OPEN, "blue", "1"),
            NewStage(gettext_noop("Waiting on contact"), OPEN, "amber", "2"),
            NewStage(gettext_noop("Waiting on us"), OPEN, "violet", "3"),
            NewStage(gettext_noop("Closed"), CLOSED, "green", "4"),
        ),
    ),
    "deal": (
        "default",
        gettext_noop("Sales pipeline"),
        (
            NewStage(
                gettext_noop("Appointment scheduled"), OPEN, "blue", "appointmentscheduled", probability=0.2
            ),
            NewStage(gettext_noop("Qualified to buy"), OPEN, "teal", "qualifiedtobuy", probability=0.4),
            NewStage(gettext_noop("Contract sent"), OPEN, "amber", "contractsent", probability=0.9),
            NewStage(gettext_noop("Closed won"), CLOSED, "green", "closedwon", probability=1.0),
            NewStage(gettext_noop("Closed lost"), CLOSED, "red", "closedlost", probability=0.0),
        ),
    ),
    "project": (
        "project_default",
        gettext_noop("Project pipeline"),
        (
            NewStage(gettext_noop("Not started"), OPEN, "blue", "project_not_started"),
            NewStage(gettext_noop("In progress"), OPEN, "amber", "project_in_progress"),
            NewStage(gettext_noop("Completed"), CLOSED, "green", "project_completed"),
        ),
    ),
}


@transaction.atomic
def ensure_defaults(account_id: int) -> None:
    """Give a new account its default pipelines (R-DM-3, R-PIPE-1). Safe to repeat."""
    for object_type, (key, label, stages) in DEFAULTS.items():
        if not Pipeline.objects.filter(account_id=account_id, object_type=object_type, key=key).exists():
            _create(account_id, object_type, label, stages, key)


@transaction.atomic
def create(
    account_id: int,
    object_type: str,
    label: str,
    stages: Sequence[NewStage],
    *,
    key: str = "",
    order: int | None = None,
    by: Actor = SYSTEM,
) -> Pipeline:
    """Create a pipeline with its stages; `order` is its number among the others (see `place`), the last one without it.

    Ticket pipelines follow the conversation from the start when they have the stages for it (R-STAT-3).
    Raises Invalid without an OPEN stage (R-PIPE-4) and for names that are taken, Forbidden for more ticket pipelines
    than the plan has (R-PIPE-12).
    """
    others = Pipeline.objects.filter(account_id=account_id, object_type=object_type, archived_at=None)
    if object_type == "ticket" and others.exists() and not _may_have_more(account_id):
        raise Forbidden(_("The account's plan has one ticket pipeline."))
    pipeline = _create(account_id, object_type, label, stages, key)
    if order is not None:
        pipeline.display_order = _number(pipeline, order)
        pipeline.save(update_fields=["display_order"])
    _changed("pipeline.created", pipeline, by, after={"label": label})
    return pipeline


def _may_have_more(account_id: int) -> bool:
    return Feature.EXTRA_TICKET_PIPELINES in plans.features_of(account_id)


def _create(account_id: int, object_type: str, label: str, stages: Sequence[NewStage], key: str) -> Pipeline:
    label = _checked_label(label)
    _require_free(account_id, object_type, label)
    if not any(stage.state == OPEN for stage in stages):
        raise Invalid(
            _("A pipeline needs at least one open status."), field="stages", hint=_("Set a status to open.")
        )
    _require_each_once([stage.label for stage in stages])
    for number, stage in enumerate(stages):
        _check_probability(number, stage)
    last = Pipeline.objects.filter(account_id=account_id, object_type=object_type).aggregate(
        Max("display_order")
    )
    order = -1 if last["display_order__max"] is None else last["display_order__max"]
    pipeline = Pipeline.objects.create(
        account_id=account_id, object_type=object_type, key=key or _next_key(account_id, object_type), label=label,
        display_order=order + 1,
    )  # fmt: skip
    rows = Stage.objects.bulk_create(
        Stage(
            account_id=account_id, object_type=object_type, pipeline=pipeline, label=_checked_label(stage.label), state=stage.state,
            tone=stage.tone, display_order=position if stage.order is None else stage.order, key=stage_key,
            probability=stage.probability,
        )
        for position, (stage, stage_key) in enumerate(zip(stages, _keys(account_id, object_type, stages), strict=True))
    )  # fmt: skip
    if object_type == "ticket":
        open_rows = sorted(
            (row for row in rows if row.is_open), key=lambda row: (row.display_order, row.label)
        )
        pipeline.sent_stage = next(
            (row for row in open_rows if row.key == "2"), open_rows[min(1, len(open_rows) - 1)]
        )
        pipeline.reply_stage = next((row for row in open_rows if row.key == "3"), open_rows[-1])
        pipeline.save(update_fields=["sent_stage", "reply_stage"])
    queries.forget()
    return pipeline


def _changed(
    action: str, of: Pipeline | Stage, by: Actor, before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Keep who changed what, and read pipelines anew."""
    kind = "pipeline" if isinstance(of, Pipeline) else "stage"
    with account_scope(of.account_id):
        entry = audit.record(action, by=by, target_type=kind, target_id=of.pk, before=before, after=after)
        type(of)._default_manager.filter(account_id=of.account_id, pk=of.pk).update(updated_at=entry.at)
        queries.forget()


def rename(pipeline: Pipeline, label: str, *, by: Actor) -> Pipeline:
    """R-PIPE-6. Raises Invalid for an empty label, and for one that is taken."""
    label = _checked_label(label)
    _require_free(pipeline.account_id, pipeline.object_type, label, but=pipeline.pk)
    before, pipeline.label = pipeline.label, label
    pipeline.save(update_fields=["label"])
    _changed("pipeline.updated", pipeline, by, {"label": before}, {"label": pipeline.label})
    return pipeline


def _checked_label(label: str) -> str:
    label = one_line(label)
    if not 0 < len(label) <= LABEL_LIMIT:
        raise Invalid(_("A name has 1 to 100 characters."), field="label", value=label)
    return label


def _require_free(account_id: int, object_type: str, label: str, *, but: int | None = None) -> None:
    others = Pipeline.objects.filter(account_id=account_id, object_type=object_type, archived_at=None)
    if others.filter(label__iexact=label).exclude(pk=but or 0).exists():
        raise Invalid(
            _("There is a pipeline called “%(name)s” already.") % {"name": label},
            field="label", value=label, hint=_("Choose another name."),
        )  # fmt: skip


def _require_each_once(labels: Sequence[str]) -> None:
    """Statuses of one pipeline are told apart by their names."""
    seen: set[str] = set()
    for number, label in enumerate(labels):
        same = one_line(label).casefold()
        if same in seen:
            raise Invalid(
                _("There is a status called “%(name)s” already.") % {"name": one_line(label)},
                field=f"stages[{number}].label", value=label, hint=_("Choose another name."),
            )  # fmt: skip
        seen.add(same)


def _check_probability(number: int, stage: NewStage | StageRow) -> None:
    """What is closed is won or lost, what is open is neither yet."""
    given = stage.probability
    if given is not None and not (0 <= given <= 1 and (given in (0, 1)) == (stage.state == CLOSED)):
        raise Invalid(
            _("That is no probability of such a status."),
            field=f"stages[{number}].probability", value=given,
            hint=_("Write 0 or 1 for a closed status, and a number between them for an open one."),
        )  # fmt: skip


def place(pipeline: Pipeline, order: int, *, by: Actor) -> Pipeline:
    """Give it this number among the pipelines of its kind; they stand by number, then by name (R-PIPE-5).

    A name alone makes no pipeline the default one: with the number of that one it goes behind it.
    """
    number = _number(pipeline, order)
    if pipeline.display_order == number:
        return pipeline
    before = _in_order(pipeline)
    pipeline.display_order = number
    pipeline.save(update_fields=["display_order"])
    _changed("pipeline.ordered", pipeline, by, {"pipelines": before}, {"pipelines": _in_order(pipeline)})
    return pipeline


def _number(pipeline: Pipeline, order: int) -> int:
    default = Pipeline.objects.filter(pk=_in_order(pipeline)[0]).exclude(pk=pipeline.pk).first()
    return order + 1 if default and default.display_order == order else order


def _in_order(pipeline: Pipeline) -> list[int]:
    """The pipelines of its kind, the default one first."""
    found = Pipeline.objects.filter(
        account_id=pipeline.account_id, object_type=pipeline.object_type, archived_at=None
    )
    return list(found.order_by("display_order", "label", "id").values_list("pk", flat=True))


def order(object_type: str, pipeline_ids: Sequence[int], *, by: Actor) -> None:
    """Put the open account's pipelines of one kind into this order (R-PIPE-6); the first is the default one.

    Raises Conflict unless each is named once.
    """
    found = {
        pipeline.pk: pipeline
        for pipeline in Pipeline.objects.select_for_update()
        .filter(account_id=current_account_id(), object_type=object_type, archived_at=None)
        .order_by("display_order", "label", "id")
    }
    if sorted(pipeline_ids) != sorted(found):
        raise Conflict(_("Somebody else changed the pipelines in the meantime."))
    before = list(found)
    if before == list(pipeline_ids):
        return
    now = clock.now()
    for position, pipeline_id in enumerate(pipeline_ids):
        if found[pipeline_id].display_order != position:
            found[pipeline_id].display_order, found[pipeline_id].updated_at = position, now
    Pipeline.objects.bulk_update(found.values(), ["display_order", "updated_at"])
    first = found[pipeline_ids[0]]
    _changed("pipeline.ordered", first, by, {"pipelines": before}, {"pipelines": list(pipeline_ids)})


def arrange_stages(pipeline: Pipeline, rows: Sequence[StageRow], *, by: Actor) -> list[Stage]:
    """Make the statuses what `rows` say, in their order, new ones too, in one write (R-PIPE-6, R-PIPE-7). Returns those
    whose state changed: `records/refiling.py` brings their records along.

    Raises Invalid for a label, tone or probability that can't be taken, or when none is open (R-PIPE-4); Conflict unless
    each status is named once.
    """
    stages = {
        stage.pk: stage
        for stage in pipeline.stages.select_for_update().order_by("display_order", "label", "id")
    }
    if sorted(row.id for row in rows if row.id) != sorted(stages):
        raise Conflict(_("Somebody else changed the statuses in the meantime."))
    checked = [_checked_row(number, row) for number, row in enumerate(rows)]
    if not any(row.state == OPEN for row in checked):
        raise Invalid(
            _("A pipeline needs at least one open status."), field="stages", hint=_("Set a status to open.")
        )
    _require_each_once([row.label for row in checked])
    before, turned, now = [_told(stage) for stage in stages.values()], [], clock.now()
    for position, row in enumerate(checked):
        stage = stages.get(row.id or 0) or Stage(
            account_id=pipeline.account_id, object_type=pipeline.object_type, pipeline=pipeline, state=row.state,
            key=row.key or _next_stage_key(pipeline.account_id, pipeline.object_type),
        )  # fmt: skip
        is_new, was = stage.pk is None, {**_told(stage), "order": stage.display_order}
        if stage.state != row.state:
            turned.append(stage)
            stage.probability = None
        if row.probability is not None:
            stage.probability = row.probability
        stage.label, stage.state, stage.tone = row.label, row.state, row.tone
        stage.display_order = position if row.order is None else row.order
        if {**_told(stage), "order": stage.display_order} != was:
            stage.updated_at = now
        if is_new:
            stage.save()
            stages[stage.pk] = stage
            _changed("stage.created", stage, by, after={"label": row.label, "pipeline_id": pipeline.pk})
    changing = ["label", "state", "tone", "display_order", "probability", "updated_at"]
    Stage.objects.bulk_update(stages.values(), changing)
    after = [_told(stage) for stage in sorted(stages.values(), key=_place_of)]
    if before != after:
        _changed("pipeline.updated", pipeline, by, {"stages": before}, {"stages": after})
    queries.forget()
    return turned


def _checked_row(number: int, row: StageRow) -> StageRow:
    label = one_line(row.label)
    if not 0 < len(label) <= LABEL_LIMIT:
        raise Invalid(_("A name has 1 to 100 characters."), field=f"stages[{number}].label", value=row.label)
    if row.tone not in TONES:
        raise Invalid(_("Choose a colour."), field=f"stages[{number}].tone", value=row.tone)
    _check_probability(number, row)
    return replace(row, label=label)


def _told(stage: Stage) -> dict[str, Any]:
    told = {"id": stage.pk, "label": stage.label, "state": str(stage.state), "tone": stage.tone}
    return told if stage.probability is None else {**told, "probability": stage.probability}


def _place_of(stage: Stage) -> tuple[int, str, int]:
    """R-PIPE-5"""
    return stage.display_order, stage.label, stage.pk


def set_rules(pipeline: Pipeline, rules: Rules, *, by: Actor) -> Pipeline:
    """What the pipeline demands of people (R-RULE-1, R-REQ-1).

    Raises Invalid for statuses of other pipelines, a creation that would be allowed nowhere, and properties that
    nobody can fill in.
    """
    own = set(pipeline.stages.values_list("pk", flat=True))
    if not own.issuperset({*rules.creation, *rules.asks}):
        raise Invalid(_("That status is not in this pipeline."), field="creation", value=list(rules.creation))
    if rules.limits_creation and not rules.creation:
        raise Invalid(
            _("Choose at least one status that tickets can be created in."), field="creation", value=0
        )
    known = properties_of(pipeline.object_type)
    for asks in rules.asks.values():
        for ask in asks:
            prop = known.get(ask.property)
            if prop is None or not pipeline_rules.may_be_asked(prop):
                raise Invalid(
                    _("“%(property)s” can't be asked for.")
                    % {"property": _(prop.label) if prop else ask.property},
                    field="asks",
                    value=ask.property,
                )
    before, pipeline.rules = pipeline.rules, pipeline_rules.as_json(rules)
    if before != pipeline.rules:
        pipeline.save(update_fields=["rules"])
        of = {"object_type": pipeline.object_type}
        _changed("pipeline.updated", pipeline, by, of | {"rules": before}, of | {"rules": pipeline.rules})
    return pipeline


def set_cards(pipeline: Pipeline, names: Sequence[str], *, by: Actor) -> Pipeline:
    """Which properties the cards of its board show, in this order (R-BOARD-2). Safe to repeat.

    Raises Invalid for what cards can't show, what is named twice, and more than `cards.MOST`.
    """
    before, pipeline.card_properties = pipeline.card_properties, cards.checked(pipeline.object_type, names)
    if before != pipeline.card_properties:
        pipeline.save(update_fields=["card_properties"])
        of = {"object_type": pipeline.object_type}
        _changed(
            "pipeline.updated", pipeline, by, of | {"cards": before}, of | {"cards": pipeline.card_properties}
        )
    return pipeline


def find(object_type: str, pipeline_id: int) -> Pipeline:
    """The open account's pipeline, locked. Raises NotFound."""
    found = (
        Pipeline.objects.select_for_update()
        .filter(account_id=current_account_id(), object_type=object_type, pk=pipeline_id, archived_at=None)
        .first()
    )
    if found is None:
        raise NotFound(_("There is no such pipeline."))
    return found


def _next_key(account_id: int, object_type: str) -> str:
    return _free_number(Pipeline, account_id, object_type)


def _keys(account_id: int, object_type: str, stages: Sequence[NewStage]) -> list[str]:
    """The keys of new statuses: their own, and the next free ones."""
    if all(stage.key for stage in stages):
        return [stage.key for stage in stages]
    taken = [int(stage.key) for stage in stages if stage.key.isdigit()]
    free = count(max([int(_next_stage_key(account_id, object_type)), *(number + 1 for number in taken)]))
    return [stage.key or str(next(free)) for stage in stages]


def _next_stage_key(account_id: int, object_type: str) -> str:
    return _free_number(Stage, account_id, object_type)


def _free_number(model: type[Pipeline | Stage], account_id: int, object_type: str) -> str:
    """The next key. Whoever asks after it waits until this transaction has ended, so that no two get the same."""
    sql.rows(
        "select pg_advisory_xact_lock(hashtextextended('pipeline key ' || %s, %s))", [object_type, account_id]
    )
    found = model._default_manager.filter(account_id=account_id, object_type=object_type)
    keys = found.values_list("key", flat=True)
    return str(max([int(key) for key in keys if key.isdigit()], default=0) + 1)


POLICY_FIELDS = (
    "sets_close_date",
    "moves_on_sent",
    "sent_stage_id",
    "moves_on_reply",
    "reply_stage_id",
    "options",
)


def set_policy(pipeline: Pipeline, *, by: Actor = SYSTEM, **changes: Any) -> Pipeline:
    """Change the templated automations of a ticket pipeline (R-CLOSE-3, R-STAT-1, R-STAT-2).

    Raises Invalid for a target status of another pipeline, and for options that can't be.
    """
    if "options" in changes:
        is_open = {stage.pk: stage.is_open for stage in pipeline.stages.all()}
        changes["options"] = pipeline_options.checked(changes["options"], is_open)
    before = {name: getattr(pipeline, name, None) for name in changes}
    for name, value in changes.items():
        if name not in POLICY_FIELDS:
            raise Invalid(
                _("%(name)s is not a policy of a pipeline.") % {"name": name},
                field=name,
                hint="One of: " + ", ".join(POLICY_FIELDS),
            )
        if name.endswith("_stage_id") and not pipeline.stages.filter(pk=value).exists():
            raise Invalid(
                _("That status is not in this pipeline."),
                field=name,
                value=value,
                hint=_("Choose one of its statuses."),
            )
        setattr(pipeline, name, value)
    pipeline.save(update_fields=list(changes))
    _changed("pipeline.updated", pipeline, by, before, changes)
    return pipeline


def delete_stage(stage: Stage, *, in_use: int, by: Actor = SYSTEM) -> None:
    """Delete an unused stage. `in_use` is how many records stand in it (R-PIPE-8).

    Raises Conflict while there are any, Invalid for the last open one (R-PIPE-4).
    """
    if in_use:
        raise Conflict(
            ngettext(
                "%(count)s record stands in “%(status)s”; move it to another status first.",
                "%(count)s records stand in “%(status)s”; move them to another status first.",
                in_use,
            )
            % {"count": in_use, "status": stage.label}
        )
    others = stage.pipeline.stages.exclude(pk=stage.pk)
    if stage.is_open and not others.filter(state=OPEN).exists():
        raise Invalid(
            _("A pipeline needs at least one open status."),
            field="state",
            hint=_("Open another status first."),
        )
    pipeline = Pipeline.objects.select_for_update().get(pk=stage.pipeline_id, account_id=stage.account_id)
    pipeline.rules = pipeline_rules.without(pipeline.rules, stage.pk) if pipeline.rules else {}
    pipeline.save(update_fields=["rules"])
    _changed("stage.deleted", stage, by, {"label": stage.label, "pipeline_id": stage.pipeline_id})
    stage.delete()
    queries.forget()


def delete(pipeline: Pipeline, *, in_use: int, by: Actor) -> None:
    """Take an unused pipeline away for good; its stages stay for what was recorded about them. `in_use` as above.

    Raises Conflict while there are records (R-PIPE-9), Invalid for the last pipeline of its kind (R-DM-3).
    """
    if in_use:
        raise Conflict(
            ngettext(
                "%(count)s record stands in “%(pipeline)s”; move it to another pipeline first.",
                "%(count)s records stand in “%(pipeline)s”; move them to another pipeline first.",
                in_use,
            )
            % {"count": in_use, "pipeline": pipeline.label}
        )
    left = Pipeline.objects.filter(
        account_id=pipeline.account_id, object_type=pipeline.object_type, archived_at=None
    )
    if not left.exclude(pk=pipeline.pk).exists():
        raise Invalid(_("The last pipeline can't be deleted."), field="pipeline", value=pipeline.pk)
    pipeline.archived_at = clock.now()
    pipeline.save(update_fields=["archived_at"])
    stage_ids = list(pipeline.stages.values_list("pk", flat=True))
    _changed("pipeline.deleted", pipeline, by, {"label": pipeline.label, "stages": stage_ids})
