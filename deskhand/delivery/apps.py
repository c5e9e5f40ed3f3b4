from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    name = "deskhand.delivery"
    label = "delivery"
