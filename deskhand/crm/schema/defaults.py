"""The built-in properties of every kind of record (behaviour.md §3), by their names in the API.

Texts are marked for translation here and translated where they are shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.utils.translation import gettext_noop as _

from deskhand.crm.schema.activities import TASK
from deskhand.crm.schema.types import Kind, Option, Property

T, N, D, DT, E, M, B, R, RS, MS = (
    Kind.TEXT, Kind.NUMBER, Kind.DATE, Kind.DATETIME, Kind.ENUM, Kind.MULTI, Kind.BOOL, Kind.REF, Kind.REFS, Kind.DURATION,
)  # fmt: skip


def _options(*pairs: tuple[str, str]) -> tuple[Option, ...]:
    return tuple(Option(value, label) for value, label in pairs)


PRIORITIES = _options(
    ("LOW", _("Low")), ("MEDIUM", _("Medium")), ("HIGH", _("High")), ("URGENT", _("Urgent"))
)
CATEGORIES = _options(
    ("PRODUCT_ISSUE", _("Product issue")), ("BILLING_ISSUE", _("Billing issue")),
    ("FEATURE_REQUEST", _("Feature request")), ("GENERAL_INQUIRY", _("General enquiry")),
)  # fmt: skip
RESOLUTIONS = _options(
    ("ISSUE_FIXED", _("Issue fixed")), ("FEATURE_REQUEST_TRACKED", _("Feature request tracked")),
    ("REFUND_APPLIED", _("Refund applied")), ("SENT_KNOWLEDGE_DOCUMENT_LINK", _("Sent a knowledge article")),
)  # fmt: skip
#: In the words of the history (R-DM-13), as `formulas` has them.
RECORD_SOURCES = _options(
    ("CRM_UI", _("Person")), ("AUTOMATION_PLATFORM", _("Workflow")), ("ROUTING", _("Routing")), ("INTEGRATION", _("Integration")),
    ("CONVERSATIONS", _("Customer")), ("AI", _("AI")), ("EMAIL_AUTOMATION", _("System")),
)  # fmt: skip
OWNER_TYPES = _options(("HUMAN", _("Person")), ("NONE", _("Nobody")))
EMAIL_TYPES = _options(
    ("ORIGINAL_FROM_CONTACT", _("First email of a customer")), ("REPLY_FROM_CONTACT", _("Reply of a customer")),
    ("SENT_TO_CONTACT", _("Sent to a customer")),
)  # fmt: skip
#: Kinds of channels, as accounts of ours on them name them.
CHANNELS = _options(
    ("email", _("Email")), ("portal", _("Customer portal")), ("form", _("Form")), ("chat", _("Chat")), ("whatsapp", _("WhatsApp")),
)  # fmt: skip
#: How far an automatic agent got with a ticket, and when people got it (R-AI-13).
AGENT_STATUS, AGENT_ESCALATED_AT = "hs_customer_agent_ticket_status", "hs_customer_agent_escalated_time"
ANSWERING, ESCALATED = "IN_PROGRESS", "ESCALATED"
#: That a ticket waits for somebody who can take it, since when, where it stands, and for whom (R-ROUTE-52).
IN_WAIT_LIST, ADDED_TO_WAIT_LIST = "hs_in_waitlist", "hs_added_to_waitlist_at"
WAIT_LIST_SORT, WAIT_LIST_TARGETS = "hs_waitlist_sort_value", "hs_waitlist_routing_targets"
AGENT_STATUSES = _options((ANSWERING, _("The agent answers")), (ESCALATED, _("Handed to people")))
#: What every task about a record changes of it.
BY_TASKS = (TASK.key,)
#: A column that the record's making alone sets.
MAKING = ("created_at",)
#: A column that every message changes.
BY_MESSAGES = ("message_count",)
SOURCES = _options(
    ("CHAT", _("Chat")), ("EMAIL", _("Email")), ("FORM", _("Form")), ("PHONE", _("Phone")),
    ("WHATSAPP", _("WhatsApp")), ("CUSTOM_CHANNEL", _("Custom channel")), ("API", _("API")), ("MANUAL", _("Manual")),
    ("CUSTOMER_PORTAL", _("Customer portal")),
)  # fmt: skip


def _stored(name: str, label: str, kind: Kind, column: str, **more: object) -> Property:
    return Property(name, label, kind, column, **more)  # type: ignore[arg-type]


def _span(name: str, label: str, until: str, follows: str) -> Property:
    return Property(name, label, MS, read_only=True, is_computed=True, until=until, follows=(follows,))


def _kept(kind: Kind, *names: tuple[str, str], read_only: bool = True) -> Iterable[Property]:
    return (Property(name, label, kind, read_only=read_only) for name, label in names)


def _worked(kind: Kind, *names: tuple[str, str], follows: tuple[str, ...] = (), options: tuple[Option, ...] = (), is_of_people: bool = False) -> Iterable[Property]:  # fmt: skip
    """Worked out by `formulas`. What no told change changes can't be asked for by triggers: `follows` is empty."""
    return (
        Property(
            name,
            label,
            kind,
            read_only=True,
            is_computed=True,
            follows=follows,
            options=options,
            is_of_people=is_of_people,
        )
        for name, label in names
    )


def _awaited(kind: Kind, *names: tuple[str, str]) -> Iterable[Property]:
    """Who comes to set one takes it out of here."""
    return (Property(name, label, kind, read_only=True, is_awaited=True) for name, label in names)


COMMON = (
    _stored("hs_object_id", _("Record ID"), N, "id", read_only=True),
    _stored("hs_createdate", _("Object create date"), DT, "created_at", read_only=True),
    _stored("hs_lastmodifieddate", _("Last modified date"), DT, "updated_at", read_only=True),
    _stored("hubspot_owner_id", _("Owner"), R, "owner_id"),
    _stored("hs_assigned_team_ids", _("Assigned teams"), RS, "assigned_team_ids"),
    *_worked(E, ("hs_object_source", _("Record source")), ("hs_object_source_label", _("Record source label")),
             options=RECORD_SOURCES, follows=MAKING),
    *_worked(T, ("hs_object_source_id", _("Record source ID")), follows=MAKING),
    *_worked(R, ("hs_created_by_user_id", _("Created by")), ("hs_object_source_user_id", _("Record source user")), follows=MAKING, is_of_people=True),
    *_worked(R, ("hs_updated_by_user_id", _("Updated by")), follows=("updated_at",), is_of_people=True),
    *_worked(RS, ("hs_all_owner_ids", _("All owner ids")), ("hs_user_ids_of_all_owners", _("Users of all owners")), follows=("owner_id",), is_of_people=True),
    *_kept(RS, ("hs_merged_object_ids", _("Merged record ids"))),
    *_awaited(T, ("hs_object_source_detail_1", _("Record source detail 1")), ("hs_object_source_detail_2", _("Record source detail 2")),
              ("hs_object_source_detail_3", _("Record source detail 3")), ("hs_external_object_ids", _("External ids")),
              ("hs_unique_creation_key", _("Unique creation key"))),
    *_awaited(B, ("hs_was_imported", _("Imported"))),
    *_awaited(RS, ("hs_owning_teams", _("Owning teams")), ("hs_all_team_ids", _("All team ids")),
              ("hs_all_accessible_team_ids", _("All accessible team ids")), ("hs_shared_team_ids", _("Shared teams")),
              ("hs_shared_user_ids", _("Shared users"))),
)  # fmt: skip

FILED = (
    _stored("hs_is_closed", _("Closed"), B, "is_closed", read_only=True),
    _stored("hs_last_closed_date", _("Last closed date"), DT, "last_closed_at", read_only=True),
)

TICKET = (
    _stored("subject", _("Subject"), T, "subject"),
    _stored("content", _("Description"), T, "content"),
    _stored("hs_pipeline", _("Pipeline"), E, "pipeline_id"),
    _stored("hs_pipeline_stage", _("Ticket status"), E, "stage_id"),
    _stored("hs_ticket_priority", _("Priority"), E, "priority", options=PRIORITIES),
    _stored("hs_ticket_category", _("Category"), E, "category", options=CATEGORIES),
    _stored("hs_resolution", _("Resolution"), E, "resolution", options=RESOLUTIONS),
    _stored("source_type", _("Source"), E, "source_type", options=SOURCES, read_only=True),
    _stored("hs_in_helpdesk", _("In help desk"), B, "in_help_desk", read_only=True),
    _stored("hs_is_visible_in_help_desk", _("Visible in help desk"), B, "in_help_desk", read_only=True),
    _stored("is_spam", _("Spam"), B, "is_spam", read_only=True),
    _stored("hs_inbox_id", _("Inbox"), R, "inbox_id", read_only=True),
    _stored("hs_originating_channel_instance_id", _("Originating channel account"), R, "channel_account_id", read_only=True),
    _stored("hs_conversations_originating_thread_id", _("Originating thread"), R, "originating_thread_id", read_only=True),
    _stored("hs_conversations_originating_message_id", _("Originating message"), R, "originating_message_id", read_only=True),
    _stored("hubspot_owner_assigneddate", _("Owner assigned date"), DT, "owner_assigned_at", read_only=True),
    _stored("hs_assignment_method", _("Assignment method"), E, "assignment_method", read_only=True),
    _stored("createdate", _("Create date"), DT, "created_at", read_only=True),
    _stored("closed_date", _("Close date"), DT, "closed_at"),
    _stored("hs_ticket_reopened_at", _("Ticket reopen date"), DT, "reopened_at", read_only=True),
    _stored("hs_first_agent_message_sent_at", _("First agent response date"), DT, "first_agent_reply_at", read_only=True),
    _stored("hs_first_agent_message_sent_by", _("First responding agent"), R, "first_agent_reply_by", read_only=True),
    _stored("first_agent_reply_date", _("First agent email response date"), DT, "first_agent_reply_at", read_only=True),
    _stored("last_reply_date", _("Last customer reply date"), DT, "last_received_at", read_only=True),
    _stored("hs_last_message_received_at", _("Last message received date"), DT, "last_received_at", read_only=True),
    _stored("hs_last_message_sent_at", _("Last response date"), DT, "last_sent_at", read_only=True),
    _stored("hs_last_message_from_visitor", _("Last message from visitor"), B, "last_message_from_visitor", read_only=True),
    _stored("hs_is_latest_message_failed", _("Latest message failed"), B, "last_message_failed", read_only=True),
    _stored("hs_helpdesk_sort_timestamp", _("Sort date"), DT, "sort_at", read_only=True),
    _stored("hs_num_times_contacted", _("Number of messages"), N, "message_count", read_only=True),
    _stored("hs_ticket_id", _("Ticket number"), N, "number", read_only=True),
    _span("time_to_close", _("Time to close"), "closed_at", "closed_at"),
    _span("time_to_first_agent_reply", _("Time to first agent email reply"), "first_agent_reply_at", "first_agent_reply_at"),
    _span("hs_time_to_first_assign", _("Time to first assignment"), "first_assigned_at", "owner_id"),
    _span("hs_time_to_first_rep_assignment", _("Time to first agent assignment"), "first_assigned_at", "owner_id"),
    *_worked(T, ("source_ref", _("Source reference")), ("source_thread_id", _("Source thread")),
             ("hs_primary_company_name", _("Primary company name")), ("hs_all_associated_contact_emails", _("Contact emails")),
             ("hs_all_associated_contact_phones", _("Contact phones"))),
    *_worked(T, ("hs_last_email_details", _("Last email subject")), follows=BY_MESSAGES),
    *_worked(R, ("hs_primary_company_id", _("Primary company"))),
    *_worked(E, ("hs_originating_generic_channel_id", _("Originating channel")), follows=("channel_account_id",), options=CHANNELS),
    *_worked(E, ("hs_current_generic_channel_id", _("Current channel")), follows=BY_MESSAGES, options=CHANNELS),
    *_worked(E, ("hs_ticket_owner_type", _("Owner type")), ("hs_summarized_ticket_owner_type", _("Owner type summary")),
             follows=("owner_id",), options=OWNER_TYPES),
    *_worked(E, ("hs_first_assignee_type", _("First assignee type")), follows=("owner_id",), options=OWNER_TYPES[:1]),
    *_worked(E, ("hs_last_email_activity", _("Last email activity")), ("hs_last_email_type", _("Last email type")),
             follows=BY_MESSAGES, options=EMAIL_TYPES),
    *_worked(B, ("hs_outbound_ticket", _("Outbound ticket")), ("hs_latest_message_is_forwarded_email", _("Latest message is a forward")),
             ("hs_latest_message_is_thread_comment", _("Latest message is a comment")), follows=BY_MESSAGES),
    *_worked(B, ("hs_is_one_touch_ticket", _("First contact resolution")), follows=("is_closed", "reopened_at", *BY_MESSAGES)),
    *_worked(B, ("hs_snoozed_for_portal", _("Snoozed for the account"))),
    *_worked(DT, ("hs_last_email_date", _("Last email date")), ("hs_lastactivitydate", _("Last activity date")),
             ("last_engagement_date", _("Last engagement date")), ("notes_last_updated", _("Notes last updated")), follows=BY_MESSAGES),
    *_worked(DT, ("hs_lastcontacted", _("Last contacted")), ("notes_last_contacted", _("Last contacted by note")), follows=("last_sent_at",)),
    *_worked(DT, ("hs_nextactivitydate", _("Next activity date")), ("notes_next_activity_date", _("Next activity by note")), follows=BY_TASKS),
    *_worked(N, ("hs_num_associated_conversations", _("Number of conversations")), ("num_contacted_notes", _("Number of times contacted")),
             ("num_notes", _("Number of notes")), ("hs_number_of_touches", _("Number of touches")), follows=BY_MESSAGES),
    *_worked(RS, ("hs_latest_message_seen_by_agent_ids", _("Latest message seen by")), ("hs_seen_by_agent_ids", _("Seen by")),
             ("hs_draft_user_ids", _("Users with drafts")), ("hs_snoozed_by_user_ids", _("Snoozed by")),
             ("hs_user_ids_of_all_notification_followers", _("Followers")),
             ("hs_user_ids_of_all_notification_unfollowers", _("Unfollowers")), ("hs_mentions_user_ids", _("Mentions")),
             ("hs_mentions_resolved_user_ids", _("Resolved mentions")), ("hs_all_conversation_mentions", _("All mentions")), is_of_people=True),
    *_kept(R, ("hs_copied_from_ticket", _("Copied from ticket")), ("hs_copied_by_user", _("Copied by"))),
    *_kept(DT, ("hs_copied_at", _("Copied at"))),
    *_kept(M, ("hs_tag_ids", _("Ticket tags")), read_only=False),
    # SLAs
    *_awaited(MS, ("hs_time_to_close_in_operating_hours", _("Time to close in SLA hours")),
              ("hs_time_to_first_response_in_operating_hours", _("Time to first response in SLA hours"))),
    *_awaited(E, ("hs_time_to_first_response_sla_status", _("First response SLA status")),
              ("hs_time_to_next_response_sla_status", _("Next response SLA status")),
              ("hs_time_to_close_sla_status", _("Time to close SLA status")), ("hs_most_relevant_sla_status", _("SLA status")),
              ("hs_most_relevant_sla_type", _("SLA type")), ("hs_sla_pause_status", _("SLA pause status"))),
    *_awaited(DT, ("hs_time_to_first_response_sla_at", _("First response due")), ("hs_time_to_next_response_sla_at", _("Next response due")),
              ("hs_time_to_close_sla_at", _("Close due")), ("hs_applied_sla_rule_config_at", _("SLA rule applied")),
              ("hs_applied_sla_schedule_at", _("SLA schedule applied")), ("hs_retroactive_sla_update_at", _("SLA applied later"))),
    *_awaited(R, ("hs_applied_sla_rule_config_id", _("SLA rule")), ("hs_applied_sla_schedule_id", _("SLA schedule"))),
    *_awaited(T, ("hs_sla_operating_hours", _("SLA operating hours"))),
    # the wait-list
    *_kept(B, (IN_WAIT_LIST, _("In wait-list"))),
    *_kept(DT, (ADDED_TO_WAIT_LIST, _("Added to wait-list"))),
    *_kept(N, (WAIT_LIST_SORT, _("Wait-list sort value"))),
    Property(WAIT_LIST_TARGETS, _("Wait-list targets"), RS, read_only=True, is_of_people=True),
    # surveys
    *_awaited(T, ("hs_last_csat_comment", _("Last CSAT comment")), ("nps_follow_up_answer", _("Last NPS comment")),
              ("hs_feedback_last_ces_follow_up", _("Last CES comment"))),
    *_awaited(E, ("hs_last_csat_rating", _("Last CSAT rating")), ("hs_feedback_last_ces_rating", _("Last CES rating"))),
    *_awaited(DT, ("hs_last_csat_date", _("Last CSAT date")), ("hs_feedback_last_survey_date", _("Last survey date"))),
    *_awaited(N, ("nps_score", _("Last NPS score")), ("hs_feedback_last_nps_rating_number", _("Last NPS rating"))),
    # what a machine reads out of the words
    *_awaited(T, ("hs_cx_score_range", _("CX score range")), ("hs_predicted_cx_score_evidence", _("CX score evidence")),
              ("hs_primary_topic", _("Primary topic")), ("hs_all_topics_labels", _("Topics")),
              ("hs_customer_agent_matched_segment", _("Customer agent segment"))),
    *_awaited(E, ("hs_ticket_language_ai_tag", _("Language"))),
    Property(AGENT_STATUS, _("Customer agent status"), E, read_only=True, options=AGENT_STATUSES),
    *_kept(DT, (AGENT_ESCALATED_AT, _("Customer agent hand-off"))),
    *_awaited(N, ("hs_predicted_cx_score", _("CX score")), ("hs_first_visitor_message_sentiment_score", _("First message sentiment")),
              ("hs_last_visitor_message_sentiment_score", _("Last message sentiment")),
              ("hs_overall_visitor_messages_sentiment_score", _("Overall sentiment"))),
    # forms, and what only other programs know
    *_awaited(R, ("hs_form_id", _("Form"))),
    *_awaited(T, ("hs_form_submission_conversion_id", _("Form submission")), ("hs_copied_ticket_source", _("Copied ticket source")),
              ("hs_file_upload", _("File upload")), ("tags", _("Tags"))),
)  # fmt: skip

CONTACT = (
    _stored("email", _("Email"), T, "email"),
    _stored("firstname", _("First name"), T, "first_name"),
    _stored("lastname", _("Last name"), T, "last_name"),
    _stored("phone", _("Phone number"), T, "phone"),
    _stored("associatedcompanyid", _("Primary company"), R, "company_id"),
    _stored("hs_language", _("Preferred language"), T, "locale"),
    _stored("createdate", _("Create date"), DT, "created_at", read_only=True),
    _stored("lastmodifieddate", _("Last modified date"), DT, "updated_at", read_only=True),
    *_kept(T, ("jobtitle", _("Job title")), ("mobilephone", _("Mobile phone number")), ("website", _("Website")),
           ("address", _("Street address")), ("city", _("City")), ("state", _("State or region")), ("zip", _("Postal code")),
           ("country", _("Country")), ("company", _("Company name")), ("hs_timezone", _("Time zone")), read_only=False),
    *_kept(M, ("hs_additional_emails", _("Additional email addresses"))),
    *_kept(B, ("hs_marketable_status", _("Marketing contact")), read_only=False),
    *_kept(E, ("lifecyclestage", _("Lifecycle stage")), ("hs_lead_status", _("Lead status")), read_only=False),
)  # fmt: skip

COMPANY = (
    _stored("name", _("Company name"), T, "name"),
    _stored("domain", _("Company domain name"), T, "domain"),
    _stored("createdate", _("Create date"), DT, "created_at", read_only=True),
    *_kept(T, ("phone", _("Phone number")), ("website", _("Website")), ("address", _("Street address")), ("city", _("City")),
           ("state", _("State or region")), ("zip", _("Postal code")), ("country", _("Country")), ("industry", _("Industry")),
           ("description", _("Description")), read_only=False),
    *_kept(N, ("numberofemployees", _("Number of employees")), ("annualrevenue", _("Annual revenue")), read_only=False),
)  # fmt: skip

DEAL = (
    _stored("dealname", _("Deal name"), T, "name"),
    _stored("pipeline", _("Pipeline"), E, "pipeline_id"),
    _stored("dealstage", _("Deal stage"), E, "stage_id"),
    _stored("createdate", _("Create date"), DT, "created_at", read_only=True),
    *_kept(N, ("amount", _("Amount")), read_only=False),
    *_kept(DT, ("closedate", _("Close date")), read_only=False),
    *_kept(E, ("dealtype", _("Deal type")), ("hs_priority", _("Priority")), read_only=False),
    *_kept(T, ("description", _("Deal description")), ("deal_currency_code", _("Currency")), read_only=False),
)  # fmt: skip

PROJECT = (
    _stored("hs_name", _("Project name"), T, "name"),
    _stored("hs_pipeline", _("Pipeline"), E, "pipeline_id"),
    _stored("hs_pipeline_stage", _("Project stage"), E, "stage_id"),
    *_kept(T, ("hs_description", _("Project description")), read_only=False),
    *_kept(D, ("hs_start_date", _("Start date")), ("hs_target_due_date", _("Target due date")), read_only=False),
)  # fmt: skip

CUSTOM = (
    _stored("hs_name", _("Name"), T, "name"),
    _stored("hs_pipeline", _("Pipeline"), E, "pipeline_id"),
    _stored("hs_pipeline_stage", _("Stage"), E, "stage_id"),
)

#: Contacts have dates of their own beside those of every record; two properties of one name could not be told apart.
_OF_CONTACTS = tuple(
    replace(prop, label=_("Object last modified date")) if prop.name == "hs_lastmodifieddate" else prop
    for prop in COMMON
)

BUILT_IN: dict[str, tuple[Property, ...]] = {
    "ticket": COMMON + FILED + TICKET,
    "contact": _OF_CONTACTS + CONTACT,
    "company": COMMON + COMPANY,
    "deal": COMMON + FILED + DEAL,
    "project": COMMON + FILED + PROJECT,
    "custom": COMMON + FILED + CUSTOM,
}

_EVERY = {
    "account_id", "archived_at", "assigned_team_ids", "created_at", "created_by_id", "created_by_kind",
    "id", "owner_id", "properties", "updated_at", "version",
}  # fmt: skip
_STAGED = {
    "closed_at", "is_closed", "last_closed_at", "pipeline_id", "reopened_at", "sort_at",
    "stage_entered_at", "stage_id",
}  # fmt: skip
#: The columns of each kind of record. No property may have such a name: changes are named by column or property.
COLUMNS: dict[str, set[str]] = {
    "ticket": _EVERY | _STAGED | {
        "ai_agent", "assignment_method", "category", "channel_account_id", "contact_id", "content", "creation_key",
        "first_agent_reply_at", "first_agent_reply_by", "first_assigned_at", "in_help_desk", "inbox_id",
        "is_spam", "last_message_failed", "last_message_from_visitor", "last_received_at",
        "last_sent_at", "merged_into_id", "message_count", "number", "originating_message_id",
        "originating_thread_id", "owner_assigned_at", "preview", "priority", "resolution", "source_type",
        "subject", "ticket_type",
    },
    "contact": _EVERY | {"merged_into_id",
        "bounced_at", "company_id", "email", "first_name", "last_name", "locale", "name", "phone",
        "sort_key",
    },
    "company": _EVERY | {"domain", "merged_into_id", "name", "sort_key"},
    "deal": _EVERY | _STAGED | {"name"},
    "project": _EVERY | _STAGED | {"name"},
    "custom": _EVERY | _STAGED | {"name", "object_type_id"},
}  # fmt: skip

#: Association type ids of the API, from one side (HubSpot's default, unlabelled types).
ASSOCIATION_TYPES: dict[tuple[str, str], int] = {
    ("contact", "company"): 279, ("company", "contact"): 280,
    ("contact", "deal"): 4, ("deal", "contact"): 3,
    ("contact", "ticket"): 15, ("ticket", "contact"): 16,
    ("company", "ticket"): 340, ("ticket", "company"): 339,
    ("company", "deal"): 342, ("deal", "company"): 341,
    ("deal", "ticket"): 27, ("ticket", "deal"): 28,
    ("ticket", "ticket"): 452, ("contact", "contact"): 449, ("company", "company"): 450, ("deal", "deal"): 451,
}  # fmt: skip
#: The type of links whose kinds are not named above.
UNNUMBERED = 1
#: Numbers of an account's own types of association are above this one.
FIRST_OWN_TYPE = 10_000


@dataclass(frozen=True)
class Primary:
    """The one of several linked records that a column names, of the nearer record (`is_ours`) or of the farther one."""

    type_id: int
    column: str
    is_ours: bool


#: "Primary" as a type of association (R-TRIG-5); 1 and 2 are the API's numbers, which has none for a ticket's contact.
PRIMARY_TYPES: dict[tuple[str, str], Primary] = {
    ("contact", "company"): Primary(1, "company_id", True), ("company", "contact"): Primary(2, "company_id", False),
    ("ticket", "contact"): Primary(9001, "contact_id", True), ("contact", "ticket"): Primary(9002, "contact_id", False),
}  # fmt: skip
