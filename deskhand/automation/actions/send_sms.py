"""Send a text message to the phone of the contact that a record is about."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.automation.actions.texting import Texting
from deskhand.desk import channels


class SendSms(Texting):
    kind = "send_sms"
    channel = channels.SMS
    label = gettext_lazy("Send SMS")
    about = gettext_lazy("A text message to the customer's phone.")
    icon = "smartphone"

    def unconnected(self) -> str:
        return _("No number for SMS is connected. Connect one, or take this step out.")
