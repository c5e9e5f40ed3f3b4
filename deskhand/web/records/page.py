"""The page of one record: gathered with a fixed number of queries, then put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts import policy
from deskhand.accounts.types import Verb
from deskhand.automation.history import Named
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import PipelineValue, StageValue
from deskhand.crm.records import computed, history, listing, tasks
from deskhand.crm.records.models import PropertyChange, Task
from deskhand.crm.schema import clocks
from deskhand.crm.schema.layouts import layout_of
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Property as PropertyOf
from deskhand.events.queries import rules_of
from deskhand.kernel import clock
from deskhand.kernel.text import paragraphs
from deskhand.web import labels, moving, tasking
from deskhand.web.contacts import values as typed_values
from deskhand.web.contacts.rows import Control, HistoryLine, Property, Section, Timeline, TimelineItem
from deskhand.web.contacts.values import TEAMS, Names
from deskhand.web.inbox import causes, further, links, told
from deskhand.web.inbox.page import RULES
from deskhand.web.inbox.panel_rows import Linked, LinkGroup
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects.tabs import Sort
from deskhand.web.records import values
from deskhand.web.records.kinds import url
from deskhand.web.records.rows import RecordPage, Step, TaskForm, TaskLine
from deskhand.web.shell import Person
from deskhand.web.workflows import card
from deskhand.web.workflows.rows import Card

LINES = 30  # of the timeline
HISTORY = 8  # lines of one property
#: What changes along with something else, and says nothing by itself.
SILENT = {TEAMS, "hs_is_closed", "hs_last_closed_date"}


class RecordPageOf:
    """One record as its page shows it. Raises NotFound for what the viewer may not see."""

    def __init__(self, request: AccountRequest, kind: Sort, record_id: int, *, opened: str = "", before: int | None = None, task: int | None = None) -> None:  # fmt: skip
        """`opened` is a property to change, or to see the history of; `before` a place in the timeline; `task` one to change."""
        self.viewer, self.account, self.kind = request.viewer, request.account, kind
        self.zone = request.account.zone
        self.record = listing.get(request.viewer, kind.object_type, record_id)
        self.known = properties_of(kind.object_type)
        self.opened, self.before, self.task = opened if opened in self.known else "", before, task
        self.typed_task: Mapping[str, str] | None = None
        self.typed_further: further.Typed | None = None
        self.task_errors: Mapping[str, str] = {}

    def may(self, verb: Verb) -> bool:
        return policy.visible(self.viewer, self.kind.object_type, verb).reaches(self.record)

    @cached_property
    def may_edit(self) -> bool:
        return self.record.archived_at is None and self.may(Verb.EDIT)

    def url(self, name: str = "record", *args: int) -> str:
        return url(self.kind, name, self.record.pk, *args)

    @cached_property
    def stage(self) -> StageValue | None:
        if not self.kind.has_pipelines or self.record.stage_id is None:
            return None
        return pipelines_of(self.kind.object_type).find(self.record.stage_id)

    @property
    def pipeline(self) -> PipelineValue | None:
        return pipelines_of(self.kind.object_type).pipeline(self.stage.pipeline_id) if self.stage else None

    def other_pipelines(self) -> tuple[PipelineValue, ...]:
        """Into which the record may be moved, too."""
        if self.stage is None:
            return ()
        known = pipelines_of(self.kind.object_type).pipelines
        return tuple(one for one in known if one.id != self.stage.pipeline_id)

    def build(self, control: Control | None = None, **more: Any) -> RecordPage:
        """`control` stands in for that of the open property, when what was typed is refused."""
        r = self.record
        away, may_delete = r.archived_at is not None, self.may(Verb.DELETE)
        others, mine = self.other_pipelines(), self.pipeline
        owner = self.names.users.get(r.owner_id or 0, "")
        page = RecordPage(
            id=r.pk, name=r.name or _("No name"), kind=self.kind.singular, icon=self.kind.icon, url=self.url(), list_url=url(self.kind, "records"),
            list_label=self.kind.label, pipeline=_(mine.label) if mine and others else "", move_url=self.url("record-move") if others and self.may_edit else "",
            age=r.stage_entered_at if self.stage else None, owner=Person.named(owner) if owner else None,
            money=values.money(r.properties.get(values.AMOUNT), r.properties.get(values.CURRENCY)) if values.is_money(self.kind.object_type, values.AMOUNT) else "", steps=self.steps(),
            moved_url=self.url("record-moved") if self.may_edit else "", archived_at=r.archived_at,
            archive_url=self.url("record-archive") if may_delete and not away else "",
            restore_url=self.url("record-restore") if may_delete and away else "",
            sections=self.sections(control), timeline=self.timeline(), tasks=self.tasks(), task_form=self.task_form() if self.may_edit else None,
            links=self.links(), link_url=self.url("record-link") if self.may_edit else "",
            unlink_url=self.url("record-unlink") if self.may_edit else "",
            labels_url=self.url("record-link-labels") if self.may_edit else "", note_url=self.url("record-note") if self.may_edit else "",
            automation=self.automation(),
        )  # fmt: skip
        return replace(page, **more)

    def automation(self) -> Card | None:
        named = Named(
            self.kind.object_type, self.record.pk, self.record.name, self.record.archived_at is not None
        )
        return card.card(self.viewer, self.account, named, self.url(), may_edit=self.may_edit)

    def steps(self) -> tuple[Step, ...]:
        """The way through the pipeline. Of the closed statuses at its end, those that it did not come to are ahead."""
        pipeline = self.pipeline
        if self.stage is None or pipeline is None:
            return ()
        here = [stage.id for stage in pipeline.stages].index(self.stage.id)
        reasons = moving.reasons(self.viewer, pipeline, self.stage.id) if self.may_edit else {}
        states = ["past" if n < here else "now" if n == here else "ahead" for n in range(len(pipeline.stages))]  # fmt: skip
        return tuple(
            Step(stage.id, labels.status(stage), state, stage.is_open, reasons.get(stage.id, ""))
            for stage, state in zip(pipeline.stages, states, strict=True)
        )

    # ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────

    def sections(self, control: Control | None = None) -> tuple[Section, ...]:
        """The layout's, then all the others folded away: those that can be changed, and those that have a value."""
        layout = layout_of(self.viewer.account_id, self.kind.object_type).sections
        placed = {name for section in layout for name in section.properties}
        times = [prop.name for prop in clocks.of(self.kind.object_type)] if self.stage else []
        typed_values.work_out(self.kind.object_type, self.record, (*placed, *times), self.names)
        rest = [p.name for p in self.known.values() if p.name not in placed and not p.is_computed and self._is_worth_a_line(p)]  # fmt: skip
        sections = [
            Section(f"section-{number}", _(section.label), self._lines(section.properties, control))
            for number, section in enumerate(layout, 1)
        ]
        sections.append(
            Section("section-more", _("More properties"), self._lines(rest, control), self.opened not in rest)
        )
        there = [
            name for name in times if name not in placed and computed.value_of(self.record, self.known[name])
        ]
        sections.append(
            Section(
                "section-times", _("Times by status"), self._lines(there, control), self.opened not in there
            )
        )
        return tuple(section for section in sections if section.properties)

    def _is_worth_a_line(self, prop: PropertyOf) -> bool:
        if prop.is_place:
            return False
        return values.is_editable(prop) or typed_values.value_of(self.record, prop) not in (None, "", [])

    def _lines(self, names: Sequence[str], control: Control | None) -> tuple[Property, ...]:
        shown = (self.known[name] for name in names if not self.known[name].is_place)
        return tuple(self.line(prop, control) for prop in shown)

    def line(self, prop: PropertyOf, control: Control | None = None) -> Property:
        is_open = prop.name == self.opened
        typed_values.work_out(self.kind.object_type, self.record, [prop.name], self.names)
        value = typed_values.value_of(self.record, prop)
        may_edit = self.may_edit and values.is_editable(prop)
        return Property(
            id=f"property-{prop.name}", name=prop.name, label=_(prop.label), value=self._spoken(prop, value),
            line_url=f"{self.url('record-property')}?name={prop.name}",
            open_label=(_("Change “%(property)s”") if may_edit else _("History of “%(property)s”")) % {"property": _(prop.label)},
            open_url=f"{self.url()}?open={prop.name}#property-{prop.name}", close_url=f"{self.url()}#property-{prop.name}",
            save_url=self.url("record-save"), help=prop.description, may_edit=may_edit, is_open=is_open,
            control=(control or typed_values.control(prop, value)) if is_open and may_edit else None,
            history=self.history(prop) if is_open else (),
        )  # fmt: skip

    def _spoken(self, prop: PropertyOf | None, value: Any) -> str:
        if prop is None:
            return typed_values.spoken(None, value, self.names)
        return values.spoken(self.kind.object_type, prop, value, self.names)

    def history(self, prop: PropertyOf) -> tuple[HistoryLine, ...]:
        return tuple(
            HistoryLine(_(prop.label), self._spoken(prop, line.old), self._spoken(prop, line.new), self.cause(line), line.changed_at)
            for line in self.opened_changes
        )  # fmt: skip

    # ── what happened ────────────────────────────────────────────────────────────────────────────────────────────────

    def _changes(self, **which: Any) -> Any:
        return PropertyChange.objects.filter(
            account_id=self.viewer.account_id, object_type=self.kind.object_type, record_id=self.record.pk, **which
        ).order_by("-id")  # fmt: skip

    @cached_property
    def opened_changes(self) -> list[PropertyChange]:
        return list(self._changes(property=self.opened)[:HISTORY]) if self.opened else []

    @cached_property
    def changes(self) -> list[PropertyChange]:
        """One more than is shown."""
        before = {"id__lt": self.before} if self.before else {}
        return list(self._changes(**before).exclude(property__in=SILENT)[: LINES + 1])

    @cached_property
    def names(self) -> Names:
        """Of everybody that values, tasks and history name; one query for people, one for teams."""
        others = (self.record.created_by_id, *(task.assignee_id for task in self.found_tasks))
        return Names.about(self.kind.object_type, self.record, (*self.changes, *self.opened_changes), others)

    @cached_property
    def workflows(self) -> Mapping[int, str]:
        ids = {c.actor_id for c in (*self.changes, *self.opened_changes) if c.actor_kind == "workflow"}
        ids |= {task.created_by_id for task in self.found_tasks if task.created_by_kind == "workflow"}
        return causes.workflow_names(self.viewer.account_id, ids)

    @cached_property
    def rules(self) -> dict[int, str]:
        events = [c.event_id for c in (*self.changes, *self.opened_changes) if c.event_id]
        return rules_of(self.viewer.account_id, events)

    def cause(self, change: PropertyChange) -> str:
        """What did it: a person, a workflow by its name, a rule."""
        rule = self.rules.get(change.event_id or 0)
        if rule:
            return str(RULES.get(rule, rule))
        return self._actor(change.actor_kind, change.actor_id)

    def _actor(self, kind: str, actor_id: int | None) -> str:
        if kind == "user":
            return self.names.users.get(actor_id or 0, _("Somebody who left"))
        if kind == "workflow":
            name = self.workflows.get(actor_id or 0)
            return _("workflow “%(name)s”") % {"name": name} if name else _("a workflow")
        others = {"integration": _("an integration"), "routing": _("the channel's routing"), "llm": _("the customer agent")}  # fmt: skip
        return others.get(kind, _("Deskhand"))

    def timeline(self) -> Timeline:
        shown = self.changes[:LINES]
        more = len(self.changes) > LINES
        items = [item for change in shown if (item := self._item(change))]
        if not more:
            by = self._actor(self.record.created_by_kind, self.record.created_by_id)
            items.append(TimelineItem("event", self.record.created_at, "plus", _("Created"), about=by))
        more_url = f"{self.url('record-timeline')}?before={shown[-1].pk}" if more else ""
        return Timeline(tuple(items), more_url)

    def _item(self, change: PropertyChange) -> TimelineItem | None:
        at, by = change.changed_at, self.cause(change)
        if change.property == history.NOTE:
            parts = paragraphs(str((change.new or {}).get("text", "")))
            return TimelineItem("note", at, "message-square-text", _("Note"), by, paragraphs=parts, author=Person.named(by))  # fmt: skip
        if change.property.startswith("@"):
            sentence = told.sentence(change.property, change.new or {}, self.titles)
            return TimelineItem("event", at, "link" if change.property == history.LINK else "clipboard-list", sentence, about=by) if sentence else None  # fmt: skip
        prop = self.known.get(change.property)
        old, new = self._spoken(prop, change.old), self._spoken(prop, change.new)
        return TimelineItem("change", at, "pencil", _(prop.label) if prop else change.property, by, old=old, new=new)  # fmt: skip

    @cached_property
    def titles(self) -> Mapping[tuple[str, int], str]:
        wanted = {
            (str(c.new["type"]), int(c.new["id"])) for c in self.changes if c.property == history.LINK and isinstance(c.new, dict)
        }  # fmt: skip
        return links.titles(self.viewer, wanted)

    # ── tasks ────────────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def found_tasks(self) -> list[Task]:
        return list(tasks.of(self.kind.object_type, self.record.pk))

    def tasks(self) -> tuple[TaskLine, ...]:
        now, here = clock.now(), (self.kind.object_type, self.record.pk)
        beside = tasking.beside(self.viewer, self.found_tasks, here, self.may_edit)
        return tuple(self._task(task, now, beside[task.pk]) for task in sorted(self.found_tasks, key=lambda one: one.completed_at is not None))  # fmt: skip

    def _task(self, task: Task, now: Any, beside: tasking.Beside) -> TaskLine:
        name = self.names.users.get(task.assignee_id or 0, "")
        is_done = task.completed_at is not None
        return TaskLine(
            task.pk, task.title, task.notes, Person.named(name) if name else None, task.due_at, is_done,
            is_late=bool(task.due_at and task.due_at < now and not is_done),
            cause=self._actor("workflow", task.created_by_id) if task.created_by_kind == "workflow" else "",
            marks=tasking.marks(task, now), done_url=self.url("record-task-done", task.pk) if beside.may_finish else "",
            edit_url=f"{self.url()}?task={task.pk}#tasks" if beside.may_edit else "",
            form=self.task_form(task) if beside.may_edit and self.task == task.pk else None,
            delete_url=self.url("record-task-delete", task.pk) if beside.may_edit else "", others=beside.others,
        )  # fmt: skip

    def task_form(self, task: Task | None = None) -> TaskForm:
        """The form for a new one, or for a task; with what was typed and refused there."""
        is_refused = self.typed_task is not None and self.task == (task and task.pk)
        given = (self.typed_task if is_refused else tasking.stored(task) if task else {}) or {}
        offered = typed_values.people_offered(given.get("assignee", ""), _("Nobody"))
        return TaskForm(
            self.url("record-task-save", task.pk) if task else self.url("record-task-add"),
            tasking.fields(
                self.viewer, given, offered, self.task_errors if is_refused else {},
                self._further(task, self.typed_further if is_refused else None),
            ),
            is_open=is_refused,
        )  # fmt: skip

    def _further(self, task: Task | None, typed: further.Typed | None) -> tasking.Further:
        near = (one for lines in self.linked_lines.values() for one in lines[: further.NEAR])
        return further.part(self.viewer, (self.kind.object_type, self.record.pk), near, task, typed)

    # ── links ────────────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def linked(self) -> dict[str, list[int]]:
        """{kind: ids in the order of linking}"""
        return links.linked_ids(self.viewer.account_id, self.kind.object_type, self.record.pk, links.kinds())

    @cached_property
    def linked_lines(self) -> dict[str, tuple[Linked, ...]]:
        return links.lines_of(self.viewer, self.linked)

    def links(self) -> tuple[LinkGroup, ...]:
        return links.groups(self.kind.object_type, self.record.pk, self.linked_lines)
