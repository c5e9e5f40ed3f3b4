"""What a pipeline demands of who moves or creates records by hand (R-RULE-1, R-REQ-1). All pure.

Who is bound by it is decided in `records/guard.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from deskhand.crm.pipelines.types import PipelineValue, StageValue, stage_property
from deskhand.crm.schema.types import Kind, Property
from deskhand.kernel.errors import Incomplete, Invalid


@dataclass(frozen=True)
class Ask:
    """A property that is asked for when a record enters a status; what is not required is only shown."""

    property: str
    is_required: bool


@dataclass(frozen=True)
class Rules:
    limits_creation: bool = False
    creation: tuple[int, ...] = ()  # the statuses that records may be created in
    forbids_skipping: bool = False
    forbids_going_back: bool = False
    asks: Mapping[int, tuple[Ask, ...]] = field(default_factory=dict)  # by status

    @property
    def count_on(self) -> int:
        return self.limits_creation + self.forbids_skipping + self.forbids_going_back


def parse(stored: Mapping[str, Any]) -> Rules:
    return Rules(
        limits_creation=stored.get("limits_creation") is True,
        creation=tuple(stored.get("creation", ())),
        forbids_skipping=stored.get("forbids_skipping") is True,
        forbids_going_back=stored.get("forbids_going_back") is True,
        asks={
            int(stage_id): tuple(Ask(one["property"], one["required"] is True) for one in asks)
            for stage_id, asks in stored.get("asks", {}).items()
        },
    )


def as_json(rules: Rules) -> dict[str, Any]:
    return {
        "limits_creation": rules.limits_creation,
        "creation": list(rules.creation),
        "forbids_skipping": rules.forbids_skipping,
        "forbids_going_back": rules.forbids_going_back,
        "asks": {
            str(stage_id): [{"property": ask.property, "required": ask.is_required} for ask in asks]
            for stage_id, asks in rules.asks.items()
            if asks
        },
    }


def without(stored: Mapping[str, Any], stage_id: int) -> dict[str, Any]:
    """The rules after a status is gone. A limit that would forbid all creation ends."""
    rules = parse(stored)
    creation = tuple(one for one in rules.creation if one != stage_id)
    asks = {one: asked for one, asked in rules.asks.items() if one != stage_id}
    return as_json(
        Rules(
            rules.limits_creation and bool(creation),
            creation,
            rules.forbids_skipping,
            rules.forbids_going_back,
            asks,
        )
    )


def may_be_asked(prop: Property) -> bool:
    """Whether a status may ask for it: what people may set, and not what every move gives anyway."""
    return not prop.read_only and not prop.is_place and not lacks_options(prop)


def lacks_options(prop: Property) -> bool:
    """Whether it is chosen from a list in which there is nothing yet."""
    is_chosen = prop.kind in (Kind.ENUM, Kind.MULTI) and not prop.is_place
    return is_chosen and not prop.read_only and not prop.options


def asks_of(pipeline: PipelineValue, stage_id: int) -> tuple[Ask, ...]:
    """What is asked for when a record enters the status."""
    return parse(pipeline.rules).asks.get(stage_id, ())


# ── creation ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def creatable(pipeline: PipelineValue) -> tuple[StageValue, ...]:
    """The statuses that records may be created in (R-RULE-5)."""
    rules = parse(pipeline.rules)
    return tuple(
        stage for stage in pipeline.stages if not rules.limits_creation or stage.id in rules.creation
    )


def first_creatable(pipeline: PipelineValue) -> StageValue:
    """Where a record begins that somebody creates without saying where."""
    allowed = creatable(pipeline)
    return next((stage for stage in allowed if stage.is_open), (*allowed, pipeline.first_open)[0])


def refusal_of_creation(pipeline: PipelineValue, stage: StageValue) -> Invalid | None:
    allowed = creatable(pipeline)
    if stage in allowed:
        return None
    return Invalid(
        _("In “%(pipeline)s” nothing can be created as “%(status)s”.")
        % {"pipeline": _(pipeline.label), "status": _(stage.label)},
        field=stage_property(pipeline.object_type),
        value=stage.id,
        hint=_allowed(allowed),
    )


# ── moves ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def why_not(pipeline: PipelineValue, from_id: int, to: StageValue) -> str:
    """Why a record may not move between two statuses of the pipeline; empty when it may (R-RULE-6, 7, 8).

    What comes from another pipeline has no place in the order, so it may enter anywhere.
    """
    rules, places = parse(pipeline.rules), {stage.id: place for place, stage in enumerate(pipeline.stages)}
    if from_id not in places or from_id == to.id:
        return ""
    steps = places[to.id] - places[from_id]
    if steps < 0 and rules.forbids_going_back:
        return _("Records of “%(pipeline)s” can't go back to an earlier status.") % {
            "pipeline": _(pipeline.label)
        }
    if steps > 1 and rules.forbids_skipping:
        return _("Records of “%(pipeline)s” can't skip a status.") % {"pipeline": _(pipeline.label)}
    return ""


def choices(pipeline: PipelineValue, from_id: int) -> tuple[tuple[StageValue, str], ...]:
    """Every status, and why a record in `from_id` can't go there (R-RULE-8)."""
    return tuple((stage, why_not(pipeline, from_id, stage)) for stage in pipeline.stages)


def refusal_of_move(pipeline: PipelineValue, from_id: int, to: StageValue) -> Invalid | None:
    """R-RULE-12"""
    why = why_not(pipeline, from_id, to)
    if not why:
        return None
    allowed = [stage for stage, reason in choices(pipeline, from_id) if not reason and stage.id != from_id]
    return Invalid(why, field=stage_property(pipeline.object_type), value=to.id, hint=_allowed(allowed))


def _allowed(stages: Iterable[StageValue]) -> str:
    labels = ", ".join(_(stage.label) for stage in stages)
    return _("Allowed: %(statuses)s.") % {"statuses": labels} if labels else ""


def refusal_for_missing(to: StageValue, missing: Mapping[str, str]) -> Incomplete:
    """`missing` are labels of properties by name; the names are the error's value (R-REQ-1)."""
    return Incomplete(
        {name: _("“%(property)s” can't be empty.") % {"property": label} for name, label in missing.items()},
        _("“%(status)s” asks for: %(properties)s.")
        % {"status": _(to.label), "properties": ", ".join(missing.values())},
        hint=_("Fill this in first."),
    )
