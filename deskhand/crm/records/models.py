"""Records: one table per built-in kind, one for custom objects, and what all kinds share beside them.

What lists, rules or clocks need is a column; other properties live in `properties`, checked against the schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Case, F, Q, When
from django.db.models.functions import Cast, Coalesce


class Record(models.Model):
    """What every kind of record has. `version` is raised under the row's lock and ordered by it are its events."""

    account_id = models.BigIntegerField()
    version = models.BigIntegerField(default=1)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)
    owner_id = models.BigIntegerField(null=True)  # accounts.User
    assigned_team_ids = ArrayField(models.BigIntegerField(), default=list)  # R-ROUTE-49
    properties = models.JSONField(default=dict)
    created_by_kind = models.TextField(default="system")
    created_by_id = models.BigIntegerField(null=True)
    #: Values that are not stored, where `computed.attach` worked them out.
    computed: Mapping[str, Any] = MappingProxyType({})
    #: The columns that `called` reads.
    CALLED_BY: ClassVar[tuple[str, ...]] = ("name",)

    class Meta:
        abstract = True

    @property
    def called(self) -> str:
        """What lists of several kinds of records, and mails, call it; "" for one that nothing says."""
        return next((str(value) for name in self.CALLED_BY if (value := getattr(self, name))), "")


class Filed(models.Model):
    """A record that stands in a stage of a pipeline."""

    pipeline = models.ForeignKey("crm.Pipeline", models.PROTECT, related_name="+", db_index=False)
    stage = models.ForeignKey("crm.Stage", models.PROTECT, related_name="+", db_index=False)
    is_closed = models.BooleanField(default=False)  # the stage's state, kept for indexes
    stage_entered_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    last_closed_at = models.DateTimeField(null=True)
    reopened_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class TicketType(models.TextChoices):
    """What load is counted by; fixed at creation by the channel (R-ROUTE-20, R-ROUTE-25)."""

    CALL = "CALL"
    MESSAGE = "MESSAGE"
    EMAIL_OTHER = "EMAIL_OTHER"


class Ticket(Record, Filed):
    number = models.BigIntegerField()  # gap-free per account (R-GAP-2)
    subject = models.TextField()
    content = models.TextField(default="")
    priority = models.TextField(null=True)
    category = models.TextField(null=True)
    resolution = models.TextField(null=True)
    source_type = models.TextField(null=True)
    ticket_type = models.TextField(choices=TicketType.choices, default=TicketType.EMAIL_OTHER)
    in_help_desk = models.BooleanField(default=True)
    is_spam = models.BooleanField(default=False)
    contact = models.ForeignKey("crm.Contact", models.SET_NULL, null=True, related_name="tickets")
    owner_assigned_at = models.DateTimeField(null=True)
    #: The automatic agent that answers it at present; then nobody else needs to (R-AI-14).
    ai_agent = models.TextField(default="", db_default="")
    assignment_method = models.TextField(null=True)  # manual, reply, routing, workflow
    first_assigned_at = models.DateTimeField(null=True)
    inbox_id = models.BigIntegerField(null=True)  # desk.Inbox
    channel_account_id = models.BigIntegerField(null=True)  # desk.ChannelAccount
    originating_thread_id = models.BigIntegerField(null=True)  # desk.Thread (R-STAT-5)
    originating_message_id = models.BigIntegerField(null=True)
    #: Latest customer-relevant activity; lists are sorted by it.
    sort_at = models.DateTimeField()
    message_count = models.IntegerField(default=0)
    preview = models.TextField(default="")
    last_received_at = models.DateTimeField(null=True)
    last_sent_at = models.DateTimeField(null=True)
    first_agent_reply_at = models.DateTimeField(null=True)
    first_agent_reply_by = models.BigIntegerField(null=True)
    last_message_from_visitor = models.BooleanField(null=True)
    last_message_failed = models.BooleanField(default=False)
    merged_into = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+", db_index=False)
    creation_key = models.TextField(null=True)
    CALLED_BY = ("number", "subject")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "number"], name="ticket_number_once"),
            models.UniqueConstraint(fields=["account_id", "creation_key"], name="ticket_creation_key_once"),
            models.CheckConstraint(condition=Q(ticket_type__in=TicketType.values), name="ticket_type_known"),
        ]
        indexes = [
            models.Index(
                fields=["account_id", "-sort_at", "-id"],
                name="ticket_open",
                # Arrays can't be searched by index under row-level security, so team views read this index alone.
                include=["owner_id", "assigned_team_ids", "pipeline_id", "priority", "ai_agent"],
                condition=Q(is_closed=False, is_spam=False, archived_at=None),
            ),
            models.Index(
                fields=["account_id", "owner_id", "is_closed", "-sort_at", "-id"],
                name="ticket_of_owner",
                # Of a filter by priority, the index alone tells how many of somebody's tickets meet it.
                include=["pipeline_id", "priority"],
                condition=Q(is_spam=False, archived_at=None),
            ),
            # A team's, in the two parts of `policy.Visibility.sql`: by the first of a ticket's teams, and those that
            # have several. The migration gives PostgreSQL the statistics to choose them by.
            models.Index(
                F("account_id"),
                F("assigned_team_ids__0"),
                name="ticket_of_team",
                condition=Q(is_spam=False, archived_at=None),
            ),
            models.Index(
                fields=["account_id"],
                name="ticket_of_teams",
                condition=Q(is_spam=False, archived_at=None, assigned_team_ids__1__isnull=False),
            ),
            models.Index(
                fields=["account_id", "priority", "-sort_at", "-id"],
                name="ticket_of_priority",
                include=["owner_id", "assigned_team_ids", "pipeline_id"],
                condition=Q(is_spam=False, archived_at=None, priority__isnull=False),
            ),
            models.Index(
                fields=["account_id", "-sort_at", "-id"],
                name="ticket_unassigned",
                include=["assigned_team_ids", "ai_agent"],
                condition=Q(is_closed=False, is_spam=False, archived_at=None, owner_id=None),
            ),
            models.Index(
                fields=["account_id", "-sort_at", "-id"],
                name="ticket_closed",
                include=["owner_id", "assigned_team_ids"],
                condition=Q(is_closed=True, is_spam=False, archived_at=None),
            ),
            models.Index(
                fields=["account_id", "-sort_at", "-id"], name="ticket_spam", condition=Q(is_spam=True)
            ),
            models.Index(
                fields=["account_id", "-sort_at", "-id"],
                name="ticket_deleted",
                condition=Q(archived_at__isnull=False, merged_into=None),
            ),
            models.Index(fields=["account_id", "contact", "-sort_at"], name="ticket_of_contact"),
            models.Index(
                fields=["merged_into"], name="ticket_merged", condition=Q(merged_into__isnull=False)
            ),
            models.Index(fields=["account_id", "stage", "id"], name="ticket_in_stage"),
            models.Index(
                fields=["account_id", "-sort_at", "-id"],
                name="ticket_in_order",
                include=["owner_id", "assigned_team_ids", "pipeline_id", "priority"],
                condition=Q(is_spam=False, archived_at=None),
            ),
            models.Index(
                fields=["account_id", "stage", "-sort_at", "-id"],
                name="ticket_on_board",
                include=["owner_id", "assigned_team_ids", "pipeline_id"],
                condition=Q(is_spam=False, archived_at=None),
            ),
        ]

    @property
    def called(self) -> str:
        return f"#{self.number} {self.subject}"


class Contact(Record):
    email = models.TextField(default="")  # lower case; the identity (R-FORM-2)
    first_name = models.TextField(default="")
    last_name = models.TextField(default="")
    name = models.TextField(default="")  # for show
    sort_key = models.TextField(default="")
    phone = models.TextField(default="")
    company = models.ForeignKey(
        "crm.Company", models.SET_NULL, null=True, related_name="contacts", db_index=False
    )
    locale = models.TextField(default="")
    bounced_at = models.DateTimeField(null=True)  # hard bounce (R-MAIL-12)
    merged_into = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+", db_index=False)
    CALLED_BY = ("name", "email")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "email"],
                name="contact_email_once",
                condition=~Q(email="") & Q(archived_at=None),
            ),
        ]
        indexes = [
            models.Index(
                fields=["account_id", "sort_key", "id"],
                name="contact_by_name",
                # As with open tickets: teams can't be searched by index, so they are read from this one.
                include=["owner_id", "assigned_team_ids"],
                condition=Q(archived_at=None),
            ),
            models.Index(
                fields=["account_id", "-created_at", "-id"],
                name="contact_newest",
                include=["owner_id", "assigned_team_ids"],
                condition=Q(archived_at=None),
            ),
            models.Index(
                fields=["account_id", "owner_id", "sort_key", "id"],
                name="contact_of_owner",
                condition=Q(archived_at=None),
            ),
            models.Index(
                fields=["account_id", "sort_key", "id"],
                name="contact_archived",
                condition=Q(archived_at__isnull=False, merged_into=None),
            ),
            models.Index(fields=["account_id", "company", "sort_key", "id"], name="contact_of_company"),
            models.Index(
                fields=["merged_into"], name="contact_merged", condition=Q(merged_into__isnull=False)
            ),
        ]


class ContactAddress(models.Model):
    """A further address of a contact: mail from it is the contact's. The first one stands in the contact itself."""

    account_id = models.BigIntegerField()
    contact = models.ForeignKey(Contact, models.CASCADE, related_name="addresses", db_index=False)
    email = models.TextField()  # lower case

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "email"], name="contact_address_once")]
        indexes = [models.Index(fields=["account_id", "contact"], name="address_of_contact")]


class SubscriptionType(models.Model):
    """A kind of mail that people may choose to get or not, such as "Marketing information" (R-MAIL-4)."""

    account_id = models.BigIntegerField()
    name = models.TextField()
    description = models.TextField(default="")  # what people read before they choose
    created_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "name"], name="subscription_type_once", condition=Q(archived_at=None)
            )
        ]


class Subscription(models.Model):
    """What a contact chose, or was chosen for them. Without a type: everything but mail about their own requests."""

    account_id = models.BigIntegerField()
    contact = models.ForeignKey(Contact, models.CASCADE, related_name="subscriptions", db_index=False)
    type = models.ForeignKey(SubscriptionType, models.CASCADE, null=True, related_name="+", db_index=False)
    is_on = models.BooleanField()
    source = models.TextField()  # page, agent, workflow, merge
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "contact", "type"], name="subscription_once", nulls_distinct=False
            )
        ]
        indexes = [models.Index(fields=["account_id", "type"], name="subscription_of_type")]


class Company(Record):
    name = models.TextField(default="")
    sort_key = models.TextField(default="")
    domain = models.TextField(default="")
    merged_into = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+", db_index=False)
    CALLED_BY = ("name", "domain")

    class Meta:
        indexes = [
            models.Index(
                fields=["account_id", "sort_key", "id"],
                name="company_by_name",
                include=["owner_id", "assigned_team_ids"],
                condition=Q(archived_at=None),
            ),
            models.Index(
                fields=["account_id", "-created_at", "-id"],
                name="company_newest",
                include=["owner_id", "assigned_team_ids"],
                condition=Q(archived_at=None),
            ),
            models.Index(
                fields=["account_id", "owner_id", "sort_key", "id"],
                name="company_of_owner",
                condition=Q(archived_at=None),
            ),
            models.Index(
                fields=["account_id", "sort_key", "id"],
                name="company_archived",
                condition=Q(archived_at__isnull=False, merged_into=None),
            ),
            models.Index(fields=["account_id", "domain"], name="company_by_domain"),
            models.Index(
                fields=["merged_into"], name="company_merged", condition=Q(merged_into__isnull=False)
            ),
        ]


class RecordWord(models.Model):
    """A word by which a contact or a company is found: of its name, its addresses, its domain. Folded.

    Row-level security keeps text search off its indexes; the beginnings of words are found by comparing.
    """

    account_id = models.BigIntegerField()
    object_type = models.TextField()
    record_id = models.BigIntegerField()
    word = models.TextField()

    class Meta:
        indexes = [
            models.Index(
                fields=["account_id", "object_type", "word", "record_id"],
                name="word_of_records",
                opclasses=["int8_ops", "text_ops", "text_pattern_ops", "int8_ops"],
            ),
            models.Index(fields=["account_id", "object_type", "record_id", "word"], name="word_of_record"),
        ]


class Joined(models.Model):
    """Two contacts or companies that became one, and what to know to part them again (R-MERGE-6, R-MERGE-8)."""

    account_id = models.BigIntegerField()
    object_type = models.TextField()
    primary_id = models.BigIntegerField()
    secondary_id = models.BigIntegerField()
    moved = models.JSONField(default=dict)
    by_id = models.BigIntegerField(null=True)  # accounts.User
    at = models.DateTimeField()
    parted_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["account_id", "object_type", "primary_id", "-id"], name="joined_into"),
            models.Index(fields=["account_id", "object_type", "secondary_id", "-id"], name="joined_away"),
        ]


class Deal(Record, Filed):
    name = models.TextField()
    sort_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["account_id", "stage", "-sort_at", "-id"], name="deal_in_stage"),
            models.Index(fields=["account_id", "-sort_at", "-id"], name="deal_in_order"),
            models.Index(fields=["account_id", "name", "id"], name="deal_by_name"),
        ]


class Project(Record, Filed):
    name = models.TextField()
    sort_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["account_id", "stage", "-sort_at", "-id"], name="project_in_stage"),
            models.Index(fields=["account_id", "-sort_at", "-id"], name="project_in_order"),
            models.Index(fields=["account_id", "name", "id"], name="project_by_name"),
        ]


class CustomObject(Record):
    object_type = models.ForeignKey("crm.ObjectType", models.PROTECT, related_name="+")
    name = models.TextField(default="")
    pipeline = models.ForeignKey("crm.Pipeline", models.PROTECT, null=True, related_name="+")
    stage = models.ForeignKey("crm.Stage", models.PROTECT, null=True, related_name="+")
    is_closed = models.BooleanField(default=False)
    stage_entered_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    last_closed_at = models.DateTimeField(null=True)
    reopened_at = models.DateTimeField(null=True)
    sort_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["account_id", "object_type", "-sort_at", "-id"], name="custom_of_type"),
            models.Index(fields=["account_id", "stage", "-sort_at", "-id"], name="custom_in_stage"),
            models.Index(fields=["account_id", "object_type", "name", "id"], name="custom_by_name"),
        ]


class TaskQueue(models.Model):
    """A named list of tasks that people work off one after another."""

    account_id = models.BigIntegerField()
    name = models.TextField()
    is_for_everyone = models.BooleanField(default=True)
    user_ids = ArrayField(
        models.BigIntegerField(), default=list
    )  # who may use it, where it is not for everyone
    team_ids = ArrayField(models.BigIntegerField(), default=list)
    created_at = models.DateTimeField()
    created_by_id = models.BigIntegerField(null=True)
    archived_at = models.DateTimeField(null=True)  # deleted

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "name"], name="task_queue_once", condition=models.Q(archived_at=None)
            )
        ]


#: Of tasks: those that are open, and their order (`worklist` has the same in SQL).
TO_BE_DONE = Q(completed_at=None, archived_at=None)
BY_DUE = Coalesce("due_at", Cast(models.Value("infinity"), models.DateTimeField()))


class Task(models.Model):
    """Something one of our people has to do, about a record (R-WFA-8), and about further ones as its `TaskLink`s say."""

    account_id = models.BigIntegerField()
    object_type = models.TextField()  # of the main record, whose rights are asked when the task is changed
    record_id = models.BigIntegerField()
    title = models.TextField()
    notes = models.TextField(default="")
    priority = models.TextField(default="NONE")  # tasks.PRIORITIES
    kind = models.TextField(default="TODO")  # tasks.KINDS
    assignee_id = models.BigIntegerField(null=True)  # accounts.User
    queue_id = models.BigIntegerField(null=True)  # TaskQueue
    due_at = models.DateTimeField(null=True)
    remind_at = models.DateTimeField(null=True)  # whom it is for; a timer does it
    created_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)
    created_by_kind = models.TextField()
    created_by_id = models.BigIntegerField(null=True)
    #: enrollment:step of the workflow that made it, so that it is made once (R-EXEC-23)
    creation_key = models.TextField(null=True)
    version = models.BigIntegerField(default=1)
    archived_at = models.DateTimeField(null=True)  # deleted; it can be taken back

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "creation_key"], name="task_creation_key_once")
        ]
        indexes = [
            # As lists have them: what is to be done, without a date last, of all, of one person and of a queue; what is done.
            models.Index("account_id", BY_DUE, "id", name="task_open", condition=TO_BE_DONE),
            models.Index(
                "account_id", "assignee_id", BY_DUE, "id", name="task_of_assignee", condition=TO_BE_DONE
            ),
            models.Index("account_id", "queue_id", BY_DUE, "id", name="task_of_queue", condition=TO_BE_DONE),
            models.Index(
                fields=["account_id", "completed_at", "id"],
                name="task_done",
                condition=Q(completed_at__isnull=False, archived_at=None),
            ),
        ]

    @property
    def main(self) -> tuple[str, int]:
        """Its main record: kind and id."""
        return self.object_type, self.record_id


class TaskLink(models.Model):
    """A record that a task is about: its main one, which every task has, or a further one. By these rows alone are the tasks
    of a record found."""

    account_id = models.BigIntegerField()
    task_id = models.BigIntegerField()  # Task
    object_type = models.TextField()
    record_id = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "object_type", "record_id", "task_id"], name="task_link_once"
            )
        ]
        indexes = [models.Index(fields=["account_id", "task_id"], name="task_link_of_task")]


class PropertyChange(models.Model):
    """One change of one property, written with the change itself (R-DM-13). Never trimmed."""

    account_id = models.BigIntegerField()
    object_type = models.TextField()
    record_id = models.BigIntegerField()
    property = models.TextField()
    old = models.JSONField(null=True)
    new = models.JSONField(null=True)
    source = models.TextField()  # UI, WORKFLOW, EMAIL_AUTOMATION, ROUTING, API, IMPORT, MERGE
    actor_kind = models.TextField()
    actor_id = models.BigIntegerField(null=True)
    event_id = models.BigIntegerField(null=True)
    changed_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["account_id", "object_type", "record_id", "id"], name="change_of_record"),
            models.Index(
                fields=["account_id", "object_type", "property", "record_id"], name="change_of_property"
            ),
            models.Index(  # what a workflow did in an hour is taken back by it
                fields=["account_id", "actor_id", "changed_at"],
                name="change_of_workflow",
                condition=models.Q(actor_kind="workflow"),
            ),
        ]


class PropertyValue(models.Model):
    """A value of a filterable property beside its record, by kind, so that an index finds it; one row a choice or id.

    `word` holds a text's first letters, folded where filters fold; `rest` the whole text when it is longer.
    Operators on numeric are not leakproof, so row-level security keeps them off indexes; doubles serve.
    """

    account_id = models.BigIntegerField()
    property_id = (
        models.BigIntegerField()
    )  # PropertyDefinition; without a key, which would lock its row at every write
    record_id = models.BigIntegerField()
    word = models.TextField(null=True)
    rest = models.TextField(null=True)
    number = models.FloatField(null=True)
    day = models.DateField(null=True)
    moment = models.DateTimeField(null=True)
    ref = models.BigIntegerField(null=True)
    flag = models.BooleanField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["account_id", "property_id", "record_id"], name="value_of_record"),
            *(
                models.Index(
                    fields=["account_id", "property_id", column, "record_id"],
                    name=f"value_by_{column}",
                    condition=Q(**{f"{column}__isnull": False}),
                )
                for column in ("word", "number", "day", "moment", "ref", "flag")
            ),
        ]


class UniqueValue(models.Model):
    """A value that only one record may have, claimed by it; `key` is the same for values that count as the same."""

    account_id = models.BigIntegerField()
    property_id = models.BigIntegerField()  # PropertyDefinition, as above
    key = models.TextField()
    record_id = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "property_id", "key"], name="unique_value_once"),
            models.UniqueConstraint(
                fields=["account_id", "property_id", "record_id"], name="unique_value_of_record"
            ),
        ]


class StageTime(models.Model):
    """The clock of one record in one stage (R-PROP-3); all durations in milliseconds."""

    account_id = models.BigIntegerField()
    object_type = models.TextField()
    record_id = models.BigIntegerField()
    stage_id = models.BigIntegerField()
    entered_at = models.DateTimeField()  # latest
    exited_at = models.DateTimeField(null=True)
    latest_ms = models.BigIntegerField(null=True)
    cumulative_ms = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "object_type", "record_id", "stage_id"], name="stage_time_once"
            )
        ]
        # Filters on how long look for those that run by their beginning, and for those that rest by their total.
        indexes = [
            models.Index(
                fields=["account_id", "stage_id", "entered_at"],
                name="clock_running",
                condition=Q(exited_at=None),
            ),
            models.Index(
                fields=["account_id", "stage_id", "cumulative_ms"],
                name="clock_resting",
                condition=Q(exited_at__isnull=False),
            ),
        ]


class Association(models.Model):
    """A link as seen from one side; both sides are stored, each with its HubSpot type id.

    Every link has the row without a label; each of its labels is a further row. The migration ties `label_type_id` to
    the label's definition.
    """

    account_id = models.BigIntegerField()
    from_type = models.TextField()
    from_id = models.BigIntegerField()
    to_type = models.TextField()
    to_id = models.BigIntegerField()
    type_id = models.IntegerField()
    category = models.TextField(default="HUBSPOT_DEFINED")
    #: The number of a label; NULL in the row that every link has.
    label_type_id = models.GeneratedField(
        expression=Case(When(category="HUBSPOT_DEFINED", then=None), default=F("type_id")),
        output_field=models.IntegerField(null=True),
        db_persist=True,
        null=True,
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "from_type", "from_id", "to_type", "to_id", "category", "type_id"],
                name="association_once",
            ),
            models.CheckConstraint(
                condition=Q(category__in=["HUBSPOT_DEFINED", "USER_DEFINED", "INTEGRATOR_DEFINED"]),
                name="association_category",
            ),
        ]
        indexes = [
            models.Index(
                fields=["account_id", "label_type_id", "from_type", "id"],
                name="association_of_label",
                condition=Q(label_type_id__isnull=False),
            ),
        ]


class TicketCounter(models.Model):
    """The last ticket number given in an account; its row lock makes numbers gap-free (R-GAP-2)."""

    account_id = models.BigIntegerField(unique=True)
    last_number = models.BigIntegerField(default=0)
