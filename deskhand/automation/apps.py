from django.apps import AppConfig


class AutomationConfig(AppConfig):
    name = "deskhand.automation"
    label = "automation"
