"""What a pipeline decides by itself: close dates, and statuses that follow the conversation. All pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from deskhand.crm.pipelines.options import Mode, parse
from deskhand.crm.pipelines.types import PipelineValue, StageValue


def dates_after_move(
    *, was_open: bool, to: StageValue, pipeline: PipelineValue, closed_at: datetime | None, now: datetime
) -> dict[str, datetime | None]:
    """Return the date columns that a move changes (R-CLOSE-1, 2, 4, 5, 8, 11; R-PROP-4).

    `pipeline` is the destination's.
    """
    if was_open and not to.is_open:
        changed: dict[str, datetime | None] = {"last_closed_at": now}
        if pipeline.sets_close_date:
            changed["closed_at"] = now
        return changed
    if not was_open and to.is_open:
        return {"closed_at": None, "reopened_at": now}
    if not to.is_open and closed_at is None and pipeline.sets_close_date:
        return {"closed_at": now}
    return {}


class Sender(StrEnum):
    """Who wrote an incoming message, as the conversation knows them (R-STAT-17)."""

    CONTACT = "contact"
    COLLEAGUE = "colleague"  # one of our own people, from a mailbox of their own (R-STAT-8)
    STRANGER = "stranger"


@dataclass(frozen=True)
class IncomingReply:
    """What the reply policy needs to know of a message on a known thread."""

    sender: Sender
    is_automatic: bool
    is_forward: bool
    on_originating_thread: bool
    on_side_thread: bool
    is_email: bool = True
    is_acknowledgement: bool = False  # says thanks and nothing else


@dataclass(frozen=True)
class Standing:
    """Where the ticket stands when the message arrives."""

    stage_id: int
    is_closed: bool
    was_reopened: bool
    last_closed_at: datetime | None


@dataclass(frozen=True)
class Move:
    stage_id: int
    rule: str


class ReplyEffect(StrEnum):
    STAY = "stay"
    MOVE = "move"
    FOLLOW_UP = "follow_up"  # a new ticket, linked to the closed one (R-REOPEN-2)
    ACKNOWLEDGED = "acknowledged"  # only says thanks: the ticket stays closed (R-REOPEN-2)


def after_reply(
    reply: IncomingReply, standing: Standing, pipeline: PipelineValue, now: datetime
) -> tuple[ReplyEffect, Move | None]:
    """Decide what an incoming message on a known thread does to its ticket's status.

    R-STAT-5, 6, 8, 10, 11, 12, 17, 18; reopening by R-REOPEN-2.
    """
    ignored = (
        reply.is_automatic or reply.is_forward or reply.on_side_thread or reply.sender is not Sender.CONTACT
    )
    if ignored:
        return ReplyEffect.STAY, None
    if standing.is_closed:
        if reply.is_acknowledgement and parse(pipeline.options).ignore_acknowledgements:
            return ReplyEffect.ACKNOWLEDGED, None
        return _reopen(standing, pipeline, now)
    if not pipeline.moves_on_reply or not (reply.is_email or parse(pipeline.options).all_channels):
        return ReplyEffect.STAY, None
    if not (reply.on_originating_thread or standing.was_reopened):
        return ReplyEffect.STAY, None
    target = pipeline.stage(pipeline.reply_stage_id)
    if target is None or target.id == standing.stage_id:
        return ReplyEffect.STAY, None
    return ReplyEffect.MOVE, Move(target.id, "status_from_reply")


def _reopen(standing: Standing, pipeline: PipelineValue, now: datetime) -> tuple[ReplyEffect, Move | None]:
    options = parse(pipeline.options)
    if options.mode is Mode.NEVER:
        return ReplyEffect.FOLLOW_UP, None
    window = timedelta(days=options.days)
    if (
        options.mode is Mode.WITHIN_DAYS
        and standing.last_closed_at is not None
        and now - standing.last_closed_at > window
    ):
        return ReplyEffect.FOLLOW_UP, None
    return ReplyEffect.MOVE, Move(reopens_as(pipeline).id, "reopen_on_reply")


def reopens_as(pipeline: PipelineValue) -> StageValue:
    """The status of a ticket that an answer reopens: as the options say, where that one is there and open."""
    options = parse(pipeline.options)
    chosen = [options.reopen_stage_id]
    if options.reopen_then_apply_reply_target and pipeline.moves_on_reply:
        chosen.insert(0, pipeline.reply_stage_id)
    found = (pipeline.stage(stage_id) for stage_id in chosen)
    return next((stage for stage in found if stage and stage.is_open), pipeline.first_open)


def after_sending(standing: Standing, pipeline: PipelineValue, *, is_email: bool = True) -> Move | None:
    """Decide the status after one of our people wrote to the customer from the ticket (R-STAT-4, 12, 13)."""
    if not pipeline.moves_on_sent or not (is_email or parse(pipeline.options).all_channels):
        return None
    if standing.is_closed and parse(pipeline.options).stay_closed_on_sent:
        return None
    target = pipeline.stage(pipeline.sent_stage_id)
    if target is None or target.id == standing.stage_id:
        return None
    return Move(target.id, "status_from_sent")
