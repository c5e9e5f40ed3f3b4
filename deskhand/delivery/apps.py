from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    name = "deskhand.delivery"
    label = "delivery"

    def ready(self) -> None:
        """Stop the start when a setting is wrong, not the first mail. Raises Misconfigured."""
        from deskhand.delivery import relays, sender

        relays.default_relay()
        sender.connections_at_once()
        sender.first_wait()
