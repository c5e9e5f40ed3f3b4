"""Send a WhatsApp message to the phone of the contact that a record is about (R-WA-1, R-WA-2)."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.plans import Feature
from deskhand.automation.actions.texting import Texting
from deskhand.desk import channels


class SendWhatsapp(Texting):
    kind = "send_whatsapp"
    channel = channels.WHATSAPP
    label = gettext_lazy("Send WhatsApp message")
    about = gettext_lazy(
        "To the customer's phone: a text while they write to you, an approved template at other times."
    )
    icon = "message-circle"
    feature = Feature.WHATSAPP

    def unconnected(self) -> str:
        return _("No WhatsApp number is connected. Connect one, or take this step out.")
