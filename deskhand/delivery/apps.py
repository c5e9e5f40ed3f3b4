from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    name = "deskhand.delivery"
    label = "delivery"

    def ready(self) -> None:
        """Stop the start when a setting is wrong, not the first mail. Raises Misconfigured."""
        from django.conf import settings

        from deskhand.delivery import headers, relays, sender
        from deskhand.kernel.errors import Invalid, Misconfigured

        if settings.MAIL_FROM:
            try:
                headers.wire_address(settings.MAIL_FROM)
            except Invalid as failure:
                raise Misconfigured("MAIL_FROM", settings.MAIL_FROM, "an e-mail address") from failure
        relays.default_relay()
        sender.connections_at_once()
        sender.first_wait()
