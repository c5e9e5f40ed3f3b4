"""All tables of the area, for Django's registry."""

from deskhand.crm.pipelines.models import Pipeline, Stage, StageState
from deskhand.crm.records.models import (
    Association,
    Company,
    Contact,
    CustomObject,
    Deal,
    Project,
    PropertyChange,
    PropertyValue,
    StageTime,
    Task,
    Ticket,
    TicketCounter,
    TicketType,
)
from deskhand.crm.schema.models import (
    AssociationLabel,
    ObjectType,
    PropertyDefinition,
    PropertyGroup,
    SidebarLayout,
)

__all__ = [
    "Association", "AssociationLabel", "Company", "Contact", "CustomObject", "Deal", "ObjectType", "Pipeline",
    "Project", "PropertyChange", "PropertyDefinition", "PropertyGroup", "PropertyValue", "SidebarLayout", "Stage",
    "StageState", "StageTime", "Task", "Ticket", "TicketCounter", "TicketType",
]  # fmt: skip
