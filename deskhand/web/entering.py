"""What a status asks for when records enter it: the form, in a drawer or on a page of its own (R-REQ-1).

Whatever moves a record on a screen asks here first. The form carries along all that was posted, so that what was begun
(a move, a reply that sets a status, a cell that was edited) is done in one go when it comes back filled in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import StageValue
from deskhand.crm.records import guard
from deskhand.crm.schema.types import Kind, Property
from deskhand.events.types import Actor
from deskhand.kernel.errors import Incomplete, Invalid
from deskhand.web import labels
from deskhand.web.contacts import values as typed_values
from deskhand.web.frame import framed
from deskhand.web.holders import by_field_for
from deskhand.web.inbox.rows import Label
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.records.rows import AskField

Done = TypeVar("Done")
#: What the form has itself.
OWN = {"csrfmiddlewaretoken", "asked", "shown"}


@dataclass(frozen=True)
class Way:
    """Where the form is posted and left, and what htmx does with the answer."""

    url: str
    back_url: str
    area: str = "inbox"
    target: str = "#thread"
    swap: str = "outerMorph"
    include: str = ""
    title: str = ""
    label: str = ""  # of its button


@dataclass(frozen=True)
class EnteringForm:
    title: str
    statuses: tuple[Label, ...]
    way: Way
    label: str
    kept: tuple[tuple[str, str], ...]
    fields: tuple[AskField, ...]
    error: str
    is_many: bool
    is_of_tickets: bool


class Unasked(Invalid):
    """The status asks for something, and the form was not shown yet."""


class Entering:
    """Records on their way into statuses by this request."""

    def __init__(
        self, request: AccountRequest, object_type: str, moves: Sequence[tuple[Any, StageValue]], way: Way, *, is_many: bool = False
    ) -> None:  # fmt: skip
        """`moves` are records and where each is to go; of many, those alone that no rule keeps where they are."""
        self.request, self.object_type, self.way = request, object_type, way
        self.by = Actor.user(request.user.pk)
        self.moves = [(record, stage) for record, stage in moves if record.stage_id != stage.id]
        self.is_many, self.was_asked = is_many, "asked" in request.POST
        asked: dict[str, tuple[Property, bool]] = {}
        for stage in {stage.id: stage for _record, stage in self.moves}.values():
            for prop, is_required in guard.asks(object_type, stage):
                asked[prop.name] = prop, is_required or asked.get(prop.name, (prop, False))[1]
        self.asked = asked

    def enter(self, act: Callable[[Mapping[str, Any]], Done]) -> Done | HttpResponse:
        """Do it with what was typed, by property; or answer with the form. Raises Invalid for what isn't about its fields."""
        try:
            self.require_asked()
            return act(self.given())
        except Invalid as refusal:
            answer = self.answer(refusal)
            if answer is None:
                raise
            return answer

    def require_asked(self) -> None:
        """Raises Unasked where something is lacking and nobody was asked; Invalid where a rule keeps a record from going."""
        if self.was_asked:
            return
        if not self.is_many:
            self._refuse_barred()
        if self._lacking():
            raise Unasked(_("Fill this in first."))

    def _refuse_barred(self) -> None:
        for record, stage in self.moves:
            pipeline = pipelines_of(self.object_type).pipeline(record.pipeline_id)
            refusal = guard.barred(pipeline, record.stage_id, self.by).get(stage.id)
            if refusal is not None:
                raise refusal

    def _lacking(self) -> dict[str, int]:
        """How many of the records lack what."""
        found: dict[str, int] = {}
        for record, stage in self.moves:
            for prop in guard.lacking(self.object_type, stage, {**record.properties, **vars(record)}):
                found[prop.name] = found.get(prop.name, 0) + 1
        return found

    def given(self) -> dict[str, Any]:
        """What was typed, by property; of several records without what was left empty. Raises Invalid."""
        if not self.was_asked:
            return {}
        form, found = self.request.POST, {}
        for name, (prop, _is_required) in self.asked.items():
            field = f"ask-{name}"
            if field in form or prop.kind in (
                Kind.MULTI,
                Kind.REFS,
            ):  # of boxes, none is posted when none is ticked
                kept = None if self.is_many else typed_values.value_of(self.moves[0][0], prop)
                found[name] = typed_values.read(self.object_type, name, form.getlist(field), kept)
        return {
            name: value for name, value in found.items() if not self.is_many or value not in (None, "", [])
        }

    def answer(self, refusal: Invalid) -> HttpResponse | None:
        """The form, with what was typed and refused; None for a refusal that isn't about its fields, or where nothing moves."""
        is_about_it = isinstance(refusal, Unasked | Incomplete) or refusal.field in self.asked
        if not self.moves or not is_about_it:
            return None
        form = self._form(refusal)
        if wants_fragment(self.request):
            return render(self.request, "records/fragments/entering.html", {"form": form}, status=422)
        return framed(self.request, self.way.area, "records/entering.html", {"form": form}, 422)

    def _form(self, refusal: Invalid) -> EnteringForm:
        errors = {} if isinstance(refusal, Unasked) else by_field_for(self.request.viewer, refusal)
        elsewhere = [said for name, said in errors.items() if name not in self.asked]
        lacking = self._lacking() if self.is_many else {}
        statuses = {stage.label: labels.status(stage) for _record, stage in self.moves}
        kept = tuple(
            (name, value)
            for name, values in self.request.POST.lists()
            if name not in OWN and not name.startswith("ask-") and (name, values) != ("part", ["toast"])
            for value in values
        )
        return EnteringForm(
            self.way.title or self._title(), tuple(statuses.values()), self.way, self.way.label or _("Move"), kept,
            tuple(
                self._field(prop, is_required, errors.get(name, "") if self.was_asked else "", lacking.get(name))
                for name, (prop, is_required) in self.asked.items()
            ),
            " ".join(elsewhere), self.is_many, self.object_type == "ticket",
        )  # fmt: skip

    def _title(self) -> str:
        if self.is_many:
            count = len(self.moves)
            if self.object_type == "ticket":
                return ngettext("Move %(num)s ticket", "Move %(num)s tickets", count) % {"num": count}
            return ngettext("Move %(num)s record", "Move %(num)s records", count) % {"num": count}
        record = self.moves[0][0]
        name = record.subject if self.object_type == "ticket" else record.name
        return _("Move “%(record)s”") % {"record": name or _("No name")}

    def _field(self, prop: Property, is_required: bool, error: str, lacking: int | None) -> AskField:
        typed = (self.request.POST.getlist(f"ask-{prop.name}") or [""]) if self.was_asked else None
        value = None if self.is_many else typed_values.value_of(self.moves[0][0], prop)
        control = typed_values.control(prop, value, typed=typed, error=error)
        note = ""
        if lacking is not None:
            note = self._lacked(lacking) % {"num": lacking}
        return AskField(
            prop.name, _(prop.label), control, is_required and not guard.may_bypass(self.by), note
        )

    def _lacked(self, count: int) -> str:
        if self.object_type == "ticket":
            return ngettext("%(num)s ticket lacks it.", "%(num)s tickets lack it.", count)
        return ngettext("%(num)s record lacks it.", "%(num)s records lack it.", count)
