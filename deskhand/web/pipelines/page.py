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
from deskhand.accounts.types import Viewer
from deskhand.automation import access, comments, enroll, lanes
from deskhand.automation.actions.reading import Typed
from deskhand.automation.engine.definition import Action, Definition, Delay, ForAmount, Step
from deskhand.automation.engine.edit import Place
from deskhand.automation.lanes import Lane, LaneStep
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
from deskhand.web.choices import Choice, offered, statuses
from deskhand.web.objects.tabs import sort_for
from deskhand.web.pipelines import branching, steps
from deskhand.web.pipelines.branching import LaneSurroundings
from deskhand.web.pipelines.rows import (
    AutomatePage,
    Blocks,
    Bubble,
    Channel,
    Comment,
    LaneColumn,
    LaneSpots,
    Offer,
    OptionSwitch,
    Panel,
    Reopening,
    Spot,
    StatusRule,
    Templated,
    Way,
    WayToKeep,
)
from deskhand.web.shell import Person
from deskhand.web.workflows import ways
from deskhand.web.workflows.editor.forkforms import IfThenForm
from deskhand.web.workflows.editor.words import Telling
from deskhand.web.workflows.outlines import way_name

CHANNEL_ICONS = {
    "email": "mail",
    "form": "file-text",
    "chat": "message-circle",
    "phone": "phone",
    "whatsapp": "message-circle",
    "sms": "smartphone",
}


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
            for mail in steps.mails_of_account(pipeline.object_type)
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
        closed_options=(_acknowledging(pipeline), *(_closed_options(pipeline) if follows else ())),
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
    found = channels_of(pipeline)
    gone = routing.deleted_teams(current_account_id(), [one.pk for one in found])
    return tuple(_channel(one, pipeline, gone.get(one.pk, 0)) for one in found)


def _channel(one: ChannelAccount, pipeline: PipelineValue, gone: int) -> Channel:
    trouble = ngettext("Its routing names %(n)s team that was deleted.", "Its routing names %(n)s teams that were deleted.", gone) % {"n": gone}  # fmt: skip
    return Channel(
        one.name, one.address, CHANNEL_ICONS.get(one.channel, "message-square"), one.creates_tickets,
        reverse("automate-channel", args=[pipeline.id, one.pk]), trouble if gone else "",
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
    is_on = options.parse(pipeline.options).all_channels
    return _option(
        pipeline, "all_channels", _("Follow every channel, not email alone"),
        _("Answers by chat, WhatsApp, SMS and every other channel change the status as emails do.")
        if is_on else _("Answers by chat, WhatsApp, SMS and other channels leave the status of open tickets as it is."),
        is_on=is_on,
    )  # fmt: skip


def _acknowledging(pipeline: PipelineValue) -> OptionSwitch:
    """R-REOPEN-2"""
    is_on = options.parse(pipeline.options).ignore_acknowledgements
    return _option(
        pipeline, "ignore_acknowledgements", _("Keep a closed ticket closed when the answer only says thanks"),
        _("“Thanks!” or “OK” is filed in the closed ticket, and nothing opens. Whatever asks for more counts as an answer.")
        if is_on else _("Switched on, “Thanks!” or “OK” is only filed in the closed ticket."),
        is_on=is_on,
    )  # fmt: skip


def _closed_options(pipeline: PipelineValue) -> tuple[OptionSwitch, ...]:
    """R-STAT-13; and what R-STAT-11 leaves out, for who wants it."""
    found = options.parse(pipeline.options)
    sent = {"status": _label(pipeline, pipeline.sent_stage_id)}
    reply = {"status": _label(pipeline, pipeline.reply_stage_id)}
    stays = _option(
        pipeline, "stay_closed_on_sent", _("Keep a closed ticket closed when somebody writes to the customer"),
        _("The ticket stays closed.") if found.stay_closed_on_sent or not pipeline.moves_on_sent
        else _("The status becomes “%(status)s”, as the switch for sent emails says.") % sent,
        is_on=found.stay_closed_on_sent,
    )  # fmt: skip
    if found.mode is Mode.NEVER:
        return (stays,)
    goes_on, target = found.reopen_then_apply_reply_target, pipeline.stage(pipeline.reply_stage_id)
    if not pipeline.moves_on_reply or target is None or not target.is_open:
        says = _("No open status is set for replies, so this changes nothing.")
    elif goes_on:
        says = _("A reopened ticket gets “%(status)s”.") % {"status": _(policy.reopens_as(pipeline).label)}
    else:
        says = _("Switched on, a reopened ticket gets “%(status)s”.") % reply
    applies = _option(
        pipeline, "reopen_then_apply_reply_target", _("Give a reopened ticket the status set for replies"), says, is_on=goes_on
    )  # fmt: skip
    return stays, applies


def _option(pipeline: PipelineValue, key: str, title: str, says: str, *, is_on: bool) -> OptionSwitch:
    key = key.replace("_", "-")
    return OptionSwitch(key, title, says, is_on, reverse("automate-option", args=[pipeline.id, key]))


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
    telling, opens = telling_of(viewer, pipeline), access.may_open(viewer, account)
    return tuple(
        _column(lane, stage, pipeline, account, opens, telling)
        for lane, stage in zip(lanes.lanes_of(pipeline), pipeline.stages, strict=True)
    )


def telling_of(viewer: Viewer, pipeline: PipelineValue) -> Telling:
    """What puts actions and delays of all lanes into words."""
    kind = pipeline.object_type
    return Telling(viewer, Definition(kind))


def _column(
    lane: Lane, stage: StageValue, pipeline: PipelineValue, account: Account, opens: bool, telling: Telling
) -> LaneColumn:
    place = [pipeline.id, stage.id]
    actions = lanes.offered(account, pipeline.object_type)
    may_change = lane.needs <= plans.features(account.plan, account.features)
    inside = reverse("workflow-waiting", args=[lane.workflow.pk]) if opens and lane.workflow else ""
    may_add, may_place = bool(actions) and may_change, lanes.may_rearrange(account) and may_change
    return LaneColumn(
        sort=sort_for(pipeline.object_type), stage_id=stage.id, label=_(stage.label), tone=stage.tone, closes=not stage.is_open,
        bubbles=tuple(_bubble(step, place, telling, may_add, may_place, may_change, inside) for step in lane.steps),
        add_url=reverse("lane-step-new", args=place) if may_add else "", exists=lane.workflow is not None,
        is_on=lane.is_on, may_change=may_change, every_time=lane.every_time, failures=lane.failures, needs_review=troubles.of_workflow(lane.workflow.needs_review if lane.workflow else ""),
        switch_url=reverse("lane-switch", args=place), every_time_url=reverse("lane-every-time", args=place),
        leaves_out_chat=lane.leaves_out_chat, chat_url=reverse("lane-chat", args=place), open_url=reverse("workflow-edit", args=[lane.workflow.pk]) if opens and lane.workflow else "",
    )  # fmt: skip


def _bubble(step: LaneStep, place: list[int], telling: Telling, may_add: bool, may_place: bool, may_change: bool, inside_url: str) -> Bubble:  # fmt: skip
    title, icon, tone, _text = steps.LOOKS.get(step.kind, steps.LOOKS[lanes.FORK])
    is_editable = lanes.is_editable(step.kind)
    urls = {
        name: reverse(f"lane-step-{name}", args=[*place, step.id])
        for name in ("edit", "delete", "comments", "place")
    }
    forks = tuple(
        Way(
            f"{step.id}-{way.slot}", way_name(step.step, way.slot), sum(1 for _one in lanes.every(way.steps)),
            tuple(_bubble(one, place, telling, may_add, may_place, may_change, inside_url) for one in way.steps),
            _new_url(place, step.id, way.slot) if may_add else "",
        )
        for way in step.ways
    )  # fmt: skip
    return Bubble(
        id=step.id, icon=icon, tone=tone, title=str(title), summary=_summary(step, telling), comments=step.comments, waiting=step.waiting,
        edit_url=urls["edit"] if is_editable and may_change else "", delete_url=urls["delete"], comments_url=urls["comments"],
        waiting_url=f"{inside_url}?step={step.id}" if inside_url and step.waiting else "",
        place_url=urls["place"] if is_editable and may_place else "",
        add_url=_new_url(place, step.id) if not forks and may_add else "", ways=forks,
    )  # fmt: skip


def _new_url(place: list[int], after: str, slot: str = "", **more: str) -> str:
    return ways.with_query(
        "lane-step-new", [*place], after=after, slot="" if slot == "next" else slot, **more
    )


def _summary(step: LaneStep, telling: Telling) -> tuple[tuple[str, bool], ...]:
    """One short line under the title; forks are told by their ways."""
    return telling.parts(step.step) if isinstance(step.step, Action | Delay) else ()


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
        return LaneSurroundings(self.viewer, self.pipeline.object_type, self.stage.id, self.workflow)

    @cached_property
    def telling(self) -> Telling:
        return telling_of(self.viewer, self.pipeline)

    def _new_url(self, at: Place, **more: str) -> str:
        return _new_url(self.place_ids, at.after, at.slot, **more)

    def choose(self, at: Place) -> Panel:
        offers = []
        for kind in lanes.offered(self.account, self.pipeline.object_type):
            title, icon, tone, text = steps.LOOKS[kind]
            offers.append(Offer(icon, tone, str(title), str(text), self._new_url(at, kind=kind)))
        return self._panel("choose", _("Choose an action"), offers=tuple(offers))

    def new(self, kind: str, at: Place, typed: Typed, **more: Any) -> Panel:
        fields = more.pop("fields", None) or steps.fields(kind, typed, self.pipeline)
        return self._adding("form", kind, at, self.workflow, fields=fields, **more)

    def new_branch(self, form: IfThenForm, at: Place, refusal: Invalid | None = None, **more: Any) -> Panel:
        parts = (*branching.notes(form), *form.parts(refusal))
        return self._adding(
            "branches", lanes.BRANCH, at, self.workflow, parts=parts, is_redrawn=form.is_typed, **more
        )

    def _adding(self, form: Any, kind: str, at: Place, workflow: Workflow | None, **more: Any) -> Panel:
        return self._panel(
            form, str(steps.LOOKS[kind][0]), hidden=(("kind", kind), ("after", at.after), ("slot", at.slot)), back_url=self._new_url(at),
            url=reverse("lane-step-add", args=self.place_ids), revision=str(workflow.revision_number) if workflow else "", **more,
        )  # fmt: skip

    def edit(self, step: LaneStep, typed: Typed, workflow: Workflow, **more: Any) -> Panel:
        fields = more.pop("fields", None) or steps.fields(step.kind, typed, self.pipeline)
        told = self._kept(step.step)
        return self._editing(
            "form", step, workflow, fields=fields, told=told, open_url=self._open_url(step, workflow), **more
        )

    def told(self, step: LaneStep, workflow: Workflow) -> Panel:
        """What a step says that only the editor of workflows changes."""
        return self._editing(
            "told", step, workflow, told=self._details(step), open_url=self._open_url(step, workflow)
        )

    def _kept(self, step: Step) -> tuple[tuple[str, str], ...]:
        """What a delay says beside how long it lasts."""
        if not isinstance(step, Delay) or not isinstance(step.wait, ForAmount):
            return ()
        return tuple(self.telling.details(step))[0 if step.wait.is_working_time else 1 :]

    def _details(self, step: LaneStep) -> tuple[tuple[str, str], ...]:
        return tuple(self.telling.details(step.step))

    def _open_url(self, step: LaneStep, workflow: Workflow) -> str:
        """Its form in the editor; empty for who may not open that (R-ACT-42)."""
        opens = access.may_open(self.viewer, self.account)
        return reverse("workflow-edit-step", args=[workflow.pk, step.id]) if opens else ""

    def edit_branch(
        self, form: IfThenForm, step: LaneStep, workflow: Workflow, refusal: Invalid | None = None, **more: Any
    ) -> Panel:  # fmt: skip
        return self._editing("branches", step, workflow, parts=form.parts(refusal), is_redrawn=form.is_typed, **more)  # fmt: skip

    def _editing(self, form: Any, step: LaneStep, workflow: Workflow, **more: Any) -> Panel:
        return self._panel(
            form, str(steps.LOOKS[step.kind][0]), revision=str(workflow.revision_number),
            url=reverse("lane-step-save", args=[*self.place_ids, step.id]), **more,
        )  # fmt: skip

    def delete(self, chain: Sequence[LaneStep], step: LaneStep, workflow: Workflow, **more: Any) -> Panel:
        rest = chain[chain.index(step) :]
        title = _("Delete “%(step)s”") % {"step": steps.LOOKS[step.kind][0]}
        of_fork = _waiting([step])
        keep = tuple(
            WayToKeep(
                f"keep:{way.slot}", _("Only this, and keep the steps of “%(branch)s”") % {"branch": way_name(step.step, way.slot)},
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
                _spots(lane, step.id if stage.id == self.stage.id else "", self.telling, chosen),
            )
            for lane, stage in zip(found, self.pipeline.stages, strict=True)
        )
        return self._panel(
            "place", _("Move or copy “%(step)s”") % {"step": steps.LOOKS[step.kind][0]}, revision=str(workflow.revision_number),
            url=reverse("lane-step-placed", args=[*self.place_ids, step.id]), followers=len(rest) - 1 - rest.index(step.id), spots=spots,
            chosen=tuple(name for name in ("copy", "following") if typed.get(name, ["0"])[0] == "1"), **more,
        )  # fmt: skip

    def switch(self, present: int) -> Panel:
        """Whether who is in the status already is to be taken in (R-ACT-12)."""
        many = present >= enroll.STEP
        return self._panel(
            "switch", _("Switch the workflow on"), url=reverse("lane-switch", args=self.place_ids),
            inside=present, present=f"{number_format(present, force_grouping=True)}{'+' if many else ''}",
        )  # fmt: skip

    def comments(
        self, step: LaneStep, workflow: Workflow, viewer_id: int, asked: Mapping[str, str], *, text: str = "", error: str = ""
    ) -> Panel:  # fmt: skip
        """`asked` names the comment whose form is open: to `edit`, or to `reply` to."""
        title, _icon, _tone, _text = steps.LOOKS.get(step.kind, steps.LOOKS["branch"])
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
            label = _("After “%(step)s”") % {"step": steps.LOOKS[before.kind][0]}
            yield spot(before.id, label, _summary(before, telling), blocks)
        for way in forks:
            within: Blocks = inside or (
                "step" if ids[-1] == step_id else "following" if own < len(ids) else ""
            )
            named = {"branch": way_name(chain[-1].step, way.slot), "step": steps.LOOKS[chain[-1].kind][0]}
            label = _("In “%(branch)s” of: %(step)s") % named
            yield from walk(way.steps, spot(f"{chain[-1].id}.{way.slot}", label), within)

    def spot(after: str, label: str, summary: tuple[tuple[str, bool], ...] = (), blocks: Blocks = "") -> Spot:
        value = f"{lane.stage_id}:{after}"
        return Spot(value, label, summary, blocks, value == chosen)

    return tuple(walk(lane.steps, spot("", _("At the beginning")), ""))
