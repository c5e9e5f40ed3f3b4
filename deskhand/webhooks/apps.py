from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "deskhand.webhooks"
    label = "webhooks"
