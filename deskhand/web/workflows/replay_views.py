"""Replaying a workflow over the past: what it would have done, day by day and line by line, beside what happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import queries
from deskhand.automation import access, history, retention, trial, workflows
from deskhand.automation.actions.once import reading_once
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.engine.definition import Definition, Step
from deskhand.automation.enrolling.leaving import TAKEN_OVER
from deskhand.automation.models import (
    Replay,
    ReplayEffect,
    ReplayState,
    StepStatus,
    Verdict,
    Workflow,
)
from deskhand.automation.replay import replays
from deskhand.automation.replay.limits import Past, Today, limits_of
from deskhand.automation.replay.others import SIGNS, TAKES_OVER
from deskhand.automation.replay.replays import Afterwards, Place
from deskhand.crm.schema import durations
from deskhand.events.queries import begins_at
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, NotFound
from deskhand.kernel.text import whole
from deskhand.web import times
from deskhand.web.choices import Choice, joined, offered
from deskhand.web.inbox.rows import Label
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of
from deskhand.web.shell import Tone
from deskhand.web.workflows import lists, told, trial_views, ways, words
from deskhand.web.workflows.history_views import one_page, seen
from deskhand.web.workflows.rows import RecordName, StepName

SHOWN = 50
NAMED = 5  # other workflows, those with the most runs first
VERDICTS: dict[str, tuple[str | Promise, Tone | None]] = {
    Verdict.SAME: (gettext_lazy("As it happened"), "green"),
    Verdict.OTHER: (gettext_lazy("Otherwise than it happened"), "amber"),
    Verdict.NEW: (gettext_lazy("Only in the replay"), "blue"),
    Verdict.GONE: (gettext_lazy("Only in reality"), None),
}
#: What a replay rests on, in words.
FROM_THE_PAST: dict[Past, str | Promise] = {
    Past.RECORDS: gettext_lazy("Records as they were at each moment, out of the history of their properties."),
    Past.CALENDAR: gettext_lazy("The calendar of the account, day by day: the schedule fires when it would have."),
    Past.TIME: gettext_lazy("The time that passed: a condition such as “more than 3 days ago” holds from that very moment on."),
    Past.MAIL: gettext_lazy("Who had got which mail, who wanted what, who was a marketing contact and at which address."),
}  # fmt: skip
AS_OF_TODAY: dict[Today, str | Promise] = {
    Today.STEPS: gettext_lazy("The trigger and the steps: they stay the same for the whole time."),
    Today.PROPERTIES: gettext_lazy("Properties that have no history: %(names)s."),
    Today.LINKS: gettext_lazy("Which records are linked to each other."),
    Today.ACTIVITIES: gettext_lazy("What tasks, notes and messages say; those that came later are left out."),
    Today.SEGMENTS: gettext_lazy("Who is in which segment."),
    Today.WORKFLOWS: gettext_lazy("Who is in which other workflow."),
    Today.MAILS: gettext_lazy("The words of mails, the addresses they leave from, and whom you no longer block."),
    Today.BUDGET: gettext_lazy("How much automation may send within an hour."),
    Today.HOURS: gettext_lazy("Working hours and holidays."),
    Today.TURNS: gettext_lazy("Whose turn it would have been is not known: no new owner is set."),
    Today.ANSWERS: gettext_lazy("What other systems or your code would have answered is not known: the run goes on without it."),
    Today.ELSEWHERE: gettext_lazy("What would be changed elsewhere is told, but no later step finds it."),
    Today.OTHERS: gettext_lazy("What other workflows did with records that would have left them by then: it stays as it happened."),
}  # fmt: skip
STATES: dict[str, str | Promise] = {
    ReplayState.QUEUED: gettext_lazy("It begins in a moment."),
    ReplayState.RUNNING: gettext_lazy("The log is being read."),
    ReplayState.FAILED: gettext_lazy("It could not be replayed."),
    ReplayState.CANCELLED: gettext_lazy("It was stopped."),
}
_HEIGHT, _STRIDE, _BAR = 96, 14, 5  # of the picture, in its own units


@dataclass(frozen=True)
class Bar:
    """A day of the picture: where its two bars stand, and what they say."""

    x: int
    would_y: int
    would: int
    did_y: int
    did: int
    label: str


@dataclass(frozen=True)
class Figure:
    label: str
    value: str
    tone: Tone | None = None
    url: str = ""


@dataclass(frozen=True)
class KindLine:
    """How often a kind of action would have been done, and was."""

    label: str
    icon: str
    tone: str
    counts: tuple[str, ...]  # in the order of VERDICTS


@dataclass(frozen=True)
class EffectLine:
    at: datetime
    record: RecordName
    step: StepName
    would: str
    outcome: Label | None  # where it would not have been done
    verdict: Label
    really: str
    really_at: datetime | None
    way_url: str


@dataclass(frozen=True)
class Result:
    """One replay: how far it is, or what it found."""

    id: int
    title: str
    is_draft: bool
    state: str  # in words; empty when it is done
    is_going: bool
    percent: int
    progress: str
    stop_url: str
    error: str
    figures: tuple[Figure, ...] = ()
    bars: tuple[Bar, ...] = ()
    width: int = 0
    height: int = _HEIGHT
    days: tuple[str, str] = ("", "")
    picture: str = ""  # in words
    kinds: tuple[KindLine, ...] = ()
    verdicts: tuple[str, ...] = ()
    lines: tuple[EffectLine, ...] = ()
    actions: tuple[Choice, ...] = ()
    shown: tuple[Choice, ...] = ()
    more_url: str = ""
    clear_url: str = ""
    notes: tuple[str, ...] = ()
    of_then: tuple[str, ...] = ()
    of_today: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReplayPage:
    url: str
    start_url: str
    spans: tuple[Choice, ...]
    has_draft: bool
    notice: str  # why a replay can tell little
    result: Result | None = None
    others: tuple[tuple[str, str], ...] = ()  # address and name of earlier ones
    error: str = ""


# ── the pages ────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def replay(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """The newest replay, or the one in `?replay=`."""
    workflow = _allowed(request, workflow_id)
    return _answer(request, workflow)


@require_POST
def begin(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """Replay the draft if somebody works on one, else what runs."""
    workflow = _allowed(request, workflow_id)
    if workflow.archived_at is not None:
        raise NotFound(_("There is no such workflow."))
    definition, is_draft = trial_views.definition_to_try(workflow)
    if request.POST.get("what") == "revision":
        definition, is_draft = workflows.definition_of(workflow), False
    try:
        replays.start(
            workflow, definition, days=whole(request.POST.get("days", "")) or 0, is_draft=is_draft, by=request.user.pk,
            now=clock.now(),
        )  # fmt: skip
    except Conflict as refusal:
        messages.error(request, words_of(refusal))
    return redirect("workflow-replay", workflow.pk)


@require_POST
def stop(request: AccountRequest, workflow_id: int) -> HttpResponse:
    workflow = _allowed(request, workflow_id)
    going = replays.going(workflow)
    if going is not None:
        replays.cancel(going, clock.now())
    return redirect("workflow-replay", workflow.pk)


@dataclass(frozen=True)
class WayLine:
    at: datetime
    step: StepName
    message: str
    outcome: Label | None


@dataclass(frozen=True)
class WayPage:
    record: RecordName
    reason: str
    entered_at: datetime
    lines: tuple[WayLine, ...]
    end: str
    back_url: str


@require_GET
def way(request: AccountRequest, workflow_id: int, replay_id: int, number: int) -> HttpResponse:
    """The way that one record would have taken, with the reason of each turn."""
    workflow = _allowed(request, workflow_id)
    found = _found(workflow, replay_id)
    run = replays.way(found, number)
    key = (workflow.object_type, run.record_id if run else 0)
    record = history.named(request.viewer, [key]).get(key)
    if run is None or record is None:
        raise NotFound(_("There is no such run."))
    steps = _Steps(workflow, found)
    end = told.end_words(run.end_reason) if run.end_reason else _("It would still be inside.")
    page = WayPage(
        told.record_name(record), told.Reasons(workflow.account_id, [run.reason]).words(run.reason, None), run.entered_at,
        tuple(_way_line(line, steps, found.revision_number) for line in run.path), end,
        ways.with_query("workflow-replay", [workflow.pk], replay=found.pk),
    )  # fmt: skip
    return one_page(request, workflow, "replay", "workflows/replay_way.html", page=page)


def _way_line(line: dict[str, Any], steps: _Steps, revision: int) -> WayLine:
    at, values, name = datetime.fromisoformat(line["at"]), line["values"], steps.name(line["step"], revision)
    if line["what"] == "performed":
        return WayLine(at, name, values["message"], _outcome(values["status"]))
    said = ", ".join(f"{name} {value}" for name, value in values.items() if value and name != "seen")
    status = StepStatus.SUCCEEDED
    message = told.trial_words(trial.Line(line["step"], line["what"], status, said, values, at))
    return WayLine(at, name, message, None)


def _allowed(request: AccountRequest, workflow_id: int) -> Workflow:
    workflow = seen(request, workflow_id)
    access.require_edit(request.viewer, workflow)
    return workflow


def _found(workflow: Workflow, replay_id: int | None) -> Replay:
    for one in replays.newest(workflow):
        if one.pk == replay_id:
            return one
    raise NotFound(_("There is no such replay."))


def _answer(request: AccountRequest, workflow: Workflow) -> HttpResponse:
    known = replays.newest(workflow)
    chosen = known[0] if known else None
    if "replay" in request.GET:
        chosen = _found(workflow, whole(request.GET["replay"]))
    definition, is_draft = trial_views.definition_to_try(workflow)
    with reading_once():
        result = _result(request, workflow, chosen) if chosen else None
    page = ReplayPage(
        url=reverse("workflow-replay", args=[workflow.pk]),
        start_url="" if workflow.archived_at is not None or replays.going(workflow) else reverse("workflow-replay-begin", args=[workflow.pk]),
        spans=offered([(str(days), _days(days)) for days in replays.SPANS], "30"), has_draft=is_draft,
        notice=_notice(definition), result=result,
        others=tuple((ways.with_query("workflow-replay", [workflow.pk], replay=one.pk), _title(one)) for one in known if one != chosen),
    )  # fmt: skip
    if wants_fragment(request):
        return render(request, "workflows/replay_result.html", {"page": page})
    return one_page(request, workflow, "replay", "workflows/replay.html", page=page)


def _days(days: int) -> str:
    return _("The last %(days)s days") % {"days": days}


def _notice(definition: Definition) -> str:
    if replays.is_untold(definition):
        return _("The log does not tell who would enter this workflow. Whoever really entered in that time goes through it again.")  # fmt: skip
    return ""


def _title(one: Replay) -> str:
    days = _days((one.until - one.since).days)
    return _("%(days)s before %(time)s") % {"days": days, "time": times.moment(one.until)}


# ── one replay ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _result(request: AccountRequest, workflow: Workflow, one: Replay) -> Result:
    is_going = one.state in replays.GOING
    span = one.until - one.since
    percent = int(100 * ((one.reached_at or one.since) - one.since) / span)
    base: dict[str, Any] = {
        "id": one.pk, "title": _title(one), "is_draft": one.is_draft, "state": str(STATES.get(one.state, "")), "is_going": is_going,
        "percent": percent, "error": one.error, "stop_url": reverse("workflow-replay-stop", args=[workflow.pk]) if is_going else "",
        "progress": _("%(percent)s %% read, %(events)s events, %(runs)s runs") % {
            "percent": percent, "events": lists.number(one.events), "runs": lists.number(one.runs),
        },
    }  # fmt: skip
    base |= _rests_on(Definition.from_json(one.definition))
    if one.state != ReplayState.DONE:
        return Result(**base)
    return Result(**base, **_found_parts(request, workflow, one))


def _rests_on(definition: Definition) -> dict[str, Any]:
    limits = limits_of(definition)
    names = {"names": joined(limits.without_history)}
    return {
        "of_then": tuple(str(FROM_THE_PAST[one]) for one in limits.past),
        "of_today": tuple(str(AS_OF_TODAY[one]) % names for one in limits.today),
    }


def _found_parts(request: AccountRequest, workflow: Workflow, one: Replay) -> dict[str, Any]:
    kind, verdict = request.GET.get("kind", ""), request.GET.get("verdict", "")
    kind = kind if kind in one.totals["kinds"] else ""
    verdict = verdict if verdict in VERDICTS else ""
    found = replays.effects(
        request.viewer, one, workflow.object_type, kind=kind, verdict=verdict, after=_place(request.GET.get("after", "")), limit=SHOWN,
    )  # fmt: skip
    kept = {"replay": one.pk, "kind": kind, "verdict": verdict}
    after = f"{found.next[0].isoformat()}|{found.next[1]}" if found.next else ""
    actions = [("", _("All actions"))] + [(name, _action(name)[0]) for name in one.totals["kinds"]]
    verdicts = [("", _("All lines"))] + [(name, str(label)) for name, (label, _tone) in VERDICTS.items()]
    bars, width = _bars(one)
    return {
        "figures": _figures(one), "bars": bars, "width": width, "picture": _picture(one),
        "days": (times.day(timezone.localdate(one.since)), times.day(timezone.localdate(one.until))),
        "kinds": tuple(_kind_line(name, counts) for name, counts in one.totals["kinds"].items()),
        "verdicts": tuple(str(label) for label, _tone in VERDICTS.values()),
        "lines": _lines(request, workflow, one, found.effects), "actions": offered(actions, kind), "shown": offered(verdicts, verdict),
        "more_url": ways.with_query("workflow-replay", [workflow.pk], **kept, after=after) if after else "",
        "clear_url": ways.with_query("workflow-replay", [workflow.pk], replay=one.pk) if kind or verdict else "",
        "notes": tuple(_notes(request, workflow, one)),
    }  # fmt: skip


def _place(text: str) -> Place | None:
    moment, _line, number = text.partition("|")
    pk = whole(number)
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return (at, pk) if pk is not None and at.tzinfo is not None else None


def _sums(one: Replay) -> dict[str, int]:
    sums = dict.fromkeys(VERDICTS, 0)
    for counts in one.totals["kinds"].values():
        for verdict, count in counts.items():
            sums[verdict] += count
    return sums


def _figures(one: Replay) -> tuple[Figure, ...]:
    sums = _sums(one)
    figures = [Figure(_("Events read"), lists.number(one.events)), Figure(_("Runs"), lists.number(one.runs))]
    for verdict, (label, tone) in VERDICTS.items():
        url = ways.with_query("workflow-replay", [one.workflow_id], replay=one.pk, verdict=verdict)
        figures.append(
            Figure(str(label), lists.number(sums[verdict]), tone, f"{url}#lines" if sums[verdict] else "")
        )
    return tuple(figures)


def _picture(one: Replay) -> str:
    would = sum(pair[0] for pair in one.totals["days"].values())
    did = sum(pair[1] for pair in one.totals["days"].values())
    said = {"would": lists.number(would), "did": lists.number(did)}
    return _("Steps a day: %(would)s would have been done, %(did)s really were.") % said


def _bars(one: Replay) -> tuple[tuple[Bar, ...], int]:
    """A pair for each day, also for those on which nothing happened."""
    days = {date.fromisoformat(day): pair for day, pair in one.totals["days"].items()}
    if not days:
        return (), 0
    highest = max(max(pair) for pair in days.values()) or 1
    first, bars = min(timezone.localdate(one.since), *days), []
    for place in range((max(timezone.localdate(one.until), *days) - first).days + 1):
        day = first + timedelta(days=place)
        would, did = days.get(day, (0, 0))
        high = [round(_HEIGHT * count / highest) or (1 if count else 0) for count in (would, did)]
        said = {"day": times.day(day), "would": lists.number(would), "did": lists.number(did)}
        label = _("%(day)s: %(would)s in the replay, %(did)s in reality") % said
        bars.append(Bar(place * _STRIDE, _HEIGHT - high[0], high[0], _HEIGHT - high[1], high[1], label))
    return tuple(bars), len(bars) * _STRIDE - (_STRIDE - 2 * _BAR)


def _action(kind: str) -> tuple[str, str, str]:
    if kind == TAKES_OVER:
        return _("Leave other workflows"), "log-out", "amber"
    if kind == TAKEN_OVER:
        return _("Leave this workflow for another"), "log-out", "amber"
    action = ACTIONS.get(kind)
    return (str(action.label), action.icon, action.tone) if action else (kind, "zap", "")


def _kind_line(kind: str, counts: dict[str, int]) -> KindLine:
    label, icon, tone = _action(kind)
    return KindLine(label, icon, tone, tuple(lists.number(counts.get(verdict, 0)) for verdict in VERDICTS))


def _notes(request: AccountRequest, workflow: Workflow, one: Replay) -> list[str]:
    """What the replay could not know."""
    notes = []
    begins = begins_at(workflow.account_id)
    if begins is not None and begins > one.since:
        notes.append(_("The log begins on %(day)s; there is nothing before it.") % {"day": times.day(timezone.localdate(begins))})  # fmt: skip
    kept = retention.days_kept(workflow.account_id)
    if one.since < clock.now() - timedelta(days=kept):
        notes.append(_("The log of steps is kept for %(days)s days. What happened before that is not known.") % {"days": kept})  # fmt: skip
    if one.is_full:
        notes.append(_("More records would have entered than a replay follows; it stops after the first %(count)s.") % {"count": lists.number(one.runs)})  # fmt: skip
    if one.held and one.held_at is not None:
        said = ngettext(
            "The hour’s budget would have been used up on %(time)s; %(num)s sending waits for the next hour here. Really it would wait until somebody lets automation go on.",
            "The hour’s budget would have been used up on %(time)s; %(num)s sendings wait for the next hour here. Really they would wait until somebody lets automation go on.",
            one.held,
        )  # fmt: skip
        notes.append(said % {"num": lists.number(one.held), "time": times.moment(one.held_at)})
    notes += _beside(one)
    if one.left_out:
        said = ngettext(
            "%(num)s record was deleted since and is left out.", "%(num)s records were deleted since and are left out.", one.left_out
        )  # fmt: skip
        notes.append(said % {"num": lists.number(one.left_out)})
    unseen = replays.hidden(request.viewer, one, workflow.object_type)
    if unseen:
        said = ngettext(
            "%(num)s line is about a record that you may not see. It is counted, but not shown.",
            "%(num)s lines are about records that you may not see. They are counted, but not shown.",
            unseen,
        )
        notes.append(said % {"num": lists.number(unseen)})
    return notes


def _beside(one: Replay) -> list[str]:
    """How many runs of which other workflows would have ended by this one, and how many of this one by which others."""
    others, notes = one.totals.get("others", {}), []
    for name, count in others.get(TAKES_OVER, ())[:NAMED]:
        said = ngettext(
            "It would have taken %(num)s run out of “%(name)s”.", "It would have taken %(num)s runs out of “%(name)s”.", count
        )  # fmt: skip
        notes.append(said % {"num": lists.number(count), "name": name})
    for name, count in others.get(TAKEN_OVER, ())[:NAMED]:
        said = ngettext(
            "%(num)s run would have ended early because its record entered “%(name)s”. Who entered that is as it happened.",
            "%(num)s runs would have ended early because their records entered “%(name)s”. Who entered that is as it happened.",
            count,
        )  # fmt: skip
        notes.append(said % {"num": lists.number(count), "name": name})
    return notes


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Steps(told.Steps):
    """Those of the definition that was played come first."""

    def __init__(self, workflow: Workflow, one: Replay) -> None:
        super().__init__(workflow)
        self._played = Definition.from_json(one.definition)

    def name(self, step_id: str, revision: int, kind: str = "") -> StepName:
        for left, sign in SIGNS.items():
            if step_id.startswith(sign):
                label, icon, tone = _action(left)
                return StepName(label, "", icon, tone)
        return super().name(step_id, revision, kind)

    def _found(self, step_id: str, revision: int) -> Iterator[tuple[Step, Definition]]:
        if step := self._played.by_id.get(step_id):
            yield step, self._played
        yield from super()._found(step_id, revision)


def _lines(
    request: AccountRequest, workflow: Workflow, one: Replay, those: tuple[ReplayEffect, ...]
) -> tuple[EffectLine, ...]:
    kind = workflow.object_type
    names = history.named(request.viewer, [(kind, effect.record_id) for effect in those])
    steps = _Steps(workflow, one)
    next_ones = replays.afterwards(one, kind, those)
    people = queries.names_of([found.user_id for found in next_ones.values() if found.user_id])
    return tuple(
        _line(workflow, one, effect, told.record_name(names[kind, effect.record_id]), steps, _then(next_ones.get(effect.pk), effect, people, kind))
        for effect in those
        if (kind, effect.record_id) in names
    )  # fmt: skip


def _line(
    workflow: Workflow, one: Replay, effect: ReplayEffect, record: RecordName, steps: _Steps, then: str
) -> EffectLine:
    label, tone = VERDICTS[effect.verdict]
    step = steps.name(effect.step_id, one.revision_number, effect.kind)
    is_gone = effect.verdict == Verdict.GONE
    would = _("Nothing") if is_gone else effect.message
    way_url = reverse("workflow-replay-way", args=[workflow.pk, one.pk, effect.run_number]) if effect.run_number else ""  # fmt: skip
    return EffectLine(
        effect.at, record, StepName(step.title, "" if step.summary == would else step.summary, step.icon, step.tone), would,
        None if is_gone else _outcome(effect.status), Label(str(label), tone),
        then if effect.verdict == Verdict.NEW else effect.really, effect.really_at if effect.really_at != effect.at else None, way_url,
    )  # fmt: skip


def _outcome(status: str) -> Label | None:
    if status == StepStatus.SUCCEEDED:
        return None
    text, tone = told.STATUSES[status]
    return Label(str(text), tone)


def _then(found: Afterwards | None, effect: ReplayEffect, people: dict[int, str], kind: str) -> str:
    if found is None:
        return _("It did not happen.")
    said = {
        "event": words.event(found.kind, kind), "name": people.get(found.user_id or 0, _("a colleague")),
        "time": durations.exactly(max(found.at - effect.at, timedelta(minutes=1))),
    }  # fmt: skip
    return _("It did not happen. Next: “%(event)s” by %(name)s, after %(time)s.") % said
