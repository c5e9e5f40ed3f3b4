"""Workflows, their revisions, the records going through them, and what each step did."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class WorkflowFolder(models.Model):
    """Where people keep workflows that belong together (R-EDIT-9)."""

    account_id = models.BigIntegerField()
    name = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "name"], name="workflow_folder_once")]


class Workflow(models.Model):
    """One automation of one kind of record. A lane has an origin: the stage it belongs to (R-ACT-2)."""

    account_id = models.BigIntegerField()
    name = models.TextField()
    description = models.TextField(default="")
    folder = models.ForeignKey(WorkflowFolder, models.SET_NULL, null=True, related_name="workflows")
    owner_id = models.BigIntegerField(null=True)  # who is told of its errors (R-EXEC-9)
    #: {"errors": bool, "rate_per_hour": int, "rate_change": percent}: what its owner is told of; missing means errors only (R-EXEC-9).
    alerts = models.JSONField(default=dict)
    object_type = models.TextField()
    is_on = models.BooleanField(default=False)  # R-ACT-4
    #: Only events after this moment enroll (R-TRIG-10, R-ACT-12); None while off.
    on_since = models.DateTimeField(null=True)
    #: Holds whatever is inside, and what comes, where it stands (R-EXEC-17).
    is_paused = models.BooleanField(default=False)
    #: Runs keep the revision that they began with, instead of following the newest (R-EDIT-5).
    is_pinned = models.BooleanField(default=False)
    revision_number = models.IntegerField(default=0)  # the newest
    #: Whether a change of a record may end a run of the newest revision, or a wait in it (R-UN-1).
    watches = models.BooleanField(db_default=False)
    origin_pipeline_id = models.BigIntegerField(null=True)  # crm.Pipeline
    origin_stage_id = models.BigIntegerField(null=True)  # crm.Stage
    #: Why somebody must look: a deleted stage, a deactivated person (R-LOG-7). Empty: all is well.
    needs_review = models.TextField(default="")
    created_at = models.DateTimeField()
    created_by_id = models.BigIntegerField(null=True)
    archived_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "object_type", "origin_stage_id"], name="one_lane_per_stage",
                condition=Q(origin_stage_id__isnull=False, archived_at=None),
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(
                fields=["account_id", "object_type"],
                name="workflow_on",
                condition=Q(is_on=True, archived_at=None),
            ),
            models.Index(
                fields=["account_id"], name="workflow_watching", condition=Q(watches=True, archived_at=None)
            ),
        ]


class Emptying(models.Model):
    """A workflow that was archived while so many were inside that they leave in a slow job (R-EDIT-8)."""

    account_id = models.BigIntegerField()
    workflow = models.OneToOneField(Workflow, models.CASCADE, related_name="emptying")
    total = models.IntegerField()
    done = models.IntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["account_id", "workflow"], name="emptying_of_workflow")]


class WorkflowRevision(models.Model):
    """What a workflow was at one time; never changed, so that a run can always be explained (R-EDIT-4)."""

    account_id = models.BigIntegerField()
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="revisions")
    number = models.IntegerField()
    definition = models.JSONField()
    created_at = models.DateTimeField()
    created_by_id = models.BigIntegerField(null=True)
    note = models.TextField(default="")  # what its publisher says of it
    restores = models.IntegerField(null=True)  # the number of the revision that it brought back

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "workflow", "number"], name="revision_once")
        ]


class WorkflowDraft(models.Model):
    """What people are working on beside the revision that runs. Its versions are the way back and forth."""

    account_id = models.BigIntegerField()
    workflow = models.OneToOneField(Workflow, models.CASCADE, related_name="draft")
    base_revision = models.IntegerField()  # that it began with
    version = models.IntegerField()  # the number of the DraftVersion that is shown
    updated_at = models.DateTimeField()
    updated_by_id = models.BigIntegerField(null=True)

    class Meta:
        indexes = [models.Index(fields=["account_id", "workflow"], name="draft_of_workflow")]


class DraftVersion(models.Model):
    """A draft after one edit; never changed. Undone ones stay until another edit takes their place."""

    account_id = models.BigIntegerField()
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="draft_versions")
    number = models.IntegerField()
    definition = models.JSONField()
    edit = models.JSONField(default=dict)  # {"did": "insert", "step": "3" …}: what its maker did
    at = models.DateTimeField()
    by_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "workflow", "number"], name="draft_version_once")
        ]


class Baseline(models.Model):
    """What a filter trigger's memory begins with: who met it at the moment of switching on, or of publishing it anew
    (R-WF-20, R-WF-21). A workflow that is on has one; while it is not done yet, the workflow is being switched on.
    """

    account_id = models.BigIntegerField()
    workflow = models.OneToOneField(Workflow, models.CASCADE, related_name="baseline")
    at = models.DateTimeField()  # the moment
    after_event = models.BigIntegerField()  # the last one of the log that had a number then
    began_in = models.BigIntegerField()  # PostgreSQL's number of the transaction
    includes_present = models.BooleanField()  # who meets it and did not before is enrolled
    previous = models.BigIntegerField(null=True)  # the baseline in whose memory those are who met it before
    reached = models.BigIntegerField(default=0)  # the last record that was looked at
    upto = models.BigIntegerField()  # the last record that there was then
    seen = models.IntegerField(default=0)
    total = models.IntegerField(null=True)  # of records; None until the slow job has counted
    is_done = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(fields=["account_id", "workflow"], name="baseline_of_workflow")]


class TriggerMatch(models.Model):
    """A record meets a filter trigger's condition at present; a record that has no row comes to meet it (R-TRIG-1).

    While the baseline is taken there are rows, too, of those that were looked at and don't meet it.
    """

    account_id = models.BigIntegerField()
    baseline_id = models.BigIntegerField()  # of another one than its workflow's: forgotten
    record_id = models.BigIntegerField()
    since = models.DateTimeField()
    is_met = models.BooleanField(db_default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "baseline_id", "record_id"], name="match_once")
        ]
        indexes = [models.Index(fields=["account_id", "record_id"], name="match_of_record")]


class WorkflowHook(models.Model):
    """The address that enrolls into a workflow by a call from outside (R-TRIG-21). Read before the account is known."""

    account_id = models.BigIntegerField()
    workflow = models.OneToOneField(Workflow, models.CASCADE, related_name="hook")
    token_hash = models.TextField(unique=True)
    secret = models.BinaryField()  # encrypted; signs the calls
    created_at = models.DateTimeField()
    last_called_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["account_id", "workflow"], name="hook_of_workflow")]


class CallState(models.TextChoices):
    RECEIVED = "RECEIVED"
    DONE = "DONE"
    FAILED = "FAILED"
    REFUSED = "REFUSED"  # at the door; its caller was told


class HookCall(models.Model):
    """A call as it came, stored before it is read; one that was refused, too, as long as they are few."""

    account_id = models.BigIntegerField()
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="calls", db_index=False)
    key = models.TextField()  # the caller's idempotency key, or a random one
    received_at = models.DateTimeField()
    content_type = models.TextField(default="")
    body = models.BinaryField()
    state = models.TextField(choices=CallState.choices, default=CallState.RECEIVED)
    error = models.TextField(default="")
    record_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "workflow", "key"], name="call_once")]
        indexes = [models.Index(fields=["account_id", "workflow", "-id"], name="call_of_workflow")]


class EnrollmentState(models.TextChoices):
    DUE = "DUE"  # to be advanced at due_at
    WAITING = "WAITING"  # for an event
    QUEUED = "QUEUED"  # until the record's run before it is over
    HELD = "HELD"  # its workflow is paused, or the account's budget is used up; due_at is when it would go on
    ENDED = "ENDED"


class Enrollment(models.Model):
    """One record going through one workflow. A queue table: claimed when due, across accounts."""

    account_id = models.BigIntegerField()
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="enrollments", db_index=False)
    object_type = models.TextField()
    record_id = models.BigIntegerField()
    revision_number = models.IntegerField()  # that `position` was found in; runs follow the newest (R-EDIT-5)
    position = models.TextField(default="")  # where it goes on, as engine/advance.py says
    step_id = models.TextField(default="")  # the step it is shown at (R-LOG-4)
    state = models.TextField(choices=EnrollmentState.choices, default=EnrollmentState.DUE)
    due_at = models.DateTimeField(null=True)
    #: The kind of event, or "property:<name>", whose arrival goes on at `happened` before the time is up.
    waits_for = models.TextField(default="")
    #: The last event there was when the wait began: that one and earlier ones do not end it (R-DELAY-6).
    waits_since = models.BigIntegerField(null=True)
    happened = models.TextField(default="")
    attempts = models.SmallIntegerField(default=0)
    depth = models.SmallIntegerField(default=0)
    #: Actions performed so far; tells a step's second time from its first where the way leads back (R-EXEC-23).
    acted = models.IntegerField(db_default=0)
    event_id = models.BigIntegerField(null=True)  # what enrolled it
    #: {"by": "event", …}: which trigger, who or which workflow enrolled it (R-LOG-1).
    reason = models.JSONField(db_default={})
    #: 0, but for runs beside each other in one record: then what tells them apart.
    run_key = models.BigIntegerField(db_default=0)
    outputs = models.JSONField(default=dict)  # {step id: {name: value}} for tokens and branches
    enrolled_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    end_reason = models.TextField(default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "workflow", "object_type", "record_id", "run_key"], name="enrolled_once_at_a_time",
                condition=~Q(state__in=["ENDED", "QUEUED"]),
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["due_at"], name="enrollment_due", condition=Q(state="DUE")),
            models.Index(
                fields=["account_id", "due_at"], name="enrollment_due_account", condition=Q(state="DUE")
            ),
            models.Index(fields=["account_id", "object_type", "record_id"], name="enrollment_of_record"),
            models.Index(
                fields=["account_id", "workflow", "enrolled_at", "id"], name="enrollment_of_workflow"
            ),
            models.Index(
                fields=["account_id", "object_type", "record_id", "waits_for"],
                name="enrollment_waiting_for",
                condition=~Q(waits_for=""),
            ),
            models.Index(
                fields=["account_id", "workflow", "object_type", "record_id", "id"],
                name="enrollment_queued",
                condition=Q(state="QUEUED"),
            ),
            models.Index(
                fields=["account_id", "workflow", "id"], name="enrollment_held", condition=Q(state="HELD")
            ),
            models.Index(  # few of many
                fields=["account_id", "workflow", "id"],
                name="enrollment_failed",
                condition=Q(end_reason__contains="failed"),
            ),
            models.Index(  # of how many who entered reached it
                fields=["account_id", "workflow", "enrolled_at"],
                name="enrollment_of_goal",
                condition=Q(end_reason="goal"),
            ),
        ]


class StepStatus(models.TextChoices):
    SUCCEEDED = "SUCCEEDED"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"
    SCHEDULED = "SCHEDULED"
    RETRYING = "RETRYING"


class StepLog(models.Model):
    """What one step did for one record, and why (R-LOG-2)."""

    account_id = models.BigIntegerField()
    workflow_id = models.BigIntegerField()
    enrollment_id = models.BigIntegerField()
    object_type = models.TextField()
    record_id = models.BigIntegerField()
    revision_number = models.IntegerField()
    step_id = models.TextField()
    kind = models.TextField()
    status = models.TextField(choices=StepStatus.choices)
    message = models.TextField(default="")
    data = models.JSONField(db_default={})  # what it told (outputs), which way it took
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["account_id", "enrollment_id", "id"], name="step_of_enrollment"),
            models.Index(fields=["account_id", "workflow_id", "at", "id"], name="step_of_workflow"),
            models.Index(
                fields=["account_id", "workflow_id", "at"], name="step_failed", condition=Q(status="FAILED")
            ),
        ]


class StepComment(models.Model):
    """A note on a step for other editors; it stays with the step's id (R-ACT-6)."""

    account_id = models.BigIntegerField()
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="comments")
    step_id = models.TextField()
    author_id = models.BigIntegerField()
    text = models.TextField()
    reply_to = models.ForeignKey("self", models.CASCADE, null=True, related_name="replies")
    created_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["account_id", "workflow", "step_id"], name="comment_of_step")]


class MailTemplate(models.Model):
    """A mail that automation sends. The two built-in ones are made with the account and may be edited (R-MAIL-1)."""

    account_id = models.BigIntegerField()
    key = models.TextField(default="")  # ticket_received, ticket_closed; "" for the account's own
    name = models.TextField()
    subject = models.TextField()
    body = models.TextField()  # Liquid; plain words, made into HTML when sent
    is_transactional = models.BooleanField(
        default=True
    )  # R-MAIL-2; else to marketing contacts only (R-MAIL-4)
    #: crm.SubscriptionType: of a mail that people may choose not to get.
    subscription_type_id = models.BigIntegerField(null=True)
    revision = models.IntegerField(default=1)
    updated_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)  # not to be chosen any more; no workflow sends it

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "key"], name="built_in_template_once", condition=~Q(key="")
            ),
        ]


class MailRevision(models.Model):
    """What a mail template was at one time; never changed, and there for ever: mail that was stored with it is written by it."""

    account_id = models.BigIntegerField()
    template_id = models.BigIntegerField()  # MailTemplate; outlives it
    number = models.IntegerField()
    subject = models.TextField()
    body = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "template_id", "number"], name="mail_revision_once")
        ]


class WorkflowSecret(models.Model):
    """A value that webhooks and custom code may use and nobody can read again."""

    account_id = models.BigIntegerField()
    name = models.TextField()
    value = models.BinaryField()  # encrypted
    updated_at = models.DateTimeField()
    updated_by_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "name"], name="workflow_secret_once")]


class CustomAction(models.Model):
    """An action that another system performs: called with input fields, it answers with outputs, now or later (R-WFA-3)."""

    account_id = models.BigIntegerField()
    name = models.TextField()  # steps know it by that
    description = models.TextField(default="")
    url = models.TextField()
    secret = models.TextField(
        default=""
    )  # name of the WorkflowSecret that signs the calls; empty: they are not signed
    object_types = models.JSONField(default=list)  # empty: all
    inputs = models.JSONField(default=list)  # [{"name": "amount", "value": "number"}]
    outputs = models.JSONField(default=list)
    messages = models.JSONField(
        default=list
    )  # [{"name": "errorCode=BLOCKED", "value": "The card is blocked."}]
    updated_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)  # not to be chosen any more; no workflow uses it

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "name"], name="custom_action_once")]


class StepCall(models.Model):
    """A call to another system on behalf of one run, whose answer the run waits for (R-WFA-4, R-WFA-11)."""

    account_id = models.BigIntegerField()
    enrollment_id = models.BigIntegerField()
    step_id = models.TextField()
    key = models.TextField()  # the effect's, as actions name it
    token = models.TextField(default="")  # names the call to who calls back; unguessable
    state = models.TextField(default="WAITING")
    answer = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "key"], name="step_call_once"),
            models.UniqueConstraint(fields=["token"], name="step_call_token", condition=~Q(token="")),
        ]


class CodeRun(models.Model):
    """Code of a step that is to be run for one record, with what it is given. A queue table: claimed with a lease (R-WFA-12)."""

    account_id = models.BigIntegerField()
    enrollment_id = models.BigIntegerField()
    workflow_id = models.BigIntegerField()
    revision_number = models.IntegerField()  # whose step has the code
    step_id = models.TextField()
    key = models.TextField()  # the effect's, as actions name it
    event = models.JSONField()  # what main(event) is given
    tries = models.SmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "key"], name="code_run_once")]
        indexes = [models.Index(fields=["account_id", "id"], name="code_run_next")]


class ReplayState(models.TextChoices):
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Replay(models.Model):
    """A workflow replayed over a stretch of the past: what it would have done, beside what happened. Forgotten after a month."""

    account_id = models.BigIntegerField()
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="replays", db_index=False)
    definition = models.JSONField()  # that was replayed, of a draft or of a revision
    revision_number = models.IntegerField()  # the newest one then
    is_draft = models.BooleanField()
    since = models.DateTimeField()
    until = models.DateTimeField()
    state = models.TextField(choices=ReplayState.choices, default=ReplayState.QUEUED)
    reached_at = models.DateTimeField(null=True)  # in the log
    events = models.BigIntegerField(default=0)  # that were read
    runs = models.IntegerField(default=0)
    left_out = models.IntegerField(default=0)  # records that are deleted by now
    is_full = models.BooleanField(default=False)  # more would have entered than are followed
    held = models.IntegerField(default=0)  # sendings that the hour's budget would have held
    held_at = models.DateTimeField(null=True)  # the first of them
    kept = models.JSONField(
        default=dict
    )  # what the next page needs besides the runs and effects (replay/keeping.py)
    #: {"days": {day: [would, did]}, "kinds": {kind: {verdict: count}}}, when it is done.
    totals = models.JSONField(default=dict)
    error = models.TextField(default="")
    created_at = models.DateTimeField()
    created_by_id = models.BigIntegerField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=ReplayState.values), name="replay_state_known"),
            models.UniqueConstraint(
                fields=["account_id", "workflow"], name="one_replay_at_a_time",
                condition=Q(state__in=["QUEUED", "RUNNING"]),
            ),
        ]  # fmt: skip
        indexes = [models.Index(fields=["account_id", "workflow", "-id"], name="replay_of_workflow")]


class ReplayRun(models.Model):
    """A record's way through a replayed workflow, with the reason of each turn."""

    account_id = models.BigIntegerField()
    replay = models.ForeignKey(Replay, models.CASCADE, related_name="ways", db_index=False)
    number = models.IntegerField()
    record_id = models.BigIntegerField()
    entered_at = models.DateTimeField()
    reason = models.JSONField(default=dict)  # as enrollments have it
    path = models.JSONField(default=list)  # [{"step", "what", "at", "values"}]
    step_id = models.TextField(default="")  # where it still was at the end
    end_reason = models.TextField(default="")
    ended_at = models.DateTimeField(null=True)
    going = models.JSONField(default=dict)  # what it takes to let it go on; nothing when it is over

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "replay", "number"], name="replay_run_once")
        ]


class Verdict(models.TextChoices):
    """What a replayed step is beside what happened."""

    SAME = "SAME"  # it happened so
    OTHER = "OTHER"  # the step ran, and came to something else
    NEW = "NEW"  # it did not happen
    GONE = "GONE"  # it happened, and would not have


class ReplayEffect(models.Model):
    """Something that a replayed workflow would have done, or really did and would not have done."""

    account_id = models.BigIntegerField()
    replay = models.ForeignKey(Replay, models.CASCADE, related_name="effects", db_index=False)
    run_number = models.IntegerField(null=True)
    at = models.DateTimeField()
    record_id = models.BigIntegerField()
    step_id = models.TextField()
    kind = models.TextField()
    status = models.TextField(
        default=""
    )  # as steps of the log have it; empty where it would not have happened
    message = models.TextField(default="")
    writes = models.JSONField(default=dict)  # {property: [before, after]} of the record itself
    known_id = models.BigIntegerField(default=0)  # the last event that had happened
    verdict = models.TextField(choices=Verdict.choices, default=Verdict.NEW)
    really_at = models.DateTimeField(null=True)
    really = models.TextField(default="")  # what the log says of it

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(verdict__in=Verdict.values), name="replay_verdict_known")
        ]
        indexes = [
            models.Index(fields=["account_id", "replay", "at", "id"], name="effect_of_replay"),
            models.Index(fields=["account_id", "replay", "record_id", "step_id"], name="effect_of_record"),
        ]


class Budget(models.Model):
    """What automation may send within an hour, and what it has sent in this one; a fan-out by mistake stops here."""

    account_id = models.BigIntegerField(unique=True)
    per_hour = models.IntegerField(null=True)  # None: as the installation's settings say
    hour = models.DateTimeField(null=True)  # that `used` counts
    used = models.IntegerField(default=0)
    stopped_at = models.DateTimeField(null=True)
    stopped_by_id = models.BigIntegerField(null=True)  # the workflow that went past it


class SendingHour(models.Model):
    """What one workflow sent within one hour, for who looks where the budget goes; kept as long as the log."""

    account_id = models.BigIntegerField()
    workflow_id = models.BigIntegerField()
    hour = models.DateTimeField()  # when it began
    count = models.IntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "hour", "workflow_id"], name="sending_hour_once")
        ]


class Retention(models.Model):
    """How long an account keeps what its workflows noted of their steps, where that is not the usual time (R-LOG-3)."""

    account_id = models.BigIntegerField(unique=True)
    days = models.IntegerField()
