"""Tables of routing: rules, loads, decisions, availability. The router writes loads and decisions in sets."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from deskhand.routing.types import Left, Option, Reason, Reroute, Source, Status, Strategy


def _known(
    field: str, values: type[Option | Strategy | Reroute | Status | Source | Reason], name: str
) -> models.CheckConstraint:
    return models.CheckConstraint(
        condition=Q(**{f"{field}__in": [value.value for value in values]}), name=name
    )


# -- Rules --------------------------------------------------------------------------------------------------------


class RoutingRule(models.Model):
    """Whom one channel account's new tickets go to (R-ROUTE-15). No row is the same as NONE."""

    account_id = models.BigIntegerField()
    channel_account_id = models.BigIntegerField()  # desk.ChannelAccount
    option = models.TextField(default=Option.NONE)
    strategy = models.TextField(default=Strategy.LOAD_BALANCED)
    only_available = models.BooleanField(default=True)  # R-ROUTE-45
    user_ids = ArrayField(models.BigIntegerField(), default=list)  # in order (R-ROUTE-33)
    team_ids = ArrayField(models.BigIntegerField(), default=list)
    include_extra_members = models.BooleanField(default=False)  # R-ROUTE-13
    include_nested_teams = models.BooleanField(default=False)  # R-TEAM-3
    fallback_user_ids = ArrayField(models.BigIntegerField(), default=list)
    fallback_team_ids = ArrayField(models.BigIntegerField(), default=list)
    #: Let workflows set the owner first; routing then fills what is still empty (R-ROUTE-71).
    after_workflows = models.BooleanField(default=False)
    #: Tickets that nobody could take wait for the next who can (R-ROUTE-53).
    wait_list = models.BooleanField(default=False)
    #: Whether open tickets go to somebody else when their owner does (R-ROUTE-54).
    reroute = models.TextField(default=Reroute.NEVER)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "channel_account_id"], name="one_rule_per_channel"),
            _known("option", Option, "rule_option_known"),
            _known("strategy", Strategy, "rule_strategy_known"),
            _known("reroute", Reroute, "rule_reroute_known"),
        ]


class RoundRobinState(models.Model):
    """Who had a turn in the running cycle of a rule's pool (R-ROUTE-37). `step` tells the fallback's pool apart."""

    account_id = models.BigIntegerField()
    rule = models.ForeignKey(RoutingRule, models.CASCADE, db_index=False, related_name="+")
    step = models.SmallIntegerField(default=0)  # 0 the rule's own pool, 1 its fallback
    served_user_ids = ArrayField(models.BigIntegerField(), default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "rule", "step"], name="one_cycle_per_pool")
        ]


class Rotation(models.Model):
    """Who had a turn in the running cycle of a workflow's step that gives records away in turn (R-ROT-3)."""

    account_id = models.BigIntegerField()
    key = models.TextField()  # names the step
    served_user_ids = ArrayField(models.BigIntegerField(), default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "key"], name="one_cycle_per_rotation")]


class WaitingTicket(models.Model):
    """A ticket on the wait-list of its channel's rule (R-ROUTE-53)."""

    account_id = models.BigIntegerField()
    ticket_id = models.BigIntegerField()  # crm.Ticket
    added_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "ticket_id"], name="ticket_waits_once")]


# -- Loads --------------------------------------------------------------------------------------------------------


class AgentLoad(models.Model):
    """How many counted tickets of a type a user has, without the deltas not folded yet (R-ROUTE-22).

    Written only under the advisory lock of its account and ticket type.
    """

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    ticket_type = models.TextField()
    n = models.IntegerField(default=0)
    last_turn = models.BigIntegerField(null=True)  # id of the last decision for this user: grows (R-ROUTE-31)
    last_assigned_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "ticket_type", "user_id"], name="one_load_per_type")
        ]


class TicketLoad(models.Model):
    """A ticket that counts for a user at present; gone when it stops counting or grows too old."""

    account_id = models.BigIntegerField()
    ticket_id = models.BigIntegerField()  # crm.Ticket
    user_id = models.BigIntegerField()
    ticket_type = models.TextField()
    assigned_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "ticket_id"], name="ticket_counts_once")]
        indexes = [
            models.Index(fields=["account_id", "ticket_type", "assigned_at"], name="ticket_load_by_age")
        ]


class LoadDelta(models.Model):
    """A change of a load that the router has yet to fold in; appended without any lock."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    ticket_type = models.TextField()
    change = models.IntegerField()

    class Meta:
        indexes = [models.Index(fields=["account_id", "ticket_type"], name="load_delta_of_type")]


# -- Decisions ----------------------------------------------------------------------------------------------------


class RosterSnapshot(models.Model):
    """A pool as it stood, or the users of a load vector: stored once however often it is met."""

    account_id = models.BigIntegerField()
    hash = models.TextField()  # SHA-256 of the content in hex
    content = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "hash"], name="roster_once")]


class RoutingBatch(models.Model):
    """What all decisions made together on one ticket type started from.

    `loads` and `turns` stand in the order of the users in `roster`; a turn of -1 means never.
    """

    account_id = models.BigIntegerField()
    ticket_type = models.TextField()
    at = models.DateTimeField()
    seed = models.BigIntegerField()
    roster = models.ForeignKey(RosterSnapshot, models.PROTECT, db_index=False, related_name="+")
    loads = ArrayField(models.IntegerField(), default=list)
    turns = ArrayField(models.BigIntegerField(), default=list)
    served = models.JSONField(default=dict)  # {"rule:step": [user ids who had a turn]}

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "id"], name="routing_batch_of_account")]


class Decision(models.Model):
    """Why a ticket got its owner, or none (R-ROUTE-70). Its id is its turn; the choice can be made again from it."""

    account_id = models.BigIntegerField()
    ticket_id = models.BigIntegerField()  # crm.Ticket
    channel_account_id = models.BigIntegerField(null=True)  # desk.ChannelAccount
    rule_id = models.BigIntegerField(null=True)  # the rule may be gone by now
    at = models.DateTimeField()
    reason = models.TextField()
    user_id = models.BigIntegerField(null=True)
    team_ids = ArrayField(models.BigIntegerField(), default=list)
    #: Whose it was when it was routed again (R-ROUTE-54); theirs it stays where `user_id` is None.
    left_user_id = models.BigIntegerField(null=True)
    left_because = models.TextField(default="")
    batch = models.ForeignKey(
        RoutingBatch, models.PROTECT, null=True, db_index=False, related_name="decisions"
    )
    position = models.IntegerField(default=0)  # within the batch
    #: The pools that were tried, in order: the rule's own, then the fallback.
    snapshot = models.ForeignKey(RosterSnapshot, models.PROTECT, null=True, db_index=False, related_name="+")
    fallback_snapshot = models.ForeignKey(
        RosterSnapshot, models.PROTECT, null=True, db_index=False, related_name="+"
    )

    class Meta:
        constraints = [
            _known("reason", Reason, "decision_reason_known"),
            models.CheckConstraint(
                condition=Q(reason=Reason.ASSIGNED, user_id__isnull=False)
                | (~Q(reason=Reason.ASSIGNED) & Q(user_id=None)),
                name="decision_assigned_has_user",
            ),
            models.CheckConstraint(
                condition=Q(left_user_id=None, left_because="")
                | Q(left_user_id__isnull=False, left_because__in=[left.value for left in Left]),
                name="decision_left_whole",
            ),
        ]
        indexes = [
            models.Index(fields=["account_id", "ticket_id", "-id"], name="decision_of_ticket"),
            models.Index(fields=["account_id", "batch", "position"], name="decision_of_batch"),
        ]


# -- Availability -------------------------------------------------------------------------------------------------


class AwayState(models.Model):
    """A way of being away that an account tells apart, such as a break or a meeting (R-AVAIL-17)."""

    account_id = models.BigIntegerField()
    name = models.TextField()
    created_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)  # not to be chosen any more; the history names it still

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "name"], name="away_state_once", condition=Q(archived_at=None)
            )
        ]


class Availability(models.Model):
    """A user's status in an account (R-AVAIL-10), true until `until`; then it is worked out again."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    status = models.TextField(default=Status.AWAY)  # R-AVAIL-14
    source = models.TextField(default=Source.NONE)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)  # the next edge
    away_state_id = models.BigIntegerField(null=True)  # AwayState
    note = models.TextField(default="")  # why, in the user's words
    #: The last status set by hand, which holds until the next edge after it (R-AVAIL-6).
    manual_status = models.TextField(null=True)
    manual_at = models.DateTimeField(null=True)
    manual_away_state_id = models.BigIntegerField(null=True)
    manual_note = models.TextField(default="")
    version = models.BigIntegerField(default=1)  # raised under the row's lock; orders its events

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "user_id"], name="one_availability"),
            _known("status", Status, "availability_status_known"),
            _known("source", Source, "availability_source_known"),
            models.CheckConstraint(
                condition=Q(manual_status=None, manual_at=None)
                | Q(manual_status__in=[status.value for status in Status], manual_at__isnull=False),
                name="availability_manual_whole",
            ),
            models.CheckConstraint(
                condition=Q(manual_away_state_id=None, manual_note="") | Q(manual_status=Status.AWAY),
                name="availability_away_state_of_away",
            ),
        ]


class WorkingHours(models.Model):
    """A user's week: blocks as [weekday, start, end], 0 is Monday, minutes since midnight in `zone` (R-AVAIL-3)."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    zone = models.TextField()
    blocks = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "user_id"], name="one_working_hours")]


class DefaultHours(models.Model):
    """The week of an account, in `zone`, for who has no row in WorkingHours. There, no blocks mean: by hand only."""

    account_id = models.BigIntegerField(unique=True)
    zone = models.TextField()
    blocks = models.JSONField(default=list)
    #: Whose public holidays are no working time: "DE", and "BY" of it. Empty: no holidays, and the whole country's.
    country = models.TextField(db_default="")
    region = models.TextField(db_default="")


class OutOfOffice(models.Model):
    """A time of absence; its end is outside it (R-AVAIL-7)."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(starts_at__lt=F("ends_at")), name="out_of_office_has_length")
        ]
        indexes = [models.Index(fields=["account_id", "user_id", "ends_at"], name="out_of_office_of_user")]


class AvailabilityChange(models.Model):
    """One change of status, for reports (R-AVAIL-18). `at` is when it took effect, `noted_at` when it was written."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    from_status = models.TextField()
    to_status = models.TextField()
    away_state_id = models.BigIntegerField(null=True)
    note = models.TextField(default="")
    source = models.TextField()
    actor_kind = models.TextField()
    actor_id = models.BigIntegerField(null=True)
    at = models.DateTimeField()
    noted_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["account_id", "user_id", "-at", "-id"], name="availability_of_user")]
