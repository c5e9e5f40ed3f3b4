"""The form for a new record: its name, where it begins, and what its kind or that status asks for."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _

from deskhand.crm.pipelines import rules
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import PipelineValue, StageValue, pipeline_property, stage_property
from deskhand.crm.records import guard
from deskhand.crm.records.checking import required_of
from deskhand.crm.schema.layouts import layout_of
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.web.choices import Choice
from deskhand.web.contacts import values as typed_values
from deskhand.web.contacts.rows import FormField, FormPage
from deskhand.web.contacts.values import OWNER
from deskhand.web.holders import by_field_for
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects.tabs import Sort
from deskhand.web.records import values
from deskhand.web.records.kinds import url

STATUS = "status"
TYPES = {Kind.DATE: "date", Kind.DATETIME: "datetime-local"}
MOST = 12  # properties of the layout that the form has


def stages_offered(kind: Sort, by: Actor) -> list[tuple[PipelineValue, StageValue]]:
    """Where the viewer may create records (R-RULE-5)."""
    found = []
    for pipeline in pipelines_of(kind.object_type).pipelines if kind.has_pipelines else ():
        found += [(pipeline, stage) for stage in guard.creatable(pipeline, by)]
    return found


class FormOf:
    def __init__(self, request: AccountRequest, kind: Sort) -> None:
        self.kind, self.by, self.viewer = kind, Actor.user(request.user.pk), request.viewer
        given = request.POST if request.method == "POST" else request.GET
        self.known = properties_of(kind.object_type)
        self.offered = stages_offered(kind, self.by)
        self.stage = self._stage(given.get(STATUS, ""), whole(given.get("pipeline", "")))
        self.asks = self._asks()
        self.names = self._names(request.viewer.account_id)
        self.typed = {name: given.getlist(name) for name in self.names}

    def _stage(self, asked: str, pipeline_id: int | None) -> StageValue | None:
        """The status that is asked for, else the first one where records may begin."""
        stages = [stage for pipeline, stage in self.offered if pipeline_id in (None, pipeline.id)]
        stages = stages or [stage for _pipeline, stage in self.offered]
        named = next((stage for _pipeline, stage in self.offered if str(stage.id) == asked), None)
        return named or next((stage for stage in stages if stage.is_open), stages[0] if stages else None)

    def _asks(self) -> tuple[rules.Ask, ...]:
        """What the status asks for (R-REQ-1)."""
        if self.stage is None:
            return ()
        return rules.asks_of(
            pipelines_of(self.kind.object_type).pipeline(self.stage.pipeline_id), self.stage.id
        )

    def _names(self, account_id: int) -> list[str]:
        """What can't be left out first, then what the status asks for, then what stands beside a record."""
        beside = [name for section in layout_of(account_id, self.kind.object_type).sections for name in section.properties]  # fmt: skip
        named = [
            *required_of(self.kind.object_type),
            *(ask.property for ask in self.asks),
            OWNER,
            *beside[:MOST],
        ]
        return [n for n in dict.fromkeys(named) if n in self.known and values.is_editable(self.known[n])]

    def page(self, refusal: Invalid | None = None) -> FormPage:
        errors = by_field_for(self.viewer, refusal)
        fields = [self._field(self.known[name], errors.pop(name, "")) for name in self.names]
        if self.offered:
            error = errors.pop(self._status_name(), "") or errors.pop(STATUS, "")
            fields.insert(1, self._status(error))
        return FormPage(
            self.kind.create_label, url(self.kind, "record-add"), url(self.kind, "records"), self.kind.label,
            _("Create"), tuple(fields), error=" ".join(errors.values()),
        )  # fmt: skip

    def _status_name(self) -> str:
        return stage_property(self.kind.object_type)

    def _status(self, error: str) -> FormField:
        several = len({pipeline.id for pipeline, _stage in self.offered}) > 1
        choices = tuple(
            Choice(
                str(stage.id), f"{_(stage.label)} ({_(pipeline.label)})" if several else _(stage.label), stage == self.stage
            )
            for pipeline, stage in self.offered
        )  # fmt: skip
        return FormField(STATUS, _("Status"), "", error=error, choices=choices)

    def _field(self, prop: Property, error: str) -> FormField:
        control = typed_values.control(prop, None, typed=self.typed.get(prop.name) or [""])
        required = prop.name in required_of(self.kind.object_type)
        is_asked = any(ask.property == prop.name and ask.is_required for ask in self.asks)
        is_asked = is_asked and not guard.may_bypass(self.by)
        return FormField(
            prop.name, _(prop.label), control.value, "area" if control.kind == "area" else TYPES.get(prop.kind, "text"), prop.description, error, choices=control.choices,
            is_required=required, is_many=control.kind == "choices", note=_("Required") if required or is_asked else "",
        )  # fmt: skip

    def given(self) -> Mapping[str, object]:
        """Raises Invalid, naming the field."""
        read = {
            name: typed_values.read(self.kind.object_type, name, typed)
            for name, typed in self.typed.items()
            if any(text.strip() for text in typed)
        }
        if self.stage is None:
            return read
        pipeline = pipeline_property(self.kind.object_type)
        return {**read, pipeline: self.stage.pipeline_id, self._status_name(): self.stage.id}
