"""All tables of the area, for Django's registry."""

from deskhand.crm.pipelines.models import Pipeline, Stage, StageState
from deskhand.crm.records.models import (
    Association,
    Company,
    Contact,
    ContactAddress,
    CustomObject,
    Deal,
    Joined,
    Project,
    PropertyChange,
    PropertyValue,
    RecordWord,
    StageTime,
    Subscription,
    SubscriptionType,
    Task,
    TaskLink,
    Ticket,
    TicketCounter,
    TicketType,
    UniqueValue,
)
from deskhand.crm.schema.models import (
    AssociationLabel,
    ObjectType,
    PropertyDefinition,
    PropertyGroup,
    SidebarLayout,
)
from deskhand.crm.segments.models import Segment, SegmentMember

__all__ = [
    "Association", "AssociationLabel", "Company", "Contact", "ContactAddress", "CustomObject", "Deal",
    "Joined", "ObjectType", "Pipeline", "Project", "PropertyChange", "PropertyDefinition",
    "PropertyGroup", "PropertyValue", "RecordWord", "Segment", "SegmentMember", "SidebarLayout", "Stage",
    "StageState", "StageTime", "Subscription", "SubscriptionType", "Task", "TaskLink", "Ticket", "TicketCounter",
    "TicketType", "UniqueValue",
]  # fmt: skip
