"""Make a task about the record, for a person or an owner (R-ACT-24, R-WFA-8).

The task may be about records that are linked to this one too, as they are linked when the step runs. When it is due is said
in one of two ways: after a time, whose days are those of the calendar, so that the time of day stays; or on a day at a time
of day. Both are in the account's time zone. A time of day goes with days alone: with hours it is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deskhand.automation import gone, templates, tokens
from deskhand.automation.actions import choices, others, reading
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.types import (
    OWNERS,
    Action,
    Doing,
    Done,
    Group,
    Output,
    Then,
    failed,
    here,
    object_type_of,
)
from deskhand.automation.engine.loops import Adds, Tell, Touches
from deskhand.crm.records import tasks
from deskhand.crm.records.tasks import NOTES, TITLE, NewTask, Wanted
from deskhand.crm.schema import durations
from deskhand.crm.schema.activities import TASK
from deskhand.kernel.calendars import wall_time, zone_named
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole

REMIND_AFTER, MINUTES_BEFORE = "after", "{}min"  # no bare number: those are ids (config/definitions.py)
OWNER, CONTACT_OWNER, COMPANY_OWNER, NOBODY = "owner", "contact_owner", "company_owner", "nobody"
_SATURDAY = 5
_DAY = 24 * 60  # minutes
_MORNING = "09:00"
#: Which settings say when it is due, by how that is said.
_DUE_SETTINGS = {
    "in": {"due_in_minutes"},
    "day": {"due_days", "due_working", "due_time"},
    "never": set[str](),
}


class CreateTask(Action):
    kind = "create_task"
    label = gettext_lazy("Create task")
    about = gettext_lazy("A task about the record, with a due date.")
    icon, tone, group = "clipboard-list", "teal", Group.RECORD

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        due = str(settings.get("due") or "in")
        return (
            here(around),
            Setting("title", _("Title"), at_most=TITLE, takes_tokens=True),
            Setting("notes", _("Notes"), Input.LONG, at_most=NOTES, takes_tokens=True),
            Setting("task_type", _("Type"), Input.CHOICE, options=_kinds(), default="TODO"),
            Setting("priority", _("Priority"), Input.CHOICE, options=_priorities(), default="NONE"),
            Setting("due", _("Due"), Input.CHOICE, options=_dues(), default="in", redraws=True),
            *(_due_settings(due)),
            *_reminder_settings(due, str(settings.get("remind") or "")),
            Setting("assignee", _("Assign to"), Input.CHOICE, options=(*_roles(), *choices.people()), default=OWNER),
            Setting(
                "queue", _("Task queue"), Input.CHOICE, options=(Option("", _("No task queue")), *choices.task_queues()),
                help=_("In a queue a task needs no owner: whoever works it off takes it."),
            ),
            *others.several_setting(around, _("Also associate with")),
        )  # fmt: skip

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        if not str(settings.get("title") or "").strip():
            return [("title", _("Give the task a title."))]
        if deleted := _deleted_queues([settings]):
            return [("queue", why) for why in deleted.values()]
        return _of_other_way(settings) or templates.problems(settings, "title", "notes") or super().problems(settings)  # fmt: skip

    def summary(self, settings: Mapping[str, Any]) -> str:
        title = _("%(task)s – %(details)s") % {
            "task": settings.get("title") or _("Task"),
            "details": ", ".join(filter(None, (_for_whom(settings), _due_said(settings)))),
        }
        also = others.several_said(object_type_of(settings), settings)
        return _("%(task)s – also about: %(records)s") % {"task": title, "records": ", ".join(also)} if also else title  # fmt: skip

    def outputs(self, settings: Mapping[str, Any]) -> Sequence[Output]:
        return (Output("task_id", _("ID of the task")),)

    def meets(self, settings: Mapping[str, Any]) -> bool:
        return settings.get("assignee") in (CONTACT_OWNER, COMPANY_OWNER) or super().meets(settings)

    def touches(self, object_type: str, settings: Mapping[str, Any]) -> Touches:
        """Of which kind of records a condition asks for it does not matter: a task may be about several."""
        facts = (
            ("hs_task_status", ("NOT_STARTED",)),
            ("hs_task_type", (str(settings.get("task_type") or "TODO"),)),
            ("hs_task_priority", (str(settings.get("priority") or tasks.NO_PRIORITY),)),
        )
        return Touches(tells=frozenset({Tell("task.created")}), adds=frozenset({Adds(TASK.name, "", facts)}))

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        new: list[NewTask] = []
        answers: list[Done | None] = []
        there = choices.working(batch[0].account_id) if batch else frozenset()
        deleted = _deleted_queues(doing.settings for doing in batch)
        also = others.of_several(batch)
        for doing in batch:
            try:
                new.append(self._task(doing, there, deleted, also[doing.key]))
                answers.append(None)
            except Invalid as unreadable:
                answers.append(failed(unreadable.message))
        made = zip(tasks.create_many(new, at=batch[0].now if batch else None), new, strict=True)
        return [answer or _done(*next(made)) for answer in answers]

    def foretell(self, doing: Doing, then: Then) -> tuple[Done, Mapping[str, Any]]:
        try:
            return Done(message=doing.fill(doing.settings["title"])[:TITLE]), {}
        except Invalid as unreadable:
            return failed(str(unreadable)), {}

    def _task(
        self,
        doing: Doing,
        there: Collection[int],
        deleted: Mapping[str, str],
        also: Sequence[tuple[str, int]],
    ) -> NewTask:
        s = doing.settings
        due = due_at(s, doing.now)
        wanted = Wanted(
            title=doing.fill(s["title"])[:TITLE], notes=doing.fill(s.get("notes"))[:NOTES], assignee_id=_assignee(doing, there),
            due_at=due, priority=str(s.get("priority") or tasks.NO_PRIORITY), kind=str(s.get("task_type") or "TODO"),
            remind_at=remind_at(s, due, doing.now), queue_id=_queue(s, deleted),
        )  # fmt: skip
        return NewTask(
            doing.object_type, doing.record_id, wanted, doing.by, key=doing.key, cause=doing.cause, depth=doing.depth + 1,
            also=also[: tasks.MOST_FURTHER],
        )  # fmt: skip


def _done(task_id: int, new: NewTask) -> Done:
    return Done(message=new.wanted.title, outputs={"task_id": task_id})


# ── the form ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _kinds() -> tuple[Option, ...]:
    return tuple(Option(value, str(words)) for value, words in tasks.KINDS.items())


def _priorities() -> tuple[Option, ...]:
    return tuple(Option(value, str(words)) for value, words in tasks.PRIORITIES.items())


def _dues() -> tuple[Option, ...]:
    return (
        Option("in", _("After a time")),
        Option("day", _("On a day, at a time")),
        Option("never", _("No due date")),
    )


def _due_settings(due: str) -> tuple[Setting, ...]:
    if due == "never":
        return ()
    if due == "day":
        return (
            Setting("due_days", _("Days from then"), Input.NUMBER, default=1, at_most=3650, help=_("0 is the same day.")),
            Setting("due_working", _("Count Monday to Friday only"), Input.CHECK),
            Setting("due_time", _("At"), Input.TIME, required=True, default=_MORNING, help=_("In the account's time zone.")),
        )  # fmt: skip
    return (Setting("due_in_minutes", _("Due in"), Input.SPAN, help=_("Empty: no due date.")),)


def _reminder_settings(due: str, remind: str) -> tuple[Setting, ...]:
    """What hangs on the due date is offered where there is one."""
    leads = (
        ()
        if due == "never"
        else tuple(Option(MINUTES_BEFORE.format(n), str(words)) for n, words in tasks.LEADS.items())
    )
    chosen = Setting(
        "remind", _("Reminder"), Input.CHOICE, options=(Option("", _("No reminder")), *leads, Option(REMIND_AFTER, _("After a time"))),
        redraws=True, help=_("Whom the task is for is told in the bell, and by mail who has chosen that."),
    )  # fmt: skip
    if remind != REMIND_AFTER:
        return (chosen,)
    return (chosen, Setting("remind_in_minutes", _("Remind in"), Input.SPAN, required=True))


def _roles() -> tuple[Option, ...]:
    return (
        Option(OWNER, _("The owner of the record")), Option(CONTACT_OWNER, _("The owner of the contact")),
        Option(COMPANY_OWNER, _("The owner of the company")), Option(NOBODY, _("Nobody yet")),
    )  # fmt: skip


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _for_whom(settings: Mapping[str, Any]) -> str:
    roles = {
        OWNER: _("for the record’s owner"), CONTACT_OWNER: _("for the contact’s owner"),
        COMPANY_OWNER: _("for the company’s owner"), NOBODY: _("for nobody yet"),
    }  # fmt: skip
    chosen = str(settings.get("assignee") or OWNER)
    if chosen not in roles:
        return _("for %(name)s") % {"name": choices.named([chosen], choices.everybody)[0]}
    queue = str(settings.get("queue") or "")
    if chosen == NOBODY and queue:
        return _("for the queue %(queue)s") % {"queue": choices.named([queue], choices.task_queues)[0]}
    return roles[chosen]


def _due_said(settings: Mapping[str, Any]) -> str:
    """Empty where it is never due."""
    due = str(settings.get("due") or "in")
    if due == "day":
        days, time = whole(str(settings.get("due_days"))) or 0, str(settings.get("due_time") or _MORNING)
        if not days:
            return _("due the same day at %(time)s") % {"time": time}
        said = (
            ngettext(
                "due a working day later at %(time)s", "due %(num)s working days later at %(time)s", days
            )
            if settings.get("due_working")
            else ngettext("due a day later at %(time)s", "due %(num)s days later at %(time)s", days)
        )
        return said % {"num": days, "time": time}
    minutes = whole(str(settings.get("due_in_minutes"))) or 0
    if due == "never" or not minutes:
        return ""
    return _("due after %(time)s") % {"time": durations.exactly(timedelta(minutes=minutes))}


# ── working it out ───────────────────────────────────────────────────────────────────────────────────────────────────


def _assignee(doing: Doing, there: Collection[int]) -> int | None:
    """Raises Invalid for a chosen person who left (R-WFA-7); an owner who left is left out, as in new records."""
    chosen = str(doing.settings.get("assignee") or OWNER)
    if chosen == NOBODY:
        return None
    if chosen in OWNERS:
        found = doing.owner_of(chosen)
        return found if found in there else None
    if not chosen.isdigit() or int(chosen) not in there:
        raise Invalid(_("This person does not work here."))
    return int(chosen)


def _queue(settings: Mapping[str, Any], deleted: Mapping[str, str]) -> int | None:
    """Raises Invalid for one that was deleted."""
    chosen = str(settings.get("queue") or "")
    if chosen in deleted:
        raise Invalid(deleted[chosen])
    return int(chosen) if chosen else None


def _deleted_queues(of: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """{task queue that these settings name and that was deleted: what to say of it}."""
    named = {str(settings.get("queue") or "") for settings in of} - {""}
    there = {option.value for option in choices.task_queues()} if named else set()
    return {queue: gone.queue_sentence(queue) for queue in sorted(named - there)}


def due_at(settings: Mapping[str, Any], now: datetime) -> datetime | None:
    """When the task is due. Raises Invalid for a time that is none."""
    match str(settings.get("due") or "in"):
        case "never":
            return None
        case "day":
            return _on_day(settings, now)
    minutes = settings.get("due_in_minutes")
    return _later(now, int(minutes)) if minutes else None


def _later(now: datetime, minutes: int) -> datetime:
    """Days are those of the calendar: the time of day stays when the clocks change."""
    days, rest = divmod(minutes, _DAY)
    day = now.astimezone(zone_named(tokens.zone())) + timedelta(days=days)
    return day.astimezone(UTC) + timedelta(minutes=rest)


def remind_at(settings: Mapping[str, Any], due: datetime | None, now: datetime) -> datetime | None:
    """When to remind of it; None also where the task has no due date to count from."""
    remind = str(settings.get("remind") or "")
    if remind == REMIND_AFTER:
        minutes = settings.get("remind_in_minutes")
        return now + timedelta(minutes=int(minutes)) if minutes else None
    return due - timedelta(minutes=int(remind.removesuffix("min"))) if remind and due else None


def _on_day(settings: Mapping[str, Any], now: datetime) -> datetime:
    there = now.astimezone(zone_named(tokens.zone()))
    day, left = there.date(), int(settings.get("due_days") or 0)
    working = bool(settings.get("due_working"))
    while left or (working and day.weekday() >= _SATURDAY):
        day += timedelta(days=1)
        left -= 1 if left and not (working and day.weekday() >= _SATURDAY) else 0
    time = reading.minute_of(str(settings.get("due_time") or _MORNING), "due_time")
    return wall_time(zone_named(tokens.zone()), day, time)


def _of_other_way(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was set for another way of saying when it is due, and would be passed over: a time of day goes with days alone."""
    own = _DUE_SETTINGS.get(str(settings.get("due") or "in"), set())
    others_ = sorted(set().union(*_DUE_SETTINGS.values()) - own)
    given = [name for name in others_ if settings.get(name) not in (None, "", False)]
    if not given:
        return []
    return [(given[0], _("This does not go with how it is due. A time of day goes with days alone: choose “On a day, at a time”."))]  # fmt: skip
