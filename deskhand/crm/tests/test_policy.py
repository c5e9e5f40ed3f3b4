"""What a pipeline decides when somebody writes, option by option (behaviour.md §6); the scenes are in desk/tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from deskhand.crm.pipelines import options
from deskhand.crm.pipelines.policy import (
    IncomingReply,
    Move,
    ReplyEffect,
    Sender,
    Standing,
    after_reply,
    after_sending,
)
from deskhand.crm.pipelines.types import PipelineValue, StageValue
from deskhand.kernel.errors import Invalid

NOW = datetime(2026, 11, 16, 12, tzinfo=UTC)
NEW, CONTACT, US, CLOSED = 1, 2, 3, 4
STAGES = tuple(
    StageValue(id, str(id), str(id), id, id != CLOSED, "blue", 9) for id in (NEW, CONTACT, US, CLOSED)
)
PIPELINE = PipelineValue(9, "0", "Support", "ticket", STAGES, sent_stage_id=CONTACT, reply_stage_id=US)
REPLY = IncomingReply(
    Sender.CONTACT, is_automatic=False, is_forward=False, on_originating_thread=True, on_side_thread=False
)
OPEN = Standing(NEW, is_closed=False, was_reopened=False, last_closed_at=None)
SHUT = Standing(CLOSED, is_closed=True, was_reopened=False, last_closed_at=NOW - timedelta(days=20))
STAYS = (ReplyEffect.STAY, None)


def with_options(**options):
    return replace(PIPELINE, options=options)


def moves(stage, rule):
    return ReplyEffect.MOVE, Move(stage, rule)


@pytest.mark.parametrize("standing", [OPEN, SHUT])
@pytest.mark.parametrize(
    "reply",
    [
        replace(REPLY, sender=Sender.STRANGER),  # R-STAT-17
        replace(REPLY, sender=Sender.COLLEAGUE),  # R-STAT-8
        replace(REPLY, is_automatic=True),  # R-STAT-18
        replace(REPLY, is_forward=True),
        replace(REPLY, on_side_thread=True),
    ],
)
def test_what_never_moves_moves_nothing_whatever_is_set_R_STAT_9(reply, standing):
    everything = with_options(all_channels=True, reopen_then_apply_reply_target=True)

    assert after_reply(reply, standing, everything, NOW) == STAYS


@pytest.mark.parametrize(
    ("reply", "standing", "answer"),
    [
        (REPLY, OPEN, moves(US, "status_from_reply")),  # R-STAT-5
        (REPLY, replace(OPEN, stage_id=US), STAYS),  # R-STAT-12
        (replace(REPLY, on_originating_thread=False), OPEN, STAYS),
        (replace(REPLY, on_originating_thread=False), replace(OPEN, was_reopened=True), moves(US, "status_from_reply")),  # R-STAT-6
        (REPLY, SHUT, moves(NEW, "reopen_on_reply")),  # R-STAT-10, R-STAT-11
        (replace(REPLY, on_originating_thread=False), SHUT, moves(NEW, "reopen_on_reply")),
    ],
)  # fmt: skip
def test_a_contacts_reply_moves_as_told(reply, standing, answer):
    assert after_reply(reply, standing, PIPELINE, NOW) == answer


def test_other_channels_move_only_when_asked_R_STAT_21():
    chat = replace(REPLY, is_email=False)

    assert after_reply(chat, OPEN, PIPELINE, NOW) == STAYS
    assert after_reply(chat, OPEN, with_options(all_channels=True), NOW) == moves(US, "status_from_reply")
    assert after_sending(OPEN, PIPELINE, is_email=False) is None
    assert after_sending(OPEN, with_options(all_channels=True), is_email=False) is not None


@pytest.mark.parametrize(
    ("reopen", "answer"),
    [
        ({"mode": "always"}, moves(NEW, "reopen_on_reply")),
        ({"mode": "always", "stage_id": US}, moves(US, "reopen_on_reply")),
        ({"mode": "never"}, (ReplyEffect.FOLLOW_UP, None)),
        ({"mode": "within_days", "days": 19}, (ReplyEffect.FOLLOW_UP, None)),
        ({"mode": "within_days", "days": 20}, moves(NEW, "reopen_on_reply")),
    ],
)
def test_reopening_is_a_policy_R_REOPEN_2(reopen, answer):
    assert after_reply(REPLY, SHUT, with_options(reopen=reopen), NOW) == answer


@pytest.mark.parametrize("mode", ["always", "within_days", "never"])
def test_thanks_reopen_nothing_and_open_nothing_where_that_is_asked_R_REOPEN_2(mode):
    thanks = replace(REPLY, is_acknowledgement=True)
    asked = with_options(reopen={"mode": mode, "days": 1}, ignore_acknowledgements=True)
    not_asked = with_options(reopen={"mode": mode, "days": 1})

    assert after_reply(thanks, SHUT, asked, NOW) == (ReplyEffect.ACKNOWLEDGED, None)
    assert after_reply(REPLY, SHUT, asked, NOW) == after_reply(REPLY, SHUT, not_asked, NOW) != STAYS
    assert after_reply(thanks, SHUT, not_asked, NOW) == after_reply(REPLY, SHUT, not_asked, NOW)
    assert after_reply(thanks, OPEN, asked, NOW) == moves(US, "status_from_reply")


@pytest.mark.parametrize(
    "stored",
    [
        {"reopen": {"mode": "within_days", "days": days}} for days in ("x", None, 0, -3, 10**12, 2.5, True, [], {})
    ]
    + [{"reopen": reopen} for reopen in ("always", 7, [], {"mode": "sometimes"}, {"mode": []}, {"stage_id": "1"}, {"stage_id": 99}, {"stage_id": CLOSED})]
    + [None, [], "x", {"all_channels": "yes", "stay_closed_on_sent": 1, "reopen_then_apply_reply_target": []}],
)  # fmt: skip
def test_what_can_not_be_read_is_as_if_it_were_not_there_R_REOPEN_2(stored):
    """Mail is filed whatever is stored."""
    pipeline = replace(PIPELINE, options=stored)

    assert after_reply(REPLY, replace(SHUT, last_closed_at=NOW), pipeline, NOW) == moves(
        NEW, "reopen_on_reply"
    )
    assert after_sending(SHUT, pipeline) == Move(CONTACT, "status_from_sent")
    assert after_reply(replace(REPLY, is_email=False), OPEN, pipeline, NOW) == STAYS


def test_a_closed_target_of_replies_reopens_nothing_into_it():
    pipeline = replace(with_options(reopen_then_apply_reply_target=True), reply_stage_id=CLOSED)

    assert after_reply(REPLY, SHUT, pipeline, NOW) == moves(NEW, "reopen_on_reply")


IS_OPEN = {stage.id: stage.is_open for stage in STAGES}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([], "options"),
        ({"reopening": {}}, "options"),
        ({"reopen": "always"}, "options.reopen"),
        ({"reopen": {"after": 3}}, "options.reopen"),
        ({"reopen": {"mode": "sometimes"}}, "options.reopen.mode"),
        ({"reopen": {"mode": []}}, "options.reopen.mode"),
        *(({"reopen": {"days": days}}, "options.reopen.days") for days in ("x", 0, 3651, True, 2.5, [])),
        *(
            ({"reopen": {"stage_id": stage}}, "options.reopen.stage_id")
            for stage in (CLOSED, 99, "1", True, {})
        ),
        *(({flag: "yes"}, f"options.{flag}") for flag in options.FLAGS),
    ],
)
def test_options_are_checked_when_they_are_written_R_REOPEN_2(given, field):
    with pytest.raises(Invalid) as refusal:
        options.checked(given, IS_OPEN)

    assert refusal.value.field == field
    assert refusal.value.hint


def test_options_come_back_as_they_were_written():
    whole = {
        "reopen": {"mode": "within_days", "days": 3, "stage_id": US}, "all_channels": True, "stay_closed_on_sent": True,
        "reopen_then_apply_reply_target": False, "ignore_acknowledgements": True,
    }  # fmt: skip

    assert options.checked(whole, IS_OPEN) == whole
    assert options.as_json(options.parse(whole)) == whole
    assert options.checked(options.as_json(options.parse({})), IS_OPEN) == options.as_json(options.Options())


def test_reopening_may_go_on_to_the_replys_target():
    assert after_reply(REPLY, SHUT, with_options(reopen_then_apply_reply_target=True), NOW) == moves(
        US, "reopen_on_reply"
    )


def test_our_mail_moves_closed_tickets_unless_told_otherwise_R_STAT_13():
    assert after_sending(SHUT, PIPELINE) == Move(CONTACT, "status_from_sent")
    assert after_sending(SHUT, with_options(stay_closed_on_sent=True)) is None
    assert after_sending(OPEN, with_options(stay_closed_on_sent=True)) == Move(CONTACT, "status_from_sent")
    assert after_sending(replace(OPEN, stage_id=CONTACT), PIPELINE) is None
    assert after_sending(OPEN, replace(PIPELINE, moves_on_sent=False)) is None
