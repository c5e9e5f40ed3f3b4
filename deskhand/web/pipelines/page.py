"""Putting a pipeline's automation into the words of its page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.accounts import plans
from deskhand.accounts.models import Account, User
from deskhand.accounts.policy import visible
from deskhand.accounts.types import Reach, Viewer
from deskhand.automation import access, comments, enroll, gating, history, lanes, templates, waking
from deskhand.automation.actions.once import reading_once
from deskhand.automation.actions.reading import Typed
from deskhand.automation.actions.registry import may_use
from deskhand.automation.engine.definition import Definition
from deskhand.automation.engine.edit import Place
from deskhand.automation.lanes import Lane, LaneStep, LaneWay
from deskhand.automation.models import StepComment, Workflow
from deskhand.crm.pipelines import options, policy
from deskhand.crm.pipelines.options import Mode
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import PipelineValue, StageValue
from deskhand.desk.models import ChannelAccount
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.routing import queries as routing
from deskhand.web import troubles
from deskhand.web.automation.fields import Field
from deskhand.web.choices import Choice, offered, statuses
from deskhand.web.objects.tabs import sort_for
from deskhand.web.pipelines import steps
from deskhand.web.pipelines.rows import (
    AutomatePage,
    Blocks,
    Bubble,
    Channel,
    Comment,
    Jump,
    LaneColumn,
    LaneSpots,
    OptionSwitch,
    Panel,
    Reopening,
    Spot,
    StatusRule,
    Templated,
    Way,
    WayToKeep,
)
from deskhand.web.pipelines.steps import LaneSurroundings
from deskhand.web.shell import Person
from deskhand.web.workflows import told, ways
from deskhand.web.workflows.editor.offers import offers_at
from deskhand.web.workflows.editor.stepforms import StepForm
from deskhand.web.workflows.editor.words import Telling
from deskhand.web.workflows.looks import look_of

CHANNEL_ICONS = {
    "email": "mail",
    "form": "file-text",
    "chat": "message-circle",
    "phone": "phone",
    "calling": "phone",
    "whatsapp": "message-circle",
    "sms": "smartphone",
}

INSIDE = 50  # records of a step that are listed together


def stage_with(pipeline: PipelineValue, stage_id: int) -> StageValue:
    """One of the pipeline's statuses. Raises NotFound."""
    found = pipeline.stage(stage_id)
    if found is None:
        raise NotFound(_("There is no such status in this pipeline."))
    return found


def automate_page(viewer: Viewer, account: Account, pipeline: PipelineValue) -> AutomatePage:
    return AutomatePage(
        title=_(pipeline.label),
        url=reverse("automate", args=[pipeline.id]),
        sort=sort_for(pipeline.object_type),
        templated=templated(account, pipeline) if pipeline.object_type == "ticket" else None,
        lanes=lane_columns(viewer, account, pipeline),
        mails=tuple(
            (mail.name, reverse("mail-template", args=[mail.pk]))
            for mail in templates.offered(current_account_id(), pipeline.object_type)
        ),
    )


# ── templated automations ────────────────────────────────────────────────────────────────────────────────────────────


def templated(account: Account, pipeline: PipelineValue) -> Templated:
    follows = follows_emails(account)
    return Templated(
        channels=_channels(pipeline),
        status_rules=(_sent_rule(pipeline), _reply_rule(pipeline)) if follows else (),
        close_date=_close_date(pipeline),
        reopening=_reopening(pipeline),
        channel_option=_channel_option(pipeline) if follows else None,
        closed_options=tuple(_closed_options(pipeline, follows=follows)),
    )


def follows_emails(account: Account) -> bool:
    """Whether the account's plan has statuses that follow e-mails (T-STAT-14)."""
    return plans.has_feature(account, plans.Feature.STATUS_FROM_EMAILS)


def channels_of(pipeline: PipelineValue) -> list[ChannelAccount]:
    """The ways in whose new conversations belong to this pipeline (R-CC-11)."""
    default = pipelines_of("ticket").default.id
    found = ChannelAccount.objects.filter(account_id=current_account_id(), archived_at=None).order_by("id")
    return [one for one in found if (one.pipeline_id or default) == pipeline.id]


def _channels(pipeline: PipelineValue) -> tuple[Channel, ...]:
    found = [one for one in channels_of(pipeline) if one.creates_tickets]
    gone = routing.deleted_teams(current_account_id(), [one.pk for one in found])
    return tuple(_channel(one, pipeline, gone.get(one.pk, 0)) for one in found)


def _channel(one: ChannelAccount, pipeline: PipelineValue, gone: int) -> Channel:
    trouble = ngettext("Its routing names %(n)s team that was deleted.", "Its routing names %(n)s teams that were deleted.", gone) % {"n": gone}  # fmt: skip
    return Channel(
        one.name, one.address, CHANNEL_ICONS.get(one.channel, "message-square"),
        reverse("channel-automation", args=[one.pk]), trouble if gone else "",
    )  # fmt: skip


def _targets(pipeline: PipelineValue, chosen: int | None) -> tuple[Choice, ...]:
    return statuses(pipeline, str(chosen))


def _gone(pipeline: PipelineValue, stage_id: int | None) -> str:
    """R-PIPE-10"""
    if pipeline.stage(stage_id) is not None:
        return ""
    return _("The status that this set was deleted. Choose another one.")


def _label(pipeline: PipelineValue, stage_id: int | None) -> str:
    stage = pipeline.stage(stage_id)
    return _(stage.label) if stage else _("no status")


def _sent_rule(pipeline: PipelineValue) -> StatusRule:
    status = _label(pipeline, pipeline.sent_stage_id)
    stays = options.parse(pipeline.options).stay_closed_on_sent
    return StatusRule(
        "sent", _("An email is sent to a customer"), pipeline.moves_on_sent, reverse("automate-status", args=[pipeline.id, "sent"]),
        explains=(
            _("Somebody answers a ticket of this pipeline by email."),
            _("The status becomes “%(status)s”, unless another one is chosen with the answer.") % {"status": status},
            *([_("A closed ticket stays closed.")] if stays else []),
        ),
        never=(
            _("internal comments"), _("mail that automation sends"), _("forwarded emails"),
            _("answers from somebody's own connected mailbox"),
        ),
        targets=_targets(pipeline, pipeline.sent_stage_id), trouble=_gone(pipeline, pipeline.sent_stage_id),
    )  # fmt: skip


def _reply_rule(pipeline: PipelineValue) -> StatusRule:
    status = _label(pipeline, pipeline.reply_stage_id)
    return StatusRule(
        "reply", _("A customer replies to an email"), pipeline.moves_on_reply, reverse("automate-status", args=[pipeline.id, "reply"]),
        explains=(
            _("A contact answers in the conversation that the ticket began with; once a ticket was reopened, in any of its conversations."),
            _("The status becomes “%(status)s”.") % {"status": status},
            _said_of_reopening(pipeline),
        ),
        never=(
            _("forwarded emails and answers to them"), _("other emails of the contact"), _("automatic replies and mail that came back"),
            _("answers from somebody's own connected mailbox"),
        ),
        targets=_targets(pipeline, pipeline.reply_stage_id), trouble=_gone(pipeline, pipeline.reply_stage_id),
    )  # fmt: skip


def _reopening(pipeline: PipelineValue) -> Reopening:
    """R-REOPEN-2"""
    found = options.parse(pipeline.options)
    modes: dict[str, str] = {
        Mode.ALWAYS: _("Reopen the ticket"),
        Mode.WITHIN_DAYS: _("Reopen the ticket for some days, then open a new one"),
        Mode.NEVER: _("Open a new ticket"),
    }
    stage = pipeline.stage(found.reopen_stage_id)
    is_lost = found.reopen_stage_id is not None and not (stage and stage.is_open)
    first = _("The first open status (%(status)s)") % {"status": _(pipeline.first_open.label)}
    pairs = [("", first), *((str(one.id), _(one.label)) for one in pipeline.stages if one.is_open)]
    chosen = "" if stage is None or is_lost else str(stage.id)
    return Reopening(
        reverse("automate-reopening", args=[pipeline.id]), _said_of_reopening(pipeline), offered(modes, found.mode),
        days=str(found.days) if found.mode is Mode.WITHIN_DAYS else "",
        targets=offered(pairs, chosen) if found.mode is not Mode.NEVER else (),
        trouble=_("The status chosen here was deleted or closed, so the first open one is taken.") if is_lost else "",
    )  # fmt: skip


def _said_of_reopening(pipeline: PipelineValue) -> str:
    found, status = options.parse(pipeline.options), _(policy.reopens_as(pipeline).label)
    if found.mode is Mode.NEVER:
        return _("An answer to a closed ticket opens a new ticket, which is linked to the closed one. The closed one stays closed.")  # fmt: skip
    if found.mode is Mode.ALWAYS:
        return _("An answer to a closed ticket reopens it as “%(status)s”.") % {"status": status}
    return ngettext(
        "An answer within %(n)s day of closing reopens the ticket as “%(status)s”. Later ones open a new ticket, which is linked to the closed one.",
        "An answer within %(n)s days of closing reopens the ticket as “%(status)s”. Later ones open a new ticket, which is linked to the closed one.",
        found.days,
    ) % {"n": number_format(found.days, force_grouping=True), "status": status}


def _channel_option(pipeline: PipelineValue) -> OptionSwitch:
    """R-STAT-21"""
    return _option(
        pipeline, "all_channels", _("Follow every channel, not email alone"),
        on=_("Answers by chat, WhatsApp, SMS and every other channel change the status as emails do."),
        off=_("Answers by chat, WhatsApp, SMS and other channels leave the status of open tickets as it is."),
    )  # fmt: skip


def _closed_options(pipeline: PipelineValue, *, follows: bool) -> Iterator[OptionSwitch]:
    """R-REOPEN-2, R-STAT-13; and what R-STAT-11 leaves out, for who wants it."""
    yield _option(
        pipeline, "ignore_acknowledgements", _("Keep a closed ticket closed when the answer only says thanks"),
        on=_("“Thanks!” or “OK” is filed in the closed ticket, and nothing opens. Whatever asks for more counts as an answer."),
        off=_("Switched on, “Thanks!” or “OK” is only filed in the closed ticket."),
    )  # fmt: skip
    if not follows:
        return
    stays = _("The ticket stays closed.")
    sent = _("The status becomes “%(status)s”, as the switch for sent emails says.") % {"status": _label(pipeline, pipeline.sent_stage_id)}  # fmt: skip
    yield _option(
        pipeline, "stay_closed_on_sent", _("Keep a closed ticket closed when somebody writes to the customer"),
        on=stays, off=sent if pipeline.moves_on_sent else stays,
    )  # fmt: skip
    if options.parse(pipeline.options).mode is Mode.NEVER:
        return
    target = pipeline.stage(pipeline.reply_stage_id)
    on = _("A reopened ticket gets “%(status)s”.") % {"status": _(policy.reopens_as(pipeline).label)}
    off = _("Switched on, a reopened ticket gets “%(status)s”.") % {"status": _label(pipeline, pipeline.reply_stage_id)}  # fmt: skip
    if not pipeline.moves_on_reply or target is None or not target.is_open:
        on = off = _("No open status is set for replies, so this changes nothing.")
    yield _option(
        pipeline, "reopen_then_apply_reply_target", _("Give a reopened ticket the status set for replies"), on=on, off=off
    )  # fmt: skip


def _option(pipeline: PipelineValue, name: str, title: str, *, on: str, off: str) -> OptionSwitch:
    """One of options.FLAGS, with what it comes to `on` and `off`."""
    is_on, key = getattr(options.parse(pipeline.options), name), name.replace("_", "-")
    url = reverse("automate-option", args=[pipeline.id, key])
    return OptionSwitch(key, title, on if is_on else off, is_on, url)


def _close_date(pipeline: PipelineValue) -> StatusRule:
    return StatusRule(
        "close-date", _("Set close date to today when a ticket moves to a closed status"), pipeline.sets_close_date,
        reverse("automate-close-date", args=[pipeline.id]),
        explains=(
            _("A ticket moves from an open to a closed status, whoever or whatever moves it."),
            _("The close date becomes that moment. Between two closed statuses it stays as it is."),
        ),
    )  # fmt: skip


# ── lanes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def lane_columns(viewer: Viewer, account: Account, pipeline: PipelineValue) -> tuple[LaneColumn, ...]:
    """With the way into the editor of workflows for who may go it (R-ACT-2, R-ACT-42)."""
    telling = Telling(viewer, Definition(pipeline.object_type))
    found = zip(lanes.lanes_of(pipeline), pipeline.stages, strict=True)
    with reading_once():
        return tuple(
            _Column(viewer, account, pipeline, lane, stage, telling).drawn() for lane, stage in found
        )


class _Column:
    """One lane as it is drawn; all of a page share what was asked to put them into words."""

    def __init__(
        self, viewer: Viewer, account: Account, pipeline: PipelineValue, lane: Lane, stage: StageValue, telling: Telling
    ) -> None:  # fmt: skip
        self.lane, self.stage, self.sort = lane, stage, sort_for(pipeline.object_type)
        self.place = [pipeline.id, stage.id]
        self.telling = telling.over(lane.definition) if lane.definition is not None else telling
        self.may_change = lane.needs <= plans.features(account.plan, account.features)
        self.may_add = self.may_change and bool(lanes.offered(account, pipeline.object_type, viewer))
        self.may_place = self.may_change and lanes.may_rearrange(account)
        self.opens = access.may_open(viewer, account)

    def drawn(self) -> LaneColumn:
        lane, stage, place, workflow = self.lane, self.stage, self.place, self.lane.workflow
        return LaneColumn(
            sort=self.sort, stage_id=stage.id, label=_(stage.label), tone=stage.tone, closes=not stage.is_open,
            bubbles=tuple(self._bubble(step) for step in lane.steps),
            add_url=reverse("lane-step-new", args=place) if self.may_add else "", exists=workflow is not None,
            is_on=lane.is_on, may_change=self.may_change, every_time=lane.every_time, failures=lane.failures,
            needs_review=troubles.of_workflow(workflow.needs_review if workflow else ""),
            switch_url=reverse("lane-switch", args=place), every_time_url=reverse("lane-every-time", args=place),
            leaves_out_chat=lane.leaves_out_chat, chat_url=reverse("lane-chat", args=place),
            open_url=reverse("workflow-edit", args=[workflow.pk]) if self.opens and workflow else "",
        )  # fmt: skip

    def _bubble(self, step: LaneStep) -> Bubble:
        look, is_known = look_of(step.step), lanes.is_known(step.kind)
        urls = {
            name: reverse(f"lane-step-{name}", args=[*self.place, step.id])
            for name in ("edit", "delete", "comments", "place", "inside")
        }
        return Bubble(
            id=step.id, icon=look.icon, tone=look.tone, title=look.title, summary=self.telling.parts(step.step), comments=step.comments,
            waiting=step.waiting, edit_url=urls["edit"] if is_known and self.may_change else "", delete_url=urls["delete"],
            comments_url=urls["comments"], waiting_url=urls["inside"] if step.waiting else "",
            place_url=urls["place"] if is_known and self.may_place else "", add_url=self._add_url(step.id) if not step.ways else "",
            ways=tuple(self._way(step, way) for way in step.ways), jump=self._jump(step.jump, step.id, "next"),
        )  # fmt: skip

    def _way(self, step: LaneStep, way: LaneWay) -> Way:
        return Way(
            f"{step.id}-{way.slot}", self.telling.way(step.step, way.slot), sum(1 for _one in lanes.every(way.steps)),
            tuple(self._bubble(one) for one in way.steps), self._add_url(step.id, way.slot), self._jump(way.jump, step.id, way.slot),
        )  # fmt: skip

    def _add_url(self, after: str, slot: str = "next") -> str:
        return _new_url(self.place, after, slot) if self.may_add else ""

    def _jump(self, target: str, after: str, slot: str) -> Jump | None:
        if not target:
            return None
        end = ways.with_query("lane-jump-end", [*self.place], after=after, slot=slot)
        return Jump(
            f"{after}-{slot}", self.telling.name(target), _new_url(self.place, after, slot, kind=gating.GO_TO) if self.may_add else "",
            end if self.may_change else "",
        )  # fmt: skip


def _new_url(place: list[int], after: str, slot: str = "", **more: str) -> str:
    return ways.with_query(
        "lane-step-new", [*place], after=after, slot="" if slot == "next" else slot, **more
    )


# ── the drawer ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Drawer:
    """The panels about one lane: all share the lane's name and the way back."""

    def __init__(self, viewer: Viewer, account: Account, pipeline: PipelineValue, stage: StageValue) -> None:
        self.viewer, self.account, self.pipeline, self.stage = viewer, account, pipeline, stage
        self.place_ids = [pipeline.id, stage.id]

    def _panel(self, kind: Any, title: str, **more: Any) -> Panel:
        close_url = f"{reverse('automate', args=[self.pipeline.id])}#lane-{self.stage.id}"
        sort = sort_for(self.pipeline.object_type)
        return Panel(
            kind, title, _(self.stage.label), self.stage.tone, self.stage.id, close_url, sort, **more
        )

    @property
    def workflow(self) -> Workflow | None:
        return lanes.lane_of(self.stage.id, self.pipeline.object_type)

    @cached_property
    def surroundings(self) -> LaneSurroundings:
        """The lane as this request found it; `workflow` is as it is now."""
        return LaneSurroundings(self.viewer, self.pipeline, self.stage.id, self.workflow)

    @property
    def telling(self) -> Telling:
        return self.surroundings.telling

    @cached_property
    def offered(self) -> tuple[str, ...]:
        return lanes.offered(self.account, self.pipeline.object_type, self.viewer)

    def _new_url(self, at: Place, **more: str) -> str:
        return _new_url(self.place_ids, at.after, at.slot, **more)

    def choose(self, at: Place, wanted: str = "") -> Panel:
        offers = offers_at(
            self.surroundings.definition, at, self.offered, lambda kind: self._new_url(at, kind=kind), wanted=wanted
        )  # fmt: skip
        return self._panel(
            "choose", _("Choose an action"), offers=offers, typed=wanted, hidden=(("after", at.after), ("slot", at.slot)),
            url=reverse("lane-step-new", args=self.place_ids),
        )  # fmt: skip

    def new(self, form: StepForm, kind: str, at: Place, refusal: Invalid | None = None, **more: Any) -> Panel:
        workflow = self.workflow
        return self._form(
            form, refusal, hidden=(("kind", kind), ("after", at.after), ("slot", at.slot)), back_url=self._new_url(at),
            url=reverse("lane-step-add", args=self.place_ids), revision=str(workflow.revision_number) if workflow else "", **more,
        )  # fmt: skip

    def edit(
        self, form: StepForm, step: LaneStep, workflow: Workflow, refusal: Invalid | None = None, **more: Any
    ) -> Panel:
        url = reverse("lane-step-save", args=[*self.place_ids, step.id])
        return self._form(form, refusal, url=url, revision=str(workflow.revision_number), **more)

    def _form(self, form: StepForm, refusal: Invalid | None, **more: Any) -> Panel:
        """Drawn anew, focus is where the form changed: in the field that did it, else in the condition that is open."""
        parts = steps.drawn(form, *form.drawn(refusal))
        has_focus = any(isinstance(one, Field) and one.is_drawn_again for one in parts)
        is_redrawn = "redraw" in form.typed and not has_focus
        return self._panel(
            "form", form.title, parts=parts, is_redrawn=is_redrawn, is_typed=form.is_typed, **more
        )

    def may_change(self, step: LaneStep) -> bool:
        return may_use(self.viewer, step.kind)

    def told(self, step: LaneStep) -> Panel:
        """What a step says that only somebody with a permission for it changes."""
        return self._panel("told", look_of(step.step).title, told=tuple(self.telling.details(step.step)))

    def delete(self, chain: Sequence[LaneStep], step: LaneStep, workflow: Workflow, **more: Any) -> Panel:
        rest = chain[chain.index(step) :]
        title = _("Delete “%(step)s”") % {"step": look_of(step.step).title}
        of_fork = _waiting([step])
        keep = tuple(
            WayToKeep(
                f"keep:{way.slot}", _("Only this, and keep the steps of “%(branch)s”") % {"branch": self.telling.way(step.step, way.slot)},
                of_fork - _waiting(way.steps),
            )
            for way in step.ways if way.leads_on
        )  # fmt: skip
        return self._panel(
            "delete", title, url=reverse("lane-step-deleted", args=[*self.place_ids, step.id]), revision=str(workflow.revision_number),
            inside=step.waiting, inside_following=_waiting(rest), followers=len(list(lanes.every(rest))) - 1, ways_to_keep=keep, **more,
        )  # fmt: skip

    def place(self, step: LaneStep, workflow: Workflow, typed: Typed, **more: Any) -> Panel:
        """Where the step may be moved or copied to (R-ACT-9)."""
        found = lanes.lanes_of(self.pipeline)
        chain = chain_with(next(lane.steps for lane in found if lane.stage_id == self.stage.id), step.id)
        if not chain:
            raise NotFound(_("There is no step %(step_id)s.") % {"step_id": step.id})
        rest = [one.id for one in lanes.every(chain)]
        chosen = next(iter(typed.get("to", ())), "")
        spots = tuple(
            LaneSpots(
                _(stage.label),
                stage.tone,
                _spots(
                    lane,
                    step.id if stage.id == self.stage.id else "",
                    self.telling.over(lane.definition) if lane.definition else self.telling,
                    chosen,
                ),
            )
            for lane, stage in zip(found, self.pipeline.stages, strict=True)
        )
        return self._panel(
            "place", _("Move or copy “%(step)s”") % {"step": look_of(step.step).title}, revision=str(workflow.revision_number),
            url=reverse("lane-step-placed", args=[*self.place_ids, step.id]), followers=len(rest) - 1 - rest.index(step.id), spots=spots,
            chosen=tuple(name for name in ("copy", "following") if typed.get(name, ["0"])[0] == "1"), may_copy=self.may_change(step), **more,
        )  # fmt: skip

    def switch(self, present: int) -> Panel:
        """Whether who is in the status already is to be taken in (R-ACT-12)."""
        many = present >= enroll.STEP
        return self._panel(
            "switch", _("Switch the workflow on"), url=reverse("lane-switch", args=self.place_ids),
            inside=present, present=f"{number_format(present, force_grouping=True)}{'+' if many else ''}",
        )  # fmt: skip

    def inside(self, step: LaneStep, workflow: Workflow, after: int | None, *, notice: str = "") -> Panel:
        """Who stands at the step, those that the viewer may see (R-LOG-4); with all of them for who may open workflows."""
        place, name = [*self.place_ids, step.id], "lane-step-inside"
        found = history.waiting(self.viewer, workflow, step.id, after=after, limit=INSIDE + 1)
        shown = found[:INSIDE]
        steps_, reasons = told.Steps(workflow), told.Reasons(workflow.account_id, [])
        opens = access.may_open(self.viewer, self.account)
        return self._panel(
            "inside", look_of(step.step).title, lead=self.telling.summary(step.step), inside=step.waiting, notice=notice,
            runs=tuple(told.run_line(one, steps_, reasons) for one in shown),
            more_url=ways.with_query(name, place, after=shown[-1].id) if len(found) > INSIDE else "",
            is_all=visible(self.viewer, self.pipeline.object_type).reach is Reach.ALL,
            open_url=ways.with_query("workflow-waiting", [workflow.pk], step=step.id) if opens else "",
            url=reverse("lane-step-recalculate", args=place) if shown and waking.can_recalculate(workflow, step.id) else "",
        )  # fmt: skip

    def comments(
        self, step: LaneStep, workflow: Workflow, viewer_id: int, asked: Mapping[str, str], *, text: str = "", error: str = ""
    ) -> Panel:  # fmt: skip
        """`asked` names the comment whose form is open: to `edit`, or to `reply` to."""
        title = look_of(step.step).title
        place = [*self.place_ids, step.id]
        threads = comments.threads_of(workflow, step.id)
        everybody = [one for thread in threads for one in (thread.comment, *thread.replies)]
        names = dict(User.objects.filter(pk__in={one.author_id for one in everybody}).values_list("pk", "name"))  # fmt: skip
        there = reverse("lane-step-comments", args=place)

        def row(one: StepComment, replies: tuple[Comment, ...] = ()) -> Comment:
            is_own = one.author_id == viewer_id
            return Comment(
                one.pk, Person.named(names.get(one.author_id, _("Somebody"))), one.created_at, one.text,
                reverse("lane-comment", args=[*place, one.pk]), is_own, one.resolved_at is not None,
                reply_url=f"{there}?reply={one.pk}" if one.reply_to_id is None else "", edit_url=f"{there}?edit={one.pk}" if is_own else "",
                is_edited=is_own and asked.get("edit") == str(one.pk), is_answered=asked.get("reply") == str(one.pk), replies=replies,
            )  # fmt: skip

        return self._panel(
            "comments", _("Comments on “%(step)s”") % {"step": title}, url=reverse("lane-step-comment", args=place), back_url="",
            comments=tuple(row(one.comment, tuple(row(reply) for reply in one.replies)) for one in threads), typed=text, error=error,
            callable_url=reverse("automate-callable", args=[self.pipeline.id]),
        )  # fmt: skip


def chain_with(chain: Sequence[LaneStep], step_id: str) -> Sequence[LaneStep]:
    """The chain in which a step stands, of this one and those on its ways; empty if it stands in none."""
    if any(one.id == step_id for one in chain):
        return chain
    forks = (way for one in chain for way in one.ways)
    return next((found for way in forks if (found := chain_with(way.steps, step_id))), ())


def _waiting(chain: Sequence[LaneStep]) -> int:
    return sum(one.waiting for one in lanes.every(chain))


def _spots(lane: Lane, step_id: str, telling: Telling, chosen: str) -> tuple[Spot, ...]:
    """The places of a lane, from the top. A step of it that is moved can't come to where it stands."""

    def walk(chain: Sequence[LaneStep], first: Spot, inside: Blocks) -> Iterator[Spot]:
        ids = [one.id for one in chain]
        own = ids.index(step_id) if step_id in ids else len(ids) + 1
        forks = chain[-1].ways if chain else ()
        for number in range(len(ids) + (not forks)):
            blocks: Blocks = inside or (
                "step" if number in (own, own + 1) else "following" if number > own + 1 else ""
            )
            if number == 0:
                yield replace(first, blocks=blocks)
                continue
            before = chain[number - 1]
            label = _("After “%(step)s”") % {"step": look_of(before.step).title}
            yield spot(before.id, label, telling.parts(before.step), blocks)
        for way in forks:
            within: Blocks = inside or (
                "step" if ids[-1] == step_id else "following" if own < len(ids) else ""
            )
            named = {"branch": telling.way(chain[-1].step, way.slot), "step": look_of(chain[-1].step).title}
            label = _("In “%(branch)s” of: %(step)s") % named
            yield from walk(way.steps, spot(f"{chain[-1].id}.{way.slot}", label), within)

    def spot(after: str, label: str, summary: tuple[tuple[str, bool], ...] = (), blocks: Blocks = "") -> Spot:
        value = f"{lane.stage_id}:{after}"
        return Spot(value, label, summary, blocks, value == chosen)

    return tuple(walk(lane.steps, spot("", _("At the beginning")), ""))
