"""The simulator of routing: past or made-up tickets with another roster, rule, limit or hours, beside today's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy, queries
from deskhand.accounts.policy import Action
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import whole
from deskhand.routing import simulations
from deskhand.routing.models import Simulation
from deskhand.routing.outcomes import Agent, Figures, Outcome
from deskhand.routing.wishes import Wish
from deskhand.web import times
from deskhand.web.frame import framed
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of
from deskhand.web.routing import simulator_form, simulator_words
from deskhand.web.routing.simulator_form import Form
from deskhand.web.workflows.lists import number

AREA = "simulator"
HEIGHT, STRIDE, BAR = 96, 14, 5  # of the picture of the day, in its own units
AGENTS_SHOWN = 100


@dataclass(frozen=True)
class Bar:
    """An hour of the picture: two bars, and what they say."""

    x: int
    today_y: int
    today: int
    then_y: int
    then: int
    label: str
    cells: tuple[str, str, str]


@dataclass(frozen=True)
class Row:
    label: str
    today: str
    then: str
    difference: str
    tone: str = ""
    help: str = ""


@dataclass(frozen=True)
class AgentRow:
    """Of one person; the widths are percent of the most that anybody has."""

    name: str
    today: str
    then: str
    today_width: int
    then_width: int
    most: str
    hours: str


@dataclass(frozen=True)
class DayRow:
    day: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    headline: str
    rows: tuple[Row, ...]
    bars: tuple[Bar, ...]
    width: int
    highest: str
    agents: tuple[AgentRow, ...]
    days: tuple[DayRow, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """One simulation: how far it is, or what it came to."""

    title: str
    span: str
    is_going: bool
    percent: int
    progress: str
    error: str
    found: Found | None


@dataclass(frozen=True)
class Earlier:
    url: str
    title: str
    text: str


@dataclass(frozen=True)
class SimulatorPage:
    url: str
    form: Form
    result: Result | None
    earlier: tuple[Earlier, ...]


# ── the pages ────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def page(request: AccountRequest) -> HttpResponse:
    """The newest, or the one in `?simulation=`."""
    policy.require(request.viewer, Action.EDIT_ROUTING)
    if wants_fragment(request):
        return _part(request)
    return _answer(request)


def _part(request: AccountRequest) -> HttpResponse:
    """How far the newest is, or what came of it; asked for every two seconds while it goes on."""
    known = simulations.newest(request.viewer.account_id, 1)
    result = _result(known[0], _names(known, known[0])) if known else None
    return render(
        request, "routing/simulation.html", {"page": {"url": reverse("simulator"), "result": result}}
    )


@require_POST
def begin(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ROUTING)
    people = _people(request)
    try:
        wish = simulator_form.wish_of(request.POST, people, request.account.zone, clock.now())
        simulations.start(request.viewer.account_id, wish, by=request.user.pk, now=clock.now())
    except (Invalid, Conflict) as refusal:
        wrong = refusal if isinstance(refusal, Invalid) else None
        return _answer(request, simulator_form.form(people, request.POST, wrong, words_of(refusal)), 422)
    return redirect("simulator")


@require_POST
def stop(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ROUTING)
    simulations.cancel(request.viewer.account_id, clock.now())
    return redirect("simulator")


def _people(request: AccountRequest) -> dict[int, str]:
    """Who could be in a rule: members with a seat."""
    return {one.user_id: one.name for one in queries.seated_members(request.viewer.account_id)}


def _answer(request: AccountRequest, typed: Form | None = None, status: int = 200) -> HttpResponse:
    """With what was typed; else the form stands as for what is shown, to be tried with something else."""
    known = simulations.newest(request.viewer.account_id)
    chosen = known[0] if known else None
    if "simulation" in request.GET:
        wanted = whole(request.GET["simulation"])
        chosen = next((one for one in known if one.pk == wanted), None)
        if chosen is None:
            raise NotFound(_("There is no such simulation."))
    names = _names(known, chosen)
    again = simulator_form.typed_again(Wish.from_json(chosen.wish)) if chosen else None
    shown = typed or simulator_form.form(_people(request), again)
    context = SimulatorPage(
        reverse("simulator"), shown, _result(chosen, names) if chosen else None,
        tuple(_earlier(one, names) for one in known if one is not chosen),
    )  # fmt: skip
    return framed(request, AREA, "routing/simulator.html", {"page": context}, status)


def _names(known: list[Simulation], chosen: Simulation | None) -> dict[int, str]:
    """Of everybody that the page names. One query."""
    wanted = {user_id for one in known for user_id in one.wish["people"]}
    if chosen is not None and chosen.result:
        wanted |= {agent["user_id"] for agent in chosen.result["then"]["agents"]}
    return queries.names_of(user_id for user_id in wanted if user_id > 0)


def _earlier(one: Simulation, names: Mapping[int, str]) -> Earlier:
    wish = Wish.from_json(one.wish)
    text = f"{simulator_words.span(wish)} · {times.moment(one.made_at)}"
    return Earlier(
        f"{reverse('simulator')}?{urlencode({'simulation': one.pk})}",
        simulator_words.title(wish, names),
        text,
    )


# ── one simulation ───────────────────────────────────────────────────────────────────────────────────────────────────


def _result(one: Simulation, names: Mapping[int, str]) -> Result:
    wish, outcomes = Wish.from_json(one.wish), simulations.outcomes_of(one)
    is_going = one.ended_at is None
    is_stopped = not is_going and outcomes is None and not one.error
    progress = _("%(done)s of %(total)s tickets") % {"done": number(one.done), "total": number(one.total)}
    return Result(
        simulator_words.title(wish, names), simulator_words.span(wish), is_going, 100 * one.done // one.total if one.total else 0,
        progress if one.total else _("It begins in a moment."), _("It was stopped.") if is_stopped else one.error,
        _found(wish, *outcomes, names) if outcomes else None,
    )  # fmt: skip


def _found(wish: Wish, today: Outcome, then: Outcome, names: Mapping[int, str]) -> Found:
    bars, highest = _bars(today, then)
    return Found(
        simulator_words.headline(today, then), tuple(_rows(wish, today, then)) if today.all.count or then.all.count else (),
        bars, len(bars) * STRIDE - (STRIDE - 2 * BAR), highest, tuple(_agents(today, then, names)), tuple(_days(today, then)),
        _notes(),
    )  # fmt: skip


def _notes() -> tuple[str, ...]:
    return (
        _("At the beginning nobody has a ticket."),
        _(
            "How long a ticket is somebody’s is taken from the past: until it was closed or answered, else the channel’s median."
        ),
        _("Who has no working hours is all the time as they are now."),
        _("Workflows, AI agents, and tickets that leave an owner who goes away are left out."),
    )


def _rows(wish: Wish, today: Outcome, then: Outcome) -> list[Row]:
    def counted(
        label: str, read: Callable[[Figures], int], help: str = "", *, less: bool | None = True
    ) -> Row:
        before, after = read(today.all), read(then.all)
        return Row(
            label,
            number(before),
            number(after),
            _signed(after - before, number),
            _tone(after - before, less),
            help,
        )

    def waited(label: str, read: Callable[[Figures], int]) -> Row:
        before, after = read(today.all) // 60 * 60, read(then.all) // 60 * 60
        difference = _signed(after - before, simulator_words.wait)
        return Row(
            label,
            simulator_words.wait(before),
            simulator_words.wait(after),
            difference,
            _tone(after - before, True),
        )

    late = [100 * one.all.late / one.all.count if one.all.count else 0.0 for one in (today, then)]
    later = round(late[1] - late[0], 1)
    even = [round(100 * one.fairness) for one in (today, then)]
    fairer = even[1] - even[0]  # of what stands beside it
    target = simulator_words.wait(wish.target * 60)
    return [
        counted(_("Tickets"), lambda one: one.count, less=None),
        counted(_("Had an owner at once"), lambda one: one.at_once, less=None),
        counted(_("Got one from the wait-list"), lambda one: one.from_list, less=None),
        counted(_("Without an owner at the end"), lambda one: one.never),
        waited(_("Wait: half of them at most"), lambda one: one.median),
        waited(_("Wait: 9 of 10 at most"), lambda one: one.p90),
        waited(_("Longest wait"), lambda one: one.longest),
        Row(
            _("No owner within %(time)s") % {"time": target}, _percent(late[0]), _percent(late[1]),
            _signed(later, _percent), _tone(later, True), _("Counted in the channel’s or the account’s hours."),
        ),
        Row(
            _("How evenly it is shared"), simulator_words.evenness(today.fairness), simulator_words.evenness(then.fairness),
            _signed(fairer, lambda points: f"{points}"), _tone(fairer, False),
            _("Jain’s index: %(today)s today, %(then)s then; 100 is the same for everybody.") % {"today": even[0], "then": even[1]},
        ),
    ]  # fmt: skip


def _signed(difference: Any, words: Callable[[Any], str]) -> str:
    if not difference:
        return "–"
    return f"{'+' if difference > 0 else '−'}{words(abs(difference))}"


def _tone(difference: float, less: bool | None) -> str:
    """Green where it is better, red where it is worse; nothing where it is neither."""
    if less is None or not difference:
        return ""
    return "red" if (difference > 0) is less else "green"


def _percent(share: float) -> str:
    return f"{round(share, 1):g} %"


def _bars(today: Outcome, then: Outcome) -> tuple[tuple[Bar, ...], str]:
    """The mean wait of what came in each hour of the day; and the highest of all."""
    highest = max(*today.hours, *then.hours)
    if highest < 60:
        return (), ""
    bars = []
    for hour, waits in enumerate(zip(today.hours, then.hours, strict=True)):
        before, after = (round(HEIGHT * one / highest) or (1 if one else 0) for one in waits)
        clock_time = simulator_words.clock_time(hour * 60)
        said = {
            "time": clock_time,
            "today": simulator_words.wait(waits[0]),
            "then": simulator_words.wait(waits[1]),
        }
        label = _("From %(time)s: %(today)s today, %(then)s then") % said
        bars.append(
            Bar(
                hour * STRIDE,
                HEIGHT - before,
                before,
                HEIGHT - after,
                after,
                label,
                (clock_time, said["today"], said["then"]),
            )
        )
    return tuple(bars), simulator_words.wait(highest)


def _agents(today: Outcome, then: Outcome, names: Mapping[int, str]) -> list[AgentRow]:
    before = {one.user_id: one for one in today.agents}
    highest = max((one.count for one in (*today.agents, *then.agents)), default=0) or 1
    in_order = sorted(
        then.agents,
        key=lambda one: (
            -max(one.count, before[one.user_id].count if one.user_id in before else 0),
            one.user_id,
        ),
    )
    return [_agent(one, before.get(one.user_id), names, highest) for one in in_order[:AGENTS_SHOWN]]


def _agent(one: Agent, before: Agent | None, names: Mapping[int, str], highest: int) -> AgentRow:
    name = names.get(one.user_id) or (
        _("Extra colleague %(num)s") % {"num": -one.user_id}
        if one.user_id < 0
        else _("user %(id)s") % {"id": one.user_id}
    )
    count = before.count if before else 0
    return AgentRow(
        name, number(count), number(one.count), round(100 * count / highest), round(100 * one.count / highest), number(one.most),
        _("%(num)s h") % {"num": number(round(one.seconds / 3600))},
    )  # fmt: skip


def _days(today: Outcome, then: Outcome) -> list[DayRow]:
    empty = Figures()
    return [
        DayRow(
            times.day(date.fromisoformat(day)),
            tuple(
                cell
                for one in (today.days.get(day, empty), then.days.get(day, empty))
                for cell in (number(one.count), number(one.waited), simulator_words.wait(one.longest))
            ),
        )
        for day in sorted({*today.days, *then.days})
    ]
