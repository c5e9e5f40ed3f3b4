"""Tables of routing: rules, loads, decisions, availability. The router writes loads and decisions in sets."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from deskhand.routing.types import Left, Measure, Option, Reason, Reroute, Source, Status, Strategy


def _known(
    field: str, values: type[Option | Strategy | Reroute | Status | Source | Reason | Measure], name: str
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
    #: What waits is dealt out among who is there and whose hours begin within so many minutes; 0: to who is there.
    landing_minutes = models.IntegerField(default=0, db_default=0)
    #: Whether open tickets go to somebody else when their owner does (R-ROUTE-54).
    reroute = models.TextField(default=Reroute.NEVER)
    #: The rules that ask for skills first (R-SKILL-10).
    skill_rule_set_id = models.BigIntegerField(null=True)
    #: For so many hours after they last had to do with a contact, an agent gets that contact's new tickets first; 0 never.
    sticky_hours = models.IntegerField(default=0, db_default=0)
    #: The automatic agent of AI_AGENT; the fallback is asked where it can't answer (R-AI-2).
    agent_key = models.TextField(default="", db_default="")
    #: The channel's own hours as in WorkingHours; without blocks it is always open (R-ROUTE-81, R-ROUTE-90).
    hours_zone = models.TextField(default="", db_default="")
    hours_blocks = models.JSONField(default=list, db_default=[])
    #: Of calls (R-ROUTE-91..94): all at once or one after another, for how long each, and what callers hear then.
    ring_all = models.BooleanField(default=False, db_default=False)
    ring_seconds = models.SmallIntegerField(default=20, db_default=20)
    unanswered_message = models.TextField(default="", db_default="")
    closed_message = models.TextField(default="", db_default="")
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "channel_account_id"], name="one_rule_per_channel"),
            _known("option", Option, "rule_option_known"),
            _known("strategy", Strategy, "rule_strategy_known"),
            _known("reroute", Reroute, "rule_reroute_known"),
            models.CheckConstraint(
                condition=Q(sticky_hours__gte=0, ring_seconds__gte=5, landing_minutes__gte=0),
                name="rule_spans",
            ),
        ]


class RoundRobinState(models.Model):
    """Who had a turn in the running cycle of a rule's pool (R-ROUTE-37). `step` tells its pools apart."""

    account_id = models.BigIntegerField()
    rule = models.ForeignKey(RoutingRule, models.CASCADE, db_index=False, related_name="+")
    step = models.BigIntegerField(default=0)  # decision.Pool.cycle
    served_user_ids = ArrayField(models.BigIntegerField(), default=list)
    number = models.BigIntegerField(
        default=0, db_default=0
    )  # of the cycle: who has half a share is due in every other

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "rule", "step"], name="one_cycle_per_pool")
        ]


class Rotation(models.Model):
    """Who had a turn in the running cycle of a workflow's step that gives records away in turn (R-ROT-3)."""

    account_id = models.BigIntegerField()
    key = models.TextField()  # names the step
    served_user_ids = ArrayField(models.BigIntegerField(), default=list)
    number = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "key"], name="one_cycle_per_rotation")]


class WaitingTicket(models.Model):
    """A ticket on the wait-list of its channel's rule (R-ROUTE-53)."""

    account_id = models.BigIntegerField()
    ticket_id = models.BigIntegerField()  # crm.Ticket
    added_at = models.DateTimeField()
    #: Dealt to somebody who is still to come, and theirs until then; nothing is kept twice.
    kept_for = models.BigIntegerField(null=True)
    kept_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "ticket_id"], name="ticket_waits_once"),
            models.CheckConstraint(
                condition=Q(kept_for=None, kept_until=None) | Q(kept_until__isnull=False),
                name="waiting_kept_until",
            ),
        ]


# -- Loads and limits ----------------------------------------------------------------------------------------------


class RoutingSettings(models.Model):
    """What counts how much in an account. No row is the same as these defaults."""

    account_id = models.BigIntegerField(unique=True)
    #: Tickets in these statuses, and older ones than so many days, count for no limit (R-CAP-9) …
    excluded_stage_ids = ArrayField(models.BigIntegerField(), default=list)
    excluded_after_days = models.IntegerField(null=True)
    #: … nor as load.
    excludes_from_load = models.BooleanField(default=False)
    #: Whether tickets count by effort, and what each is worth: {"types": {CALL: 3}, "channels": {"12": 2}, "priorities":
    #: {URGENT: 2}}; a channel's points stand for its type's, a priority's come on top.
    weighs = models.BooleanField(default=False)
    points = models.JSONField(default=dict)
    #: Who is new gets a part of a share that grows for so many days from so many percent.
    ramp_days = models.IntegerField(default=0)
    ramp_from = models.SmallIntegerField(default=25)


class Capacity(models.Model):
    """How much somebody may be given (R-CAP-1). A limit that is None does not bind, 0 lets nothing through (R-CAP-12)."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    measure = models.TextField(default=Measure.TOTAL)
    total = models.IntegerField(null=True)
    call = models.IntegerField(null=True)
    message = models.IntegerField(null=True)
    email_other = models.IntegerField(null=True)
    #: Percent of what a colleague gets, such as 50 for who works half the day.
    share = models.SmallIntegerField(default=100)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "user_id"], name="one_capacity"),
            _known("measure", Measure, "capacity_measure_known"),
            models.CheckConstraint(
                condition=Q(share__gte=1, share__lte=100)
                & Q(Q(total=None) | Q(total__gte=0), Q(call=None) | Q(call__gte=0))
                & Q(Q(message=None) | Q(message__gte=0), Q(email_other=None) | Q(email_other__gte=0)),
                name="capacity_possible",
            ),
        ]


class AgentLoad(models.Model):
    """What a user has to do of a ticket type, without the deltas not folded yet: `n` tickets worth `points` as load
    (R-ROUTE-22), `held` worth `held_points` for limits (R-CAP-3).

    Written only under the advisory lock of its account and ticket type.
    """

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    ticket_type = models.TextField()
    n = models.IntegerField(default=0)
    points = models.IntegerField(default=0, db_default=0)
    held = models.IntegerField(default=0, db_default=0)
    held_points = models.IntegerField(default=0, db_default=0)
    last_turn = models.BigIntegerField(null=True)  # id of the last decision for this user: grows (R-ROUTE-31)
    last_assigned_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "ticket_type", "user_id"], name="one_load_per_type")
        ]


class TicketLoad(models.Model):
    """A ticket that counts for a user at present, as load until `load_until` and for limits until `held_until`, those
    moments included; gone when it counts for neither any more."""

    account_id = models.BigIntegerField()
    ticket_id = models.BigIntegerField()  # crm.Ticket
    user_id = models.BigIntegerField()
    ticket_type = models.TextField()
    assigned_at = models.DateTimeField()
    points = models.IntegerField(default=1, db_default=1)
    load_until = models.DateTimeField(null=True)  # None: it is no load
    held_until = models.DateTimeField(null=True)  # None: no limit counts it

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "ticket_id"], name="ticket_counts_once")]
        indexes = [
            models.Index(
                fields=["account_id", "ticket_type", "load_until"],
                name="ticket_load_by_age",
                condition=Q(load_until__isnull=False),
            ),
            models.Index(
                fields=["account_id", "ticket_type", "held_until"],
                name="ticket_held_by_age",
                condition=Q(held_until__isnull=False),
            ),
        ]


class LoadDelta(models.Model):
    """A change of a load that the router has yet to fold in; appended without any lock."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    ticket_type = models.TextField()
    change = models.IntegerField()
    points = models.IntegerField(default=0, db_default=0)
    held = models.IntegerField(default=0, db_default=0)
    held_points = models.IntegerField(default=0, db_default=0)

    class Meta:
        indexes = [models.Index(fields=["account_id", "ticket_type"], name="load_delta_of_type")]


# -- Skills -------------------------------------------------------------------------------------------------------


class SkillCategory(models.Model):
    """What skills are sorted by; each account has one of languages (R-SKILL-3)."""

    account_id = models.BigIntegerField()
    name = models.TextField()
    is_language = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "name"], name="skill_category_once"),
            models.UniqueConstraint(
                fields=["account_id"], name="one_category_of_languages", condition=Q(is_language=True)
            ),
        ]


class Skill(models.Model):
    account_id = models.BigIntegerField()
    category = models.ForeignKey(SkillCategory, models.PROTECT, related_name="skills")
    name = models.TextField()
    code = models.TextField(default="")  # of a language, such as "da"

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "category", "name"], name="skill_once"),
        ]


class UserSkill(models.Model):
    """Who knows what. Of a language, whether it is their main one (R-SKILL-3)."""

    account_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    skill = models.ForeignKey(Skill, models.PROTECT, related_name="holders")
    is_main = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "skill", "user_id"], name="user_skill_once"),
        ]
        indexes = [models.Index(fields=["account_id", "user_id"], name="skills_of_user")]


class TeamSkill(models.Model):
    """A skill that all main members of a team have (R-SKILL-8)."""

    account_id = models.BigIntegerField()
    team_id = models.BigIntegerField()
    skill = models.ForeignKey(Skill, models.PROTECT, related_name="holding_teams")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "skill", "team_id"], name="team_skill_once"),
        ]


class SkillRuleSet(models.Model):
    """Rules in order, the first that a ticket meets counts (R-SKILL-10, R-SKILL-11)."""

    account_id = models.BigIntegerField()
    name = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "name"], name="skill_rule_set_once")]


class SkillRule(models.Model):
    """What a ticket of some kind asks for. `wished` skills are given up first (R-SKILL-14)."""

    account_id = models.BigIntegerField()
    rule_set = models.ForeignKey(SkillRuleSet, models.CASCADE, related_name="rules")
    place = models.IntegerField()  # 0 is asked first
    name = models.TextField()
    condition = models.JSONField()  # crm.filters.as_json, about tickets
    needed_ids = ArrayField(models.BigIntegerField(), default=list)  # Skill
    wished_ids = ArrayField(models.BigIntegerField(), default=list)  # Skill
    any_will_do = models.BooleanField(default=False)  # one of the needed skills is enough (R-SKILL-12)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "rule_set", "place"],
                name="one_skill_rule_per_place",
                deferrable=models.Deferrable.DEFERRED,
            ),
        ]


# -- Trying out ---------------------------------------------------------------------------------------------------


class Simulation(models.Model):
    """What another rule, roster or limit would have come to, worked out by a slow job."""

    account_id = models.BigIntegerField()
    made_by_id = models.BigIntegerField()  # accounts.User
    made_at = models.DateTimeField()
    name = models.TextField(default="")
    wish = models.JSONField()  # simulating.Wish
    done = models.IntegerField(default=0)  # tickets so far
    total = models.IntegerField(default=0)
    result = models.JSONField(null=True)
    error = models.TextField(default="")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["account_id", "-id"], name="simulation_newest")]


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

    `loads`, `turns`, `held`, `limits`, `measures` and `shares` stand in the order of the users in `roster`; a turn of -1
    means never, a limit of -1 none. `call` is the same for the batches of one call, whose decisions stand in one order.
    """

    account_id = models.BigIntegerField()
    ticket_type = models.TextField()
    at = models.DateTimeField()
    seed = models.BigIntegerField()
    roster = models.ForeignKey(RosterSnapshot, models.PROTECT, related_name="+")
    loads = ArrayField(models.IntegerField(), default=list)
    turns = ArrayField(models.BigIntegerField(), default=list)
    served = models.JSONField(default=dict)  # {"rule:step": [user ids who had a turn]}
    cycles = models.JSONField(default=dict, db_default={})  # {"rule:step": the number of the cycle}
    call = models.BigIntegerField()
    weighs = models.BooleanField(default=False, db_default=False)  # whether loads and limits are points
    held = ArrayField(models.IntegerField(), default=list, db_default=[])
    limits = ArrayField(models.IntegerField(), default=list, db_default=[])
    measures = ArrayField(
        models.SmallIntegerField(), default=list, db_default=[]
    )  # 1 counts all types together
    shares = ArrayField(models.SmallIntegerField(), default=list, db_default=[])

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "id"], name="routing_batch_of_account")]
        indexes = [models.Index(fields=["account_id", "call"], name="routing_batches_of_call")]


#: It is known whose the ticket is.
_THEIRS = [Reason.ASSIGNED.value, Reason.ANSWERED.value]


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
    position = models.IntegerField(default=0)  # within the call
    points = models.IntegerField(default=1, db_default=1)
    cycle = models.BigIntegerField(null=True)  # decision.Pool.cycle of where somebody was found
    #: The pools that were tried, in order: RosterSnapshot.
    snapshot_ids = ArrayField(models.BigIntegerField(), default=list, db_default=[])

    class Meta:
        constraints = [
            _known("reason", Reason, "decision_reason_known"),
            models.CheckConstraint(
                condition=Q(reason__in=_THEIRS, user_id__isnull=False)
                | (~Q(reason__in=_THEIRS) & Q(user_id=None)),
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
            models.Index(fields=["batch", "position"], name="decision_of_batch"),
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
