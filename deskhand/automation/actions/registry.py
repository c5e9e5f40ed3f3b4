"""Which actions there are: the open list of what steps can do."""

from __future__ import annotations

from deskhand.accounts import policy
from deskhand.accounts.types import Viewer
from deskhand.automation.actions.assign_conversation import AssignConversation
from deskhand.automation.actions.change_labels import RemoveAssociationLabels, UpdateAssociationLabels
from deskhand.automation.actions.change_links import CreateAssociation, RemoveAssociation
from deskhand.automation.actions.create_note import CreateNote
from deskhand.automation.actions.create_record import CreateRecord
from deskhand.automation.actions.create_task import CreateTask
from deskhand.automation.actions.custom_action import Integration
from deskhand.automation.actions.custom_code import CustomCode
from deskhand.automation.actions.delete_contact import DeleteContact
from deskhand.automation.actions.enroll_in_workflow import EnrollInWorkflow
from deskhand.automation.actions.format_data import FormatData
from deskhand.automation.actions.internal_email import InternalEmail
from deskhand.automation.actions.manage_subscription import ManageSubscription
from deskhand.automation.actions.notify import Notify
from deskhand.automation.actions.post_to_chat import PostToChat
from deskhand.automation.actions.rotate_owner import RotateOwner
from deskhand.automation.actions.segment_members import AddToSegment, RemoveFromSegment
from deskhand.automation.actions.send_email import SendEmail
from deskhand.automation.actions.send_sms import SendSms
from deskhand.automation.actions.send_survey import SendSurvey
from deskhand.automation.actions.send_webhook import SendWebhook
from deskhand.automation.actions.send_whatsapp import SendWhatsapp
from deskhand.automation.actions.set_marketing_status import SetMarketingStatus
from deskhand.automation.actions.set_property import SetProperty
from deskhand.automation.actions.types import Action

#: By kind, in the order in which people are offered them.
ACTIONS: dict[str, Action] = {
    action.kind: action
    for action in (
        SendEmail(),
        SendWhatsapp(),
        SendSms(),
        SendSurvey(),
        InternalEmail(),
        Notify(),
        PostToChat(),
        CreateTask(),
        SetProperty(),
        AddToSegment(),
        RemoveFromSegment(),
        EnrollInWorkflow(),
        ManageSubscription(),
        SetMarketingStatus(),
        CreateNote(),
        CreateRecord(),
        RotateOwner(),
        AssignConversation(),
        CreateAssociation(),
        RemoveAssociation(),
        UpdateAssociationLabels(),
        RemoveAssociationLabels(),
        FormatData(),
        DeleteContact(),
        SendWebhook(),
        Integration(),
        CustomCode(),
    )
}


def may_use(viewer: Viewer, kind: str) -> bool:
    """Whether somebody may add and change such steps: of some actions only those may who have a permission for them."""
    action = ACTIONS.get(kind)
    return action is None or action.permission is None or policy.can(viewer, action.permission)
