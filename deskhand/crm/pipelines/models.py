"""Pipelines and their stages (screens say "status" for tickets)."""

from __future__ import annotations

from django.db import models

from deskhand.kernel import clock


class StageState(models.TextChoices):
    OPEN = "OPEN"
    CLOSED = "CLOSED"


class Pipeline(models.Model):
    """An ordered set of stages with the policies that move its records by themselves."""

    account_id = models.BigIntegerField()
    object_type = models.TextField()
    key = models.TextField()  # the id of the API; "0" for the default pipeline (R-PIPE-1)
    label = models.TextField()
    display_order = models.IntegerField(default=0)
    archived_at = models.DateTimeField(null=True)
    # Templated automations of ticket pipelines
    sets_close_date = models.BooleanField(default=True)  # R-CLOSE-3
    moves_on_sent = models.BooleanField(default=True)  # R-STAT-1 (a)
    sent_stage = models.ForeignKey("crm.Stage", models.SET_NULL, null=True, related_name="+")
    moves_on_reply = models.BooleanField(default=True)  # R-STAT-1 (b)
    reply_stage = models.ForeignKey("crm.Stage", models.SET_NULL, null=True, related_name="+")
    #: Options beside parity: reopen policy (R-REOPEN-2), all channels (R-STAT-21), keep closed (R-STAT-13).
    options = models.JSONField(default=dict)
    #: Which of the three rules are on, and the stages they name (R-RULE-1).
    rules = models.JSONField(default=dict)
    #: What its cards show, by property name and in order (R-BOARD-2); None: the product's own choice.
    card_properties = models.JSONField(null=True)
    created_at = models.DateTimeField(default=clock.now)
    updated_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "object_type", "key"], name="pipeline_key_once"),
        ]


class Stage(models.Model):
    """One status. Its state, not its label, drives close date, reopening, views and load (R-PIPE-2)."""

    account_id = models.BigIntegerField()
    object_type = models.TextField()
    pipeline = models.ForeignKey(Pipeline, models.PROTECT, related_name="stages")
    key = models.TextField()  # the id of the API, unique across pipelines (R-DM-2)
    label = models.TextField()
    display_order = models.IntegerField(default=0)
    state = models.TextField(choices=StageState.choices, default=StageState.OPEN)
    tone = models.TextField(default="blue")
    #: Of deals: how likely they are won, 0 and 1 when they are closed. None: nobody has said.
    probability = models.FloatField(null=True)
    created_at = models.DateTimeField(default=clock.now)
    updated_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "object_type", "key"], name="stage_key_once"),
            models.CheckConstraint(condition=models.Q(state__in=StageState.values), name="stage_state_known"),
        ]

    @property
    def is_open(self) -> bool:
        return self.state == StageState.OPEN
